"""A widget of coloured rows that sends little more than the cells that changed."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip

from tui import palette
from tui.palette import Color, Scheme
from tui.rows import Row, cells, in_ascii
from tui.strips import DrawnByLines


class PlotView(DrawnByLines):
    """Rows of text, drawn by `draw` whenever `redraw` is called, the size or the theme changes.

    Textual sends every cell of what is refreshed, and of a row all that is left of it as well
    (`ChopsUpdate.render_segments`), so only changed rows are, up to their last changed cell. A
    widget that nobody can see draws nothing; it catches up when it is seen again.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES = {"plot-view--faint"}
    DEFAULT_CSS = """
    PlotView {
        height: 1fr;
        & > .plot-view--faint { color: $foreground 60%; }
        &:ansi > .plot-view--faint { color: ansi_bright_black; }
        &:nocolor > .plot-view--faint { color: $foreground; }
    }
    """

    def __init__(
        self,
        *,
        ascii_only: bool | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._ascii_only = ascii_only
        self._rows: list[Row] = []
        self._stale = False

    def draw(self, width: int, height: int) -> list[Row]:
        """The rows to show in `width` x `height` cells; a subclass says which."""
        return []

    @property
    def plain_ascii(self) -> bool:
        """Whether to draw with ASCII alone: as this widget was told, otherwise as the app was."""
        if self._ascii_only is not None:
            return self._ascii_only
        return bool(getattr(self.app, "ascii_only", False))

    @property
    def scheme(self) -> Scheme:
        """Which of the palette's colours suit the theme."""
        return palette.scheme_of(self.app)

    @property
    def faint(self) -> Color:
        """The colour of frames and of words beside figures."""
        color = self.get_component_rich_style("plot-view--faint").color
        if color is None or color.is_default or self.scheme == "none":
            return None
        triplet = color.triplet
        return color.number if triplet is None else (triplet.red, triplet.green, triplet.blue)

    @property
    def visible_now(self) -> bool:
        """Whether there is a cell of this widget on the screen that is shown."""
        if not self.is_attached or not self.size:
            return False
        # Textual counts the screen under another as current even where that one hides it.
        top = self.app.screen
        return self.screen is top or (self.screen.is_current and top.styles.background.a < 1)

    def redraw(self) -> None:
        """Draw again and send what changed; put off while the widget can't be seen."""
        self._stale = not self.visible_now
        if self._stale:
            return
        before, self._rows = self._rows, self.draw(*self.size)
        if self.plain_ascii:
            self._rows = [in_ascii(row) for row in self._rows]
        if len(before) != len(self._rows):
            self.refresh()
            return
        changed = [
            _changed_part(old, new, y)
            for y, (old, new) in enumerate(zip(before, self._rows, strict=True))
            if old != new
        ]
        if changed:
            self.refresh(*changed)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw_all())
        self.app.screen_change_signal.subscribe(self, lambda _: self._catch_up())

    def on_resize(self, event: events.Resize) -> None:
        self._draw_all()

    def _draw_all(self) -> None:
        self._rows = []
        self.redraw()

    def _catch_up(self) -> None:
        if self._stale:
            self.redraw()

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.size.width
        if y >= len(self._rows):
            return Strip.blank(width, base)
        segments = [Segment(text, base + _style(color)) for text, color in self._rows[y]]
        return Strip(segments).adjust_cell_length(width, base)


@lru_cache(maxsize=256)
def _style(color: Color) -> Style:
    if color is None:
        return Style.null()
    if isinstance(color, int):
        return Style(color=RichColor.from_ansi(color))
    return Style(color=RichColor.from_rgb(*color))


def _changed_part(before: Row, after: Row, y: int) -> Region:
    """The cells of row `y` from the first to the last that differ."""
    old = [(char, color) for text, color in before for char in text]
    new = [(char, color) for text, color in after for char in text]
    if len(old) != len(new) or cells(after) != len(new):
        # Characters and cells are not the same here: a glyph of two cells.
        return Region(0, y, max(cells(before), cells(after)), 1)
    differing = [x for x, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    return Region(differing[0], y, differing[-1] - differing[0] + 1, 1)
