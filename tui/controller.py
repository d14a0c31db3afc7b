"""The life of a run in the app: driven in a thread, recorded as it goes, stopped, saved.

`Drive` belongs to the thread that iterates the runner; `Controller` to the UI. Between them go
events through a queue and one message that says there are some. Nothing here touches a widget.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from engines.errors import FileError, UsageError
from tui import __version__
from tui.actions import told
from tui.drives import EventDrive

if TYPE_CHECKING:
    from datetime import datetime

    from engines.events import Event
    from engines.model import ModelFacts
    from engines.plan import RunPlan
    from engines.registry import Availability
    from profiles.samples import RawSamples
    from profiles.schema import Profile
    from profiles.store import Store
    from tui.jobs import LiveJob
    from tui.live import LiveRun

# A worker is asked, given 2 s, then killed: nothing takes longer than this.
END_WITHIN_S = 5.0
AUTOSAVED = "autosaved"


class EventsArrived(Message):
    """The run has said something: `Controller.take_events` folds it in."""


class Drive(EventDrive):
    """One run in its own thread. What was measured is recorded here, UI or no UI."""

    def __init__(
        self, plan: RunPlan, known: Sequence[Availability], announce: Callable[[], object]
    ) -> None:
        from profiles.recorder import Recorder

        super().__init__(announce)
        self.plan = plan
        self._known = tuple(known)
        self._recorder = Recorder()

    def work(self) -> Iterator[Event]:
        from engines.runner import run

        return run(self.plan, self.control, self._known)

    def keep(self, event: Event) -> None:
        self._recorder.apply(event)

    @property
    def started(self) -> datetime:
        """When the run has started, as its profile says."""
        with self._lock:
            return self._recorder.started

    @property
    def measured(self) -> bool:
        """Whether there is anything that could be lost."""
        with self._lock:
            return self._recorder.measured

    def snapshot(self, facts: ModelFacts | None, name: str) -> tuple[Profile, RawSamples]:
        """The run so far, to be saved. UsageError before it has begun."""
        from engines.machine import describe_machine

        machine = describe_machine()
        with self._lock:
            profile = self._recorder.profile(machine, facts, name=name, tool_version=__version__)
            return profile, self._recorder.samples()


class Controller:
    """Starts, stops and saves runs, one at a time; `live` is the state that the panels show.

    What it refuses names the keys that are in force by `keymap`.
    """

    def __init__(
        self,
        store: Store | None,
        announce: Callable[[], object],
        keymap: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._announce = announce
        self._keymap = keymap or {}
        self._saving = threading.Lock()
        self.drive: Drive | None = None
        self.live: LiveRun | None = None
        self.facts: ModelFacts | None = None
        self.saved_as: Path | None = None
        self._elsewhere = ""
        self._ended: Drive | None = None

    @property
    def store(self) -> Store:
        """The saved profiles; the module is loaded when it is first needed."""
        if self._store is None:
            from profiles.store import Store

            self._store = Store()
        return self._store

    @property
    def running(self) -> bool:
        return self.drive is not None and not self.drive.over

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to end and has not yet."""
        return self.drive is not None and self.running and self.drive.control.cancelled

    @property
    def elapsed_s(self) -> float:
        """How long the present run has been going."""
        return self.drive.elapsed_s if self.drive is not None else 0.0

    @property
    def unsaved(self) -> bool:
        """Whether leaving now would lose samples if nothing were done about it."""
        return self.drive is not None and self.saved_as is None and self.drive.measured

    def start(self, plan: RunPlan, known: Sequence[Availability]) -> Drive:
        """Begin a run; the caller gives the returned drive a thread."""
        if self.running:
            raise UsageError("a run is going", hint=told("{bench.stop} stops it", self._keymap))
        from tui.live import LiveRun

        self.saved_as = None
        self.live = LiveRun()
        self.drive = Drive(plan, known, self._announce)
        return self.drive

    def show_saved(self, live: LiveRun, path: Path) -> None:
        """A saved profile takes the place of the last run."""
        self.live, self.drive, self.saved_as = live, None, path

    def profile_moved(self, old: Path, new: Path) -> None:
        """A saved profile has another name, or is in the trash or back from it."""
        if self.saved_as == old:
            self.saved_as = new

    def forget_model(self) -> None:
        """Another model is chosen. The last run, which is kept, is only shown from now on: what is
        found out of the new model must not be saved with it."""
        self.facts = None
        if self.drive is not None and self.drive.over:
            self.drive = None

    def take_events(self) -> bool:
        """Fold in what the run has said; returns whether that was its end, once."""
        drive, live = self.drive, self.live
        if drive is None or live is None:
            return False
        # Asked before the queue is emptied: what is said last is said before the end.
        over = drive.over
        for event in drive.take_events():
            live.apply(event)
        if not over or self._ended is drive:
            return False
        if live.ending is None:
            from engines.events import RunFinished

            live.apply(RunFinished("failed", self.elapsed_s))
        self._ended = drive
        return True

    def stop(self) -> None:
        """Ask the run to end; what was measured stays."""
        if self.drive is not None:
            self.drive.control.cancel()

    def log_of(self, jobs: Iterable[LiveJob]) -> tuple[Path, str] | None:
        """The log of the first of `jobs` that has one, and whose it is; or of the engine check."""
        for one in jobs:
            if one.log and Path(one.log).exists():
                return Path(one.log), one.title
        from engines import paths

        probe = paths.state_folder() / "logs" / "probe.log"
        return (probe, "the engine check") if probe.exists() else None

    def proposed_path(self) -> Path:
        """Where a profile of the present run would be saved."""
        if self.drive is None:
            raise self._nothing_to_save()
        return self.store.new_path(self.drive.plan, self.drive.started)

    def save(self, path: Path, name: str = "") -> Path:
        """Save the run so far to `path`; may be called in any thread.

        Raises InferTuiError where that fails; the run stays and can be saved elsewhere.
        """
        from engines import paths
        from profiles.writing import write_profile

        drive = self.drive
        if drive is None:
            raise self._nothing_to_save()
        with self._saving:
            profile, samples = drive.snapshot(self.facts, name)
            if path.parent == self.store.folder:
                paths.ready(path.parent)
            write_profile(profile, samples, path)
            self._remember_saved(drive, path)
        return path

    def _nothing_to_save(self) -> UsageError:
        hint = told("{bench.run} runs the selected engines", self._keymap)
        return UsageError("there is nothing to save yet", hint=hint)

    def autosave(self) -> Path | None:
        """Keep what is not saved in the store; the path, or None where there was nothing.

        Called where nobody can be asked for a name: on a hang-up, at the end, before a new run.
        """
        drive = self.drive
        if drive is None:
            return None
        with self._saving:
            if not self.unsaved:
                return None
            stored = self.store.save(*drive.snapshot(self.facts, AUTOSAVED))
            self._remember_saved(drive, stored.path)
        return stored.path

    def close(self) -> str:
        """End the run and its children, then keep what was measured. May be called twice.

        Returns where it is kept and why, if that is not the store. Raises InferTuiError where it
        can't be kept anywhere.
        """
        if self.drive is not None:
            self.drive.control.cancel()
            self.drive.wait(END_WITHIN_S)
        try:
            self.autosave()
        except FileError as error:
            self._rescue(error)
        return self._elsewhere

    def _rescue(self, why: FileError) -> None:
        """Keep what is not saved where the store can't; two threads may come here at the end."""
        from profiles.rescue import rescue

        with self._saving:
            if self.drive is not None and self.unsaved:
                path = rescue(*self.drive.snapshot(self.facts, AUTOSAVED)).path
                self._remember_saved(self.drive, path)
                self._elsewhere = f"what was measured is kept in {path}: {why}"

    def _remember_saved(self, drive: Drive, path: Path) -> None:
        # A run that is saved in its middle goes on: its end is not in that file.
        if drive.over and drive is self.drive:
            self.saved_as = path
