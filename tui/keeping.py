"""The part of the app that keeps runs: what is saved and where, opened again, compared, copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engines.errors import InferTuiError
from tui import background
from tui.actions import told
from tui.building import BuildingApp


class KeepingApp(BuildingApp):
    """An app that loses no run: the last is kept before another takes its place in the panels."""

    def kept_last_run(self) -> bool:
        """Keep the last run, which nobody saved; False where that failed and it must not go."""
        try:
            path = self.controller.autosave()
        except InferTuiError as error:
            way = told("{bench.save} saves it elsewhere; then run again.", self.keymap_in_use)
            self.show_problem("The last run is not saved", f"It can't be kept: {error}. {way}")
            return False
        if path is not None:
            self.notify(f"The last run is kept as {path.name}", markup=False)
        return True

    def ask_where_to_save(self, then: Callable[[], object] | None = None) -> None:
        """Save under a name that the user agrees to; the dialog stays where that fails."""
        from tui.dialogs.path import PathDialog

        def tell(answer: str | None) -> None:
            if answer is not None:
                self.bench.draw()
                self.notify(answer, title="Saved", markup=False)
                if then is not None:
                    then()

        note = "The profile repeats this run and compares with others. Raw samples lie beside it."
        proposed = self.controller.proposed_path()
        write = lambda path: str(self.controller.save(path))  # noqa: E731
        self.push_screen(PathDialog("Save this run", note, proposed, write), tell)

    def open_saved(self, path: Path) -> None:
        self.in_thread("open", background.open_profile, path, self.post_message)

    def on_profile_opened(self, message: background.ProfileOpened) -> None:
        if self.controller.running:
            return
        if self.controller.unsaved and not self.kept_last_run():
            return
        from tui.screens.frontier import FrontierScreen

        self.controller.show_saved(message.live, message.path)
        self.bench.draw()
        # Who was quick has the page open before the profile is read.
        if isinstance(self.screen, FrontierScreen):
            self.screen.look_anew()
        if message.note:
            self.notify(message.note, title="Opened without samples", severity="warning",
                        markup=False)  # fmt: skip

    def compare(self, *runs: Path | None) -> None:
        """Compare each run with the first; None stands for the run of this session."""
        self.in_thread("compare", background.compare, self.controller, runs, self.post_message)

    def on_compared(self, message: background.Compared) -> None:
        from tui.screens.compare import CompareScreen

        self.push_screen(CompareScreen(message.comparison, message.latencies))

    def on_table_made(self, message: background.TableMade) -> None:
        self.copy(message.text, message.what, ending=".md")
