"""What the panels are made of: rows of toned text that redraw only the cells that changed.

A row is a tuple of (text, tone) pieces. Tones are names, not colours: the theme gives them their
style, so a row reads the same in every theme and without colour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import overload

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.actions import bindings, find, keys_of
from tui.keys import shown_key
from tui.palette import scheme_of
from tui.strips import DrawnByLines
from tui.widgets.tones import GROUNDED, KEY_OF, Looks

Piece = tuple[str, str]
Row = tuple[Piece, ...]


def row(*pieces: str | Piece) -> Row:
    """A row of pieces; a bare string has no tone."""
    return tuple((piece, "") if isinstance(piece, str) else piece for piece in pieces if piece)


def keys_in_force(pieces: Row, keymap: Mapping[str, str]) -> Row:
    """`pieces` with the keys of a `keymap` in place of those that it has changed.

    The palette is the way to an action that has lost its key.
    """
    return tuple(_key_in_force(piece, keymap) for piece in pieces)


def _key_in_force(piece: Piece, keymap: Mapping[str, str]) -> Piece:
    text, tone = piece
    if not tone.startswith(KEY_OF) or (action_id := tone.removeprefix(KEY_OF)) not in keymap:
        return piece
    for one in (action_id, "app.palette"):
        if keys := keys_of(find(one), keymap):
            return (shown_key(keys[0]), tone)
    return (text, tone)


def row_width(pieces: Row) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def spread(left: Row, right: Row, width: int) -> Row:
    """`left` and `right` at the two ends of a line of `width` cells."""
    gap = width - row_width(left) - row_width(right)
    return (*left, (" " * max(1, gap), ""), *right)


def joined(pieces: Row) -> Row:
    """`pieces` with neighbours of one tone as one, and blanks as part of what they follow.

    Blanks show no tone but those that have a line or a ground, and every piece is some forty bytes
    on the line.
    """
    found: list[Piece] = []
    for text, tone in pieces:
        if found and (tone == found[-1][1] or (text.isspace() and found[-1][1] not in GROUNDED)):
            found[-1] = (found[-1][0] + text, found[-1][1])
        else:
            found.append((text, tone))
    return tuple(found)


def wrapped(text: str, width: int, tone: str = "") -> list[Row]:
    """`text` in as many rows of `width` cells as it takes."""
    import textwrap

    lines = textwrap.wrap(text, max(8, width), break_on_hyphens=False) or [""]
    return [((line, tone),) for line in lines]


# What stands for each sign where the terminal has plain ASCII only; one cell for one cell.
_IN_ASCII = str.maketrans(
    dict(zip("▸◂…✓✗▶●■▲◆▼★◉▣·×→←↑↓±–█▏│─µ", "><~+x>*#^*v***.x><^v+-#||-u", strict=True))
)


def ascii_only(app: App[object]) -> bool:
    """Whether the user asked for plain ASCII."""
    return bool(getattr(app, "ascii_only", False))


def in_ascii(text: str) -> str:
    """`text` without a character that plain ASCII lacks."""
    if text.isascii():
        return text
    return text.translate(_IN_ASCII).encode("ascii", "replace").decode("ascii")


def as_panel(widget: Widget, number: int, title: str) -> None:
    """Give `widget` the border, number and title that every panel of the bench has."""
    widget.add_class("panel")
    widget.border_title = f"{number} {title}"


class LazyRows(Sequence[Row]):
    """Rows that are made when they are looked at: of thousands a screen shows some forty."""

    def __init__(self, count: int, make: Callable[[int], Row]) -> None:
        self._count, self._make = count, cache(make)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        found = range(self._count)[index]
        return self._make(found) if isinstance(found, int) else tuple(map(self._make, found))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a line shows. The lines of header and footer do not scroll: `moves` is false."""

    pieces: Row
    cursor: bool = False
    moves: bool = True


class RowsView(ScrollView, DrawnByLines, can_focus=True):
    """Rows of text between a header and a footer that stay; with `has_cursor`, one is current.

    `show_rows` compares with what is on the screen and repaints only the pieces of each line that
    differ. Which of their cells are sent is the driver's to find out (`tui.cells`).
    """

    BINDINGS = bindings("list")

    has_cursor = False
    cursor: var[int] = var(0)

    class CursorMoved(Message):
        """The cursor of `view` is on another row."""

        def __init__(self, view: RowsView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> RowsView:
            return self.view

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._header: tuple[Row, ...] = ()
        self._rows: Sequence[Row] = ()
        self._footer: tuple[Row, ...] = ()
        self._drawn: dict[int, _Drawn] = {}
        self._looks = Looks(self)
        self._subtitle = ""

    # What is shown

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that are shown, without header and footer."""
        return self._rows

    @property
    def inner_width(self) -> int:
        """Cells a row may take, after the cursor's column."""
        return max(0, self.scrollable_content_region.width - (2 if self.has_cursor else 0))

    def text(self) -> str:
        """Everything that can be scrolled to, as plain text: for tests and for copying."""
        return _plain((*self._header, *self._rows, *self._footer))

    def row_text(self) -> str:
        """The header and the row under the cursor as plain text; without a cursor, what is seen."""
        if self.has_cursor and self._rows:
            return _plain((*self._header, self._rows[min(self.cursor, len(self._rows) - 1)]))
        return _plain([self._line_at(y).pieces for y in range(self.size.height)]).strip("\n")

    def show_rows(
        self, rows: Sequence[Row], header: Sequence[Row] = (), footer: Sequence[Row] = ()
    ) -> None:
        """Show `rows` between `header` and `footer`, repainting what differs."""
        keymap = getattr(self.app, "keymap_in_use", None) if self.is_attached else None
        if keymap:
            header, footer = ([keys_in_force(one, keymap) for one in lines]
                              for lines in (header, footer))  # fmt: skip
            if not isinstance(rows, LazyRows):
                rows = [keys_in_force(one, keymap) for one in rows]
        seen, room = self._cursor_in_view, self._page
        self._header, self._footer = tuple(header), tuple(footer)
        self._rows = rows if isinstance(rows, LazyRows) else tuple(rows)
        height = len(self._header) + len(self._rows) + len(self._footer)
        if self.virtual_size.height != height:
            self.virtual_size = Size(self.scrollable_content_region.width, height)
        if self._rows and self.cursor >= len(self._rows):
            self.cursor = len(self._rows) - 1
        elif seen and self._page < room:
            # A footer has taken the line that the cursor was on.
            self.keep_cursor_in_view()
        self._repaint_changes()

    def show_subtitle(self, text: str) -> None:
        """Write `text` on the lower border; Textual repaints the whole panel for it."""
        if text != self._subtitle:
            self._subtitle = text
            # A name in it may have brackets, which a plain string would take for markup.
            self.border_subtitle = Content(text)

    def rebuild(self) -> None:
        """Make the rows anew for the present width; panels override this."""

    def on_resize(self, event: events.Resize) -> None:
        self._drawn.clear()
        self.rebuild()
        self.keep_cursor_in_view()

    def watch_show_vertical_scrollbar(self) -> None:
        """The scrollbar takes a cell from every row, or gives it back."""
        self.call_after_refresh(self.rebuild)

    def notify_style_update(self) -> None:
        self._drawn.clear()
        self._looks.forget()
        super().notify_style_update()

    # Drawing

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        self._drawn[y] = drawn = self._line_at(y)
        looks = self._looks
        base = looks.cursor() if drawn.cursor else looks.plain()
        segments: list[Segment] = []
        if self.has_cursor and drawn.moves:
            segments.append(Segment("▸ " if drawn.cursor else "  ", base))
        reverse = base.reverse and scheme_of(self.app) == "ansi"
        for text, tone in drawn.pieces:
            style = looks.tone(tone)
            segments += _in_reverse(text, base, style) if reverse else [Segment(text, base + style)]
        if ascii_only(self.app):
            segments = [Segment(in_ascii(text), style) for text, style, _ in segments]
        return Strip(segments).adjust_cell_length(width, base)

    def _line_at(self, y: int) -> _Drawn:
        """What belongs on line `y` of the screen."""
        return self._lines_at(range(y, y + 1))[0]

    def _lines_at(self, places: range) -> list[_Drawn]:
        """What belongs on the lines `places` of the screen."""
        header, rows, footer = self._header, self._rows, self._footer
        first = len(header) - round(self.scroll_offset.y)
        # The footer stays even where the height leaves the header no room.
        below = self.size.height - len(footer)
        cursor = self.cursor if self.has_cursor else -1
        found = []
        for y in places:
            if y < len(header):
                found.append(_Drawn(header[y], moves=False))
            elif y >= below:
                found.append(_Drawn(footer[y - below], moves=False))
            elif 0 <= (index := y - first) < len(rows):
                found.append(_Drawn(rows[index], cursor=index == cursor))
            else:
                found.append(_Drawn(()))
        return found

    def _repaint_changes(self) -> None:
        """Ask for a repaint of every line's changed cells; none where nothing changed."""
        regions = []
        width, height = self.size
        for y, new in enumerate(self._lines_at(range(height))):
            old = self._drawn.get(y)
            if old == new:
                continue
            if old is None or (old.cursor, old.moves) != (new.cursor, new.moves):
                regions.append(Region(0, y, width, 1))
            elif (span := _changed_span(old.pieces, new.pieces)) is not None:
                indent = 2 if self.has_cursor and new.moves else 0
                regions.append(Region(span[0] + indent, y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    # Moving

    def watch_cursor(self, old: int, new: int) -> None:
        self.keep_cursor_in_view()
        self._repaint_changes()
        if old != new:
            self.post_message(self.CursorMoved(self))

    def watch_has_focus(self, focus: bool) -> None:
        super().watch_has_focus(focus)
        if self.has_cursor:
            self._drawn.clear()
            self.refresh()
            if focus:
                self.keep_cursor_in_view()

    def keep_cursor_in_view(self) -> None:
        """Scroll no further than it takes to see the row of the cursor."""
        if self.has_cursor and not self._cursor_in_view:
            above = self.cursor < round(self.scroll_offset.y)
            # The scrollbar itself may come a moment later than the rows that it is for.
            self.scroll_to(
                y=self.cursor if above else self.cursor - self._page + 1, animate=False, force=True
            )

    @property
    def _cursor_in_view(self) -> bool:
        top = round(self.scroll_offset.y)
        return top <= self.cursor < top + self._page

    @property
    def _page(self) -> int:
        """How many rows can be seen at once."""
        return max(1, self.size.height - len(self._header) - len(self._footer))

    def move(self, rows: int) -> None:
        """Move the cursor, or scroll where there is none, by so many rows."""
        if self.has_cursor:
            self.cursor = min(max(0, self.cursor + rows), max(0, len(self._rows) - 1))
            # Where it is at an end already it may have been scrolled out of sight.
            self.keep_cursor_in_view()
        else:
            self.scroll_to(y=self.scroll_offset.y + rows, animate=False)

    def action_cursor_up(self) -> None:
        self.move(-1)

    def action_cursor_down(self) -> None:
        self.move(1)

    def action_page_up(self) -> None:
        self.move(-self._page)

    def action_page_down(self) -> None:
        self.move(self._page)

    def action_half_page_up(self) -> None:
        self.move(-max(1, self._page // 2))

    def action_half_page_down(self) -> None:
        self.move(max(1, self._page // 2))

    def action_cursor_first(self) -> None:
        self.move(-len(self._rows))

    def action_cursor_last(self) -> None:
        self.move(len(self._rows))

    async def on_click(self, event: events.Click) -> None:
        index = event.y - self.gutter.top - len(self._header) + round(self.scroll_offset.y)
        if self.has_cursor and 0 <= index < len(self._rows):
            self.cursor = index


def _in_reverse(text: str, base: Style, tone: Style) -> Iterator[Segment]:
    """A piece of a row in reverse: bars as in other rows, what matches a search upright, and no
    colour, which would be the ground.

    Without colours bars are as light as the row itself: there they stay in reverse, which is dark.
    """
    plain = Style(color="default", reverse=not tone.reverse)
    for part in filter(None, re.split("(█+)", text)):
        bar = part[0] == "█"
        yield Segment(part, base + tone + (Style(reverse=False) if bar else plain))


def _plain(lines: Iterable[Row]) -> str:
    """`lines` without their tones and the blanks at their ends."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def _changed_span(old: Row, new: Row) -> tuple[int, int] | None:
    """The first and one past the last cell of the pieces in which two rows differ, or None."""
    start = sum(cell_len(text) for text, _ in _shared(old, new))
    before, after = row_width(old), row_width(new)
    if before != after:
        return start, max(before, after)
    end = after - sum(cell_len(text) for text, _ in _shared(old[::-1], new[::-1]))
    return (start, end) if start < end else None


def _shared(old: Row, new: Row) -> Iterator[Piece]:
    """The pieces with which both rows begin."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))
    return (piece for piece, _ in pairs)
