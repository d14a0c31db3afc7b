"""Tables for terminals and for Markdown: aligned columns that give way where width is short."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

GAP = "  "
SHORTEST_CUT = 8

Colour = Literal["", "good", "bad", "doubt", "faint"]
_ANSI = {"good": "\x1b[32m", "bad": "\x1b[31m", "doubt": "\x1b[33m", "faint": "\x1b[2m"}
_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one field shows; `colour` says what it means and is never the only sign of it."""

    text: str
    colour: Colour = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its cells.

    Where width is short the columns with the highest `priority` number go first, those that share
    it together; columns of priority 0 stay. Numbers are aligned to the right. `notes` say what its
    figures mean, below the table.
    """

    heading: str
    cells: Sequence[Cell]
    priority: int = 0
    numeric: bool = True
    notes: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        return not any(cell.text for cell in self.cells)

    @property
    def width(self) -> int:
        return max(display_width(text) for text in [self.heading, *(c.text for c in self.cells)])


def fitting(columns: Sequence[Column], width: int | None = None) -> list[Column]:
    """The columns that have content and, from the most important on, fit into `width`."""
    kept = [column for column in columns if not column.empty]
    while width is not None and _total([column.width for column in kept]) > width:
        least = max(column.priority for column in kept)
        if least == 0:
            break
        kept = [column for column in kept if column.priority < least]
    return kept


def text_lines(columns: Sequence[Column], width: int, *, colour: bool = False) -> list[str]:
    """The table in lines; the first column is cut short where `width` is still too small.

    A table without columns has no lines.
    """
    if not columns:
        return []
    widths = [column.width for column in columns]
    widths[0] = max(SHORTEST_CUT, min(widths[0], width - _total(widths[1:]) - len(GAP)))
    heading = [Cell(column.heading, "faint") for column in columns]
    rows = zip(*(column.cells for column in columns), strict=True)
    return [_line(cells, columns, widths, colour) for cells in [heading, *rows]]


def markdown_lines(columns: Sequence[Column]) -> list[str]:
    """The table in Markdown as GitHub renders it; a table without columns has no lines."""
    if not columns:
        return []
    marks = ["---:" if column.numeric else "---" for column in columns]
    rows = zip(*(column.cells for column in columns), strict=True)
    lines = [[column.heading for column in columns], marks]
    lines += [[markdown_text(cell.text) for cell in row] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def markdown_text(text: str) -> str:
    """`text` as Markdown shows it literally, in a table too."""
    return "".join("\\" + char if char in r"\|`*_<>[]" else char for char in text)


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def painted(text: str, meaning: Colour, colour: bool) -> str:
    """`text` in the colour for `meaning`, where colour is wanted."""
    return f"{_ANSI[meaning]}{text}{_RESET}" if colour and meaning else text


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * max(0, len(widths) - 1)


def _line(
    cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], colour: bool
) -> str:
    parts = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = _cut(cell.text, width)
        space = " " * (width - display_width(text))
        shown = painted(text, cell.colour, colour)
        parts.append(space + shown if column.numeric else shown + space)
    return GAP.join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    while text and display_width(text) >= width:
        text = text[:-1]
    return text + "…"
