"""Show something that is too long for a toast; it scrolls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from tui.actions import bindings
from tui.dialogs.base import Dialog
from tui.widgets.panel import Row, RowsView, hanging, wrapped


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
