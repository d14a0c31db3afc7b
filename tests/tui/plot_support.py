"""What the tests of plots share: series to draw, and what was drawn of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engines.statistics import LatencyHistogram
from tui.palette import Color
from tui.plotting import HistogramSeries, LineSeries, Plot
from tui.rows import plain

Floats = NDArray[np.float64]
RED, BLUE, GREY = 1, 4, 8


def line(values_ms: Floats, color: Color = RED, glyph: str = "●", **fields: object) -> LineSeries:
    made = LineSeries(
        glyph=glyph,
        color=color,
        faint=GREY,
        times_s=np.arange(len(values_ms)) / 100,
        low_ms=values_ms,
        high_ms=values_ms,
        measuring_since=0.0,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def counted(values_ms: Floats, color: Color = RED, glyph: str = "●") -> HistogramSeries:
    histogram = LatencyHistogram()
    histogram.add(values_ms)
    quantile = histogram.quantile
    return HistogramSeries(glyph, color, "eager", histogram, quantile(0.5), quantile(0.99))


def noisy(median_ms: float, n: int = 2000, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return median_ms * np.exp(0.02 * rng.standard_normal(n))


def text(plot: Plot) -> list[str]:
    return [plain(row) for row in plot.rows]


def cells_of(plot: Plot, color: Color) -> list[tuple[int, int]]:
    """Row and column of every cell that shows something in `color`."""
    found = []
    for y, row in enumerate(plot.rows):
        x = 0
        for run, run_color in row:
            marks = [x + at for at, char in enumerate(run) if char != " "]
            found += [(y, at) for at in marks if run_color == color]
            x += len(run)
    return found
