"""Sixel: pictures as text, six rows of pixels at a time (DEC, VT330/VT340 Programmer Reference).

A picture stands in the cells that it covers until something is written there, and must be sent
anew to move.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BAND = 6
# A character of sixel is this and its six bits, the topmost pixel the lowest.
ZERO = 63
# Shorter runs are as long when they are counted.
SHORTEST_RUN = 4

Pixels = npt.NDArray[np.uint8]


def encode(pixels: Pixels, palette: Sequence[tuple[int, int, int]]) -> str:
    """The picture as a sixel sequence.

    `pixels` is height x width of indices into `palette`, whose colours are 0 to 255 a channel.
    """
    height, width = pixels.shape
    used = np.unique(pixels)
    colours = "".join(f"#{index};2;{_percent(palette[index])}" for index in map(int, used))
    bands = "-".join(_band(pixels[top : top + BAND]) for top in range(0, height, BAND))
    # 0;1: square pixels, and what no colour covers stays as it is.
    return f'\x1bP0;1q"1;1;{width};{height}{colours}{bands}\x1b\\'


def _percent(colour: tuple[int, int, int]) -> str:
    return ";".join(str(round(channel * 100 / 255)) for channel in colour)


def _band(rows: Pixels) -> str:
    """Up to six rows: each colour goes over the whole width, `$` goes back to its beginning."""
    weights = (1 << np.arange(len(rows), dtype=np.uint8))[:, None]
    passes = []
    for colour in map(int, np.unique(rows)):
        bits = ((rows == colour) * weights).sum(axis=0, dtype=np.uint8)
        passes.append(f"#{colour}{_run_lengths(bits)}")
    return "$".join(passes)


def _run_lengths(bits: npt.NDArray[np.uint8]) -> str:
    """A row of sixels, runs counted; what is empty at its end is left out."""
    starts = np.flatnonzero(np.diff(bits, prepend=np.uint8(255)))
    ends = np.append(starts[1:], len(bits))
    values = bits[starts]
    if len(values) and values[-1] == 0:
        starts, ends, values = starts[:-1], ends[:-1], values[:-1]
    pieces = []
    for count, value in zip((ends - starts).tolist(), values.tolist(), strict=True):
        sign = chr(ZERO + value)
        pieces.append(sign * count if count < SHORTEST_RUN else f"!{count}{sign}")
    return "".join(pieces)
