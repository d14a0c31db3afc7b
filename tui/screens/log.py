"""What a worker wrote to its log: the end of the file, followed while it grows."""

from __future__ import annotations

from pathlib import Path

from textual.widget import Widget

from tui.formats import byte_size, folder_name, shortened
from tui.screens.base import Page
from tui.widgets.panel import Row, RowsView, row

SHOWN_BYTES = 1 << 20
FOLLOW_EVERY_S = 1.0
# Of the title's cells: the program's name, the file's size and the blanks between them. A path says
# little in fewer cells than the other.
ROOM_BESIDE, LEAST_OF_PATH = 26, 16
_BAD_WORDS = ("error", "fatal", "traceback", "abort", "killed", "segmentation")
_DOUBTFUL_WORDS = ("warn",)


class LogRows(RowsView):
    """The lines of a log; those that have the searched text are marked.

    A verbose build writes tens of thousands of lines: what was made of a line is kept until the
    search changes.
    """

    def __init__(self) -> None:
        super().__init__(classes="page")
        self.lines: list[str] = []
        self.matches: list[int] = []
        self._searched = ""
        self._made: list[Row] = []

    def show_lines(self, lines: list[str], after: int) -> None:
        """Show `lines` after the first `after` of those that are shown."""
        self.lines[after:] = lines
        del self._made[after:]
        self.matches = [at for at in self.matches if at < after]
        self.rebuild()

    def search(self, text: str) -> None:
        """Mark the lines that have `text`, whatever its case."""
        self._searched = text.lower()
        self.matches, self._made = [], []
        self.rebuild()

    def rebuild(self) -> None:
        self.has_cursor = bool(self.lines)
        if not self.lines:
            self.show_rows([row(("The log is empty. ", "muted"), ("esc", "key:page.back"),
                                 (" goes back", "muted"))])  # fmt: skip
            return
        for line in self.lines[len(self._made) :]:
            if self._searched and self._searched in line.lower():
                self.matches.append(len(self._made))
            self._made.append(self._row(line))
        self.show_rows(self._made)

    def _row(self, line: str) -> Row:
        at = line.lower().find(self._searched) if self._searched else -1
        if at < 0:
            return row((line, _tone(line)))
        end = at + len(self._searched)
        return row(line[:at], (line[at:end], "match"), line[end:])


class LogScreen(Page):
    """One log file, searchable, at its end."""

    def __init__(self, path: Path, title: str) -> None:
        super().__init__()
        self.path = path
        self.title_text = f"Log of {title}"
        self._seen_bytes = -1
        # Where the first line begins that was not whole when it was read, and how many are before.
        self._whole_to, self._whole_lines = 0, 0

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
            if size == self._seen_bytes:
                return
            more = 0 <= self._seen_bytes < size
            begin = self._whole_to if more else max(0, size - SHOWN_BYTES)
            data = _read(self.path, begin, size)
        except OSError as error:
            rows.show_rows([row((f"can't read {self.path}: {error.strerror}", "bad"))])
            return
        at_end = self._seen_bytes < 0 or rows.cursor >= len(rows.rows) - 1
        lines = _lines(data)
        before = self._whole_lines if more else 0
        rows.show_lines(lines, before)
        self._seen_bytes, self._whole_to = size, begin + data.rfind(b"\n") + 1
        self._whole_lines = before + len(lines) - int(bool(data) and not data.endswith(b"\n"))
        if at_end:
            rows.cursor = max(0, len(rows.lines) - 1)
        room = self.size.width - len(self.title_text) - ROOM_BESIDE
        where = shortened(folder_name(self.path), max(LEAST_OF_PATH, room), keep_end=True)
        self.show_title(row((f"{where}  {byte_size(size)}", "muted")))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "next_match":
            return bool(self.is_mounted and self.query_one(LogRows).matches)
        return super().check_action(action, parameters)

    def search_changed(self, text: str) -> None:
        rows = self.query_one(LogRows)
        rows.search(text)
        if rows.matches and rows.cursor not in rows.matches:
            rows.cursor = rows.matches[0]

    def action_next_match(self) -> None:
        rows = self.query_one(LogRows)
        later = [at for at in rows.matches if at > rows.cursor]
        rows.cursor = (later or rows.matches)[0]


def _read(path: Path, begin: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(end - begin)


def _lines(data: bytes) -> list[str]:
    """The lines of `data`, fit to be shown: without escape sequences and other controls."""
    # No other break than a line feed: each must be one that `data` ends a line with.
    lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []
    return [_printable(line.expandtabs(4)) for line in lines]


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else " " for one in line)


def _tone(line: str) -> str:
    lower = line.lower()
    if any(word in lower for word in _BAD_WORDS):
        return "bad"
    return "warn" if any(word in lower for word in _DOUBTFUL_WORDS) else ""
