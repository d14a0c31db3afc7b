"""What a terminal shows, cell by cell, and the fewest bytes that change it into what it should.

Textual sends every cell of what it repaints, each piece of one style with all of that style: a
whole screen is 20 kB, and most of a repaint is what stands there already. Here its frames are laid
into a grid, and what is sent is how the grid differs from what was sent before. So frames can be
left out: the next one that goes brings everything up to date.

Sequences are those of ECMA-48: CUP moves to a row and column, CHA to a column, SGR sets a style.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rich.cells import get_character_cell_size

# What a frame of Textual's consists of: moves, styles and text. Anything else is no frame.
_FRAME = re.compile(r"(?:\x1b\[[\d;]*[Hm]|[^\x00-\x09\x0b-\x1f\x7f])+")
_TOKEN = re.compile(r"\x1b\[([\d;]*)([Hm])|([^\x1b]+)")
# The attributes that can be seen in a blank: underline, blink, reverse, strike, overline.
_SEEN_IN_BLANKS = frozenset({"4", "5", "6", "7", "9", "21", "53"})
# Cells that stay are sent again where a move over them would take as many bytes.
_SHORT_GAP = 4

Cell = tuple[str, str]
# Nothing is known of it, or nothing is wanted there.
_UNKNOWN: Cell = ("", "?")


class _Style(NamedTuple):
    """The parameters of one SGR, sorted into what can be set and reset alone."""

    attributes: frozenset[str]
    foreground: str
    background: str


class Picture:
    """The cells that a terminal of `width` x `height` shows, and those that it should show.

    `draw` takes a frame, `changes` gives what to send and takes it as sent.
    """

    def __init__(self, width: int, height: int) -> None:
        self.reset(width, height)

    def reset(self, width: int, height: int) -> None:
        """The terminal has a new size: nothing is known of it, and nothing is wanted yet."""
        self.width, self.height = width, height
        self._wanted = [[_UNKNOWN] * width for _ in range(height)]
        self._cursor = (0, 0)
        self.forget()

    def forget(self) -> None:
        """The terminal may show anything: what is wanted has to be sent whole."""
        self._sent = [[_UNKNOWN] * self.width for _ in range(self.height)]
        self._pen: str | None = None
        self._sent_cursor = (0, 0)
        self._turn = 0
        # The rows that frames have changed since they were sent, and in which turn.
        self._touched = dict.fromkeys(range(self.height), 0)

    @property
    def changed(self) -> bool:
        """Whether frames have changed anything since it was sent; it may look the same by now."""
        return bool(self._touched) or self._cursor != self._sent_cursor

    def next_turn(self) -> None:
        """What is drawn from now on goes before what waits."""
        self._turn += 1

    def draw(self, text: str) -> bool:
        """Lay a frame into the picture; False, and nothing done, where `text` is none."""
        if not _FRAME.fullmatch(text):
            return False
        x = y = 0
        style = ""
        for parameters, kind, run in _TOKEN.findall(text):
            if run:
                if "\n" in run:
                    # Textual ends lines with it; a move always follows.
                    run = run.replace("\n", "")
                x = self._lay(run, style, x, y)
            elif kind == "m":
                style = "" if parameters in ("", "0") else parameters
            else:
                row, _, column = parameters.partition(";")
                x, y = int(column or 1) - 1, int(row or 1) - 1
        # A frame ends where the cursor belongs, which is where a field is typed into.
        self._cursor = (x, y)
        return True

    def _lay(self, run: str, style: str, x: int, y: int) -> int:
        """Lay `run` into row `y` from column `x` on; returns the column after it."""
        if not 0 <= y < self.height:
            return x
        cells = _cells(run, style)
        row, end = self._wanted[y], x + len(cells)
        if row[x:end] != cells and x < self.width:
            if not row[x][0] and x > 0 and row[x] is not _UNKNOWN:
                # Half of a wide character is covered: what is left of it is blank.
                row[x - 1] = (" ", row[x - 1][1])
            row[x:end] = cells
            if end < len(row) and not row[end][0] and row[end] is not _UNKNOWN:
                row[end] = (" ", row[end][1])
            # A frame for another size, on its way when that changed, may be too wide.
            del row[self.width :]
            self._touched[y] = self._turn
        return end

    def changes(self, most: int | None = None) -> str:
        """What makes the terminal show what it should; with `most`, about so many bytes of it.

        Whole rows, the latest turn's first, from top to bottom; what is left out comes next time.
        """
        sequences: list[str] = []
        size = 0
        for y in sorted(self._touched, key=lambda y: (-self._touched[y], y)):
            if most is not None and size >= most:
                break
            del self._touched[y]
            if sequence := self._row(y):
                sequences.append(sequence)
                size += len(sequence.encode())
        if not (sequences or self._cursor != self._sent_cursor):
            return ""
        if self._cursor != (0, 0) or self._sent_cursor != (0, 0):
            sequences.append(_move(*self._cursor))
        self._sent_cursor = self._cursor
        return "".join(sequences)

    def _row(self, y: int) -> str:
        wanted, sent = self._wanted[y], self._sent[y]
        if wanted == sent:
            return ""
        width = len(wanted)
        differ = [x for x in range(width) if wanted[x] != sent[x] and wanted[x] is not _UNKNOWN]
        out: list[str] = []
        at = -1
        for x in differ:
            if x < at:
                continue
            while x > 0 and not wanted[x][0]:
                # The second half of a wide character is sent with its first.
                x -= 1
            if at < 0:
                out.append(_move(x, y))
            elif at < x:
                gap = wanted[at:x]
                if x - at <= _SHORT_GAP and all(_fits(cell, self._pen) for cell in gap):
                    out += [char for char, _ in gap]
                else:
                    out.append(f"\x1b[{x + 1}G")
            at = self._cell(x, wanted, out)
        # One object for cells that are the same, so that rows compare by identity.
        sent[:] = wanted
        return "".join(out)

    def _cell(self, x: int, row: list[Cell], out: list[str]) -> int:
        """Send the cell at `x`, changing the pen where it must be; returns the column after it."""
        char, style = row[x]
        if not _fits(row[x], self._pen):
            out.append(_change(self._pen, style))
            self._pen = style
        out.append(char or " ")
        x += 1
        while x < len(row) and not row[x][0] and row[x] is not _UNKNOWN:
            x += 1
        return x


@lru_cache(maxsize=1024)
def _cells(run: str, style: str) -> list[Cell]:
    """One (character, style) a cell; a wide character is followed by empty ones."""
    blank = _shared(" ", _as_blank(style))
    if run.isascii():
        return [_shared(char, style) if char != " " else blank for char in run]
    cells: list[Cell] = []
    for char in run:
        size = get_character_cell_size(char)
        if size == 0 and cells:
            # A combining character belongs to the one before it.
            cells[-1] = _shared(cells[-1][0] + char, style)
        else:
            cells.append(_shared(char, style) if char != " " else blank)
            cells += [_shared("", style)] * (size - 1)
    return cells


@lru_cache(maxsize=4096)
def _shared(char: str, style: str) -> Cell:
    """One object for cells that are the same: they are kept by the ten thousand."""
    return (char, style)


@lru_cache(maxsize=1024)
def _parsed(style: str) -> _Style:
    attributes: set[str] = set()
    foreground = background = ""
    parts = iter(style.split(";") if style else ())
    for one in parts:
        if one in ("38", "48"):
            count = 3 if (kind := next(parts, "5")) == "2" else 1
            whole = ";".join((one, kind, *(next(parts, "0") for _ in range(count))))
            foreground, background = (whole, background) if one == "38" else (foreground, whole)
        elif len(one) > 1 and one[:-1] in ("3", "9"):
            foreground = "" if one == "39" else one
        elif len(one) > 1 and one[:-1] in ("4", "10"):
            background = "" if one == "49" else one
        else:
            attributes.add(one)
    return _Style(frozenset(attributes), foreground, background)


@lru_cache(maxsize=1024)
def _as_blank(style: str) -> str:
    """What of a style can be seen in a blank."""
    found = _parsed(style)
    if found.attributes & _SEEN_IN_BLANKS:
        return style
    return found.background


@lru_cache(maxsize=4096)
def _fits(cell: Cell, pen: str | None) -> bool:
    """Whether `cell` looks right when it is written with `pen`."""
    char, style = cell
    if pen is None or char == "":
        return False
    return style == pen or (char == " " and style == _as_blank(pen))


@lru_cache(maxsize=4096)
def _change(pen: str | None, style: str) -> str:
    """The SGR that turns `pen`, or whatever it was where that is None, into `style`."""
    new = _parsed(style)
    whole = f"\x1b[0;{style}m" if style else "\x1b[m"
    if pen is None:
        return whole
    old = _parsed(pen)
    if not old.attributes <= new.attributes:
        return whole
    parts = sorted(new.attributes - old.attributes)
    if old.foreground != new.foreground:
        parts.append(new.foreground or "39")
    if old.background != new.background:
        parts.append(new.background or "49")
    return min(f"\x1b[{';'.join(parts)}m", whole, key=len) if parts else ""


def _move(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
