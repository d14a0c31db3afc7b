"""The one module that imports plotext: a figure whose every coordinate is safe to draw.

plotext 6.1 aborts the process on a NaN in a line and takes gigabytes for a point far outside the
limits, so nothing reaches it that is not finite and within 0..1, whatever a caller hands over.
Each plot is a figure of its own; the UI thread alone draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tui.palette import Color
from tui.rows import Row, blank, fitted, in_ascii, overlaid, parsed, plain
from tui.scales import Scale

# Smaller plots are drawn without axes.
_LEAST_WIDTH, _LEAST_HEIGHT = 16, 5
_THEME = "infer-tui"


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


def axis_rows_below(width: int, height: int) -> int:
    """How many rows the horizontal axis of a plot of this size takes: none in a small one."""
    return 2 if width >= _LEAST_WIDTH and height >= _LEAST_HEIGHT else 0


class Figure:
    """One plotext figure, whose coordinates run from 0 to 1.

    `left` and `bottom` are how many cells the axes take there; `columns` is how many columns of
    dots are beside the vertical axis, `per_cell` to a cell.
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
        self.width, self.height, self._frame, self.ascii_only = width, height, frame, ascii_only
        self.per_cell = 1 if ascii_only else per_cell
        self.columns = self.per_cell * width
        self.left = self.bottom = 0
        self._unit = ""

    def axes(self, x: Scale, y: Scale | None = None, *, below: int | None = None) -> None:
        """Draw the axes, where there is room for them.

        `below` is how many rows are kept for the horizontal one: by itself a figure judges that by
        its own size, which is less than the plot's where there is text beside it.
        """
        self.bottom = axis_rows_below(self.width, self.height) if below is None else below
        if not self.bottom:
            return
        labels = list(x.labels)
        labels[-1] = f"{labels[-1]} {x.unit}".rstrip()
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
        self._unit = y.unit
        self.left = gutter + 1
        self.columns = self.per_cell * (self.width - self.left)

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
        """Draw `points`: as dots, joined by one line, or joined two by two.

        What is not finite is left out, what is outside of 0..1 drawn at its edge.
        """
        points = [
            (min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))
            for x, y in points
            if math.isfinite(x) and math.isfinite(y)
        ]
        if not points:
            return
        brush = self._plotext.marker(marker, self._plotext.pixel(color))
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        # As `figure.signal` makes one, but all points share one brush: plotext would copy it for
        # each of them and then look for other colours in the copies, half of what a plot takes.
        signal = type(self._figure.signal([], [], marker=brush))(len(points))
        signal._append_points(xs, ys, [brush] * len(points))
        signal._set_marker(brush)._set_xside(0)._set_yside(0)
        signal._get_unique_pixels = list
        if bars:
            for index in range(1, len(points), 2):
                signal.line(index)
        self._figure.draw(signal.lines() if line else signal)

    def rows(self) -> list[Row]:
        """What was drawn, as `height` rows of `width` cells; the end of the figure."""
        rows = parsed(self._figure.build().string())[: self.height]
        # Its parts refer to it: without this its native memory, about 100 kB, would stay until a
        # full collection of garbage.
        vars(self._figure).clear()
        rows = [fitted(row, self.width) for row in rows]
        rows += blank(self.width, self.height - len(rows))
        if self._unit:
            self._name_unit(rows)
        return [in_ascii(row) for row in rows] if self.ascii_only else rows

    def _name_unit(self, rows: list[Row]) -> None:
        """Write the vertical axis' unit beside it, as far up as no label stands."""
        gutter = self.left - 1
        beside = (
            y for y in range(self.height - self.bottom) if not plain(rows[y])[:gutter].strip()
        )
        # Where every row has a label the corner, below the lowest of them, is left.
        y = next(beside, self.height - 1)
        rows[y] = overlaid(rows[y], 0, [(self._unit.rjust(gutter), self._frame)])
