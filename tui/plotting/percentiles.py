"""Latency over percentile, on a scale that opens the tail up, as HdrHistogram's plots have it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from rich.cells import cell_len

from engines.statistics import sample_floor
from tui.formats import shortened
from tui.palette import Color
from tui.plotting.figure import Figure, Plot
from tui.plotting.histograms import HistogramSeries, percentile_marks
from tui.rows import Row, blank, fitted
from tui.scales import (
    LOG_SPREAD,
    NINES_OF_P50,
    Distribution,
    Floats,
    Scale,
    level_scale,
    percentile_scale,
)

# Points for each further nine: more than a panel has columns for it.
_PER_NINE = 32
# A percentile of six nines needs 6.6 million samples; a run that has more is drawn up to it.
_MOST_NINES = 6
# A plot needs as many rows before one of them may go to its legend.
_LEAST_LEGEND_HEIGHT = 7
_LEAST_LABEL = 4


def curve_points(latencies: Distribution) -> tuple[Floats, Floats]:
    """Nines of the percentiles from p50 up (see `percentile_scale`), and their latencies in ms.

    It ends with the last percentile for which there are enough samples, by the floors that hold
    for every figure here (`engines.statistics.sample_floor`); without 11 samples it is empty.
    """
    nines, floors = _steps()
    nines = nines[: int(np.searchsorted(floors, latencies.n, side="right"))]
    if not nines.size:
        return nines, nines
    return nines, latencies.quantiles(1.0 - 10.0**-nines)


@cache
def _steps() -> tuple[Floats, Floats]:
    """The nines that a curve may have a point at, ascending, and how many samples each needs."""
    first = int(NINES_OF_P50 * _PER_NINE) + 1
    later = np.arange(first, _MOST_NINES * _PER_NINE + 1) / _PER_NINE
    nines = np.concatenate([[NINES_OF_P50], later])
    floors = [sample_floor(round(100 - 100 * 10.0**-one, 9)) for one in nines.tolist()]
    return nines, np.array(floors, dtype=np.float64)


def percentile_plot(
    series: Sequence[HistogramSeries],
    width: int,
    height: int,
    *,
    frame: Color = None,
    ascii_only: bool = False,
    log: bool | None = None,
) -> Plot:
    """Latency over percentile in `width` x `height` cells, one curve an engine.

    A curve ends in its engine's glyph where there are too few samples for a higher percentile.
    p50 and p99 are marked on it. `log` chooses the latency axis; None makes it logarithmic where
    the curves span more than LOG_SPREAD.
    """
    curves = [(one, *curve_points(one.latencies)) for one in series if one.latencies.n]
    curves = [one for one in curves if one[1].size]
    if not curves or width < 1 or height < 1:
        return Plot(blank(width, height))
    legend: list[Row] = []
    if height >= _LEAST_LEGEND_HEIGHT:
        legend = [_legend([one for one, _, _ in curves], width)]
    height -= len(legend)
    low = min(float(values.min()) for _, _, values in curves)
    high = max(float(values.max()) for _, _, values in curves)
    log = high > LOG_SPREAD * low if log is None else log
    x = percentile_scale(max(float(nines[-1]) for _, nines, _ in curves))
    y = level_scale(low, high, max(2, (height - 1) // 2), log=log)
    figure = Figure(width, height, frame, ascii_only)
    figure.axes(x, y)
    for one, nines, values in curves:
        points = _points(x.place(nines), y.place(values))
        figure.points(points, one.glyph if ascii_only else "braille", one.color, line=True)
    for one, nines, values in curves:
        _draw_marks(figure, one, x, y)
        end = (float(x.place(nines[-1])) + 2 / figure.columns, float(y.place(values[-1])))
        figure.points([end], one.glyph, one.color, line=False)
    return Plot([*legend, *figure.rows()], y, marked=True)


def _points(xs: Floats, ys: Floats) -> list[tuple[float, float]]:
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _draw_marks(figure: Figure, series: HistogramSeries, x: Scale, y: Scale) -> None:
    """Mark the percentiles of `series` that are known, on its curve."""
    marks = percentile_marks(ascii_only=figure.ascii_only)
    known = zip(marks, (NINES_OF_P50, 2.0), (series.p50_ms, series.p99_ms), strict=True)
    for mark, nines, value in known:
        if value is not None:
            point = (float(x.place(nines)), float(y.place(value)))
            figure.points([point], mark, series.color, line=False)


def _legend(series: Sequence[HistogramSeries], width: int) -> Row:
    """The glyph and as much of the label of each as there is room for."""
    sizes = [cell_len(one.label) for one in series]
    room = width + 2 - 4 * len(series)
    most = next(
        (one for one in range(max(sizes), 0, -1) if sum(min(one, size) for size in sizes) <= room),
        0,
    )
    row: Row = []
    for one in series:
        row += [(one.glyph, one.color)]
        label = f" {shortened(one.label, most)}" if most >= min(_LEAST_LABEL, max(sizes)) else ""
        row += [(f"{label}  ", None)]
    return fitted(row, width)
