"""Box plots: where the half of each engine's latencies lies, and how far the others reach.

They are drawn here and not by plotext, whose quantiles are means of two neighbours and whose
whiskers reach to the extremes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from engines.statistics import Box, sample_floor
from tui.formats import milliseconds, plural, shortened
from tui.palette import Color
from tui.plotting.figure import Figure, Plot, axis_rows_below
from tui.plotting.histograms import HistogramSeries, percentile_marks
from tui.rows import Row, blank, fitted, overlaid
from tui.scales import LOG_SPREAD, Scale, latency_scale

# The third quartile is a percentile like others: no box without the samples that it needs.
LEAST_SAMPLES = sample_floor(75)
# Rows for an engine from which on its box is drawn as a frame of three.
_FRAMED = 4


class _Signs(NamedTuple):
    """What a box is drawn with, from left to right; then the corners and joints of its frame."""

    left_end: str
    whisker: str
    left: str
    body: str
    median: str
    right: str
    right_end: str
    top: str
    bottom: str


_LINES = _Signs("├", "─", "┤", "▒", "┃", "├", "┤", "┌─┬┐", "└─┴┘")
_ASCII = _Signs("|", "-", "[", "=", "#", "]", "|", "+-++", "+-++")


def box_plot(
    series: Sequence[HistogramSeries],
    width: int,
    height: int,
    *,
    frame: Color = None,
    ascii_only: bool = False,
    log: bool | None = None,
) -> Plot:
    """A box an engine above one shared latency axis, in `width` x `height` cells.

    The box reaches from the first to the third quartile and is parted at the median; the
    whiskers reach to the last samples within 1.5 interquartile ranges of it (Tukey). What lies
    beyond them is counted, not drawn; the p99 is marked. `log` chooses the axis; None makes it
    logarithmic where the medians differ by more than LOG_SPREAD. An engine with fewer than
    LEAST_SAMPLES samples is left out, and so are those for which there is no row.
    """
    boxes = [(one, one.latencies.box()) for one in series if one.latencies.n >= LEAST_SAMPLES]
    axis_rows = axis_rows_below(width, height)
    boxes = boxes[: max(height - axis_rows, 0)]
    if not boxes or width < 1:
        return Plot(blank(width, height))
    scale = _scale(boxes, max(2, width // 9), log=log)
    figure = Figure(width, height, frame, ascii_only)
    figure.axes(scale)
    rows = figure.rows()
    room = height - axis_rows
    top = 0
    for left, (one, box) in zip(range(len(boxes), 0, -1), boxes, strict=True):
        share = (room - top) // left
        drawn = _rows(one, box, scale, width, share, ascii_only)
        rows[top : top + len(drawn)] = drawn
        top += share
    return Plot(rows, scale, marked=True)


def _scale(
    boxes: Sequence[tuple[HistogramSeries, Box]], most_ticks: int, *, log: bool | None
) -> Scale:
    """The axis that holds every whisker and every p99."""
    low = min(box.whisker_low for _, box in boxes)
    high = max(max(box.whisker_high, one.p99_ms or 0.0) for one, box in boxes)
    medians = [box.median for _, box in boxes]
    if log is None:
        log = max(medians) > LOG_SPREAD * min(medians)
    margin = 0.0 if log else (high - low) * 0.02
    return latency_scale(low - margin, high + margin, most_ticks, log=log)


def _rows(
    series: HistogramSeries, box: Box, scale: Scale, width: int, share: int, ascii_only: bool
) -> list[Row]:
    """The rows of one engine: what it is and came to, and under that its box; at most `share`."""
    signs = _ASCII if ascii_only else _LINES
    places = _columns(box, scale, width)
    middle: Row = [(_middle(places, width, signs, framed=share >= _FRAMED), series.color)]
    if series.p99_ms is not None:
        _, hollow = percentile_marks(ascii_only=ascii_only)
        column = _column(series.p99_ms, scale, width)
        middle = overlaid(middle, column, [(hollow, series.color)])
    if share < 2:
        return [overlaid(middle, 0, [(series.glyph, series.color)])]
    rows = [_caption(series, box, scale, width)]
    if share < _FRAMED:
        return [*rows, middle]
    edges: list[Row] = [
        [(_edge(places, width, one), series.color)] for one in (signs.top, signs.bottom)
    ]
    return [*rows, edges[0], middle, edges[1]]


def _column(value: float, scale: Scale, width: int) -> int:
    return min(int(float(scale.place(value)) * width), width - 1)


def _columns(box: Box, scale: Scale, width: int) -> list[int]:
    """The columns of whisker, quartile, median, quartile, whisker."""
    values = (
        box.whisker_low,
        box.first_quartile,
        box.median,
        box.third_quartile,
        box.whisker_high,
    )
    return [_column(one, scale, width) for one in values]


def _middle(places: Sequence[int], width: int, signs: _Signs, *, framed: bool) -> str:
    """The row through the whiskers and the median."""
    low, first, median, third, high = places
    cells = [" "] * width
    cells[low : high + 1] = signs.whisker * (high + 1 - low)
    cells[first : third + 1] = (" " if framed else signs.body) * (third + 1 - first)
    # What tells more comes later: it stays where several fall into one cell.
    cells[low], cells[high] = signs.left_end, signs.right_end
    cells[first], cells[third] = signs.left, signs.right
    cells[median] = signs.median
    return "".join(cells)


def _edge(places: Sequence[int], width: int, signs: str) -> str:
    """The row above or below the box, of its left corner, line, joint and right corner."""
    _, first, median, third, _ = places
    left, line, joint, right = tuple(signs)
    cells = [" "] * width
    cells[first : third + 1] = line * (third + 1 - first)
    cells[median] = joint
    if first < third:
        cells[first], cells[third] = left, right
    return "".join(cells)


def _caption(series: HistogramSeries, box: Box, scale: Scale, width: int) -> Row:
    """Glyph and label on the left, on the right what fits of the numbers."""
    outliers = box.mild + box.severe if series.outliers is None else series.outliers
    numbers = [
        f"p50 {milliseconds((series.p50_ms or box.median) * scale.factor)}",
        plural(outliers, "outlier"),
    ]
    if series.p99_ms is not None:
        numbers.insert(1, f"p99 {milliseconds(series.p99_ms * scale.factor)}")
    least = min(cell_len(series.label), 8) + 4
    while numbers and len("  ".join(numbers)) + least > width:
        numbers.pop(0)
    right = "  ".join(numbers)
    label = shortened(series.label, max(width - len(right) - 4, 0))
    row = fitted([(f"{series.glyph} ", series.color), (label, None)], width)
    return overlaid(row, width - len(right), [(right, None)]) if right else row
