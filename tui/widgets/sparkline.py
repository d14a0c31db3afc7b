"""A series in one row of cells: a few hundred bytes where Textual's own takes thousands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tui.palette import Color
from tui.rows import Row, fitted
from tui.widgets.plot_view import PlotView

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.:-=+*#"

# The height of the row stands for at least this share of the median, so that the noise of a
# steady series stays low.
_LEAST_SPAN = 0.1
# Far beyond any quantity, far below where arithmetic overflows.
_LARGEST = 1e100


def spark_text(
    values: ArrayLike,
    width: int,
    *,
    ascii_only: bool = False,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """The latest `width` of `values` as text of at most that many cells, oldest first.

    The scale runs from `low` to `high`. Without `low` it starts at the smallest value, not at
    zero: a latency's drift is what it shows, its size stands beside it as a number. Without
    `high` it ends at the largest value that is no severe outlier (3 IQR above the third
    quartile), so that a cold start doesn't flatten the rest, and at least 10 % of the median
    higher. What is outside is drawn at the end; values that are not finite are left out.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.abs(array) <= _LARGEST][-width:] if width > 0 else array[:0]
    if not array.size:
        return ""
    floor = float(array.min()) if low is None else low
    span = _usual_top(array) - floor if high is None else high - floor
    if high is None:
        span = max(span, _LEAST_SPAN * abs(float(np.median(array))))
    blocks = _ASCII_BLOCKS if ascii_only else _BLOCKS
    # Clipped before it is divided: by a span below the normal numbers 1 / span overflows.
    places = np.clip(array - floor, 0.0, span) / span if span > 0 else np.zeros(array.size)
    levels = np.minimum((places * len(blocks)).astype(np.intp), len(blocks) - 1)
    return "".join(blocks[level] for level in levels)


def _usual_top(values: NDArray[np.float64]) -> float:
    first, third = np.quantile(values, [0.25, 0.75])
    return min(float(values.max()), float(third + 3 * (third - first)))


class Sparkline(PlotView):
    """One row that shows the latest values of a series, in one colour."""

    DEFAULT_CSS = "Sparkline { height: 1; }"

    def __init__(
        self,
        *,
        low: float | None = None,
        high: float | None = None,
        color: Color = None,
        ascii_only: bool | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(ascii_only=ascii_only, id=id, classes=classes)
        self._low, self._high, self._color = low, high, color
        self._values: tuple[float, ...] = ()

    def show(self, values: Sequence[float]) -> None:
        """Show the end of `values`; nothing is sent where the text stays the same."""
        self._values = tuple(values)
        self.redraw()

    def draw(self, width: int, height: int) -> list[Row]:
        text = spark_text(
            self._values, width, ascii_only=self.plain_ascii, low=self._low, high=self._high
        )
        return [fitted([(text, self._color)], width)]
