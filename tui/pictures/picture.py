"""A picture of few colours, scaled and cut into strips of whole rows of cells.

The graph of a model is far taller than a screen, and taller than terminals take pictures (kitty:
10,000 pixels). A strip is made and sent when it comes into sight.
"""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tui.pictures import sixel

if TYPE_CHECKING:
    from PIL import Image

# Text and lines with smooth edges need no more, and a byte of the line holds two pixels.
COLOURS = 16
# Rows of cells in a strip: few enough that a line of 8 kB/s has one in a second.
STRIP_ROWS = 8
# Pillow itself warns from 89 million pixels on, as of a file made to fill the memory. This one is
# our own: MobileNetV2's graph has 16 million.
LARGEST_PIXELS = 400_000_000


class Picture:
    """The picture of a file. Opening and scaling takes tenths of a second: not for the UI's thread.

    Raises OSError where the file can't be read or holds no picture.
    """

    def __init__(self, path: Path) -> None:
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = LARGEST_PIXELS
        with Image.open(path) as file:
            self._whole = file.convert("RGB")
        self.width, self.height = self._whole.size
        sparse = self._whole.resize((max(1, self.width // 2), max(1, self.height // 2)))
        # An octree keeps black and white apart, of which Pillow's usual median cut makes greys.
        self._palette = sparse.quantize(COLOURS, Image.Quantize.FASTOCTREE)

    @cached_property
    def first_column(self) -> float:
        """Where the first thing of the picture stands, as a part of its width."""
        top = np.asarray(self._whole.crop((0, 0, self.width, min(self.height, 60))).convert("L"))
        drawn = np.flatnonzero((top < 128).any(axis=0))
        return float(drawn.mean() / self.width) if len(drawn) else 0.5

    def scaled(self, scale: float, cell: tuple[int, int]) -> Scaled:
        """The picture at `scale`, for cells of so many pixels."""
        return Scaled(self._whole, self._palette, scale, cell)


class Scaled:
    """A picture at one scale, by rows of cells. `columns` and `rows` are its size in cells."""

    def __init__(
        self, whole: Image.Image, palette: Image.Image, scale: float, cell: tuple[int, int]
    ) -> None:
        from PIL import Image

        width, height = cell
        self.scale, self.cell = scale, cell
        self.columns = max(1, -(-round(whole.width * scale) // width))
        self.rows = max(1, -(-round(whole.height * scale) // height))
        size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
        scaled = whole if size == whole.size else whole.resize(size, Image.Resampling.LANCZOS)
        # Whole cells, the paper white to their edge.
        self._pixels = Image.new("RGB", (self.columns * width, self.rows * height), "white")
        self._pixels.paste(scaled, (0, 0))
        self._palette = palette
        self._strips: dict[int, bytes] = {}

    @property
    def strips(self) -> int:
        """How many strips there are; the last may have fewer rows."""
        return -(-self.rows // STRIP_ROWS)

    def strip(self, index: int) -> bytes:
        """Strip `index` in its whole width as a PNG file."""
        if index not in self._strips:
            top = index * STRIP_ROWS
            rows = min(STRIP_ROWS, self.rows - top)
            file = io.BytesIO()
            self._cut(0, top, self.columns, rows).save(file, "PNG", bits=4)
            self._strips[index] = file.getvalue()
        return self._strips[index]

    def sixels(self, column: int, row: int, columns: int, rows: int) -> str:
        """A part of it, in cells, as sixels."""
        part = self._cut(column, row, columns, rows)
        flat = part.getpalette() or []
        palette = [(flat[at], flat[at + 1], flat[at + 2]) for at in range(0, len(flat) - 2, 3)]
        return sixel.encode(np.asarray(part), palette)

    def _cut(self, column: int, row: int, columns: int, rows: int) -> Image.Image:
        from PIL import Image

        width, height = self.cell
        box = (column * width, row * height, (column + columns) * width, (row + rows) * height)
        part = self._pixels.crop(box)
        return part.quantize(palette=self._palette, dither=Image.Dither.NONE)
