"""How often each latency occurs, one ridge an engine; and what plots of distributions share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from tui.formats import milliseconds
from tui.palette import Color
from tui.plotting.figure import Figure, Plot, axis_rows_below
from tui.rows import Row, blank, fitted, overlaid, plain
from tui.scales import Distribution, Scale, histogram_scale

_MOST_FINE_BINS = 100_000


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """One engine's latencies; a percentile without enough samples is None.

    `outliers` is how many a result counted, None where its histogram must tell.
    """

    glyph: str
    color: Color
    label: str
    latencies: Distribution
    p50_ms: float | None = None
    p99_ms: float | None = None
    outliers: int | None = None


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
    axis_rows = axis_rows_below(width, height)
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
        _draw_ridge(figure, one, counts, spare, max(share - 1, 1), height - axis_rows)
        tops.append(height - axis_rows - spare - share)
    rows = figure.rows()
    for top, caption, one in zip(tops, captions, shown, strict=True):
        glyph: Row = [(one.glyph, one.color)]
        rows[top] = fitted(caption, width) if each > 1 else overlaid(rows[top], 0, glyph)
    below = sum(_below(one.latencies, scale.low) for one in shown)
    above = sum(one.latencies.n for one in shown) - inside - below
    return Plot(rows, scale, each > 1, max(above, 0), below)


def percentile_marks(*, ascii_only: bool = False) -> tuple[str, str]:
    """The signs that stand over the columns of the p50 and the p99."""
    return ("v", "w") if ascii_only else ("▾", "▿")


def _draw_ridge(
    figure: Figure,
    series: HistogramSeries,
    counts: NDArray[Any],
    below: int,
    rows: int,
    of: int,
) -> None:
    """Draw `counts`, each over its share of the width, in `rows` rows that stand on `below`.

    `of` is how many rows the whole plot has above its axis.
    """
    dots = 1 if figure.ascii_only else 4
    counts = counts[np.arange(figure.columns) * len(counts) // figure.columns]
    levels = np.ceil(counts / max(float(counts.max()), 1e-9) * rows * dots)
    marker = series.glyph if figure.ascii_only else "braille"
    points = []
    for column in np.flatnonzero(levels):
        x = (int(column) + 0.5) / figure.columns
        points.append((x, (below * dots + 0.5) / (of * dots)))
        points.append((x, (below * dots + float(levels[column]) - 0.5) / (of * dots)))
    figure.points(points, marker, series.color, line=False, bars=True)


def _counts(latencies: Distribution, scale: Scale, columns: int) -> NDArray[Any]:
    """How many of `latencies` fall on each of `columns` equal parts of `scale`.

    The bins are as wide as Freedman and Diaconis advise, so that few samples don't look like a
    comb; a bin of several columns puts its whole count on each of them.
    """
    quartiles = scale.place(latencies.quantiles((0.25, 0.75)))
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
    """`legend` left of the marks, right of them or between; None where it fits nowhere."""
    text = plain(marks)
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    size = cell_len(legend)
    if size < first:
        return overlaid(marks, 0, [(legend, color)])
    if size < width - last:
        return overlaid(marks, width - size, [(legend, color)])
    between = last - first - 2
    if size + 6 <= between:
        return overlaid(marks, first + 1 + (between - size) // 2, [(legend, color)])
    return None
