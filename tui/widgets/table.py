"""Columns that fit the width there is: the least important are dropped first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, set_cell_size

from tui.widgets.panel import Piece, Row

# A column that stretches ends so far behind its longest text: the eye has to find what follows.
MOST_SLACK = 24
# Columns stand this far apart; closer where that saves one from being dropped.
GAPS = (2, 1)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `keep` orders dropping: the highest go first, 0 stays.

    `stretch` is for the one column that takes the cells that are left over, and that gives cells
    away, down to `minimum`, before a column is dropped. `least` keeps a column of live figures
    from changing its width with every digit.
    """

    name: str
    title: str
    keep: int = 0
    align: Literal["left", "right"] = "right"
    stretch: bool = False
    minimum: int = 8
    least: int = 0


@dataclass(frozen=True, slots=True)
class _Fitted:
    column: Column
    width: int
    gap: int


Line = Mapping[str, Piece | str]


class Layout:
    """Where columns stand in `width` cells. `natural` are the widths in which nothing is cut off.

    Rows are made one at a time: a long table needs those alone that can be seen.
    """

    def __init__(self, columns: Sequence[Column], natural: Mapping[str, int], width: int) -> None:
        widths = [max(one.least, cell_len(one.title), natural.get(one.name, 0)) for one in columns]
        layouts = [
            _fit([_Fitted(*pair, gap) for pair in zip(columns, widths, strict=True)], width)
            for gap in GAPS
        ]
        # Of layouts with as many columns, the first and widest.
        self._fitted = max(layouts, key=len)

    @property
    def header(self) -> Row:
        return self.row({one.column.name: (one.column.title, "heading") for one in self._fitted})

    def row(self, line: Line) -> Row:
        """`line` (column name -> text) as a row of the table."""
        return tuple(
            piece
            for one in self._fitted
            for piece in _cell(
                one, _piece(line.get(one.column.name, "")), last=one is self._fitted[-1]
            )
        )


def natural_widths(columns: Sequence[Column], lines: Sequence[Line]) -> dict[str, int]:
    """The widths in which no cell of `lines` is cut off, by the names of their columns."""
    return {
        column.name: max(
            (cell_len(_piece(line.get(column.name, ""))[0]) for line in lines), default=0
        )
        for column in columns
    }


def lay_out(columns: Sequence[Column], lines: Sequence[Line], width: int) -> tuple[Row, list[Row]]:
    """The header and the rows of a table of `lines` (column name -> text) in `width` cells."""
    layout = Layout(columns, natural_widths(columns, lines), width)
    return layout.header, [layout.row(line) for line in lines]


def _piece(value: Piece | str) -> Piece:
    return (value, "") if isinstance(value, str) else value


def _total(fitted: Sequence[_Fitted]) -> int:
    return sum(one.width + one.gap for one in fitted) - fitted[-1].gap


def _fit(fitted: list[_Fitted], width: int) -> list[_Fitted]:
    """Shrink the stretching column, then drop columns, until the rest fit in `width`."""
    while True:
        over = _total(fitted) - width
        stretching = next((i for i, one in enumerate(fitted) if one.column.stretch), None)
        if stretching is not None:
            one = fitted[stretching]
            lowest = min(one.width, one.column.minimum)
            if over < 0 or one.width - over >= lowest:
                width = min(one.width - over, one.width + MOST_SLACK)
                fitted[stretching] = replace(one, width=width)
                return fitted
        elif over <= 0:
            return fitted
        dropped = max(fitted, key=lambda each: each.column.keep)
        if dropped.column.keep == 0:
            return fitted
        fitted = [one for one in fitted if one is not dropped]


def _cell(one: _Fitted, piece: Piece, *, last: bool) -> tuple[Piece, ...]:
    """A cell of a column's width, with the gap that follows it."""
    text, tone = piece
    if cell_len(text) > one.width:
        text = set_cell_size(text, max(0, one.width - 1)) + "…" if one.width > 1 else ""
    blank = " " * (one.width - cell_len(text))
    gap = "" if last else " " * one.gap
    parts: tuple[Piece, ...] = ((text, tone), (blank + gap, ""))
    if one.column.align == "right":
        parts = ((blank, ""), (text, tone), (gap, ""))
    return tuple(part for part in parts if part[0])
