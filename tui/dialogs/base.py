"""What every dialog has: a box, a title, its keys, and one way in and out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.actions import bindings, find, told
from tui.widgets.bars import KeyBar
from tui.widgets.panel import RowsView
from tui.widgets.tones import ROW_CLASSES

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """A box over the screen. `enter` accepts, `escape` dismisses with None."""

    BINDINGS = bindings("dialog")
    COMPONENT_CLASSES = ROW_CLASSES
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-short"), (34, "-tall")]
    title_text = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self.title_text
            for part in self.body():
                if isinstance(part, RowsView):
                    # Rows that can scroll may be fewer than they are.
                    box.add_class("-listed")
                yield part
            yield Note(id="problem")
            yield KeyBar()

    def body(self) -> Iterable[Widget]:
        """What is between the title and the keys."""
        raise NotImplementedError

    def action_accept(self) -> None:
        raise NotImplementedError

    def action_cancel(self) -> None:
        self.dismiss(None)

    def told(self, text: str) -> str:
        """`text` with the keys in force."""
        return told(text, getattr(self.app, "keymap_in_use", {}))

    def show_problem(self, text: str) -> None:
        """Say why the answer can't be taken; the dialog stays."""
        self.query_one("#problem", Note).show(text)


class Note(Static):
    """Lines of text that take no room while there is nothing to say."""

    def __init__(self, text: str = "", *, id: str | None = None) -> None:  # noqa: A002
        # Paths, reasons and names come from elsewhere: brackets in them are no markup.
        super().__init__(text, id=id, markup=False)
        self.display = bool(text)

    def show(self, text: str) -> None:
        self.update(text)
        self.display = bool(text)


class Field(Input):
    """A line of text that does not blink: each blink is sent over the line.

    Enter means the same in a field as on the rest of its screen.
    """

    BINDINGS = [find("dialog.accept").binding]

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(value, placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def on_mount(self) -> None:
        # A long path shows its end, once it is known how much of it fits.
        self.call_after_refresh(self._show_end)

    def _show_end(self) -> None:
        # The cursor is there already, and what does not move it does not scroll.
        self.action_home()
        self.action_end()
