"""The bench screen: choose engines, run them, watch, compare."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.geometry import Size
from textual.timer import Timer

from tui.actions import bindings, told
from tui.formats import clock, duration, plural, shortened
from tui.screens import layout
from tui.screens.bench_actions import BenchActions
from tui.widgets.bars import PanelTabs
from tui.widgets.engines import EnginesPanel
from tui.widgets.model import ModelPanel
from tui.widgets.panel import Piece, Row, RowsView, row
from tui.widgets.results import STATES, state_of
from tui.widgets.telemetry import TelemetryPanel

if TYPE_CHECKING:
    from engines.plan import Measurement
    from tui.builds import BuildQueue
    from tui.layer_times import LayersDrive
    from tui.live import LiveRun
    from tui.widgets.histogram import HistogramPanel
    from tui.widgets.latency import LatencyPanel


class BenchScreen(BenchActions):
    """The seven panels. It draws what the app's controller holds, and never more often than set."""

    BINDINGS = bindings("bench")
    # A zoomed panel has the keys from the start: which one is known when the app is.
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = layout.HORIZONTAL
    VERTICAL_BREAKPOINTS = layout.VERTICAL

    def __init__(self, size: Size) -> None:
        super().__init__(classes=layout.breakpoint_classes(size))
        self._latency: LatencyPanel | None = None
        self._histogram: HistogramPanel | None = None
        self._timer: Timer | None = None
        # The revision of the run that each part shows.
        self._drawn: dict[str, int] = {}
        self._ticks = 0

    def compose(self) -> ComposeResult:
        self.model_panel = ModelPanel(self.infer.model)
        self.engines = EnginesPanel(self.infer.selection)
        self.telemetry = TelemetryPanel(every_s=self.infer.line.telemetry_s)
        self.frame = layout.PanelLayout(self.model_panel, self.engines, self.telemetry)
        self.results = self.frame.results
        self.frame.zoom_to(self.infer.memory.remembered.zoomed if self.infer.memory else 0)
        yield self.frame

    def on_mount(self) -> None:
        self._timer = self.set_interval(self.infer.line.numbers_s, self._tick, pause=True)
        self.frame.focus_panel(self.frame.current)
        self.show_title()

    def on_resize(self, event: events.Resize) -> None:
        self.frame.fit(event.size.width, event.size.height)
        self.call_after_refresh(self.infer.show_first_frame)

    def on_descendant_focus(self) -> None:
        # Keys may be faster than these events: what counts is who has the focus by now.
        number = self.frame.panel_number(self.focused)
        if number is not None:
            self.frame.make_current(number)
            if self.frame.zoomed:
                self.infer.remember()
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
        """Bring in the two plots, after the first frame.

        plotext takes a third of a second to import: in a thread, keys are answered meanwhile.
        """
        await asyncio.to_thread(import_module, "plotext")
        from tui.widgets.histogram import HistogramPanel
        from tui.widgets.latency import LatencyPanel

        upper, lower = self.frame.latency_slot, self.frame.histogram_slot
        self._latency = LatencyPanel(frame=upper, number=4)
        self._histogram = HistogramPanel(frame=lower, number=5)
        for slot, plot in ((upper, self._latency), (lower, self._histogram)):
            plot.add_class("plot")
            await slot.mount(plot)
        if self.infer.memory is not None:
            known = self.infer.memory.remembered
            self._histogram.begin_with(known.view)
            self._histogram.begin_with_axis(known.plots.distribution_log)
            self._latency.begin_with_axis(known.plots.latency_log)
            self._latency.begin_with_span(known.plots.last_s)
        if self.focused is None:
            self.frame.focus_panel(self.frame.current)
        self.draw()

    def work_changed(self) -> None:
        """A run or a build has begun or ended: draw at their rates while any goes, then rest."""
        goes = (
            self.infer.controller.running or self.infer.builds.going or self.infer.layer_times.going
        )
        self.telemetry.set_run_goes(goes)
        if self._timer is not None:
            if goes:
                self._timer.resume()
            else:
                self._timer.pause()
        self.infer.tell_terminal()
        self.infer.keep_question_true()
        self.draw()

    def draw(self) -> None:
        """Draw everything as it is now."""
        self._show_numbers()
        self._show_latency()
        self._show_histogram()
        self.show_title()
        self.engines.show_states(self._engine_states())
        self.refresh_bindings()

    def _tick(self) -> None:
        """Draw what is due. Clocks move each second, the rest only with the run's revision.

        A plot costs more than all numbers together, on the processor and on the line: the two take
        turns, so that no tick draws both. How often they come depends on the line.
        """
        if self.infer.line_behind:
            # What is drawn when the terminal has caught up is newer.
            return
        self._ticks += 1
        self.infer.tell_terminal()
        if not self.is_current:
            return
        self.show_title()
        self._show_conversion()
        if self.infer.controller.live is None:
            return
        if self._behind("numbers"):
            self._show_numbers()
            self.engines.show_states(self._engine_states())
        line = self.infer.line
        every = round(line.plots_s / line.numbers_s)
        turn = self._ticks % every
        # A plot of many engines takes long: a key that came meanwhile goes first.
        if turn == 0 and self._behind("latency"):
            self.call_later(self._show_latency)
        elif turn == every // 2 and self._behind("histogram"):
            self.call_later(self._show_histogram)

    def _behind(self, part: str) -> bool:
        """Whether the run has moved on since `part` was drawn; if so, it is taken as drawn now."""
        live = self.infer.controller.live
        revision = live.revision if live else -1
        behind = self._drawn.get(part) != revision
        self._drawn[part] = revision
        return behind

    def _show_numbers(self) -> None:
        live = self.infer.controller.live
        self.results.show(live)
        self._show_conversion()
        if self._latency is not None:
            self._latency.show(live, self.results.plotted, plot=False)

    def _show_conversion(self) -> None:
        self.frame.conversion.show(self.infer.controller.live, self.infer.builds)

    def _show_latency(self) -> None:
        if self._latency is not None:
            self._latency.show(self.infer.controller.live, self.results.plotted)

    def _show_histogram(self) -> None:
        if self._histogram is not None:
            self._histogram.show(self.infer.controller.live, self.results.plotted)

    def _engine_states(self) -> dict[int, Piece]:
        """What the run or the build makes of each engine row: its entry at work, or the latest."""
        live, drive = self.infer.controller.live, self.infer.builds.drive
        states: dict[int, Piece] = {}
        if self.infer.layer_times.drive is not None:
            index = self.infer.selection.index_of(self.infer.layer_times.drive.order.spec)
            if index is not None:
                states[index] = ("▶ layers", "accent")
        if drive is not None:
            index = self.infer.selection.index_of(drive.order.spec)
            if index is not None:
                states[index] = STATES["building"]
        if live is None or not self.infer.controller.running:
            return states
        for entry in live.entries:
            index = self.infer.selection.index_of(entry.spec)
            if index is not None and not states.get(index, ("", ""))[0].startswith("▶"):
                states[index] = state_of(entry)
        return states

    def show_title(self) -> None:
        """The model and how it is measured, and how far the run is.

        With a saved profile in the panels they are that profile's.
        """
        model, measurement = self.infer.model, self.infer.measurement
        live = self.infer.controller.live
        if live is not None and live.plan is not None and self.infer.controller.drive is None:
            model, measurement = live.plan.model, live.plan.measurement
        left = row(
            (model.label, "strong"), (f"  measured {measurement_words(measurement)}", "muted")
        )
        self.frame.title_bar.show(left, self._run_words())

    def _run_words(self) -> Row:
        controller = self.infer.controller
        live = controller.live
        if self.infer.leaving:
            return row(("■ stopping, then leaving", "warn"))
        if self.infer.waiting_to_run and self.infer.checking:
            return row(("▶ starts when the engines are checked", "accent"))
        if live is not None and controller.running:
            return _progress_words(live, controller.elapsed_s, stopping=controller.stopping)
        if self.infer.builds.drive is not None:
            return _build_words(self.infer.builds, run_waits=self.infer.waiting_to_run)
        if self.infer.layer_times.drive is not None:
            return _layers_words(self.infer.layer_times.drive, run_waits=self.infer.waiting_to_run)
        if live is None:
            return row(("idle", "muted"))
        return _ending_words(live, self._kept_words())

    def _kept_words(self) -> Piece:
        controller = self.infer.controller
        if controller.saved_as is not None:
            room = max(16, self.size.width // 3)
            return shortened(controller.saved_as.name, room, keep_end=True), "muted"
        words = told("not saved: {bench.save} saves", self.infer.keymap_in_use)
        return (words, "warn") if controller.unsaved else ("", "")


def measurement_words(measurement: Measurement) -> str:
    """When a measurement ends, in a few words."""
    if measurement.interleave:
        return f"by turns, {measurement.blocks} × {measurement.block_seconds:g} s"
    if measurement.iterations is not None:
        return f"for {plural(measurement.iterations, 'iteration')}"
    if measurement.seconds is not None:
        return f"for {duration(measurement.seconds)}"
    return f"until the median is known to {100 * measurement.median_half_width:g} %"


def _progress_words(live: LiveRun, elapsed_s: float, *, stopping: bool) -> Row:
    passed: Piece = (f"  {clock(elapsed_s)}", "strong")
    if stopping:
        return row(("■ stopping", "warn"), passed)
    current = live.current
    if current is not None and live.round:
        words = f"▶ round {live.round} of {live.rounds}: {current.label}"
    elif current is not None:
        words = f"▶ {current.place}/{len(live.entries)} {current.label}, {current.state}"
    else:
        jobs: Iterable[str] = (job.title for job in live.jobs if not job.over)
        words = f"▶ {next(iter(jobs), 'starting')}"
    return row((words, "accent"), passed)


def _build_words(builds: BuildQueue, *, run_waits: bool) -> Row:
    drive = builds.drive
    assert drive is not None
    passed: Piece = (f"  {clock(drive.elapsed_s)}", "strong")
    if builds.stopping:
        return row(("■ stopping", "warn"), passed)
    words = f"▶ building {drive.order.title}"
    if run_waits:
        words = f"▶ the run is waiting for {plural(builds.left, 'build')}"
    return row((words, "accent"), passed)


def _layers_words(drive: LayersDrive, *, run_waits: bool) -> Row:
    passed: Piece = (f"  {clock(drive.elapsed_s)}", "strong")
    if drive.control.cancelled:
        return row(("■ stopping", "warn"), passed)
    waits = "; the run is waiting" if run_waits else ""
    return row((f"▶ {drive.order.title}{waits}", "accent"), passed)


def _ending_words(live: LiveRun, kept: Piece) -> Row:
    took = f" in {duration(live.seconds)}" if live.seconds is not None else ""
    endings: dict[str, Piece] = {
        "complete": (f"✓ complete{took}", "good"),
        "stopped": (f"■ stopped{took}", "warn"),
        "failed": (f"✗ failed{took}", "bad"),
    }
    return row(endings[live.ending or "failed"], "  ", kept)
