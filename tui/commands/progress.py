"""One line on a terminal that says what a run is doing; nothing in a pipe."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import TextIO

import numpy as np

from engines.events import (
    EngineFinished,
    JobFailed,
    JobStarted,
    RoundStarted,
    RunStarted,
    Samples,
)
from engines.events import Progress as Step

# More often than this a person reads no more, and a slow line is kept busy.
EVERY_S = 0.25


class Progress:
    """Rewrites its line in place, at most four times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty()
        self._titles: dict[str, str] = {}
        self._logs: dict[str, str] = {}
        self._entries = 0
        self._finished = 0
        self._round = ""
        self._counts: dict[tuple[str, str], int] = {}
        self._last = 0.0
        self._drawn = False

    def show(self, event: object) -> None:
        """Take in one event of the run."""
        match event:
            case RunStarted():
                self._entries = len(event.plan.engines)
            case JobStarted():
                self._titles[event.job] = event.title
                self._logs[event.job] = event.log
                self._draw(event.job, "starting", now=True)
            case Step():
                self._draw(event.job, event.phase, now=True)
            case Samples():
                key = (event.job, event.phase)
                self._counts[key] = self._counts.get(key, 0) + len(event.latencies_ms)
                median = float(np.median(event.latencies_ms))
                self._draw(event.job, f"{event.phase}  n {self._counts[key]:,}  {median:.3f} ms")
            case RoundStarted():
                self._round = f"round {event.round + 1}/{event.rounds}  "
            case EngineFinished():
                self._finished += 1
                self._round = ""
            case JobFailed(kind="build" | "benchmark" | "layers") if self._logs.get(event.job):
                self._write(f"{self._clear()}infer-tui: the log is {self._logs[event.job]}\n")

    def _draw(self, job: str, text: str, *, now: bool = False) -> None:
        if not self._shown or (not now and time.monotonic() - self._last < EVERY_S):
            return
        self._last = time.monotonic()
        done = self._round
        if self._entries and not done:  # a build has none
            done = f"{min(self._finished + 1, self._entries)}/{self._entries}  "
        line = f"{done}{self._titles.get(job, job)}  {text}"
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r\x1b[K{line[:width]}")
        self._drawn = True

    def _write(self, text: str) -> None:
        """A terminal that is gone ends the narration, never the run that is being saved."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(self._clear())

    def _clear(self) -> str:
        """What takes this line off the terminal again; nothing where none was drawn."""
        return "\r\x1b[K" if self._drawn else ""
