"""Samples of one worker: asked for, announced as they come, and gathered."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engines import timeline
from engines.conditions import Block
from engines.events import Event, Progress, Samples
from engines.monitor import Watch
from engines.process import WorkerProcess
from engines.timeline import Timeline
from engines.worker.protocol import Message

# How often the stop rules are asked: their statistics cost a few milliseconds each time.
DECIDE_EVERY_S = 0.5

Phase = Literal["warm-up", "measuring"]

# Samples are kept in chunks of 256 kB, of which the system gives only what is written to.
CHUNK = 32_768
# In the numbers of a block: what was not counted.
_UNKNOWN = -1


class Kept:
    """Samples one after the other, 8 bytes each: every block of them is a view of a chunk.

    So whoever keeps the blocks as well, such as a recorder of the run, keeps no second copy.
    """

    def __init__(self) -> None:
        self._full: list[NDArray[np.float64]] = []
        self._chunk, self._filled = np.empty(0), 0

    def add(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take in a block; returns it as it is kept, read-only."""
        if self._filled + len(block) > len(self._chunk):
            # The block is to lie in one piece: what is left of the chunk stays free.
            self._full.append(self._chunk[: self._filled])
            self._chunk, self._filled = np.empty(max(CHUNK, len(block))), 0
        kept = self._chunk[self._filled : self._filled + len(block)]
        kept[:] = block
        kept.flags.writeable = False
        self._filled += len(block)
        return kept

    def all(self) -> NDArray[np.float64]:
        """Every sample in order: a copy, which the caller should not keep."""
        return np.concatenate([*self._full, self._chunk[: self._filled]])


@dataclass(slots=True)
class Taken:
    """The samples of one phase so far, and the wall time they took in seconds.

    `rounds` counts those of each round, in order, where the engine takes turns with others; the
    turns of the others are not in `seconds`. `timeline` is the worker's, and `asleep_ns` how long
    the machine was suspended in between.
    """

    n: int = 0
    seconds: float = 0.0
    timeline: Timeline | None = None
    asleep_ns: int = 0
    rounds: dict[int, int] = field(default_factory=dict)
    _kept: Kept = field(default_factory=Kept)
    # The numbers of each `Block`: ten a second come, and a run may take hours.
    _times: array[int] = field(default_factory=lambda: array("q"))

    def add(
        self, block: NDArray[np.float64], seconds: float, in_round: int | None = None
    ) -> NDArray[np.float64]:
        """Take in a block; `seconds` is what they all have taken by its end.

        Returns the block as it is kept: a view that nobody can write to.
        """
        self.n += len(block)
        self.seconds = seconds
        if in_round is not None:
            self.rounds[in_round] = self.rounds.get(in_round, 0) + len(block)
        return self._kept.add(block)

    def note(self, block: NDArray[np.float64], message: Message) -> None:
        """Tie a block that has just come to the driver's clock."""
        if self.timeline is not None:
            start_ns = self.timeline.at(message["start_s"])
            end_ns = start_ns + round(float(block.sum()) * 1e6)
            disturbed = message.get("preempted", 0), message.get("page_faults", 0)
            waited_ns = message.get("waited_ns")
            waited_ns = _UNKNOWN if waited_ns is None else waited_ns
            self._times.extend((start_ns, end_ns, len(block), *disturbed, waited_ns))

    @property
    def times(self) -> list[Block]:
        """When each block was taken and what disturbed its process."""
        return [
            Block(start_ns, end_ns, n, preempted, faults, None if waited == _UNKNOWN else waited)
            for start_ns, end_ns, n, preempted, faults, waited in np.array(self._times, np.int64)
            .reshape(-1, 6)
            .tolist()
        ]

    def all(self) -> NDArray[np.float64]:
        """Every latency in milliseconds, in order: a copy, which the caller should not keep."""
        return self._kept.all()

    def by_round(self) -> dict[int, NDArray[np.float64]]:
        """The latencies of each round; empty where the engine took no turns."""
        edges = np.cumsum(list(self.rounds.values()))
        parts = np.split(self.all(), edges[:-1]) if self.rounds else []
        return dict(zip(self.rounds, parts, strict=True))


def ask(
    worker: WorkerProcess, job: str, do: str, **fields: Any
) -> Generator[Event, None, dict[str, Any]]:
    """A request whose only events are of progress; returns its result."""
    asking = worker.ask(do, **fields)
    while True:
        try:
            message, _ = next(asking)
        except StopIteration as answer:
            result: dict[str, Any] = answer.value
            return result
        yield Progress(job, message["phase"], message.get("detail", ""))


def sample(
    worker: WorkerProcess,
    job: str,
    entry: int,
    phase: Phase,
    taken: Mapping[str, Taken],
    ended: Callable[[], bool] | None = None,
    *,
    watch: Watch | None = None,
    in_round: int | None = None,
    detail: str = "",
    **limits: Any,
) -> Generator[Event, None, dict[str, Any]]:
    """Let the worker measure until its limits or until `ended` says so; announce each block.

    The samples are added to `taken`, by their phase: a re-warm comes before what counts. `in_round`
    is the round of a turn among others. The GPU that `watch` reads is looked at before and after.
    Returns what the worker says of the engine at the end.
    """
    if watch is not None:
        watch.mark()
    asking = worker.ask("measure", phase=phase, **limits)
    # By phase: when the first block began, after how many seconds of earlier turns.
    began: dict[str, tuple[float, float]] = {}
    asleep_ns = timeline.asleep_ns()
    decide_at, told = time.monotonic() + DECIDE_EVERY_S, False
    while True:
        try:
            message, payload = next(asking)
        except StopIteration as answer:
            result: dict[str, Any] = answer.value
            # The two clocks behind it are read one after the other, so it may seem to fall.
            taken[phase].asleep_ns += max(0, timeline.asleep_ns() - asleep_ns)
            if watch is not None:
                watch.mark(worked=True)
            return result
        if message["event"] == "progress":
            tied = timeline.tie(message["clock"])
            for one in taken.values():
                one.timeline = tied
            yield Progress(job, message["phase"], detail)
            continue
        block = np.frombuffer(payload, dtype="<f8")
        start_s, part = float(message["start_s"]), message["phase"]
        so_far = taken[part]
        began_s, before_s = began.setdefault(part, (start_s, so_far.seconds))
        seconds = before_s + start_s + float(block.sum()) / 1000.0 - began_s
        block = so_far.add(block, seconds, in_round)
        if part == phase:
            # Nobody asks what disturbed a re-warm.
            so_far.note(block, message)
        yield Samples(job, entry, part, start_s, block, in_round, message["preempted"])
        if ended is not None and not told and time.monotonic() >= decide_at:
            decide_at = time.monotonic() + DECIDE_EVERY_S
            if ended():
                worker.stop()
                told = True
