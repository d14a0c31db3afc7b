"""Show something that is too long for a toast; it scrolls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from tui.actions import bindings
from tui.dialogs.base import Dialog
from tui.widgets.panel import Row, RowsView, row_width, wrapped

# A text goes on below itself where it has so much room beside what stands before it.
LEAST_ROOM = 20


class TextRows(RowsView):
    """Rows that are given, with paragraphs and long notes wrapped to the width there is."""

    def __init__(self, lines: Sequence[Row | str]) -> None:
        super().__init__(classes="text")
        self._lines = lines

    def on_mount(self) -> None:
        self.rebuild()

    def rebuild(self) -> None:
        rows: list[Row] = []
        width = self.inner_width or 60
        for line in self._lines:
            rows += wrapped(line, width) if isinstance(line, str) else hanging(line, width)
        self.show_rows(rows)


class MessageDialog(Dialog[bool]):
    """A title and text; any of enter and escape closes it."""

    BINDINGS = bindings("message")

    def __init__(self, title: str, lines: Sequence[Row | str]) -> None:
        super().__init__()
        self.title_text = title
        self._lines_shown = lines

    def body(self) -> Iterable[Widget]:
        yield TextRows(self._lines_shown)

    def action_accept(self) -> None:
        self.dismiss(True)


def hanging(pieces: Row, width: int) -> list[Row]:
    """`pieces` in rows of `width` cells: the last text goes on below itself, or below the second.

    As in a list of names with their values and notes, where a note may be a sentence.
    """
    pieces = tuple(piece for piece in pieces if piece[0])
    if row_width(pieces) <= width or not pieces:
        return [pieces]
    *head, (text, tone) = pieces
    column = row_width(tuple(head)) + len(text) - len(text.lstrip())
    beside = not head or width - column >= LEAST_ROOM
    if not beside:
        column = row_width(tuple(head[:1]))
    lines = [((" " * column, ""), *line) for line in wrapped(text.strip(), width - column, tone)]
    if not beside:
        return [*hanging(tuple(head), width), *lines]
    gap = " " * (column - row_width(tuple(head)))
    return [(*head, (gap, ""), *lines[0][1:]), *lines[1:]]
