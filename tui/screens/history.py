"""The saved profiles: filter, sort, open, compare, run again, rename, delete and bring back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.widget import Widget
from textual.worker import get_current_worker

from engines.errors import Cancelled, InferTuiError
from tui.actions import told
from tui.formats import folder_name, plural, shortened
from tui.screens.history_changes import HistoryChanges
from tui.widgets.panel import Row, row
from tui.widgets.profiles import (
    MOST_COMPARED,
    ORDERS,
    ChooserRows,
    Item,
    ProfileRows,
    bench_item,
    saved_item,
)

if TYPE_CHECKING:
    from profiles.index import Entry
    from profiles.trash import Deleted

# How often the rows that have been read so far are shown while more are read.
SHOW_EVERY_S = 0.25
# What only the history does, and not the choice of what to compare with.
OWN_ACTIONS = ("again", "rename", "delete", "undo", "empty_trash")


class HistoryScreen(HistoryChanges):
    """Opens a saved profile, or chooses what is compared."""

    class Listed(Message):
        """The folder was read, or with `of` so far only a part of its `of` files."""

        def __init__(
            self,
            items: Sequence[Item],
            *,
            of: int | None = None,
            problem: str = "",
            deleted: Deleted | None = None,
            in_trash: int = 0,
        ) -> None:
            super().__init__()
            self.items, self.of, self.problem = items, of, problem
            self.deleted, self.in_trash = deleted, in_trash

    def __init__(self, *, to_compare: bool = False) -> None:
        super().__init__()
        self.to_compare = to_compare
        self.title_text = "Compare which of these?" if to_compare else "Saved profiles"
        self._in_trash = 0
        self._reading: int | None = None
        self._first = True
        self._keys: tuple[object, ...] = ()

    def make_rows(self) -> Widget:
        return ChooserRows() if self.to_compare else ProfileRows()

    # The folder

    def opened(self) -> None:
        self.list_profiles()

    @work(thread=True, exclusive=True, exit_on_error=False, group="list")
    def list_profiles(self) -> None:
        """Read the folder; where that takes a while, show what has been read so far."""
        worker = get_current_worker()
        store = self.infer.controller.store
        shown = time.monotonic()
        made: dict[str, Item] = {}

        def item_of(entry: Entry) -> Item:
            if entry.name not in made:
                made[entry.name] = saved_item(entry)
            return made[entry.name]

        def progress(entries: Sequence[Entry], of: int) -> None:
            nonlocal shown
            if worker.is_cancelled:
                raise Cancelled
            if time.monotonic() - shown > SHOW_EVERY_S:
                shown = time.monotonic()
                self.post_message(self.Listed([item_of(one) for one in entries], of=of))

        try:
            items = [item_of(entry) for entry in store.list(progress)]
            trash = store.trash
            self.post_message(self.Listed(items, deleted=trash.latest(), in_trash=len(trash)))
        except Cancelled:
            return
        except (InferTuiError, OSError) as error:
            self.post_message(self.Listed((), problem=str(error)))

    def on_history_screen_listed(self, message: Listed) -> None:
        table, controller, whole = self.table, self.infer.controller, message.of is None
        self._reading = message.of
        if whole:
            self.deleted, self._in_trash = message.deleted, message.in_trash
        table.hint = self._hint()
        items = list(message.items)
        own = controller.saved_as if controller.saved_as in {one.path for one in items} else None
        measured = controller.drive is not None and controller.drive.measured
        if measured and controller.saved_as is None:
            items.insert(0, bench_item("going" if controller.running else "not saved"))
        elif measured and whole and self.to_compare and own is None:
            items.insert(0, bench_item("saved elsewhere"))
        has_own = own is not None or (bool(items) and items[0].entry is None)
        judge = whole and self.to_compare and has_own
        if judge:
            table.judged = [own]
            if self._first:
                table.marked = [own]
        table.show_items(items, message.problem, at=self.go_to)
        if self._first and judge and table.current and table.current.path == own:
            # The first row that is not marked is what most people want to compare with.
            table.cursor = min(1, len(items) - 1)
        if whole:
            self._first, self.go_to = False, None
        self._show_state()

    def _hint(self) -> Row:
        """What the trash can do."""
        if self.deleted is None or self.to_compare:
            return ()
        room = max(12, self.size.width - 60)
        return row(
            ("u", "key:profiles.undo"),
            (f" brings back {shortened(self.deleted.name, room)}   ", "muted"),
            ("E", "key:profiles.empty"), (f" empties the trash ({self._in_trash:,})", "muted"),
        )  # fmt: skip

    def _show_state(self) -> None:
        table, folder = self.table, self.infer.controller.store.folder
        count = sum(item.entry is not None for item in table.items or ())
        where = shortened(folder_name(folder), max(16, self.size.width // 3), keep_end=True)
        words = f"{plural(count, 'profile')} in {where}"
        if table.problem:
            self.show_title(row(("the folder can't be read", "warn")))
            return
        if table.searched:
            words = f"{len(table.shown):,} of {words}"
        if self._reading is not None:
            words = f"read {count:,} of {self._reading:,} so far"
        self.show_title(row((words, "muted")))
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        """Show what works now, where that has changed: to find it out takes longer than a row."""
        table, item = self.table, self.table.current
        now = (
            item is not None and item.readable,
            item is not None and item.entry is not None,
            min(2, len(table.marked)),
            self.deleted is not None,
        )
        if now != self._keys:
            self._keys = now
            self.refresh_bindings()

    # Filter and order

    def search_changed(self, text: str) -> None:
        self.table.filter(text)
        self._show_state()

    def on_rows_view_cursor_moved(self) -> None:
        self._refresh_keys()

    def action_sort(self, step: int) -> None:
        table = self.table
        table.sort_by(ORDERS[(ORDERS.index(table.order) + step) % len(ORDERS)])

    def action_reverse(self) -> None:
        table = self.table
        table.sort_by(table.order, reverse=not table.reverse)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return super().check_action(action, parameters)
        if self.to_compare and action in OWN_ACTIONS:
            return False
        item = self.table.current
        match action:
            case "open_row" | "mark":
                return item is not None and item.readable
            case "again" | "rename":
                return item is not None and item.entry is not None and item.readable
            case "delete":
                return item is not None and item.entry is not None
            case "baseline":
                return item is not None and item.readable and bool(self.table.marked)
            case "compare_marked":
                return len(self.table.marked) > 1
            case "undo" | "empty_trash":
                return self.deleted is not None
            case "sort" | "reverse":
                return bool(self.table.shown)
        return super().check_action(action, parameters)

    # Compare

    def action_mark(self) -> None:
        """Mark the row under the cursor, or unmark it."""
        table, item = self.table, self.table.current
        if item is None or not item.readable:
            return
        if item.path in table.marked:
            table.marked.remove(item.path)
        elif len(table.marked) >= MOST_COMPARED:
            self.notify(f"At most {MOST_COMPARED} are compared at once", severity="warning")
        else:
            table.marked.append(item.path)
        self._marks_changed()

    def action_baseline(self) -> None:
        """Make the row under the cursor what the others are compared with."""
        table, item = self.table, self.table.current
        if item is None or not item.readable:
            return
        others = [key for key in table.compared if key != item.path][: MOST_COMPARED - 1]
        table.judged = [key for key in table.judged if key != item.path]
        table.marked = [item.path, *others]
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.table.rebuild()
        self._refresh_keys()

    def action_open_row(self) -> None:
        """Open the profile; when comparing, compare the run of the bench with it."""
        table, item = self.table, self.table.current
        if item is None:
            return
        if self.to_compare:
            if table.marked == [item.path]:
                # A run with itself: the verdicts within it.
                self.infer.compare(item.path, item.path)
                return
            if item.path not in table.marked:
                self.action_mark()
            if len(table.marked) > 1:
                self.action_compare_marked()
            else:
                words = told("A comparison takes two: {profiles.mark} marks another one",
                             self.infer.keymap_in_use)  # fmt: skip
                self.notify(words, severity="warning")
        elif item.path is not None:
            self.infer.open_saved(item.path)
            self.dismiss()
        else:
            self.dismiss()

    def action_compare_marked(self) -> None:
        """Compare the marked ones with the first that was marked."""
        self.infer.compare(*self.table.compared)
