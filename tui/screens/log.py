"""What a worker wrote to its log: the end of the file, followed while it grows."""

from __future__ import annotations

from pathlib import Path

from textual.widget import Widget

from tui.formats import byte_size, shortened
from tui.screens.base import Page
from tui.widgets.panel import Row, RowsView, row

SHOWN_BYTES = 1 << 20
FOLLOW_EVERY_S = 1.0
_BAD_WORDS = ("error", "fatal", "traceback", "abort", "killed", "segmentation")
_DOUBTFUL_WORDS = ("warn",)


class LogRows(RowsView):
    """The lines of a log; those that have the searched text are marked."""

    def __init__(self) -> None:
        super().__init__(classes="page")
        self.lines: list[str] = []
        self.searched = ""

    @property
    def matches(self) -> list[int]:
        """The lines that have the searched text."""
        wanted = self.searched.lower()
        return [at for at, line in enumerate(self.lines) if wanted and wanted in line.lower()]

    def rebuild(self) -> None:
        self.has_cursor = bool(self.lines)
        if not self.lines:
            self.show_rows([row(("The log is empty. ", "muted"), ("escape", "key"),
                                 (" goes back", "muted"))])  # fmt: skip
            return
        self.show_rows([self._row(line) for line in self.lines])

    def _row(self, line: str) -> Row:
        wanted = self.searched.lower()
        at = line.lower().find(wanted) if wanted else -1
        if at < 0:
            return row((line, _tone(line)))
        end = at + len(wanted)
        return row(line[:at], (line[at:end], "match"), line[end:])


class LogScreen(Page):
    """One log file, searchable, at its end."""

    def __init__(self, path: Path, title: str) -> None:
        super().__init__()
        self.path = path
        self.title_text = f"Log of {title}"
        self._bytes_read = -1

    def make_rows(self) -> Widget:
        return LogRows()

    def opened(self) -> None:
        self.read()
        self.set_interval(FOLLOW_EVERY_S, self.read)

    def read(self) -> None:
        """Show what the file holds now; nothing is drawn where it has not grown."""
        rows = self.query_one(LogRows)
        try:
            size = self.path.stat().st_size
            if size == self._bytes_read:
                return
            rows.lines = _tail(self.path)
        except OSError as error:
            rows.show_rows([row((f"can't read {self.path}: {error.strerror}", "bad"))])
            return
        at_end = self._bytes_read < 0 or rows.cursor >= len(rows.rows) - 1
        self._bytes_read = size
        rows.rebuild()
        if at_end:
            rows.cursor = max(0, len(rows.lines) - 1)
        where = shortened(str(self.path), max(20, self.size.width // 2), keep_end=True)
        self.show_title(row((f"{where}  {byte_size(size)}", "muted")))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next_match":
            return bool(self.is_mounted and self.query_one(LogRows).matches)
        return super().check_action(action, parameters)

    def search_changed(self, text: str) -> None:
        rows = self.query_one(LogRows)
        rows.searched = text
        rows.rebuild()
        if rows.matches and rows.cursor not in rows.matches:
            rows.cursor = rows.matches[0]

    def action_next_match(self) -> None:
        rows = self.query_one(LogRows)
        later = [at for at in rows.matches if at > rows.cursor]
        rows.cursor = (later or rows.matches)[0]


def _tail(path: Path) -> list[str]:
    """The last lines of `path`, fit to be shown: without escape sequences and other controls."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - SHOWN_BYTES))
        text = file.read().decode("utf-8", "replace")
    return ["".join(one if one.isprintable() else " " for one in line.expandtabs(4))
            for line in text.splitlines()]  # fmt: skip


def _tone(line: str) -> str:
    lower = line.lower()
    if any(word in lower for word in _BAD_WORDS):
        return "bad"
    return "warn" if any(word in lower for word in _DOUBTFUL_WORDS) else ""
