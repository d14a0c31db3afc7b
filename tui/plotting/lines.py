"""Latency over time, one line an engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tui.palette import Color
from tui.plotting.figure import Figure, Plot
from tui.rows import Row, blank
from tui.scales import (
    LONGEST_MS,
    SHORTEST_MS,
    Floats,
    Scale,
    before_end_scale,
    line_scale,
    time_scale,
)

# More points than this take plotext more than 50 ms: then cells are not divided into two columns.
_MOST_POINTS = 3000
# Cells beside the plot for "◂p99●", and the least for both.
MARGIN = 5
LEAST_WITH_MARKS = 40


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
class LineMarks:
    """The percentiles (ms) of one engine that are marked at the right edge, None where unknown."""

    glyph: str
    color: Color
    p50_ms: float | None
    p99_ms: float | None


def line_plot(
    series: Sequence[LineSeries],
    width: int,
    height: int,
    *,
    frame: Color = None,
    ascii_only: bool = False,
    log: bool | None = None,
    last_s: float | None = None,
    marks: LineMarks | None = None,
) -> Plot:
    """Latency over time in `width` x `height` cells; warm-up as dots, measuring as a line.

    Each line ends in its engine's glyph. Exclamation marks along the bottom stand at the times in
    which it was disturbed. What is rare and far away is drawn at the end of the latency axis and
    counted. `log` chooses the axis; None leaves it to the data (see `scales`). With `last_s` only
    the last so many seconds of each engine are drawn, all of them up to one common end. `marks`
    stand in a margin of their own, where that leaves the plot enough.
    """
    known = marks is not None and (marks.p50_ms is not None or marks.p99_ms is not None)
    margin = MARGIN if known and width >= LEAST_WITH_MARKS else 0
    width -= margin
    shown = [one for one in map(_drawable, series) if one.times_s.size]
    if not shown or width < 1 or height < 1:
        return Plot(blank(width + margin, height))
    if last_s is None:
        x = time_scale(max(float(one.times_s[-1]) for one in shown), max(2, width // 9))
    else:
        shown = [_before_end(one, last_s) for one in shown]
        span_s = max(-float(one.times_s[0]) for one in shown)
        # What is nearly whole is: the axis must not change with the last sample but one.
        x = before_end_scale(last_s if 2 * span_s > last_s else span_s, max(2, width // 9))
    y = line_scale([_counted(one) for one in shown], max(2, (height - 1) // 2), log=log)
    fine = 4 * width * len(shown) <= _MOST_POINTS
    figure = Figure(width, height, frame, ascii_only, 2 if fine else 1)
    figure.axes(x, y)
    for one in shown:
        warm_up = one.times_s < (np.inf if one.measuring_since is None else one.measuring_since)
        _draw_band(figure, one, warm_up, x, y, line=False)
        _draw_band(figure, one, ~warm_up, x, y, line=True)
    for one in shown:
        _draw_disturbances(figure, one, x)
        _draw_end_glyph(figure, one, x, y)
    above = sum(int(np.count_nonzero(one.high_ms > y.high)) for one in shown)
    below = sum(int(np.count_nonzero(one.low_ms < y.low)) for one in shown)
    rows = figure.rows()
    if margin and marks is not None:
        rows = _with_marks(rows, figure, y, marks)
    return Plot(rows, y, False, above, below)


def _with_marks(rows: list[Row], figure: Figure, y: Scale, marks: LineMarks) -> list[Row]:
    """`rows` with a margin: an arrow at the height of each percentile, its name, and whose it is.

    One above the axis has an arrow upwards; where both lie in one row, the p99 is named a row
    higher, or the p50 a row lower, without an arrow.
    """
    across, upwards = ("<", "^") if figure.ascii_only else ("◂", "▴")
    margins: list[Row] = [[(" " * MARGIN, None)] for _ in rows]
    taken: set[int] = set()
    for name, value_ms in (("p50", marks.p50_ms), ("p99", marks.p99_ms)):
        if value_ms is None or math.isnan(value_ms) or value_ms < y.low:
            continue
        arrow = upwards if value_ms > y.high else across
        at = figure.cell(1.0, float(y.place(min(value_ms, y.high))))[1]
        if at in taken:
            arrow, at = " ", at - 1 if at else min(at + 1, len(rows) - 1)
        taken.add(at)
        margins[at] = [(f"{arrow}{name}{marks.glyph}", marks.color)]
    return [[*row, *margin] for row, margin in zip(rows, margins, strict=True)]


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
        disturbed=tuple(one for one in series.disturbed if all(map(math.isfinite, one))),
    )


def _before_end(series: LineSeries, last_s: float) -> LineSeries:
    """The last `last_s` seconds of `series`, with its own end as time zero."""
    end_s = float(series.times_s[-1])
    kept = series.times_s >= end_s - last_s
    since = series.measuring_since
    return replace(
        series,
        times_s=series.times_s[kept] - end_s,
        low_ms=series.low_ms[kept],
        high_ms=series.high_ms[kept],
        measuring_since=None if since is None else since - end_s,
        disturbed=tuple(
            (start - end_s, end - end_s) for start, end in series.disturbed if end >= end_s - last_s
        ),
    )


def _counted(series: LineSeries) -> tuple[Floats, Floats]:
    """What sets the limits of the latency axis: what is measured, or else the warm-up."""
    since = np.inf if series.measuring_since is None else series.measuring_since
    counted = series.times_s >= since
    counted = counted if counted.any() else np.ones(counted.shape, dtype=bool)
    return series.low_ms[counted], series.high_ms[counted]


def _draw_band(
    figure: Figure, series: LineSeries, part: NDArray[np.bool_], x: Scale, y: Scale, *, line: bool
) -> None:
    """Draw `part` of `series`: of each column of dots its smallest and its largest latency."""
    if not part.any():
        return
    column = np.minimum(x.place(series.times_s[part]) * figure.columns, figure.columns - 1)
    column = column.astype(np.intp)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    lows = y.place(np.minimum.reduceat(series.low_ms[part], starts))
    highs = y.place(np.maximum.reduceat(series.high_ms[part], starts))
    centres = (column[starts] + 0.5) / figure.columns
    points = [
        (float(centre), float(value))
        for centre, low, high in zip(centres, lows, highs, strict=True)
        for value in ((low, high) if high > low else (low,))
    ]
    marker = "braille"
    if figure.ascii_only:
        marker = series.glyph if line else "."
    figure.points(points, marker, series.color if line else series.faint, line=line)


def _draw_disturbances(figure: Figure, series: LineSeries, x: Scale) -> None:
    """Mark in the lowest row, where hardly a latency is, when `series` was disturbed."""
    cells = max(1, figure.columns // figure.per_cell)
    marked: set[int] = set()
    for start, end in series.disturbed:
        first, last = (int(float(x.place(one)) * cells) for one in (start, end))
        marked.update(range(max(first, 0), min(last, cells - 1) + 1))
    points = [((cell + 0.5) / cells, 0.0) for cell in sorted(marked)]
    figure.points(points, "!", series.color, line=False)


def _draw_end_glyph(figure: Figure, series: LineSeries, x: Scale, y: Scale) -> None:
    """Write the glyph of `series` behind its last point, at the height of its latest level."""
    middle = np.sqrt(series.low_ms[-9:] * series.high_ms[-9:])
    end = float(x.place(series.times_s[-1])) + 3 / figure.columns
    measuring = series.measuring_since is not None
    color = series.color if measuring else series.faint
    point = (min(end, 1.0), float(y.place(np.median(middle))))
    figure.points([point], series.glyph, color, line=False)
