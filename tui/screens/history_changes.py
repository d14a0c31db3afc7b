"""What the history changes: names, what is deleted and brought back, and what runs again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message

from engines.errors import InferTuiError
from tui.actions import told
from tui.formats import byte_size, plural
from tui.screens.base import Page
from tui.widgets.profiles import Key, ProfileRows

if TYPE_CHECKING:
    from engines.plan import RunPlan
    from profiles.trash import Contents, Deleted


class HistoryChanges(Page):
    """The part of the history that moves files and loads plans. Files are moved in threads.

    `deleted` is what `undo` brings back; the cursor goes to the row of `go_to` when the folder has
    been read again.
    """

    class Done(Message):
        """A profile is at `new` now, in the folder or in the trash, that was at `old`."""

        def __init__(self, title: str, words: str, old: Path, new: Path) -> None:
            super().__init__()
            self.title, self.words, self.old, self.new = title, words, old, new

    class Refused(Message):
        """Something that was asked for could not be done."""

        def __init__(self, title: str, reason: str) -> None:
            super().__init__()
            self.title, self.reason = title, reason

    class PlanRead(Message):
        """The plan of a profile that is to be run again."""

        def __init__(self, name: str, plan: RunPlan) -> None:
            super().__init__()
            self.name, self.plan = name, plan

    class TrashSeen(Message):
        """What emptying the trash would remove."""

        def __init__(self, contents: Contents) -> None:
            super().__init__()
            self.contents = contents

    def __init__(self) -> None:
        super().__init__()
        self.deleted: Deleted | None = None
        self.go_to: Key = None

    @property
    def table(self) -> ProfileRows:
        return self.query_one(ProfileRows)

    def list_profiles(self) -> object:
        """Read the folder and show what is there."""
        raise NotImplementedError

    # Names

    def action_rename(self) -> None:
        from tui.dialogs.rename import RenameDialog

        item, controller = self.table.current, self.infer.controller
        if item is None or item.path is None:
            return
        old = item.path

        def take(new: Path | None) -> None:
            if new is not None and new != old:
                self.table.marked = [new if one == old else one for one in self.table.marked]
                self._moved(old, new)

        self.app.push_screen(
            RenameDialog(item.name, lambda name: controller.store.rename(old, name)), take
        )

    def _moved(self, old: Path, new: Path) -> None:
        """A profile has another place: what else knows of it follows, and the list is read anew."""
        self.infer.controller.profile_moved(old, new)
        self.go_to = new
        self.list_profiles()

    # The trash

    def action_delete(self) -> None:
        from tui.dialogs.confirm import ConfirmDialog

        entry = self.table.current.entry if self.table.current else None
        if entry is None:
            return
        size = f"{byte_size(entry.bytes)} with its raw samples"
        count = len(entry.engines)
        entries = "1 entry" if count == 1 else f"{count} entries"
        # A run without a name has its model's for a title.
        title = "" if entry.title == entry.model else f"{entry.title}: "
        about = f"{title}{entries} of {entry.model}\n"
        if entry.problem:
            about = "It can't be read.\n"
            size = f"{byte_size(entry.bytes)}; samples of its name go along"
        undo, empty = (
            told(one, self.infer.keymap_in_use) for one in ("{profiles.undo}", "{profiles.empty}")
        )
        text = (
            f"{entry.name}\n{about}{size}\n\n"
            f"It goes to the trash beside the others: {undo} brings it back.\n"
            f"{empty} empties the trash."
        )

        def decide(answer: bool | None) -> None:
            if answer:
                self._delete(entry.path)

        self.app.push_screen(ConfirmDialog("Delete this profile?", text), decide)

    @work(thread=True, exit_on_error=False, group="change")
    def _delete(self, path: Path) -> None:
        def delete() -> HistoryChanges.Done:
            kept = self.infer.controller.store.delete(path)
            key = told("{profiles.undo}", self.infer.keymap_in_use)
            words = f"{kept.name} is in the trash; {key} brings it back"
            return self.Done("Deleted", words, path, kept.path)

        self._try("Not deleted", delete)

    def action_undo(self) -> None:
        if self.deleted is not None:
            self._restore(self.deleted)

    @work(thread=True, exit_on_error=False, group="change")
    def _restore(self, deleted: Deleted) -> None:
        def restore() -> HistoryChanges.Done:
            back = self.infer.controller.store.restore(deleted)
            return self.Done("Brought back", deleted.name, deleted.path, back)

        self._try("Not brought back", restore)

    def action_empty_trash(self) -> None:
        self._look_into_trash()

    @work(thread=True, exit_on_error=False, group="change")
    def _look_into_trash(self) -> None:
        self._try("Not read", lambda: self.TrashSeen(self.infer.controller.store.trash.contents()))

    def on_history_changes_trash_seen(self, message: TrashSeen) -> None:
        from tui.dialogs.confirm import ConfirmDialog

        contents = message.contents

        def decide(answer: bool | None) -> None:
            if answer:
                self._empty(contents)

        text = (
            f"{plural(len(contents.folders), 'deleted profile')}, {byte_size(contents.bytes)} with"
            " their raw samples.\n\nThis can't be undone."
        )
        self.app.push_screen(ConfirmDialog("Empty the trash?", text), decide)

    @work(thread=True, exit_on_error=False, group="change")
    def _empty(self, contents: Contents) -> None:
        def empty() -> HistoryChanges.Done:
            trash = self.infer.controller.store.trash
            trash.empty(contents)
            words = f"{byte_size(contents.bytes)} are free"
            return self.Done("The trash is empty", words, trash.folder, trash.folder)

        self._try("Not emptied", empty)

    def _try(self, refused: str, change: Callable[[], Message]) -> None:
        """Post what `change` says, or why it was refused; called in a thread."""
        try:
            self.post_message(change())
        except (InferTuiError, OSError) as error:
            self.post_message(self.Refused(refused, str(error)))

    def on_history_changes_done(self, message: Done) -> None:
        self.notify(message.words, title=message.title, markup=False)
        self._moved(message.old, message.new)

    def on_history_changes_refused(self, message: Refused) -> None:
        self.infer.show_problem(message.title, message.reason)
        # What the row says may be what has changed.
        self.list_profiles()

    # Run again

    def action_again(self) -> None:
        item = self.table.current
        if item is not None and item.path is not None:
            self._read_plan(item.name, item.path)

    @work(thread=True, exit_on_error=False, group="change")
    def _read_plan(self, name: str, path: Path) -> None:
        from profiles.reading import read_plan

        self._try("Not read", lambda: self.PlanRead(name, read_plan(path)))

    def on_history_changes_plan_read(self, message: PlanRead) -> None:
        from tui.dialogs.again import AgainDialog, Wish
        from tui.run_again import plan_lines

        plan, selection = message.plan, self.infer.selection
        lines, can_run = plan_lines(plan, selection)

        def take(wish: Wish | None) -> None:
            if wish is not None and self.infer.load_plan(plan):
                self.dismiss()
                if wish == "run":
                    self.infer.run_selected()

        self.app.push_screen(AgainDialog(message.name, lines, can_run=can_run), take)
