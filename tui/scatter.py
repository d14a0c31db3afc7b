"""Latency against throughput: a sweep's points, their frontier, and a limit, as rows of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len

from tui.palette import Color
from tui.plotting import Figure, Plot
from tui.rows import Row, blank, overlaid, plain
from tui.scales import LOG_SPREAD, LONGEST_MS, SHORTEST_MS, Scale, latency_scale, rate_scale

# A limit this many times beyond the points still widens the axis; one farther off does not.
_NEAR = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of the plot: its latency in ms, images a second, sign and colour.

    Where several lie in one cell, the current one is seen, or else the best. The current one
    stands in brackets, the best has the word beside it.
    """

    latency_ms: float
    per_second: float
    glyph: str
    color: Color
    on_frontier: bool = False
    is_best: bool = False
    is_current: bool = False


def scatter_plot(
    marks: Sequence[Mark],
    width: int,
    height: int,
    *,
    limit_ms: float | None = None,
    frame: Color = None,
    ascii_only: bool = False,
) -> Plot:
    """`marks` in `width` x `height` cells: latency to the right, throughput upward.

    The frontier is a staircase, because between two of its points there is only the lower one to
    be had. Marks that are not finite and positive are left out. An axis is logarithmic where its
    values differ by more than LOG_SPREAD.
    """
    shown = [one for one in marks if _drawable(one)]
    if not shown or width < 1 or height < 1:
        return Plot(blank(width, height))
    x, y = _scales(shown, limit_ms, width, height)
    figure = Figure(width, height, frame, ascii_only)
    figure.axes(x, y)
    limit = None
    if limit_ms is not None and x.low <= limit_ms <= x.high:
        limit = float(x.place(limit_ms))
        ends = [(limit, 0.0), (limit, 1.0)]
        figure.points(ends, "|" if ascii_only else "braille", frame, line=True)
    steps = staircase([_placed(one, x, y) for one in shown if one.on_frontier])
    figure.points(steps, "." if ascii_only else "braille", None, line=True)
    for look in dict.fromkeys((one.glyph, one.color) for one in shown):
        alike = [_placed(one, x, y) for one in shown if (one.glyph, one.color) == look]
        figure.points(alike, *look, line=False)
    rows = figure.rows()
    for one in sorted(shown, key=lambda one: (one.is_current, one.is_best)):
        if one.is_best or one.is_current:
            column, row = figure.cell(*_placed(one, x, y))
            rows[row] = overlaid(rows[row], column, [(one.glyph, one.color)])
        if one.is_current:
            for side, bracket in ((-1, "["), (1, "]")):
                if figure.left <= column + side < width:
                    rows[row] = overlaid(rows[row], column + side, [(bracket, None)])
        if one.is_best:
            _write_beside(rows, figure, _placed(one, x, y), "best", one.color)
    if limit is not None:
        _write_beside(rows, figure, (limit, 0.0), "limit", frame)
    return Plot(rows, x)


def staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of the steps up from each of `points` to the next, which is right of it."""
    corners: list[tuple[float, float]] = list(points[:1])
    for (_, lower), (right, higher) in pairwise(points):
        corners += [(right, lower), (right, higher)]
    return corners if len(corners) > 1 else []


def _drawable(mark: Mark) -> bool:
    values = (mark.latency_ms, mark.per_second)
    return all(math.isfinite(one) and SHORTEST_MS <= one <= LONGEST_MS for one in values)


def _placed(mark: Mark, x: Scale, y: Scale) -> tuple[float, float]:
    return float(x.place(mark.latency_ms)), float(y.place(mark.per_second))


def _scales(
    marks: Sequence[Mark], limit_ms: float | None, width: int, height: int
) -> tuple[Scale, Scale]:
    """The axes, with some room around the marks, and with the limit where it is not far off."""
    latencies = [one.latency_ms for one in marks]
    low, high = min(latencies), max(latencies)
    log = high > LOG_SPREAD * low
    if limit_ms is not None and low / _NEAR <= limit_ms <= high * _NEAR:
        low, high = min(low, limit_ms), max(high, limit_ms)
    room = 1.05 if log else 1.0
    x = latency_scale(low / room if log else 0.0, high * 1.05, max(2, width // 9), log=log)
    rates = [one.per_second for one in marks]
    steep = max(rates) > LOG_SPREAD * min(rates)
    y = rate_scale(min(rates) / 1.05, max(rates) * 1.05, max(2, (height - 1) // 2), log=steep)
    return x, y


def _write_beside(
    rows: list[Row], figure: Figure, at: tuple[float, float], words: str, color: Color
) -> None:
    """Write `words` right or left of the cell of a point, where nothing else is drawn."""
    column, row = figure.cell(*at)
    size = cell_len(words)
    text = plain(rows[row])
    for start in (column + 3, column - 2 - size):
        room = text[start - 1 : start + size + 1] if start > figure.left else ""
        if start + size <= figure.width and room and room.isspace():
            rows[row] = overlaid(rows[row], start, [(words, color)])
            return
