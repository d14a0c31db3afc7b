"""Columns that fit the width there is: the least important are dropped first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, set_cell_size

from tui.widgets.panel import Piece, Row

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


def lay_out(columns: Sequence[Column], lines: Sequence[Line], width: int) -> tuple[Row, list[Row]]:
    """The header and the rows of a table of `lines` (column name -> text) in `width` cells."""
    layouts = [
        _fit([_Fitted(one, _natural(one, lines), gap) for one in columns], width) for gap in GAPS
    ]
    # Of layouts with as many columns, the first and widest.
    fitted = max(layouts, key=len)
    titles = {column.name: (column.title, "heading") for column in columns}
    header, *rows = [_row(fitted, line) for line in (titles, *lines)]
    return header, rows


def _row(fitted: Sequence[_Fitted], line: Line) -> Row:
    return tuple(
        piece
        for one in fitted
        for piece in _cell(one, _piece(line.get(one.column.name, "")), last=one is fitted[-1])
    )


def _piece(value: Piece | str) -> Piece:
    return (value, "") if isinstance(value, str) else value


def _natural(column: Column, lines: Sequence[Line]) -> int:
    """The width in which nothing of this column is cut off."""
    texts = [_piece(line.get(column.name, ""))[0] for line in lines]
    return max(column.least, *map(cell_len, (column.title, *texts)))


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
                fitted[stretching] = replace(one, width=one.width - over)
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
