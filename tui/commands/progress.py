"""What a run is doing: a line on a terminal, nothing in a pipe, lines that stay for who asks."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Literal, TextIO

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
from engines.results import EngineResult

# More often than this a person reads no more, and a slow line is kept busy.
EVERY_S = 0.25
# Lines that stay, read aloud or kept by a CI, say it less often; a new phase at once.
PLAIN_EVERY_S = 10.0

How = Literal["auto", "line", "plain", "none"]


class Progress:
    """Rewrites its line in place, at most four times a second.

    As "plain" it writes lines that stay, without a control sequence, to whatever `stream` is; as
    "auto" its line to a terminal and nothing to anything else.
    """

    def __init__(self, stream: TextIO, how: How = "auto") -> None:
        self._stream = stream
        self._plain = how == "plain"
        self._shown = how in ("line", "plain") or (how == "auto" and stream.isatty())
        self._titles: dict[str, str] = {}
        self._logs: dict[str, str] = {}
        self._entries = 0
        self._finished = 0
        self._round = ""
        self._counts: dict[tuple[str, str], int] = {}
        self._last = 0.0
        self._said = ""
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
                # A phase at once; how far it is, as often as anything.
                words = f"{event.phase}  {event.detail}".rstrip()
                self._draw(event.job, words, now=not event.detail)
            case Samples():
                key = (event.job, event.called)
                self._counts[key] = self._counts.get(key, 0) + len(event.latencies_ms)
                median = float(np.median(event.latencies_ms))
                self._draw(event.job, f"{event.called}  n {self._counts[key]:,}  {median:.3f} ms")
            case RoundStarted():
                self._round = f"round {event.round + 1}/{event.rounds}  "
            case EngineFinished():
                if self._plain:
                    self._tell(event.result)
                self._finished += 1
                self._round = ""
            case JobFailed(kind="build" | "benchmark" | "layers") if self._logs.get(event.job):
                self._write(f"{self._clear()}infer-tui: the log is {self._logs[event.job]}\n")

    def _draw(self, job: str, text: str, *, now: bool = False) -> None:
        every_s = PLAIN_EVERY_S if self._plain else EVERY_S
        if not self._shown or (not now and time.monotonic() - self._last < every_s):
            return
        self._last = time.monotonic()
        line = f"{self._round or self._place()}{self._titles.get(job, job)}  {text}"
        if self._plain:
            if line != self._said:
                self._write(f"{line}\n")
            self._said = line
            return
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r\x1b[K{line[:width]}")
        self._drawn = True

    def _place(self) -> str:
        """Which of how many entries it is at; nothing in a build, which has none."""
        place = min(self._finished + 1, self._entries)
        return f"{place}/{self._entries}  " if self._entries else ""

    def _tell(self, result: EngineResult) -> None:
        p50_ms = result.latency.p50_ms if result.latency is not None else None
        median = "" if p50_ms is None else f"  p50 {p50_ms:.4g} ms"
        self._write(f"{self._place()}{result.label}  {result.status}{median}\n")

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
