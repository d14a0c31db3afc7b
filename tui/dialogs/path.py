"""Write something to a file of the user's choice, and stay if that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from textual import work
from textual.message import Message
from textual.widget import Widget

from engines.errors import InferTuiError
from tui.dialogs.base import Dialog, Field, Note

Write = Callable[[Path], str]


class PathDialog(Dialog[str]):
    """Asks for a path and writes there; dismissed with what the writing says, such as the path.

    `write` runs in a thread and raises InferTuiError or OSError where it can't: the reason is
    shown, and another path can be tried. A file that exists is overwritten at the second `enter`.
    """

    class Written(Message):
        """The file is there."""

        def __init__(self, answer: str) -> None:
            super().__init__()
            self.answer = answer

    class Refused(Message):
        """The file could not be written."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, title: str, note: str, proposed: Path, write: Write) -> None:
        super().__init__()
        self.title_text = title
        self._note, self._proposed, self._write = note, proposed, write
        self._overwrite: Path | None = None
        self._busy = False

    def body(self) -> Iterable[Widget]:
        yield Note(self._note)
        yield Field(str(self._proposed))

    def action_accept(self) -> None:
        text = self.query_one(Field).value.strip()
        if self._busy:
            return
        if not text:
            self.show_problem("Type the path of a file.")
            return
        path = self._meant(text)
        if path.exists() and path != self._overwrite:
            self._overwrite = path
            words = "This file exists. Press {dialog.accept} again to overwrite it."
            self.show_problem(self.told(words))
            return
        self._busy = True
        self.show_problem("Writing …")
        self._write_in_thread(path)

    def _meant(self, text: str) -> Path:
        """The path that `text` names: a name alone is beside the proposed file, and of its kind.

        Nobody would look for it in the folder that the app happened to be started from.
        """
        path = Path(text).expanduser()
        if path.name == text:
            path = self._proposed.with_name(text)
        path = path.absolute()
        return path if path.suffix else path.with_suffix(self._proposed.suffix)

    @work(thread=True, exit_on_error=False)
    def _write_in_thread(self, path: Path) -> None:
        try:
            self.post_message(self.Written(self._write(path)))
        except (InferTuiError, OSError) as error:
            self.post_message(self.Refused(str(error)))

    def on_path_dialog_written(self, message: Written) -> None:
        self.dismiss(message.answer)

    def on_path_dialog_refused(self, message: Refused) -> None:
        self._busy = False
        self.show_problem(f"Not written: {message.reason}\nNothing is lost; try another path.")
