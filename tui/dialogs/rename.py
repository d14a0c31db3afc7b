"""Give a saved profile another name, and stay if that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from textual import work
from textual.message import Message
from textual.widget import Widget

from engines.errors import InferTuiError
from tui.dialogs.base import Dialog, Field, Note

Rename = Callable[[str], Path]


class RenameDialog(Dialog[Path]):
    """Asks for a name; dismissed with the new file.

    `rename` runs in a thread and raises InferTuiError or OSError where it can't: the reason is
    shown, and another name can be tried.
    """

    title_text = "Rename this profile"

    class Renamed(Message):
        """The profile has its new name."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Refused(Message):
        """The profile keeps its name."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, name: str, rename: Rename) -> None:
        super().__init__()
        self._name_before, self._rename = name, rename
        self._busy = False

    def body(self) -> Iterable[Widget]:
        yield Note("Its raw samples are renamed with it.")
        yield Field(self._name_before)

    def action_accept(self) -> None:
        name = self.query_one(Field).value.strip()
        if self._busy:
            return
        if not name:
            self.show_problem("Type a name.")
            return
        self._busy = True
        self.show_problem("Renaming …")
        self._rename_in_thread(name)

    @work(thread=True, exit_on_error=False)
    def _rename_in_thread(self, name: str) -> None:
        try:
            self.post_message(self.Renamed(self._rename(name)))
        except (InferTuiError, OSError) as error:
            self.post_message(self.Refused(str(error)))

    def on_rename_dialog_renamed(self, message: Renamed) -> None:
        self.dismiss(message.path)

    def on_rename_dialog_refused(self, message: Refused) -> None:
        self._busy = False
        self.show_problem(f"Not renamed: {message.reason}\nTry another name.")
