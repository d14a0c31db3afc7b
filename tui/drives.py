"""Work that goes in a thread of its own and says events: what a run and a build share.

The drive belongs to the thread that calls it. Between it and the UI go events through a queue and
one announcement that there are some. Nothing here touches a widget.
"""

from __future__ import annotations

import abc
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from engines.errors import InferTuiError

if TYPE_CHECKING:
    # NumPy comes with the events: the first frame does not wait for it.
    from engines.events import Event
    from tui.jobs import LiveJob, LiveJobs


class EventDrive(abc.ABC):
    """Iterates `work` to its end; `error` and `crash` say what ended it before."""

    def __init__(self, announce: Callable[[], object]) -> None:
        from engines.control import Control

        self.control = Control()
        self.error: InferTuiError | None = None
        self.crash = ""
        self.began = time.monotonic()
        self._announce = announce
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._over = threading.Event()

    @abc.abstractmethod
    def work(self) -> Iterator[Event]:
        """What is done, event by event."""

    def keep(self, event: Event) -> None:  # noqa: B027  # a build has nothing to lose
        """Take in an event before the UI does; called with the lock held."""

    @property
    def over(self) -> bool:
        """Whether the thread is done: no child is left, no event will follow."""
        return self._over.is_set()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began

    def wait(self, seconds: float) -> bool:
        """Wait for the end; False where it did not come in time."""
        return self._over.wait(seconds)

    def __call__(self) -> None:
        """Do the work to its end, in the calling thread."""
        try:
            for event in self.work():
                self._say(event)
        except InferTuiError as error:
            self.error = error
        except Exception:
            # A fault of this program: shown in full, and never the end of the app.
            self.crash = traceback.format_exc()
        finally:
            self._over.set()
            self._announce()

    def _say(self, event: Event) -> None:
        with self._lock:
            self.keep(event)
            first = not self._events
            self._events.append(event)
        if first:
            self._announce()

    def take_events(self) -> list[Event]:
        """What has been said since the last time."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
        return events


D = TypeVar("D", bound=EventDrive)


class Desk(Generic[D]):
    """Drives of one kind, one at a time: the one that goes, and the jobs that it has told of.

    Whoever starts a drive gives it a thread. `within_s` is how long its end may take.
    """

    def __init__(self, announce: Callable[[], object], within_s: float) -> None:
        self._announce, self._within_s = announce, within_s
        self._work: LiveJobs | None = None
        self.drive: D | None = None

    @property
    def jobs(self) -> list[LiveJob]:
        """The jobs that were begun and are kept."""
        return self._work.jobs if self._work is not None else []

    @property
    def going(self) -> bool:
        return self.drive is not None

    @property
    def stopping(self) -> bool:
        """Whether the work that goes was asked to end and has not yet."""
        return self.drive is not None and self.drive.control.cancelled

    def take_events(self) -> D | None:
        """Fold in what the work has said; the drive itself, once, when it is over."""
        from tui.jobs import STOPPED, LiveJobs

        drive = self.drive
        if drive is None:
            return None
        self._work = self._work or LiveJobs()
        # Asked before the queue is emptied: what is said last is said before the end.
        over = drive.over
        for event in drive.take_events():
            self._work.apply(event)
        if not over:
            return None
        self._work.close(STOPPED if drive.control.cancelled else "a fault in infer-tui")
        self.drive = None
        return drive

    def stop(self) -> None:
        """End the work that goes; what was made before stays."""
        if self.drive is not None:
            self.drive.control.cancel()

    def wait(self) -> None:
        """Wait for the end of the work that goes; may be called in any thread."""
        drive = self.drive
        if drive is not None:
            drive.wait(self._within_s)
