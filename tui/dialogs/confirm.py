"""Ask before something that can't be taken back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from textual.widget import Widget

from tui.actions import bindings
from tui.dialogs.base import Dialog, Note

Leave = Literal["leave", "save"]


class ConfirmDialog(Dialog[bool]):
    """A question that `enter` or `y` answers with yes."""

    BINDINGS = bindings("confirm")

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self.title_text, self._text = title, text

    def body(self) -> Iterable[Widget]:
        yield Note(self._text)

    def action_accept(self) -> None:
        self.dismiss(True)


class QuitDialog(Dialog[Leave]):
    """Asks before leaving. The key that asked to leave, pressed again, leaves."""

    BINDINGS = bindings("leave")
    title_text = "Leave?"

    def __init__(self, text: str, *, can_save: bool) -> None:
        super().__init__()
        self._text, self._can_save = text, can_save

    def body(self) -> Iterable[Widget]:
        yield Note(self._text)

    def show(self, text: str, *, can_save: bool) -> None:
        """Say what leaving does by now: work begins and ends while the question is open."""
        self._text, self._can_save = text, can_save
        if self.is_mounted:
            self.query(Note).first(Note).show(text)
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._can_save if action == "save" else super().check_action(action, parameters)

    def action_accept(self) -> None:
        self.dismiss("leave")

    def action_save(self) -> None:
        self.dismiss("save")
