"""The model's graph as a picture, where the terminal shows pictures."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.message import Message
from textual.widget import Widget

from profiles.spelling import percent
from tui.actions import bindings
from tui.formats import byte_size
from tui.pictures.asking import Ability
from tui.pictures.picture import Picture, Scaled
from tui.screens.base import Page
from tui.widgets.panel import row
from tui.widgets.picture import PictureView

# A picture in sight that is larger than this is sent when the user says so: a second at 200 kB/s,
# and on a slow line as long as a large copy takes.
ASKS_OVER, ASKS_OVER_SLOW = 200_000, 6_000
# Smaller than this the labels, 13 pixels high, can't be read: then it opens in full size.
LEAST_LEGIBLE = 0.6
LARGEST_FIT = 2.0
# Full size for cells of this many pixels' height; with larger ones the labels grow as they do.
FULL_SIZE_CELL = 20


class GraphScreen(Page):
    """The picture, from its first node on: its whole width, or in full size."""

    BINDINGS = bindings("graph")
    can_search = False

    class Made(Message):
        """The picture is ready to be shown at one scale."""

        def __init__(self, picture: Picture, scaled: Scaled, *, first: bool) -> None:
            super().__init__()
            self.picture, self.scaled, self.first = picture, scaled, first

    class Refused(Message):
        """There is no picture to show."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, path: Path, written: Path, ability: Ability, model: str) -> None:
        super().__init__()
        self.path, self.written, self.ability = path, written, ability
        self.title_text = f"Graph of {model}"
        self.fitted = True
        self._picture: Picture | None = None
        self._waiting: tuple[Scaled, tuple[float, float]] | None = None
        self._agreed = False
        self._fit_width = 0

    def make_rows(self) -> Widget:
        return PictureView(self.ability, self.infer)

    @property
    def view(self) -> PictureView:
        return self.query_one(PictureView)

    def opened(self) -> None:
        self.view.show_rows([row(("Opening the picture …", "muted"))])
        self.call_after_refresh(self._make)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return super().check_action(action, parameters)
        match action:
            case "agree":
                return self._waiting is not None
            case "zoom":
                return self.view.picture is not None
            case "pan":
                return self.view.picture is not None and self.view.wider
        return super().check_action(action, parameters)

    # The picture

    def _scale(self, picture: Picture, *, fitted: bool) -> float:
        """The scale for the whole width, or for labels about as high as the terminal's text."""
        width, height = self.ability.cell
        if not fitted:
            return max(1.0, height / FULL_SIZE_CELL)
        return min(LARGEST_FIT, self._fit_width * width / picture.width)

    @work(thread=True, exclusive=True, exit_on_error=False, group="picture")
    def _make(self) -> None:
        """Open the picture, or scale it anew; tenths of a second."""
        first = self._picture is None
        try:
            picture = self._picture or Picture(self.path)
            self._fit_width = self.view.place.width
            if first:
                self.fitted = self._scale(picture, fitted=True) >= LEAST_LEGIBLE
            scale = self._scale(picture, fitted=self.fitted)
            scaled = picture.scaled(scale, self.ability.cell)
        except (OSError, ValueError) as error:
            self.post_message(self.Refused(str(error)))
            return
        self.post_message(self.Made(picture, scaled, first=first))

    def on_graph_screen_refused(self, message: Refused) -> None:
        self.view.say([row((f"The picture can't be shown: {message.reason}", "bad"))])

    def on_graph_screen_made(self, message: Made) -> None:
        view, scaled = self.view, message.scaled
        self._picture = message.picture
        if message.first or view.picture is None:
            middle = message.picture.first_column * scaled.columns
            at = (0.0, middle - view.place.width / 2)
        else:
            # What was in the middle stays there.
            ratio = scaled.scale / view.picture.scale
            half = (view.place.height / 2, view.place.width / 2)
            at = ((view.top + half[0]) * ratio - half[0], (view.left + half[1]) * ratio - half[1])
        self._show(scaled, at)

    def _show(self, scaled: Scaled, at: tuple[float, float]) -> None:
        """Show it; what is large is asked for first."""
        view = self.view
        view.show_picture(scaled, at)
        limit = ASKS_OVER_SLOW if self.infer.line.slow else ASKS_OVER
        if not self._agreed and (cost := view.cost()) > limit:
            self._waiting = (scaled, at)
            view.say([
                row(f"What the screen has room for is {byte_size(cost)} to send."),
                row(),
                row(("enter", "key:graph.agree"), (" sends it, and goes on without asking.", "")),
                row(("esc", "key:page.back"), (" goes back. The graph is in ", "muted"),
                    (str(self.written), "muted")),
            ])  # fmt: skip
        self.refresh_bindings()

    def action_agree(self) -> None:
        if self._waiting is not None:
            (scaled, at), self._waiting, self._agreed = self._waiting, None, True
            self._show(scaled, at)

    def on_picture_view_moved(self) -> None:
        view, picture = self.view, self.view.picture
        if picture is None:
            self.show_title(row((str(self.written), "muted")))
            return
        last = min(picture.rows, view.top + view.place.height)
        scale = f"{'whole width' if self.fitted else 'full size'} {percent(picture.scale)}"
        rows = f"rows {view.top + 1}-{last} of {picture.rows}"
        self.show_title(row((f"{scale}  {rows}  {self.ability.protocol}", "muted")))

    # Keys

    def action_zoom(self) -> None:
        self.fitted = not self.fitted
        self._make()

    def action_pan(self, steps: int) -> None:
        self.view.pan(steps)

    def action_copy_row(self) -> None:
        self.infer.copy(str(self.written) + "\n", "the graph's path")

    action_copy_all = action_copy_row

    # What comes over the picture

    def on_screen_suspend(self) -> None:
        self.view.take_away()

    def on_screen_resume(self) -> None:
        self.view.refresh()

    def on_resize(self) -> None:
        if self.fitted and self._picture is not None and self.view.place.width != self._fit_width:
            self._make()
