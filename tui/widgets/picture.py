"""A picture on the screen, by kitty's protocol or by sixel: what is in sight, and the way to it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Self

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import var
from textual.widgets._toast import Toast

from tui.actions import bindings
from tui.pictures import kitty
from tui.pictures.asking import Ability
from tui.pictures.picture import STRIP_ROWS, Scaled
from tui.widgets.panel import Row, RowsView

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tui.picturing import PicturingApp

# A step sideways, in cells.
PAN = 8
# A layout that changes is painted in two or three frames: sixels are sent once, after the last.
SETTLED_S = 0.03


class PictureView(RowsView):
    """The part of a picture that its place on the screen has room for.

    Textual knows nothing of pictures: this widget leaves its cells blank, and after each time that
    they are painted it writes the picture over them. Kitty's lies under the text, sixels are gone
    where text is written; so the picture is taken away while a dialog or a toast is over it.
    """

    BINDINGS = bindings("list")

    top: var[int] = var(0)
    left: var[int] = var(0)

    class Moved(Message):
        """Another part of the picture is in sight."""

    def __init__(self, ability: Ability, app: PicturingApp) -> None:
        super().__init__(classes="page")
        self.ability, self._terminal = ability, app
        self._sixels = False
        self.picture: Scaled | None = None
        # Kitty's pictures are known by numbers that all programs in its window share.
        self._first_number = random.randrange(1 << 16, 1 << 31)  # noqa: S311
        self._known: set[int] = set()
        self._shown: set[int] = set()
        self._asked = False

    # What is shown

    def show_picture(self, picture: Scaled | None, at: tuple[float, float] = (0, 0)) -> None:
        """Show `picture` from the row and column `at`; None: the rows of text."""
        self._forget()
        self.picture = picture
        if picture is not None:
            self.show_rows([])
            self.set_reactive(PictureView.top, self._clamped(round(at[0]), self._last_top))
            self.set_reactive(PictureView.left, self._clamped(round(at[1]), self._last_left))
        # What was there goes, and the picture is drawn once the cells are blank.
        self.refresh()
        self.post_message(self.Moved())

    def say(self, rows: Sequence[Row]) -> None:
        """Show words in place of the picture."""
        self.show_picture(None)
        self.show_rows(rows)

    @property
    def place(self) -> Region:
        """Where on the screen the picture is, in cells."""
        return self.content_region

    @property
    def in_sight(self) -> Region:
        """Which cells of the picture are in sight."""
        assert self.picture is not None
        width = min(self.place.width, self.picture.columns - self.left)
        if self.ability.protocol == "sixel" and self.ability.limit[0]:
            width = min(width, self.ability.limit[0] // self.picture.cell[0])
        height = min(self.place.height, self.picture.rows - self.top)
        if self.ability.protocol == "sixel" and self.ability.limit[1]:
            height = min(height, self.ability.limit[1] // self.picture.cell[1])
        return Region(self.left, self.top, width, height)

    def cost(self) -> int:
        """Bytes on the line to show what is in sight, as far as the terminal doesn't have it."""
        if self.picture is None:
            return 0
        if self.ability.protocol == "sixel":
            return len(self.picture.sixels(*self.in_sight))
        # Base64 is four bytes for three.
        return sum(len(self.picture.strip(one)) * 4 // 3 for one in self._strips()
                   if one not in self._known)  # fmt: skip

    # Moving

    @property
    def _last_top(self) -> int:
        return max(0, self.picture.rows - self.place.height) if self.picture else 0

    @property
    def _last_left(self) -> int:
        return max(0, self.picture.columns - self.place.width) if self.picture else 0

    @property
    def wider(self) -> bool:
        """Whether there is more to the sides than is in sight."""
        return self._last_left > 0

    @staticmethod
    def _clamped(value: int, last: int) -> int:
        return min(max(0, value), last)

    def move(self, rows: int) -> None:
        if self.picture is None:
            super().move(rows)
        else:
            self.top = self._clamped(self.top + rows, self._last_top)

    def action_cursor_first(self) -> None:
        self.move(-self.picture.rows if self.picture else -len(self.rows))

    def action_cursor_last(self) -> None:
        self.move(self.picture.rows if self.picture else len(self.rows))

    def pan(self, steps: int) -> None:
        self.left = self._clamped(self.left + steps * PAN, self._last_left)

    def watch_top(self) -> None:
        self._moved()

    def watch_left(self) -> None:
        self._moved()

    def _moved(self) -> None:
        if self.picture is not None:
            if self._toasts:
                # One would be written over by what comes into sight; who moves on has read it.
                self.app.clear_notifications()
            self._draw_soon()
            self.post_message(self.Moved())

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.top = self._clamped(self.top, self._last_top)
        self.left = self._clamped(self.left, self._last_left)

    # Drawing

    def on_mount(self) -> None:
        # A toast that comes or goes lays the screen out anew, and paints all of it.
        self.screen.screen_layout_refresh_signal.subscribe(self, self._painted)

    def _painted(self, _: object) -> None:
        if self.picture is not None:
            self._draw_soon()

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """As any widget's; the picture is drawn over what is painted."""
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        if self.is_mounted and self.picture is not None:
            self._draw_soon()
        return self

    def _draw_soon(self) -> None:
        """Draw after the frame that is being made is on its way: once, however often asked."""
        if not self._asked:
            self._asked = True
            self.set_timer(SETTLED_S, lambda: self.call_after_refresh(self._draw))

    def _draw(self) -> None:
        self._asked = False
        if not self.is_attached or self.app.screen is not self.screen:
            return
        if self._terminal.line_behind:
            # The cells that the picture goes over are still on their way.
            self._draw_soon()
            return
        if self.picture is None or self._toasts or not self.place.area:
            self._hide()
        elif self.ability.protocol == "sixel":
            x, y = self.place.offset
            self._sixels = True
            self._write(f"\x1b7\x1b[{y + 1};{x + 1}H{self.picture.sixels(*self.in_sight)}\x1b8")
        else:
            self._place()

    @property
    def _toasts(self) -> bool:
        """Whether a toast may be over the picture."""
        return bool(self.screen.query(Toast))

    def _strips(self) -> Iterable[int]:
        sight = self.in_sight
        return range(sight.y // STRIP_ROWS, -(-sight.bottom // STRIP_ROWS))

    def _place(self) -> None:
        """Give kitty the strips that it lacks, and show of each what is in sight."""
        assert self.picture is not None
        sight, place = self.in_sight, self.place
        width, height = self.picture.cell
        wanted = set(self._strips())
        for index in sorted(wanted - self._known):
            self._write(kitty.transmit(self._first_number + index, self.picture.strip(index)))
        parts = ["\x1b7"]
        parts += [kitty.hide(self._first_number + one) for one in sorted(self._shown - wanted)]
        for index in sorted(wanted):
            begin = index * STRIP_ROWS
            top, bottom = max(begin, sight.y), min(begin + STRIP_ROWS, sight.bottom)
            part = kitty.Part(
                sight.x * width, (top - begin) * height, sight.width * width,
                (bottom - top) * height, place.x, place.y + top - sight.y, sight.width,
                bottom - top,
            )  # fmt: skip
            parts.append(kitty.show(self._first_number + index, part))
        self._write("".join([*parts, "\x1b8"]))
        self._known |= wanted
        self._shown = wanted

    def _hide(self) -> None:
        if self._shown:
            self._write("".join(kitty.hide(self._first_number + one) for one in self._shown))
            self._shown = set()
        if self._sixels:
            # They stand until something is written over them.
            self._sixels = False
            self._terminal.action_repaint()

    def _write(self, sequence: str) -> None:
        self._terminal.tell(sequence)

    def take_away(self) -> None:
        """Something else comes over the picture."""
        self._hide()

    def _forget(self) -> None:
        """Have the terminal drop all of the picture; the numbers of another scale are others."""
        self._hide()
        if self._known:
            self._write("".join(kitty.forget(self._first_number + one) for one in self._known))
        if self.picture is not None:
            self._first_number += self.picture.strips
        self._known, self._shown = set(), set()

    def on_unmount(self) -> None:
        self._forget()
