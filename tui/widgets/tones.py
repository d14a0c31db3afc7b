"""Tones, the names of what a piece of text is meant to look like, and the styles that a theme gives
them.

A view asks for a style at every piece of every line that it draws, and the stylesheet's answer
takes longer than the drawing: each is asked for once, until the theme or the view's own styles
change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rich.color import Color
from rich.style import Style
from textual.widget import Widget

from tui.palette import Scheme, engine_color, scheme_of

# The tone of an entry of the run is this and its index: its colour in every panel and plot.
ENTRY = "entry"
TONES = ("muted", "strong", "good", "warn", "bad", "accent", "key", "heading", "match", "tab")
# The tone of a key in a sentence is this and its action's id, so that it is the one in force.
KEY, KEY_OF = "key", "key:"
# Tones that show on a blank too.
GROUNDED = frozenset({"heading", "match", "tab"})
# A screen that shows rows has these component classes, once for all of its rows: each of them
# costs a pass through the stylesheet, which a dozen widgets would multiply.
ROW_CLASSES = {*(f"rows--{tone}" for tone in TONES), "rows--cursor", "rows--cursor-blurred"}


class Looks:
    """The styles of one view's lines; `forget` after anything that they come from has changed."""

    def __init__(self, view: Widget) -> None:
        self._view = view
        self._known: dict[tuple[str, str], Style] = {}

    def forget(self) -> None:
        self._known.clear()

    def plain(self) -> Style:
        """Of what has no tone."""
        return self._once("plain", "", lambda _: self._view.rich_style)

    def cursor(self) -> Style:
        """Of what has no tone in the row of the cursor."""
        name = "rows--cursor" if self._view.has_focus else "rows--cursor-blurred"
        return self._once("cursor", name, self._over_cursor)

    def tone(self, tone: str) -> Style:
        """What the theme lays over the style of a line for `tone`."""
        return self._once("tone", tone, self._of_tone)

    def _once(self, kind: str, name: str, make: Callable[[str], Style]) -> Style:
        key = kind, name
        if key not in self._known:
            self._known[key] = make(name)
        return self._known[key]

    def _over_cursor(self, name: str) -> Style:
        full = self._view.screen.get_component_rich_style(name)
        return self.plain() + Style(bgcolor=full.bgcolor, bold=full.bold, reverse=full.reverse)

    def _of_tone(self, tone: str) -> Style:
        if not tone:
            return Style.null()
        if tone.startswith(ENTRY):
            return _entry_style(int(tone.removeprefix(ENTRY)), scheme_of(self._view.app))
        name = KEY if tone.startswith(KEY_OF) else tone
        style = self._view.screen.get_component_rich_style(f"rows--{name}")
        # Only a tab has a ground of its own: any other tone must let the cursor's show through.
        return style if tone == "tab" else _over_any_ground(style)


def _over_any_ground(style: Style) -> Style:
    """`style` without its background; its colour keeps what was blended into it."""
    return Style(
        color=style.color,
        bold=style.bold,
        dim=style.dim,
        underline=style.underline,
        reverse=style.reverse,
    )


@lru_cache
def _entry_style(index: int, scheme: Scheme) -> Style:
    color = engine_color(index, scheme)
    if color is None:
        return Style.null()
    if isinstance(color, int):
        return Style(color=Color.from_ansi(color))
    return Style(color=Color.from_rgb(*color))
