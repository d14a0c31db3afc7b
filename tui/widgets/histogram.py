"""Panel 5: how the latencies of the chosen engines are distributed, on one scale."""

from __future__ import annotations

from collections.abc import Sequence

from tui.formats import plural
from tui.live import LiveEntry, LiveRun
from tui.palette import engine_color, engine_glyph
from tui.plotting import HistogramSeries, Plot, histogram_plot, percentile_marks
from tui.rows import Row, centred, fitted
from tui.widgets.latency import NOTHING_YET
from tui.widgets.plot_view import PlotView

NOTHING_COUNTED_YET = "Latencies are counted once the warm-up is over."

_LEAST_CAPTION_HEIGHT = 10


class HistogramPanel(PlotView, can_focus=True):
    """One ridge an engine above a shared axis; warm-up is not counted.

    The screen calls `show` as often as it wants to redraw; nothing is done while the run stays
    as it was.
    """

    HELP = "How often each latency occurred. Each engine is scaled to its own peak."

    def __init__(self, *, ascii_only: bool | None = None, id: str | None = "histogram") -> None:  # noqa: A002
        super().__init__(ascii_only=ascii_only, id=id)
        self.border_title = "Histogram"
        self._run: LiveRun | None = None
        self._selected: tuple[int, ...] = ()
        self._shown: tuple[int, tuple[int, ...]] | None = None

    def show(self, run: LiveRun | None, selected: Sequence[int]) -> None:
        """Show `run` as it is now, the entries at `selected`; all of them for none."""
        if run is not self._run:
            self._run, self._shown = run, None
        self._selected = tuple(selected)
        wanted = (run.revision if run else 0, self._selected)
        if wanted != self._shown:
            self.redraw()
            self._shown = wanted if self.visible_now else None

    def draw(self, width: int, height: int) -> list[Row]:
        entries = self._counted()
        if not entries:
            going = self._run is not None and (
                self._run.running or any(one.has_samples for one in self._run.entries)
            )
            text = NOTHING_COUNTED_YET if going else NOTHING_YET
            return centred(text, width, height, self.faint)
        captioned = height >= _LEAST_CAPTION_HEIGHT
        plot = histogram_plot(
            [self._series(entry) for entry in entries],
            width,
            height - captioned,
            frame=self.faint,
            ascii_only=self.plain_ascii,
        )
        if not captioned:
            return plot.rows
        caption = _caption(plot, percentile_marks(ascii_only=self.plain_ascii))
        return [fitted([(caption, self.faint)], width), *plot.rows]

    def _counted(self) -> list[LiveEntry]:
        """The chosen entries that have measured samples."""
        if self._run is None:
            return []
        entries = self._run.entries
        chosen = [entries[at] for at in self._selected if 0 <= at < len(entries)] or entries
        return [entry for entry in chosen if entry.n]

    def _series(self, entry: LiveEntry) -> HistogramSeries:
        return HistogramSeries(
            glyph=engine_glyph(entry.color_index, ascii_only=self.plain_ascii),
            color=engine_color(entry.color_index, self.scheme),
            label=entry.label,
            latencies=entry.histogram,
            p50_ms=entry.p50_ms,
            p99_ms=entry.p99_ms,
        )


def _caption(plot: Plot, marks: tuple[str, str]) -> str:
    """What the marks mean and what the plot leaves out."""
    parts = [f"{marks[0]} p50  {marks[1]} p99"] if plot.marked else []
    if plot.scale is not None and plot.scale.log:
        parts.append("log scale")
    if plot.scale is not None and plot.above:
        top = f"{plot.scale.high * plot.scale.factor:g} {plot.scale.unit}"
        parts.append(f"{plural(plot.above, 'sample')} above {top}")
    return ", ".join(parts)
