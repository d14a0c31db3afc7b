"""The saved profiles: filter, open, mark two to compare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.widget import Widget

from engines.errors import InferTuiError
from tui.actions import bindings
from tui.formats import byte_size, milliseconds, plural, shortened
from tui.screens.base import Page
from tui.widgets.panel import Row, RowsView, row, wrapped
from tui.widgets.table import Column, Line, lay_out

if TYPE_CHECKING:
    from profiles.store import Entry

COMPARED = 2
COLUMNS = (
    Column("mark", "", align="left", least=3),
    Column("started", "started", align="left"),
    Column("name", "name", align="left", stretch=True, minimum=20),
    Column("model", "model", keep=5, align="left"),
    Column("machine", "machine", keep=4, align="left"),
    Column("engines", "entries", keep=3),
    Column("fastest", "fastest", keep=2, align="left"),
    Column("p50", "p50 ms", keep=1),
    Column("size", "size", keep=6),
    Column("ending", "state", align="left"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One row: a saved profile, or with `entry` None the run of this session."""

    entry: Entry | None

    @property
    def path(self) -> Path | None:
        return self.entry.path if self.entry else None

    @property
    def readable(self) -> bool:
        return self.entry is None or not self.entry.problem

    def has(self, words: list[str]) -> bool:
        """Whether every word is somewhere in what the row shows."""
        entry = self.entry
        if entry is None:
            return not words or "this run" in " ".join(words)
        text = f"{entry.name} {entry.title} {entry.model} {entry.machine} {' '.join(entry.engines)}"
        return all(word in f"{text} {entry.started:%Y-%m-%d}".lower() for word in words)


class ProfileRows(RowsView):
    """A row a profile, the newest first."""

    BINDINGS = bindings("profiles")

    def __init__(self) -> None:
        super().__init__(classes="page")
        self.items: list[Item] | None = None
        self.marked: list[Path | None] = []
        self.searched = ""

    @property
    def shown(self) -> list[Item]:
        words = self.searched.lower().split()
        return [item for item in self.items or () if item.has(words)]

    @property
    def current(self) -> Item | None:
        """The row under the cursor."""
        shown = self.shown
        return shown[self.cursor] if self.cursor < len(shown) else None

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or unmark it; the oldest of three marks goes."""
        item = self.current
        if item is None or not item.readable:
            return
        if item.path in self.marked:
            self.marked.remove(item.path)
        else:
            self.marked = [*self.marked, item.path][-COMPARED:]
        self.rebuild()

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        if self.items is None:
            self.show_rows([row(("reading the folder of profiles …", "muted"))])
            return
        shown = self.shown
        self.has_cursor = bool(shown)
        if not shown:
            self.show_rows([
                row(("Nothing saved has that in it. " if self.items else "Nothing saved yet. ",
                     "muted")),
                row(("escape", "key"), (" goes back; there ", "muted"), ("r", "key"),
                    (" runs the selected engines and ", "muted"), ("s", "key"),
                    (" saves what was measured", "muted")),
            ])  # fmt: skip
            return
        header, rows = lay_out(COLUMNS, [self._cells(item) for item in shown], self.inner_width)
        self.show_rows(rows, header=[(("  ", ""), *header)], footer=self._problem())

    def _problem(self) -> list[Row]:
        """Why the profile under the cursor can't be read, in up to three lines."""
        entry = self.current.entry if self.current else None
        if entry is None or not entry.problem:
            return []
        text = entry.problem.replace(f"{entry.folder}/", "")
        return wrapped(text, self.scrollable_content_region.width, "warn")[:3]

    def _cells(self, item: Item) -> Line:
        marked = ("[x]", "good") if item.path in self.marked else ("[ ]", "muted")
        entry = item.entry
        if entry is None:
            return {"mark": marked, "started": "now", "name": ("this run, not saved", "strong"),
                    "ending": ("in memory", "warn")}  # fmt: skip
        started = f"{entry.started.astimezone():%Y-%m-%d %H:%M}"
        if entry.problem:
            return {"mark": "", "started": (started, "muted"), "name": (entry.name, "muted"),
                    "ending": ("✗ unreadable", "bad")}  # fmt: skip
        title = f"{entry.title}: {entry.name}" if entry.title == "autosaved" else entry.name
        return {
            "mark": marked,
            "started": started,
            "name": (title, "strong"),
            "model": (entry.model, "muted"),
            "machine": (entry.machine, "muted"),
            "engines": str(len(entry.engines)),
            "fastest": entry.fastest or "-",
            "p50": milliseconds(entry.fastest_p50_ms),
            "size": (byte_size(entry.bytes), "muted"),
            "ending": ("✓ complete", "good") if entry.ending == "complete"
            else (f"■ {entry.ending}", "warn"),
        }  # fmt: skip


class ChooserRows(ProfileRows):
    """The same, where `enter` chooses what to compare with."""

    BINDINGS = bindings("chooser")


class HistoryScreen(Page):
    """Opens a saved profile, or chooses what is compared."""

    class Listed(Message):
        """The folder was read."""

        def __init__(self, entries: tuple[Entry, ...], problem: str = "") -> None:
            super().__init__()
            self.entries, self.problem = entries, problem

    def __init__(self, *, to_compare: bool = False) -> None:
        super().__init__()
        self.to_compare = to_compare
        self.title_text = "Compare two of these" if to_compare else "Saved profiles"

    def make_rows(self) -> Widget:
        return ChooserRows() if self.to_compare else ProfileRows()

    def opened(self) -> None:
        self._list()

    @work(thread=True, exit_on_error=False)
    def _list(self) -> None:
        try:
            self.post_message(self.Listed(self.infer.controller.store.list()))
        except (InferTuiError, OSError) as error:
            self.post_message(self.Listed((), str(error)))

    def on_history_screen_listed(self, message: Listed) -> None:
        controller = self.infer.controller
        rows = self.query_one(ProfileRows)
        unsaved = [Item(None)] if controller.unsaved else []
        rows.items = [*unsaved, *(Item(entry) for entry in message.entries)]
        if self.to_compare and (unsaved or controller.saved_as is not None):
            rows.marked = [controller.saved_as]
            # The first row that is not marked is what most people want to compare with.
            rows.cursor = min(1, len(rows.items) - 1)
        rows.rebuild()
        words = plural(len(message.entries), "profile")
        folder = shortened(str(controller.store.folder), self.size.width // 2, keep_end=True)
        where = message.problem or f"{words} in {folder}"
        self.show_title(row((where, "warn" if message.problem else "muted")))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("open_row", "mark", "compare_marked") and self.is_mounted:
            item = self.query_one(ProfileRows).current
            if action == "open_row" and self.to_compare:
                return item is not None and item.readable
            if action == "compare_marked":
                return len(self.query_one(ProfileRows).marked) == COMPARED
            return item is not None and item.readable
        return super().check_action(action, parameters)

    def search_changed(self, text: str) -> None:
        rows = self.query_one(ProfileRows)
        rows.searched = text
        rows.cursor = 0
        rows.rebuild()
        self.refresh_bindings()

    def on_rows_view_cursor_moved(self) -> None:
        self.refresh_bindings()

    def action_mark(self) -> None:
        self.query_one(ProfileRows).toggle_mark()
        self.refresh_bindings()

    def action_open_row(self) -> None:
        """Open the profile; when comparing, take it as the second one and compare."""
        rows = self.query_one(ProfileRows)
        item = rows.current
        if item is None:
            return
        if self.to_compare:
            if rows.marked == [item.path]:
                # A run with itself: the verdicts within it.
                self.infer.compare(item.path, item.path)
                return
            if item.path not in rows.marked:
                rows.toggle_mark()
            if len(rows.marked) == COMPARED:
                self.action_compare_marked()
            else:
                self.notify("A comparison takes two: mark another one (space)", severity="warning")
            self.refresh_bindings()
        elif item.path is not None:
            self.infer.open_saved(item.path)
            self.dismiss()
        else:
            self.dismiss()

    def action_compare_marked(self) -> None:
        """Compare the older of the two with the newer."""
        rows = self.query_one(ProfileRows)
        in_order = [item.path for item in reversed(rows.items or ()) if item.path in rows.marked]
        if len(in_order) == COMPARED:
            self.infer.compare(in_order[0], in_order[1])
