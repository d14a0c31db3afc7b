"""The bench screen: choose engines, run them, watch, compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.geometry import Size
from textual.timer import Timer

from tui.actions import bindings
from tui.formats import clock, duration, plural, shortened
from tui.screens import layout
from tui.screens.bench_actions import BenchActions
from tui.widgets.bars import PanelTabs
from tui.widgets.engines import EnginesPanel
from tui.widgets.model import ModelPanel
from tui.widgets.panel import Piece, Row, RowsView, row
from tui.widgets.results import STATES
from tui.widgets.telemetry import TelemetryPanel

if TYPE_CHECKING:
    from engines.plan import Measurement
    from tui.live import LiveRun
    from tui.widgets.histogram import HistogramPanel
    from tui.widgets.latency import LatencyPanel

# How often a run is drawn. What a chart costs on the line: docs/terminal.md.
NUMBERS_EVERY_S = 0.25
CHARTS_EVERY_S = 0.25
CHARTS_EVERY_S_SLOW = 0.5


class BenchScreen(BenchActions):
    """The seven panels. It draws what the app's controller holds, and never more often than set."""

    BINDINGS = bindings("bench")
    AUTO_FOCUS = "#engines"
    HORIZONTAL_BREAKPOINTS = layout.HORIZONTAL
    VERTICAL_BREAKPOINTS = layout.VERTICAL

    def __init__(self, size: Size) -> None:
        super().__init__(classes=layout.breakpoint_classes(size))
        self._latency: LatencyPanel | None = None
        self._histogram: HistogramPanel | None = None
        self._timer: Timer | None = None
        self._drawn: tuple[int, int] = (-1, -1)
        self._ticks = 0

    def compose(self) -> ComposeResult:
        self.model_panel = ModelPanel(self.infer.model)
        self.engines = EnginesPanel(self.infer.selection)
        self.telemetry = TelemetryPanel(slow_line=self.infer.slow_line)
        self.frame = layout.PanelLayout(self.model_panel, self.engines, self.telemetry)
        self.results = self.frame.results
        yield self.frame

    def on_mount(self) -> None:
        self._timer = self.set_interval(NUMBERS_EVERY_S, self._tick, pause=True)
        self.show_title()

    def on_resize(self, event: events.Resize) -> None:
        self.frame.fit(event.size.width, event.size.height)
        self.call_after_refresh(self.infer.show_first_frame)

    def on_descendant_focus(self) -> None:
        # Keys may be faster than these events: what counts is who has the focus by now.
        number = self.frame.panel_number(self.focused)
        if number is not None:
            self.frame.make_current(number)
        self.refresh_bindings()

    def on_screen_resume(self) -> None:
        self.draw()

    @on(PanelTabs.Chosen)
    def _tab_chosen(self, message: PanelTabs.Chosen) -> None:
        self.frame.focus_panel(message.number)

    @on(RowsView.CursorMoved)
    def _cursor_moved(self) -> None:
        self.refresh_bindings()

    # Drawing

    async def mount_plots(self) -> None:
        """Bring in the two plots, after the first frame."""
        from tui.widgets.histogram import HistogramPanel
        from tui.widgets.latency import LatencyPanel

        self._latency, self._histogram = LatencyPanel(), HistogramPanel()
        for slot, plot in (
            (self.frame.latency_slot, self._latency),
            (self.frame.histogram_slot, self._histogram),
        ):
            plot.add_class("plot")
            await slot.mount(plot)
        self.draw()

    def run_began(self) -> None:
        """A run goes: draw it at its rates until it is over."""
        self.telemetry.set_run_goes(True)
        if self._timer is not None:
            self._timer.resume()
        self.draw()

    def run_ended(self) -> None:
        """Nothing more will change: draw once more and rest."""
        self.telemetry.set_run_goes(False)
        if self._timer is not None:
            self._timer.pause()
        self.draw()

    def draw(self) -> None:
        """Draw everything as it is now."""
        self._show_numbers()
        self._show_charts()
        self.show_title()
        self.engines.show_states(self._engine_states())
        self.refresh_bindings()

    def _tick(self) -> None:
        """Draw what is due. The clock in the title moves each second, the rest only with events."""
        self._ticks += 1
        live = self.infer.controller.live
        if live is None or not self.is_current:
            return
        self.show_title()
        self.frame.conversion.show(live)
        if self._drawn[0] != live.revision:
            self._show_numbers()
            self.engines.show_states(self._engine_states())
        charts_every = CHARTS_EVERY_S_SLOW if self.infer.slow_line else CHARTS_EVERY_S
        charts_due = self._ticks % max(1, round(charts_every / NUMBERS_EVERY_S)) == 0
        if charts_due and self._drawn[1] != live.revision:
            self._show_charts()

    def _show_numbers(self) -> None:
        live = self.infer.controller.live
        self.results.show(live)
        self.frame.conversion.show(live)
        if self._latency is not None:
            self._latency.show(live, self.results.plotted, plot=False)
        self._drawn = (live.revision if live else -1, self._drawn[1])

    def _show_charts(self) -> None:
        live = self.infer.controller.live
        if self._latency is not None and self._histogram is not None:
            self._latency.show(live, self.results.plotted)
            self._histogram.show(live, self.results.plotted)
        self._drawn = (self._drawn[0], live.revision if live else -1)

    def _engine_states(self) -> dict[int, Piece]:
        """What the run makes of each engine row: its entry at work, or else its latest state."""
        live = self.infer.controller.live
        if live is None or not self.infer.controller.running:
            return {}
        states: dict[int, Piece] = {}
        for entry in live.entries:
            index = self.infer.selection.index_of(entry.spec)
            if index is not None and not states.get(index, ("", ""))[0].startswith("▶"):
                states[index] = STATES[entry.state]
        return states

    def show_title(self) -> None:
        """The model and how it is measured, and how far the run is."""
        left = row(
            (self.infer.model.label, "strong"),
            (f"  measured {measurement_words(self.infer.measurement)}", "muted"),
        )  # fmt: skip
        self.frame.title_bar.show(left, self._run_words())

    def _run_words(self) -> Row:
        controller = self.infer.controller
        live = controller.live
        if self.infer.leaving:
            return row(("■ stopping, then leaving", "warn"))
        if self.infer.waiting_to_run:
            return row(("▶ starts when the engines are checked", "accent"))
        if live is None:
            return row(("idle", "muted"))
        if controller.running:
            return _progress_words(live, controller.elapsed_s, stopping=controller.stopping)
        return _ending_words(live, self._kept_words())

    def _kept_words(self) -> Piece:
        controller = self.infer.controller
        if controller.saved_as is not None:
            room = max(16, self.size.width // 3)
            return shortened(controller.saved_as.name, room, keep_end=True), "muted"
        return ("not saved: s saves", "warn") if controller.unsaved else ("", "")


def measurement_words(measurement: Measurement) -> str:
    """When a measurement ends, in a few words."""
    if measurement.iterations is not None:
        return f"for {plural(measurement.iterations, 'iteration')}"
    if measurement.seconds is not None:
        return f"for {duration(measurement.seconds)}"
    return f"until the median is known to {measurement.median_half_width:.0%}"


def _progress_words(live: LiveRun, elapsed_s: float, *, stopping: bool) -> Row:
    passed: Piece = (f"  {clock(elapsed_s)}", "strong")
    if stopping:
        return row(("■ stopping", "warn"), passed)
    over = sum(entry.over for entry in live.entries)
    current = live.current
    if current is not None:
        words = f"▶ {over + 1}/{len(live.entries)} {current.label}, {current.state}"
    else:
        jobs: Iterable[str] = (job.title for job in live.jobs if not job.over)
        words = f"▶ {next(iter(jobs), 'starting')}"
    return row((words, "accent"), passed)


def _ending_words(live: LiveRun, kept: Piece) -> Row:
    took = f" in {duration(live.seconds)}" if live.seconds is not None else ""
    endings: dict[str, Piece] = {
        "complete": (f"✓ complete{took}", "good"),
        "stopped": (f"■ stopped{took}", "warn"),
        "failed": (f"✗ failed{took}", "bad"),
    }
    return row(endings[live.ending or "failed"], "  ", kept)

