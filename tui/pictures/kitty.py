"""kitty's graphics protocol: pictures that the terminal keeps and shows where it is told.

https://sw.kovidgoyal.net/kitty/graphics-protocol/. Everything is sent with q=2: no answers, which
would come between the keys. Pictures lie under the text (z=-1) and over the cells' backgrounds.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

# The protocol's own largest piece of base64.
PIECE = 4096
PLACEMENT = "p=1"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture in pixels, and the cells that it fills, counted from 0."""

    left: int
    top: int
    width: int
    height: int
    column: int
    row: int
    columns: int
    rows: int


def transmit(number: int, png: bytes) -> str:
    """Give the terminal the PNG file as picture `number`; nothing is shown yet."""
    code = base64.standard_b64encode(png).decode()
    pieces = [code[at : at + PIECE] for at in range(0, len(code), PIECE)]
    first = f"a=t,f=100,t=d,i={number},q=2,"
    sent = []
    for index, piece in enumerate(pieces):
        more = int(index + 1 < len(pieces))
        sent.append(f"\x1b_G{first if index == 0 else ''}m={more};{piece}\x1b\\")
    return "".join(sent)


def show(number: int, part: Part) -> str:
    """Show a part of picture `number`, instead of the one of it that is shown."""
    where = f"\x1b[{part.row + 1};{part.column + 1}H"
    source = f"x={part.left},y={part.top},w={part.width},h={part.height}"
    cells = f"c={part.columns},r={part.rows}"
    return f"{where}\x1b_Ga=p,i={number},{PLACEMENT},{source},{cells},C=1,z=-1,q=2\x1b\\"


def hide(number: int) -> str:
    """Show picture `number` no more; the terminal keeps it."""
    return f"\x1b_Ga=d,d=i,i={number},{PLACEMENT},q=2\x1b\\"


def forget(number: int) -> str:
    """Have the terminal drop picture `number`, which frees its memory."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
