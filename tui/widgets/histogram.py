"""Panel 5: how the latencies of the chosen engines are distributed, in one of several views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.widget import Widget

from tui.actions import bindings, find, first_key
from tui.formats import plural
from tui.live import LiveEntry, LiveRun
from tui.palette import Color, engine_color, engine_glyph, faint_color
from tui.plotting import (
    LEAST_SAMPLES,
    HistogramSeries,
    Plot,
    SpeedUp,
    box_plot,
    histogram_plot,
    percentile_marks,
    percentile_plot,
    speed_up_plot,
)
from tui.rows import Row, centred, fitted
from tui.widgets.latency import NOTHING_YET
from tui.widgets.panel import in_ascii
from tui.widgets.plot_panel import PlotPanel
from tui.widgets.results import (
    BASELINE,
    STATES,
    baseline_of,
    compared_with,
    speed_up,
    state_of,
    verdict_of,
)

NOTHING_COUNTED_YET = "Latencies are counted once the warm-up is over."
NO_SAMPLES = "This profile came without its samples; its speed-ups are in the last view."

_LEAST_CAPTION_HEIGHT = 10


@dataclass(frozen=True, slots=True)
class View:
    """One way to show the distributions: its title, and what it says where it can't be drawn."""

    title: str
    too_early: str


VIEWS = (
    View("Histogram", NOTHING_COUNTED_YET),
    View("Percentile curve", "A curve begins with the 11 samples that a p50 takes."),
    View("Box plot", f"A box takes {LEAST_SAMPLES} samples."),
    View("Speed-up", "Speed-ups begin with the first median, which takes 11 samples."),
)
HISTOGRAM, CURVE, BOXES, SPEED_UPS = VIEWS


class HistogramPanel(PlotPanel):
    """Histograms, percentile curves, boxes or speed-ups; warm-up is not counted.

    The screen calls `show` as often as it wants to redraw; nothing is done while the run stays
    as it was.
    """

    HELP = (
        "How often each latency occurred; each engine is scaled to its own peak. `v` goes on to"
        " latency over percentile, to boxes, and to speed-ups against the first entry. `L` changes"
        " the latency axis."
    )
    BINDINGS = bindings("histogram")

    def __init__(
        self,
        *,
        frame: Widget | None = None,
        number: int | None = None,
        ascii_only: bool | None = None,
        id: str | None = "histogram",  # noqa: A002
    ) -> None:
        super().__init__(HISTOGRAM.title, frame=frame, number=number, ascii_only=ascii_only, id=id)
        self._view = HISTOGRAM
        self._run: LiveRun | None = None
        self._selected: tuple[int, ...] = ()
        self._shown: tuple[int, tuple[int, ...]] | None = None

    @property
    def view(self) -> View:
        """What is shown now, one of VIEWS."""
        return self._view

    def show(self, run: LiveRun | None, selected: Sequence[int]) -> None:
        """Show `run` as it is now, the entries at `selected`; all of them for none."""
        if run is not self._run:
            self._run, self._shown = run, None
        self._selected = tuple(selected)
        wanted = (run.revision if run else 0, self._selected)
        if wanted != self._shown:
            self.redraw()
            self._shown = wanted if self.visible_now else None

    def begin_with(self, title: str) -> None:
        """Show the view of this title first, where there is one."""
        self._view = next((one for one in VIEWS if one.title == title), self._view)
        self._show_view_names()

    def change_view(self, step: int) -> None:
        """Go on to the next view, or with a negative `step` to the one before."""
        self._view = VIEWS[(VIEWS.index(self._view) + step) % len(VIEWS)]
        self._show_view_names()
        self.redraw()

    def watch_has_focus(self, focus: bool) -> None:
        super().watch_has_focus(focus)
        self._show_view_names()

    def _show_view_names(self) -> None:
        """The title is the view's; below stands what the key goes on to, where that helps."""
        following = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        told = self.has_focus or self._view is not HISTOGRAM
        keymap = getattr(self.app, "keymap_in_use", {})
        key = first_key(find("histogram.view"), keymap)
        self.show_names(
            self._view.title, f"{key}: {following.title.lower()}" if told and key else ""
        )

    def draw(self, width: int, height: int) -> list[Row]:
        run = self._run
        if run is None:
            return centred(self.told(NOTHING_YET), width, height, self.faint)
        captioned = height >= _LEAST_CAPTION_HEIGHT
        drawing = {
            HISTOGRAM: self._histogram,
            CURVE: self._curve,
            BOXES: self._boxes,
            SPEED_UPS: self._speed_ups,
        }[self._view]
        plot, caption = drawing(run, width, height - captioned)
        self.took(plot)
        if plot.scale is None:
            return centred(self._why_nothing(run), width, height, self.faint)
        return [fitted([(caption, self.faint)], width), *plot.rows] if captioned else plot.rows

    def _why_nothing(self, run: LiveRun) -> str:
        """What a reader must know where there is nothing to draw."""
        if self._counted(run):
            return self._view.too_early
        if run.running or any(one.has_samples for one in run.entries):
            return NOTHING_COUNTED_YET
        return (
            NO_SAMPLES
            if any(one.p50_ms is not None for one in run.entries)
            else self.told(NOTHING_YET)
        )

    # The views

    def _histogram(self, run: LiveRun, width: int, height: int) -> tuple[Plot, str]:
        plot = self._of_series(histogram_plot, run, width, height)
        full, hollow = percentile_marks(ascii_only=self.plain_ascii)
        parts = [f"{full} p50  {hollow} p99"] if plot.marked else []
        if plot.scale is not None and plot.scale.log:
            parts.append("log scale")
        if plot.scale is not None and plot.above:
            top = f"{plot.scale.high * plot.scale.factor:,g} {plot.scale.unit}"
            parts.append(f"{plural(plot.above, 'sample')} above {top}")
        return plot, ", ".join(parts)

    def _curve(self, run: LiveRun, width: int, height: int) -> tuple[Plot, str]:
        plot = self._of_series(percentile_plot, run, width, height)
        full, hollow = percentile_marks(ascii_only=self.plain_ascii)
        return plot, self._with_axis(f"{full} p50  {hollow} p99, ends where samples run out", plot)

    def _boxes(self, run: LiveRun, width: int, height: int) -> tuple[Plot, str]:
        plot = self._of_series(box_plot, run, width, height)
        _, hollow = percentile_marks(ascii_only=self.plain_ascii)
        return plot, self._with_axis(f"quartiles, whiskers to 1.5 IQR, {hollow} p99", plot)

    def _speed_ups(self, run: LiveRun, width: int, height: int) -> tuple[Plot, str]:
        baseline, compared = baseline_of(run.entries), compared_with(run)
        plot = speed_up_plot(
            [self._speed_up(entry, baseline, compared) for entry in self._chosen(run)],
            width,
            height,
            frame=self.faint,
            ascii_only=self.plain_ascii,
            log=self._log,
        )
        against = f"against {baseline.label}, for one image" if baseline else ""
        return plot, self._with_axis(against, plot)

    @staticmethod
    def _with_axis(caption: str, plot: Plot) -> str:
        return f"{caption}, log scale" if plot.scale is not None and plot.scale.log else caption

    def _of_series(
        self, drawing: Callable[..., Plot], run: LiveRun, width: int, height: int
    ) -> Plot:
        return drawing(
            [self._series(entry) for entry in self._counted(run)],
            width,
            height,
            frame=self.faint,
            ascii_only=self.plain_ascii,
            log=self._log,
        )

    def _chosen(self, run: LiveRun) -> list[LiveEntry]:
        entries = run.entries
        return [entries[at] for at in self._selected if 0 <= at < len(entries)] or entries

    def _counted(self, run: LiveRun) -> list[LiveEntry]:
        """The chosen entries that have measured samples."""
        return [entry for entry in self._chosen(run) if entry.n]

    def _series(self, entry: LiveEntry) -> HistogramSeries:
        latency = entry.result.latency if entry.result else None
        return HistogramSeries(
            glyph=self._glyph(entry),
            color=engine_color(entry.color_index, self.scheme),
            label=entry.label,
            latencies=entry.histogram,
            p50_ms=entry.p50_ms,
            p99_ms=entry.p99_ms,
            outliers=latency.outliers_mild + latency.outliers_severe if latency else None,
        )

    def _speed_up(self, entry: LiveEntry, baseline: LiveEntry | None, compared: str) -> SpeedUp:
        """The bar of `entry`; what is invalid is faint, whatever its speed."""
        invalid = entry.state == "invalid"
        color: Color = (faint_color if invalid else engine_color)(entry.color_index, self.scheme)
        words = self._words(entry, baseline, compared)
        return SpeedUp(
            glyph=self._glyph(entry),
            color=color,
            label=entry.label,
            ratio=speed_up(entry, baseline),
            words=in_ascii(words) if self.plain_ascii else words,
        )

    def _words(self, entry: LiveEntry, baseline: LiveEntry | None, compared: str) -> str:
        """What stands behind the number: what makes it void, otherwise the verdict on it."""
        state = state_of(entry)
        if entry.state == "invalid" or entry.p50_ms is None:
            return state[0]
        words = ""
        if entry is baseline:
            words = BASELINE[0]
        elif entry.result is not None and entry.result.versus is not None:
            words = verdict_of(entry, compared)[0]
        badge = state[0] if entry.over and state != STATES["done"] else ""
        return f"{words} {badge}".strip()

    def _glyph(self, entry: LiveEntry) -> str:
        return engine_glyph(entry.color_index, ascii_only=self.plain_ascii)
