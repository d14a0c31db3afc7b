"""What Textual draws with, made to go when it is done with, and not at a full garbage collection.

A strip caches what it was cut and stretched to, and where that is the strip itself it holds itself:
then only the collector frees it, with its segments and seven caches, some kilobytes a line that was
drawn. A widget that is drawn line by line remembers every region that ever changed.
This is the one place that knows either from inside; Textual is pinned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

_adjust_cell_length, _crop_extend, _divide = (
    Strip.adjust_cell_length,
    Strip.crop_extend,
    Strip.divide,
)


def free_strips_at_once() -> None:
    """Have strips not cache themselves, from now on and in the whole process."""
    for method in (adjust_cell_length, crop_extend, divide):
        setattr(Strip, method.__name__, method)


def adjust_cell_length(self: Strip, cell_length: int, style: Style | None = None) -> Strip:
    """As Textual's own, without a note of it in the cache where nothing is to be done."""
    return (
        self if self.cell_length == cell_length else _adjust_cell_length(self, cell_length, style)
    )


def crop_extend(self: Strip, start: int, end: int, style: Style | None) -> Strip:
    """As Textual's own, without a note of it in the cache where nothing is to be done."""
    if start <= 0 and end == self.cell_length:
        return self
    return _crop_extend(self, start, end, style)


def divide(self: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
    """As Textual's own, without a note of it in the cache where nothing is cut."""
    within = [cut for cut in cuts if cut <= self.cell_length]
    return [self] if within == [self.cell_length] else _divide(self, within)


class DrawnByLines(Widget):
    """A widget with a `render_line` of its own."""

    def render_lines(self, crop: Region) -> list[Strip]:
        # Textual's own `render_line` asks what changed, and nobody else forgets it.
        self._dirty_regions.clear()
        return super().render_lines(crop)
