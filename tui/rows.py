"""Rows of coloured text: what plots and live panels are made of before Textual sees them.

A row is a list of runs; one run is text of one colour. Few long runs are few bytes on the line.
"""

from __future__ import annotations

import re
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

from tui.palette import Color

Run = tuple[str, Color]
Row = list[Run]

# One cell for one cell.
_SIMPLER = str.maketrans("│┤─┬└┼…µ", "||-+++~u")
_SGR = re.compile(r"\x1b\[([0-9;]*)m")


def plain(row: Row) -> str:
    """The text of `row` without its colours."""
    return "".join(text for text, _ in row)


def cells(row: Row) -> int:
    """How many terminal cells `row` takes."""
    return sum(cell_len(text) for text, _ in row)


def merged(row: Row) -> Row:
    """`row` with neighbours of one colour joined; blanks take the colour of what precedes them.

    Blanks show no foreground, and every change of colour costs some twenty bytes.
    """
    runs: Row = []
    for text, color in row:
        if runs and (runs[-1][1] == color or text.isspace()):
            runs[-1] = (runs[-1][0] + text, runs[-1][1])
        elif text:
            runs.append((text, color))
    return runs


def fitted(row: Row, width: int) -> Row:
    """`row` cut or filled with blanks to exactly `width` cells."""
    runs: Row = []
    left = max(width, 0)
    for text, color in row:
        size = cell_len(text)
        if size > left:
            text, size = set_cell_size(text, left), left
        if size:
            runs.append((text, color))
            left -= size
    return merged([*runs, (" " * left, None)])


def overlaid(row: Row, at: int, over: Row) -> Row:
    """`row` with `over` written on it from cell `at` on; its width stays as it is."""
    width = cells(row)
    at = min(max(at, 0), width)
    over = fitted(over, min(cells(over), width - at))
    start = fitted(row, at)
    end = _without_start(row, at + cells(over))
    return fitted(merged([*start, *over, *end]), width)


def _without_start(row: Row, count: int) -> Row:
    """`row` without its first `count` cells."""
    runs: Row = []
    for text, color in row:
        skipped = min(count, cell_len(text))
        count -= skipped
        if skipped < cell_len(text):
            runs.append((text[len(set_cell_size(text, skipped)) :] if skipped else text, color))
    return runs


def blank(width: int, height: int) -> list[Row]:
    """`height` empty rows of `width` cells."""
    return [fitted([], width) for _ in range(max(height, 0))]


def centred(text: str, width: int, height: int, color: Color) -> list[Row]:
    """`text`, wrapped, in the middle of `height` rows of `width` cells."""
    if width < 1 or height < 1:
        return blank(width, height)
    lines = wrap(text, width)[:height]
    rows = blank(width, (height - len(lines)) // 2)
    rows += [fitted([(line.center(width), color)], width) for line in lines]
    return rows + blank(width, height - len(rows))


def in_ascii(row: Row) -> Row:
    """`row` in plain ASCII, as wide as before where every character took one cell."""
    return [
        (text.translate(_SIMPLER).encode("ascii", "replace").decode("ascii"), color)
        for text, color in row
    ]


def parsed(text: str) -> list[Row]:
    """The rows of `text` with its SGR foreground colours."""
    rows: list[Row] = []
    for line in text.removesuffix("\n").split("\n"):
        row: Row = []
        color: Color = None
        for index, part in enumerate(_SGR.split(line)):
            if index % 2:
                color = _foreground(part, color)
            elif part:
                row.append((part, color))
        rows.append(merged(row))
    return rows


def _foreground(code: str, before: Color) -> Color:
    """The colour that the SGR parameters `code` set, or `before` where they set none."""
    numbers = [int(number or 0) for number in code.split(";")]
    if numbers[:2] == [38, 2] and len(numbers) >= 5:
        return numbers[2], numbers[3], numbers[4]
    if numbers[:2] == [38, 5] and len(numbers) >= 3:
        return numbers[2]
    return None if numbers == [0] else before
