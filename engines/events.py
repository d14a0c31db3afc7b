"""What a run says while it goes: `engines.runner.run` yields these, in order, to app and CLI.

Every event about one piece of work carries `job`, the id that its `JobStarted` gave. `entry` is
the index of the plan's engine, or None for work that engines share (weights, reference, export).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engines.plan import RunPlan
from engines.results import EngineResult

JobKind = Literal["weights", "summary", "reference", "export", "build", "benchmark", "layers"]
Phase = Literal[
    "starting",
    "loading",
    "parsing",
    "building",
    "inspecting",
    "compiling",
    "checking",
    "warm-up",
    "measuring",
    "waiting for its turn",
    "timing the device",
    "reading the energy",
    "profiling",
    "throughput",
]
Ending = Literal["complete", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event. `plan` has its devices resolved; `labels` names its entries."""

    plan: RunPlan
    labels: tuple[str, ...]
    run_id: str


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A piece of work begins. `expected_s` is how long it took the last time, where that is known;
    of a benchmark, until its engine was loaded and compiled.

    `why` says why it has to be done: "not made yet", or what changed since the kept one.
    """

    job: str
    kind: JobKind
    title: str
    entry: int | None = None
    expected_s: float | None = None
    why: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The work is in `phase`; `done` in 0..1 where the end is known."""

    job: str
    phase: Phase
    detail: str = ""
    done: float | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """A block of latencies in milliseconds, in the order they were taken.

    `start_s` is when its first inference began, in seconds since the job's warm-up began. Of an
    engine that takes turns with others `round` counts from 0, and the warm-up in a round is the
    re-warm before its block; what comes before the rounds has none. `preempted` counts the
    involuntary context switches of the worker while it was taken.
    """

    job: str
    entry: int
    phase: Literal["warm-up", "measuring"]
    start_s: float
    latencies_ms: NDArray[np.float64]
    round: int | None = None
    preempted: int = 0

    @property
    def called(self) -> Literal["warm-up", "re-warm", "measuring"]:
        """What the phase is called: "re-warm" where it precedes a turn."""
        again = self.round is not None and self.phase == "warm-up"
        return "re-warm" if again else self.phase


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """Round `round` of `rounds`, counted from 0: each entry of `order` measures a block in turn."""

    round: int
    rounds: int
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JobDone:
    """A shared job ended well. `cached`: the kept artifact fitted and nothing had to be done."""

    job: str
    kind: JobKind
    seconds: float
    cached: bool = False
    entry: int | None = None
    size_bytes: int | None = None
    path: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job ended badly: what happened, what to do, and the end of its log."""

    job: str
    kind: JobKind
    reason: str
    hint: str = ""
    entry: int | None = None
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class EngineFinished:
    """One entry of the plan is over, well or badly; its result says which."""

    entry: int
    result: EngineResult


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event. The results so far were each announced by an `EngineFinished`."""

    ending: Ending
    seconds: float


Event = (
    RunStarted
    | JobStarted
    | Progress
    | Samples
    | RoundStarted
    | JobDone
    | JobFailed
    | EngineFinished
    | RunFinished
)
