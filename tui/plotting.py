"""Plots as rows of coloured text: the one module that imports plotext.

plotext 6.1 aborts the process on a NaN in a line and takes gigabytes for a point far outside the
limits, so nothing reaches it that is not finite, inside the limits and thinned out to what the
columns can show. Each plot is a figure of its own; the UI thread alone draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from tui.formats import milliseconds
from tui.palette import Color
from tui.rows import Row, blank, fitted, in_ascii, overlaid, parsed, plain
from tui.scales import (
    LONGEST_MS,
    SHORTEST_MS,
    Distribution,
    Floats,
    Scale,
    histogram_scale,
    line_scale,
    time_scale,
)

# Smaller plots are drawn without axes.
_LEAST_WIDTH, _LEAST_HEIGHT = 16, 5
# More points than this take plotext more than 50 ms: then cells are not divided into two columns.
_MOST_POINTS = 3000
_MOST_FINE_BINS = 100_000
_THEME = "infer-tui"


@dataclass(frozen=True, slots=True)
class LineSeries:
    """One engine's latency over time: equal-length arrays, the smallest and the largest latency
    (ms) of what was taken at about `times_s` (ascending). What lies before `measuring_since` is
    warm-up; None means that all of it is. `disturbed` are the times, from and to, in which
    something is known to have disturbed it.
    """

    glyph: str
    color: Color
    faint: Color
    times_s: Floats
    low_ms: Floats
    high_ms: Floats
    measuring_since: float | None = None
    disturbed: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """One engine's latencies; a percentile without enough samples is None."""

    glyph: str
    color: Color
    label: str
    latencies: Distribution
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """The rows of a plot, each exactly as wide as asked for, and what they do not show.

    `scale` is the latency axis, None where there was nothing to draw; `above` and `below` count
    what lies outside it. `marked` says whether percentiles are marked.
    """

    rows: list[Row]
    scale: Scale | None = None
    marked: bool = False
    above: int = 0
    below: int = 0


def line_plot(
    series: Sequence[LineSeries],
    width: int,
    height: int,
    *,
    frame: Color = None,
    ascii_only: bool = False,
    log: bool | None = None,
) -> Plot:
    """Latency over time in `width` x `height` cells; warm-up as dots, measuring as a line.

    Each line ends in its engine's glyph. Exclamation marks along the bottom stand at the times in
    which it was disturbed. What is rare and far away is drawn at the end of the latency axis and
    counted. `log` chooses the axis; None leaves it to the data (see `scales`).
    """
    shown = [one for one in map(_drawable, series) if one.times_s.size]
    if not shown or width < 1 or height < 1:
        return Plot(blank(width, height))
    y = line_scale([_counted(one) for one in shown], max(2, (height - 1) // 2), log=log)
    x = time_scale(max(float(one.times_s[-1]) for one in shown), max(2, width // 9))
    fine = 4 * width * len(shown) <= _MOST_POINTS
    figure = Figure(width, height, frame, ascii_only, 2 if fine else 1)
    figure.axes(x, y)
    for one in shown:
        warm_up = one.times_s < (np.inf if one.measuring_since is None else one.measuring_since)
        figure.band(one, warm_up, x, y, line=False)
        figure.band(one, ~warm_up, x, y, line=True)
    for one in shown:
        figure.disturbances(one, x)
        figure.end_glyph(one, x, y)
    above = sum(int(np.count_nonzero(one.high_ms > y.high)) for one in shown)
    below = sum(int(np.count_nonzero(one.low_ms < y.low)) for one in shown)
    return Plot(figure.rows(), y, False, above, below)


class Figure:
    """One plotext figure; every coordinate given to it lies within 0..1.

    `left` and `bottom` are how many cells the axes take there.
    """

    def __init__(
        self, width: int, height: int, frame: Color, ascii_only: bool, per_cell: int = 2
    ) -> None:
        import plotext  # 135 ms, so not before there is something to draw

        plotext.terminal.limit(False, False)  # or else sizes are cut to the terminal at import
        plotext.add_theme(_THEME, text=plotext.pixel(frame))  # nothing else has a colour
        self._plotext = plotext
        self._figure = type(plotext.figure)(plotext.terminal)
        self._figure.theme(_THEME)
        self._figure.plot_size(width, height)
        self._figure.legend(False)
        self._figure.axes(False)
        for axis in ("x", "y"):
            self._figure.ruler(axis).alignment(lim="edge")
            self._figure.ruler(axis).lim(0.0, 1.0)
            self._figure.ruler(axis).ticks([])
        self.width, self.height, self._frame, self._ascii = width, height, frame, ascii_only
        self._per_cell = 1 if ascii_only else per_cell
        self.columns = self._per_cell * width
        self.left = self.bottom = 0
        self._corner = ""

    def axes(self, x: Scale, y: Scale | None = None) -> None:
        """Draw the axes, where there is room for them."""
        if self.width < _LEAST_WIDTH or self.height < _LEAST_HEIGHT:
            return
        self.bottom = 2
        labels = list(x.labels)
        labels[-1] += f" {x.unit}"
        self._figure.axes(True, axis="x", side="lower")
        self._figure.ruler("x").ticks(x.place(x.ticks).tolist(), labels=labels)
        if y is None:
            return
        gutter = max(4, *map(len, y.labels))
        if gutter + 8 > self.width:
            return
        self._figure.axes(True, axis="y", side="left")
        rows = [label.rjust(gutter) for label in y.labels]
        self._figure.ruler("y").ticks(y.place(y.ticks).tolist(), labels=rows)
        self._corner = y.unit.rjust(gutter)
        self.left = gutter + 1
        self.columns = self._per_cell * (self.width - self.left)

    def band(
        self, series: LineSeries, part: NDArray[np.bool_], x: Scale, y: Scale, *, line: bool
    ) -> None:
        """Draw `part` of `series`: of each column of dots its smallest and its largest latency."""
        if not part.any():
            return
        column = np.minimum(x.place(series.times_s[part]) * self.columns, self.columns - 1)
        column = column.astype(np.intp)
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        lows = y.place(np.minimum.reduceat(series.low_ms[part], starts))
        highs = y.place(np.maximum.reduceat(series.high_ms[part], starts))
        centres = (column[starts] + 0.5) / self.columns
        points = [
            (float(centre), float(value))
            for centre, low, high in zip(centres, lows, highs, strict=True)
            for value in ((low, high) if high > low else (low,))
        ]
        marker = "braille"
        if self._ascii:
            marker = series.glyph if line else "."
        self.points(points, marker, series.color if line else series.faint, line=line)

    def disturbances(self, series: LineSeries, x: Scale) -> None:
        """Mark in the lowest row, where hardly a latency is, when `series` was disturbed."""
        cells = max(1, self.columns // self._per_cell)
        marked: set[int] = set()
        for start, end in series.disturbed:
            first, last = (int(float(x.place(one)) * cells) for one in (start, end))
            marked.update(range(max(first, 0), min(last, cells - 1) + 1))
        points = [((cell + 0.5) / cells, 0.0) for cell in sorted(marked)]
        self.points(points, "!", series.color, line=False)

    def end_glyph(self, series: LineSeries, x: Scale, y: Scale) -> None:
        """Write the glyph of `series` behind its last point, at the height of its latest level."""
        middle = np.sqrt(series.low_ms[-9:] * series.high_ms[-9:])
        end = float(x.place(series.times_s[-1])) + 3 / self.columns
        measuring = series.measuring_since is not None
        color = series.color if measuring else series.faint
        point = (min(end, 1.0), float(y.place(np.median(middle))))
        self.points([point], series.glyph, color, line=False)

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """The column and the row, from the top, of the cell that a point lies in."""
        across, up = self.width - self.left, self.height - self.bottom
        column = min(int(x * across), across - 1)
        return self.left + column, up - 1 - min(int(y * up), up - 1)

    def points(
        self,
        points: Sequence[tuple[float, float]],
        marker: str,
        color: Color,
        *,
        line: bool,
        bars: bool = False,
    ) -> None:
        """Draw `points`: as dots, joined by one line, or joined two by two."""
        if not points:
            return
        brush = self._plotext.marker(marker, self._plotext.pixel(color))
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        signal = self._figure.signal(xs, ys, marker=brush)
        if bars:
            for index in range(1, len(points), 2):
                signal.line(index)
        self._figure.draw(signal.lines() if line else signal)

    def ridge(
        self, series: HistogramSeries, counts: NDArray[Any], below: int, rows: int, of: int
    ) -> None:
        """Draw `counts`, each over its share of the width, in `rows` rows that stand on `below`.

        `of` is how many rows the whole plot has above its axis.
        """
        dots = 1 if self._ascii else 4
        counts = counts[np.arange(self.columns) * len(counts) // self.columns]
        levels = np.ceil(counts / max(float(counts.max()), 1e-9) * rows * dots)
        marker = series.glyph if self._ascii else "braille"
        points = []
        for column in np.flatnonzero(levels):
            x = (int(column) + 0.5) / self.columns
            points.append((x, (below * dots + 0.5) / (of * dots)))
            points.append((x, (below * dots + float(levels[column]) - 0.5) / (of * dots)))
        self.points(points, marker, series.color, line=False, bars=True)

    def rows(self) -> list[Row]:
        """What was drawn, as `height` rows of `width` cells."""
        rows = parsed(self._figure.build().string())[: self.height]
        rows = [fitted(row, self.width) for row in rows]
        rows += blank(self.width, self.height - len(rows))
        if self._corner:
            rows[-1] = overlaid(rows[-1], 0, [(self._corner, self._frame)])
        return [in_ascii(row) for row in rows] if self._ascii else rows


def histogram_plot(
    series: Sequence[HistogramSeries],
    width: int,
    height: int,
    *,
    frame: Color = None,
    ascii_only: bool = False,
    log: bool | None = None,
) -> Plot:
    """How often each latency occurs, one ridge an engine above one shared axis.

    Each ridge is scaled to its own peak, so that an engine with a tenth of the samples is as
    readable as the others; even one sample shows as a dot. Above a ridge stand its legend and its
    percentiles, p50 as a full and p99 as a hollow mark over their columns. What lies outside the
    axis is counted, not drawn. `log` chooses the axis; None leaves it to the data (see `scales`).
    Engines for which there is no row are left out.
    """
    shown = [one for one in series if one.latencies.n > 0]
    if not shown or width < 1 or height < 1:
        return Plot(blank(width, height))
    axis_rows = 2 if width >= _LEAST_WIDTH and height >= _LEAST_HEIGHT else 0
    shown = shown[: height - axis_rows]
    scale = histogram_scale([one.latencies for one in shown], max(2, width // 9), log=log)
    figure = Figure(width, height, frame, ascii_only)
    figure.axes(scale)
    each = (height - axis_rows) // len(shown)
    spare = height - axis_rows if each > 1 else len(shown)
    captions = _captions(shown, scale, width, ascii_only)
    tops = []
    inside = 0
    for left, one in zip(range(len(shown), 0, -1), shown, strict=True):
        share = -(-spare // left)
        spare -= share
        counts = _counts(one.latencies, scale, figure.columns)
        inside += round(float(counts.sum()))
        figure.ridge(one, counts, spare, max(share - 1, 1), height - axis_rows)
        tops.append(height - axis_rows - spare - share)
    rows = figure.rows()
    for top, caption, one in zip(tops, captions, shown, strict=True):
        glyph: Row = [(one.glyph, one.color)]
        rows[top] = fitted(caption, width) if each > 1 else overlaid(rows[top], 0, glyph)
    below = sum(_below(one.latencies, scale.low) for one in shown)
    above = sum(one.latencies.n for one in shown) - inside - below
    return Plot(rows, scale, each > 1, max(above, 0), below)


def _drawable(series: LineSeries) -> LineSeries:
    """`series` with finite values only, within what a latency can be, in order of time."""
    n = min(series.times_s.size, series.low_ms.size, series.high_ms.size)
    arrays = [
        np.asarray(one, dtype=np.float64)[:n]
        for one in (series.times_s, series.low_ms, series.high_ms)
    ]
    finite = np.isfinite(arrays).all(axis=0)
    times, low, high = (one[finite] for one in arrays)
    order = np.argsort(times, kind="stable")
    low, high = np.clip([low[order], high[order]], SHORTEST_MS, LONGEST_MS)
    return replace(
        series,
        times_s=np.clip(times[order], 0.0, 1e9),
        low_ms=np.minimum(low, high),
        high_ms=np.maximum(low, high),
    )


def _counted(series: LineSeries) -> tuple[Floats, Floats]:
    """What sets the limits of the latency axis: what is measured, or else the warm-up."""
    since = np.inf if series.measuring_since is None else series.measuring_since
    counted = series.times_s >= since
    counted = counted if counted.any() else np.ones(counted.shape, dtype=bool)
    return series.low_ms[counted], series.high_ms[counted]


def _counts(latencies: Distribution, scale: Scale, columns: int) -> NDArray[Any]:
    """How many of `latencies` fall on each of `columns` equal parts of `scale`.

    The bins are as wide as Freedman and Diaconis advise, so that few samples don't look like a
    comb; a bin of several columns puts its whole count on each of them.
    """
    quartiles = scale.place([latencies.quantile(0.25), latencies.quantile(0.75)])
    advised = 2.0 * float(quartiles[1] - quartiles[0]) * columns / latencies.n ** (1 / 3)
    bins = max(columns // max(round(advised), 1), 1)
    if not scale.log:
        return latencies.counts_between(scale.low, scale.high, bins)
    # Even parts of a logarithmic axis are put together from finer parts of a linear one.
    fine = min(math.ceil(4 * bins * scale.high / scale.low), _MOST_FINE_BINS)
    counts = latencies.counts_between(scale.low, scale.high, fine)
    middles = scale.low + (scale.high - scale.low) * (np.arange(fine) + 0.5) / fine
    places = np.minimum((scale.place(middles) * bins).astype(np.intp), bins - 1)
    return np.bincount(places, weights=counts, minlength=bins)


def _below(latencies: Distribution, limit: float) -> int:
    return round(float(latencies.counts_between(0.0, limit, 1)[0])) if limit > 0 else 0


def percentile_marks(*, ascii_only: bool = False) -> tuple[str, str]:
    """The signs that stand over the columns of the p50 and the p99."""
    return ("v", "w") if ascii_only else ("▾", "▿")


def _captions(
    shown: Sequence[HistogramSeries], scale: Scale, width: int, ascii_only: bool
) -> list[Row]:
    """The row above each ridge: its legend, beside the marks of its percentiles."""
    full, hollow = percentile_marks(ascii_only=ascii_only)
    marks = []
    for one in shown:
        row: Row = blank(width, 1)[0]
        for value, mark in ((one.p99_ms, hollow), (one.p50_ms, full)):
            if value is not None:
                column = min(int(float(scale.place(value)) * width), width - 1)
                row = overlaid(row, column, [(mark, one.color)])
        marks.append(row)
    for with_label, with_numbers in ((True, True), (False, True), (True, False), (False, False)):
        legends = [
            f"{one.glyph}{' ' + one.label if with_label else ''}"
            + (_numbers(one, scale, full, hollow) if with_numbers else "")
            for one in shown
        ]
        captions = [
            _beside(row, legend, one.color, width)
            for row, legend, one in zip(marks, legends, shown, strict=True)
        ]
        if None not in captions:
            return [caption for caption in captions if caption]
    return [fitted([(one.glyph, one.color)], width) for one in shown]


def _numbers(series: HistogramSeries, scale: Scale, full: str, hollow: str) -> str:
    """The percentiles of `series` in the unit of `scale`, each behind its mark."""
    known = [(full, series.p50_ms), (hollow, series.p99_ms)]
    return "".join(
        f"  {mark} {milliseconds(value * scale.factor)}"
        for mark, value in known
        if value is not None
    )


def _beside(marks: Row, legend: str, color: Color, width: int) -> Row | None:
    """`legend` left or right of the marks, wherever it fits; None where it does not."""
    text = plain(marks)
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    size = cell_len(legend)
    if size < first:
        return overlaid(marks, 0, [(legend, color)])
    if size < width - last:
        return overlaid(marks, width - size, [(legend, color)])
    return None
