"""How the app ends: asked, by a signal, with its terminal or by a fault; nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from engines.errors import InferTuiError
from tui.actions import told
from tui.collecting import CollectingApp

if TYPE_CHECKING:
    from engines.control import Control
    from tui.builds import BuildQueue
    from tui.controller import Controller
    from tui.layer_times import LayerDesk
    from tui.memory import Memory

# A terminal that is gone can leave Textual writing to it for ever: then the process ends itself.
GIVE_UP_AFTER_S = 3.0
LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class LeavingApp(CollectingApp):
    """An app that ends its run or build, keeps what was measured and leaves no child behind."""

    controller: Controller
    builds: BuildQueue
    layer_times: LayerDesk
    memory: Memory | None = None
    keymap_in_use: Mapping[str, str]

    def __init__(self) -> None:
        super().__init__()
        self.leaving = False
        # Stops the workers that answer the questions of the start.
        self._control: Control | None = None
        self._finished = threading.Event()
        self._exit_note = ""

    def stop_all(self) -> None:
        """Stop whatever goes, and begin nothing that waits."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether the screens are gone: what a thread says by then has nowhere to be shown."""
        return not self.screen_stack

    @property
    def _goes(self) -> bool:
        """Whether a run or a build goes, or layers are timed."""
        return self.controller.running or self.builds.going or self.layer_times.going

    @property
    def _stopping(self) -> bool:
        return self.controller.stopping or self.builds.stopping or self.layer_times.stopping

    def ask_where_to_save(self, then: Callable[[], object] | None = None) -> None:
        """Save under a name that the user agrees to, and `then` go on."""
        raise NotImplementedError

    def listen_to_signals(self) -> None:
        """End in order where the system or a lost connection asks for it."""
        loop = asyncio.get_running_loop()
        for number in LEAVING_SIGNALS:
            loop.add_signal_handler(number, self._leave_by_signal, number)

    def action_interrupt(self) -> None:
        """Stop the run or the builds if any go; otherwise, or the second time, leave."""
        from tui.dialogs.confirm import QuitDialog

        asked = isinstance(self.screen, QuitDialog)
        if self._goes and not self._stopping and not asked:
            self.stop_all()
            self.notify(told("Stopping. {app.interrupt} again leaves.", self.keymap_in_use))
        else:
            self.leave()

    def action_ask_quit(self) -> None:
        from tui.dialogs.confirm import Leave, QuitDialog

        if not (self._goes or self.controller.unsaved):
            self.leave()
            return

        def decide(answer: Leave | None) -> None:
            if answer == "leave":
                self.leave()
            elif answer == "save":
                self.ask_where_to_save(then=self.leave)

        self.push_screen(QuitDialog(self._what_leaving_does(), can_save=not self._goes), decide)

    def keep_question_true(self) -> None:
        """Where it is asked whether to leave: what that does may have changed meanwhile."""
        from tui.dialogs.confirm import QuitDialog

        can_save = self.controller.unsaved and not self._goes
        for screen in self.screen_stack:
            if isinstance(screen, QuitDialog):
                screen.show(self._what_leaving_does(), can_save=can_save)

    def _what_leaving_does(self) -> str:
        if self.builds.going:
            text = "A build is going; leaving ends it. Engine files that were kept stay. "
            if not self.controller.unsaved:
                return text
        elif self.layer_times.going:
            text = "Layers are being timed; leaving ends that. Their times are not kept. "
            if not self.controller.unsaved:
                return text
        elif self.controller.running:
            text = "A run is going; leaving stops it. "
        elif not (self._goes or self.controller.unsaved):
            return "What was going is over, and nothing is unsaved."
        else:
            text = "These results have no name yet. "
        kept = "What was measured is kept as an autosaved profile ({bench.open} lists it)."
        return text + told(kept, self.keymap_in_use)

    def leave(self) -> None:
        """End the run or the build first, while the screen can still say so."""
        if not self._goes or self.leaving:
            self.exit()
        else:
            self.leaving = True
            self.stop_all()

    def _leave_by_signal(self, number: int) -> None:
        """The terminal or the system wants the app to end: nobody can be asked anything."""
        self.builds.stop_all()
        self.layer_times.stop()
        self.controller.stop()
        threading.Thread(target=self._end_at_all_costs, args=(number,), daemon=True).start()
        self.exit(return_code=128 + number)

    def _end_at_all_costs(self, number: int) -> None:
        """Keep what was measured and end the process, should Textual hang on a dead terminal."""
        self._end_all_work()
        if not self._finished.wait(GIVE_UP_AFTER_S):
            os._exit(128 + number)

    async def on_unmount(self) -> None:
        """Whatever ended the app: no child stays, and what was measured is kept."""
        if self._control is not None:
            self._control.cancel()
        await asyncio.to_thread(self._end_all_work)

    def _end_all_work(self) -> None:
        if self.memory is not None:
            self.memory.write()
        try:
            self.builds.close()
            self.layer_times.close()
            if elsewhere := self.controller.close():
                self._exit_note = f"infer-tui: {elsewhere}"
        except (InferTuiError, OSError) as error:
            self._exit_note = f"infer-tui: what was measured could not be kept: {error}"

    def run(self, **options: Any) -> None:
        """Run to the end, and say what could not be said on the screen."""
        self.rest_collector()
        try:
            return super().run(**options)
        finally:
            self._end_all_work()
            self._finished.set()
            if self.line_driver is not None and self.line_driver.gave_up:
                # What the terminal has not taken would be waited for at the end of the process.
                os._exit(self.return_code or 0)
            if self._exit_note and sys.__stderr__ is not None:
                # Standard error itself is a log while the app is there; a terminal may be gone.
                with contextlib.suppress(OSError):
                    sys.__stderr__.write(f"{self._exit_note}\n")
                    sys.__stderr__.flush()
