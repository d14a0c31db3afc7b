"""Panel 4: every engine's latency now, and that of the chosen ones over time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.widget import Widget

from tui.actions import bindings
from tui.formats import milliseconds, plural, shortened
from tui.live import LAST_S, LiveEntry, LiveRun
from tui.palette import engine_color, engine_glyph, faint_color
from tui.plotting import LineMarks, LineSeries, Plot, line_plot
from tui.rows import Row, blank, centred, fitted
from tui.widgets.plot_panel import PlotPanel
from tui.widgets.sparkline import spark_text

NOTHING_YET = "Nothing measured yet. Press {bench.run} to run the selected engines."
NO_SAMPLES_YET = "The plot begins with the first inference of the warm-up."

# Below this height there is no room for a plot under the engines' rows, nor for a head above.
_LEAST_PLOT_HEIGHT = 8
_LEAST_HEAD_HEIGHT = 10
_LEAST_SPARK = 4
# A plot that takes less of a core than this is drawn as often as the screen asks for it.
_COSTLY_S = 0.05
# The figures' columns are as wide as "now ms" and "p50 ms", and as the longest words in them.
_NOW, _P50 = 7, 8


# How much of a run the plot shows: all of it, or its last seconds, the longest first.
_SPANS_S: tuple[float | None, ...] = (None, *LAST_S)


class LatencyPanel(PlotPanel):
    """One row an engine above the plot over time; each begins its own time at its warm-up.

    The screen calls `show` as often as it wants to redraw; nothing is done while the run stays
    as it was.
    """

    HELP = (
        "Each engine's latency as it is measured. Dots are warm-up, which does not count; ! marks"
        " the times in which heat, a power limit or another process is known to have disturbed it."
        " `+` shows the last 60, 10 or 2 seconds of each engine, `L` changes the latency axis."
    )
    BINDINGS = bindings("latency")

    def __init__(
        self,
        *,
        frame: Widget | None = None,
        number: int | None = None,
        ascii_only: bool | None = None,
        id: str | None = "latency",  # noqa: A002
    ) -> None:
        super().__init__("Latency", frame=frame, number=number, ascii_only=ascii_only, id=id)
        self._last_s: float | None = None
        self._run: LiveRun | None = None
        self._selected: tuple[int, ...] = ()
        self._shown: tuple[int, tuple[int, ...]] | None = None
        self._plotted: tuple[int, tuple[int, ...]] | None = None
        self._plot: Plot | None = None
        self._hold_plot = False
        self._plot_cost_s = 0.0
        self._plot_rests_until = 0.0

    def show(self, run: LiveRun | None, selected: Sequence[int], *, plot: bool = True) -> None:
        """Show `run` as it is now, and in the plot the entries at `selected`; all for none.

        With `plot` False only the numbers and sparklines move on: they cost far less. So they do
        on their own where a large plot of many engines takes too much of a core.
        """
        if run is not self._run:
            self._run, self._shown, self._plotted, self._plot = run, None, None, None
            self._plot_rests_until = 0.0
        self._selected = tuple(selected)
        wanted = (run.revision if run else 0, self._selected)
        if self._plotted and self._plotted[1] == self._selected and run and run.running:
            plot = plot and time.monotonic() >= self._plot_rests_until
        if wanted == (self._plotted if plot else self._shown):
            return
        self._hold_plot = not plot
        self.redraw()
        self._hold_plot = False
        if self.visible_now:
            self._shown = wanted
            self._plotted = wanted if plot else self._plotted

    @property
    def last_s(self) -> float | None:
        """How many of the last seconds are shown; None for all."""
        return self._last_s

    def begin_with_span(self, last_s: float | None) -> None:
        """Show the last so many seconds, where that is a step of `change_span`."""
        self._last_s = last_s if last_s in _SPANS_S else None
        self._show_span()

    def change_span(self, step: int) -> None:
        """Show fewer of the last seconds, or with a negative `step` more, up to all."""
        at = min(max(_SPANS_S.index(self._last_s) + step, 0), len(_SPANS_S) - 1)
        self._last_s = _SPANS_S[at]
        self._show_span()
        self.redraw()

    def _show_span(self) -> None:
        span = "" if self._last_s is None else f", last {self._last_s:g} s"
        self.show_names(f"Latency{span}")

    def draw(self, width: int, height: int) -> list[Row]:
        run = self._run
        if run is None or not run.entries:
            return centred(self.told(NOTHING_YET), width, height, self.faint)
        listed = self._listed(run, height)
        rows = [self._entry_row(run.entries[at], listed, width) for at in listed]
        headed = height >= _LEAST_HEAD_HEIGHT
        plot_height = height - headed - len(rows)
        if height < _LEAST_PLOT_HEIGHT:
            return rows + blank(width, plot_height)
        plot = self._line_plot(width, plot_height)
        if headed:
            rows.insert(0, self._head(plot, len(run.entries) - len(listed), width))
        if plot.scale is None:
            return rows + centred(NO_SAMPLES_YET, width, plot_height, self.faint)
        return rows + plot.rows

    def _listed(self, run: LiveRun, height: int) -> list[int]:
        """The entries that have a row: the chosen ones and the one at work before the others.

        Rows take up to half of a panel that has a plot, or a third where some must be left out.
        """
        every = range(len(run.entries))
        room = height
        if height >= _LEAST_PLOT_HEIGHT:
            room = len(every) if len(every) < height // 2 else max(height // 3, 1)
        chosen = self._chosen
        first = sorted(every, key=lambda at: (run.entries[at] is not run.current, at not in chosen))
        return sorted(first[:room])

    @property
    def _chosen(self) -> tuple[int, ...]:
        """The indices of the entries in the plot."""
        count = len(self._run.entries) if self._run else 0
        return tuple(at for at in self._selected if 0 <= at < count) or tuple(range(count))

    def _line_plot(self, width: int, height: int) -> Plot:
        kept = self._plot
        if self._hold_plot and kept is not None and len(kept.rows) == height:
            return kept
        entries = [self._run.entries[at] for at in self._chosen] if self._run else []
        series = [self._series(entry) for entry in entries if entry.has_samples]
        began = time.thread_time()
        self._plot = line_plot(
            series,
            width,
            height,
            frame=self.faint,
            ascii_only=self.plain_ascii,
            log=self._log,
            last_s=self._last_s,
            marks=self._marks(entries),
        )
        self._rest(time.thread_time() - began)
        return self.took(self._plot)

    def _marks(self, entries: Sequence[LiveEntry]) -> LineMarks | None:
        """The percentiles of the entry at work, or else of the last that has any."""
        current = self._run.current if self._run else None
        found = [one for one in entries if one.p50_ms is not None]
        if not found:
            return None
        entry = current if current in found else found[-1]
        return LineMarks(
            glyph=engine_glyph(entry.color_index, ascii_only=self.plain_ascii),
            color=engine_color(entry.color_index, self.scheme),
            p50_ms=entry.p50_ms,
            p99_ms=entry.p99_ms,
        )

    def _rest(self, cost_s: float) -> None:
        """Let a costly plot be until it has taken no more than a tenth of the time.

        The cheaper of the last two counts: the very first has to import plotext.
        """
        cost_s, self._plot_cost_s = min(cost_s, self._plot_cost_s), cost_s
        if cost_s > _COSTLY_S:
            self._plot_rests_until = time.monotonic() + 9 * cost_s

    def _series(self, entry: LiveEntry) -> LineSeries:
        times, low, high = entry.points(self._last_s)
        return LineSeries(
            glyph=engine_glyph(entry.color_index, ascii_only=self.plain_ascii),
            color=engine_color(entry.color_index, self.scheme),
            faint=faint_color(entry.color_index, self.scheme),
            times_s=times,
            low_ms=low,
            high_ms=high,
            measuring_since=entry.measuring_since,
            disturbed=entry.disturbed,
        )

    def _head(self, plot: Plot, hidden: int, width: int) -> Row:
        """What the plot does not say by itself, and what the columns of figures are."""
        columns = "now ms".rjust(_NOW) + "p50 ms".rjust(_P50)
        columns = columns[max(len(columns) - width, 0) :] if width >= _P50 else ""
        disturbed = bool(self._run and any(self._run.entries[at].disturbed for at in self._chosen))
        room = max(width - len(columns) - 2, 0)
        notes = ", ".join(_notes(plot, hidden, disturbed))
        for long, short in _SHORTER:
            if len(notes) > room:
                notes = notes.replace(long, short)
        notes = shortened(notes, room)
        return fitted([(notes.ljust(width - len(columns)) + columns, self.faint)], width)

    def _entry_row(self, entry: LiveEntry, listed: Sequence[int], width: int) -> Row:
        """Glyph and label, the sparkline, then figures in columns of their own."""
        entries = self._run.entries if self._run else []
        color = engine_color(entry.color_index, self.scheme)
        glyph = engine_glyph(entry.color_index, ascii_only=self.plain_ascii)
        longest = max(cell_len(entries[at].label) for at in listed)
        label_width = max(min(longest, width - 2 - _P50, max(width * 2 // 5, 8)), 0)
        label = set_cell_size(shortened(entry.label, label_width), label_width)
        in_plot = entry.color_index in self._chosen
        turn = self._run is not None and self._run.round and entry is self._run.current
        mark = (">" if self.plain_ascii else "▸") if turn else " "
        start: Row = [(f"{glyph}{mark}", color), (label, None if in_plot else self.faint)]
        left = max(width - label_width - 2, 0)
        if not entry.has_samples:
            words = f"{entry.state}: {entry.detail}" if entry.detail else entry.state
            return fitted([*start, (shortened(f"  {words}", left), self.faint)], width)
        figures = self._figures(entry, left)
        spark = self._spark(entry, left - sum(len(text) for text, _ in figures) - 3)
        blanks = " " * (left - sum(len(text) for text, _ in [*spark, *figures]))
        return fitted([*start, *spark, (blanks, None), *figures], width)

    def _spark(self, entry: LiveEntry, width: int) -> Row:
        if width < _LEAST_SPARK:
            return []
        shade = faint_color if entry.measuring_since is None else engine_color
        text = spark_text(entry.recent.values(width), width, ascii_only=self.plain_ascii)
        return [(f"  {text.rjust(width)}", shade(entry.color_index, self.scheme))]

    def _figures(self, entry: LiveEntry, width: int) -> Row:
        """What fits of: the latest latency or how it ended, and the p50."""
        warming = entry.p50_ms is None and entry.measuring_since is None
        p50 = "warm-up" if warming else milliseconds(entry.p50_ms)
        row: Row = [(p50.rjust(_P50), self.faint if warming else None)]
        if width >= _NOW + _P50:
            latest = entry.state if entry.over else milliseconds(entry.last_ms)
            row.insert(0, (latest.rjust(_NOW), self.faint if entry.over else None))
        return row if width >= _P50 else []


# What the head says in fewer letters, in this order, where it is too long for its line.
_SHORTER = (("log scale", "log"), ("dots: warm-up, ", ""), ("!: disturbed", "! disturbed"))


def _notes(plot: Plot, hidden: int, disturbed: bool) -> list[str]:
    notes = []
    if plot.scale is not None:
        notes.append("dots: warm-up")
        if disturbed:
            notes.append("!: disturbed")
        if plot.scale.log:
            notes.append("log scale")
        if plot.above:
            top = f"{plot.scale.high * plot.scale.factor:,g} {plot.scale.unit}"
            notes.append(f"{plural(plot.above, 'peak')} above {top}")
        if plot.below:
            notes.append(f"{plural(plot.below, 'dip')} below the axis")
    if hidden:
        notes.append(f"{plural(hidden, 'engine')} not listed")
    return notes
