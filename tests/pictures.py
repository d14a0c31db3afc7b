"""What a terminal does with pictures: kitty's protocol and sixel, read from what was sent."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field

from PIL import Image

_COMMAND = re.compile(rb"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")
_MOVE = re.compile(rb"\x1b\[(\d+);(\d+)H\Z")
_SIXEL = re.compile(rb"\x1b\[(\d+);(\d+)H\x1bP([\d;]*)q([^\x1b]*)\x1b\\")
_SIXEL_ITEM = re.compile(rb"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)")
# The protocol's own largest piece.
KITTY_PIECE = 4096


@dataclass
class Kitty:
    """The pictures that a terminal was given by kitty's protocol, and those that it shows."""

    pictures: dict[int, Image.Image] = field(default_factory=dict)
    shown: dict[int, tuple[int, int, Image.Image]] = field(default_factory=dict)

    def read(self, raw: bytes) -> Kitty:
        """Do what the commands in `raw` say, and check that they are well formed."""
        pieces: list[bytes] = []
        number = 0
        for match in _COMMAND.finditer(raw):
            keys = dict(one.split("=") for one in match[1].decode().split(","))
            if keys.get("a") == "q":
                continue
            if "m" in keys:
                assert len(match[2]) <= KITTY_PIECE
                number = int(keys.get("i", number))
                pieces.append(match[2])
                if keys["m"] == "0":
                    png = base64.b64decode(b"".join(pieces), validate=True)
                    self.pictures[number] = Image.open(io.BytesIO(png)).convert("RGB")
                    pieces = []
                else:
                    assert len(match[2]) % 4 == 0, "a piece that is not the last is whole"
                continue
            assert not pieces, "nothing else comes between the pieces of a picture"
            assert keys["q"] == "2", "no answer is asked for"
            number = int(keys["i"])
            if keys["a"] == "p":
                at = _MOVE.search(raw[: match.start()])
                assert at is not None, "the cursor is where the picture goes"
                self._place(number, int(at[1]) - 1, int(at[2]) - 1, keys)
            elif keys["a"] == "d":
                self.shown.pop(number, None)
                if keys["d"] == "I":
                    del self.pictures[number]
        assert not pieces
        return self

    def _place(self, number: int, row: int, column: int, keys: dict[str, str]) -> None:
        left, top, width, height = (int(keys[key]) for key in "xywh")
        picture = self.pictures[number]
        assert left + width <= picture.width
        assert top + height <= picture.height
        part = picture.crop((left, top, left + width, top + height))
        self.shown[number] = (row, column, part)

    def screen(self, columns: int, rows: int, cell: tuple[int, int]) -> Image.Image:
        """What is shown on a black screen of so many cells."""
        found = Image.new("RGB", (columns * cell[0], rows * cell[1]))
        for row, column, part in self.shown.values():
            found.paste(part, (column * cell[0], row * cell[1]))
        return found


def sixels(raw: bytes) -> list[tuple[int, int, Image.Image]]:
    """Every sixel picture in `raw`, with the row and column at which it begins."""
    return [(int(one[1]) - 1, int(one[2]) - 1, _decoded(one[4])) for one in _SIXEL.finditer(raw)]


def _decoded(body: bytes) -> Image.Image:
    size = re.match(rb'"1;1;(\d+);(\d+)', body)
    assert size is not None, "its size goes before"
    width, height = int(size[1]), int(size[2])
    found = Image.new("RGB", (width, height), (255, 0, 255))
    pixels = found.load()
    colours: dict[int, tuple[int, ...]] = {}
    colour: tuple[int, ...] = ()
    x = band = 0
    at = size.end()
    while at < len(body):
        item = _SIXEL_ITEM.match(body, at)
        assert item is not None, f"no sixel: {body[at : at + 20]!r}"
        at = item.end()
        if item[1]:
            colours[int(item[1])] = tuple(round(int(one) * 2.55) for one in item.group(2, 3, 4))
        elif item[5]:
            colour = colours[int(item[5])]
        elif item[9]:
            x = 0
        elif item[10]:
            x, band = 0, band + 1
        else:
            count, sign = (int(item[6]), item[7]) if item[6] else (1, item[8])
            bits = sign[0] - 63
            for bit in range(6):
                if bits >> bit & 1:
                    assert x + count <= width
                    assert band * 6 + bit < height
                    for column in range(x, x + count):
                        pixels[column, band * 6 + bit] = colour
            x += count
    return found
