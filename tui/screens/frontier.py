"""What latency buys what throughput: the points of a run, their frontier, the best in a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from engines.errors import UsageError
from tui.actions import bindings
from tui.dialogs.base import Field
from tui.formats import plural
from tui.screens.base import Page
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.frontier import FrontierPlot, FrontierRows
from tui.widgets.panel import row

if TYPE_CHECKING:
    from profiles.frontier import Point

# A run that goes adds a point every some seconds.
LOOK_EVERY_S = 1.0


class FrontierScreen(Page):
    """The plot above the list. The limit is typed, or stepped from point to point."""

    BINDINGS = bindings("frontier")
    title_text = "Frontier"
    can_search = False

    def __init__(self) -> None:
        super().__init__()
        self._points: tuple[Point, ...] = ()
        self._seen: tuple[int, ...] | None = None
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar()
        yield self.make_rows()
        field = Field(placeholder="a latency such as 2ms, 1.5, 500us or 0.01s", id="search")
        field.display = False
        yield field
        yield KeyBar()

    def make_rows(self) -> Widget:
        return Vertical(FrontierPlot(), FrontierRows(), id="frontier")

    def opened(self) -> None:
        self._timer = self.set_interval(LOOK_EVERY_S, self._look)
        self._look()

    @property
    def _limit_ms(self) -> float | None:
        """The limit that the run is looked at under."""
        live = self.infer.controller.live
        return live.limit_ms if live is not None else None

    def look_anew(self) -> None:
        """Another run has taken the place of the one that was shown."""
        self._seen = (-1,)
        self._look()

    def _look(self) -> None:
        """Take in what the run has measured since; rest once it is over."""
        from profiles.frontier import points_of

        controller = self.infer.controller
        entries = controller.live.entries if controller.live else []
        if not controller.running and self._timer is not None:
            self._timer.pause()
        # A result never changes: which there are says what they hold.
        seen = tuple(at for at, one in enumerate(entries) if one.result is not None)
        if seen == self._seen:
            return
        self._seen = seen
        self._points = points_of([one.result for one in entries])
        words = plural(len(self._points), "point")
        if controller.running:
            words += f", {len(seen)} of {len(entries)} entries measured so far"
        self.show_title(row((words, "muted")))
        self.draw()

    def draw(self) -> None:
        """Show the points with the limit as it is now."""
        from profiles.frontier import best_under

        limit_ms = self._limit_ms
        best = best_under(self._points, limit_ms) if limit_ms else None
        rows = self.query_one(FrontierRows)
        rows.show(self._points, best, limit_ms)
        self.query_one(FrontierPlot).show(self._points, best, rows.current, limit_ms)
        self.refresh_bindings()

    def on_rows_view_cursor_moved(self) -> None:
        self.draw()

    # The limit

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "limit" | "step":
                return bool(self._points) and not self.searching
            case "no_limit":
                return self._limit_ms is not None and not self.searching
        return super().check_action(action, parameters)

    def action_limit(self) -> None:
        field = self.query_one("#search", Field)
        field.display = True
        # At once, so that what is typed next is text.
        self.set_focus(field)
        self.refresh_bindings()

    def action_accept(self) -> None:
        """Enter in the line of the limit: take it, or say what is wrong with it."""
        from profiles.frontier import parse_limit

        text = self.searched
        try:
            limit_ms = parse_limit(text) if text else None
        except UsageError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        self.action_back()
        self._limit_to(limit_ms)

    def action_step(self, direction: int) -> None:
        """Move the limit to the latency of the next point up or down."""
        latencies = sorted({one.latency_ms for one in self._points if one.valid})
        limit_ms = self._limit_ms
        if limit_ms is None:
            following = latencies if direction > 0 else latencies[::-1]
        elif direction > 0:
            following = [one for one in latencies if one > limit_ms]
        else:
            following = [one for one in reversed(latencies) if one < limit_ms]
        if following:
            self._limit_to(following[0])

    def action_no_limit(self) -> None:
        self._limit_to(None)

    def _limit_to(self, limit_ms: float | None) -> None:
        live = self.infer.controller.live
        if live is not None:
            live.limit_ms = limit_ms
        self.draw()
