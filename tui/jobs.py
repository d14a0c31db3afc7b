"""Pieces of work as the panels show them: exports, builds and benchmarks, folded from events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.errors import Cancelled
from engines.events import Event, JobDone, JobFailed, JobKind, JobStarted, Phase, Progress

Clock = Callable[[], float]

# What the driver gives as the reason of work that the user stopped.
STOPPED = Cancelled().message


@dataclass(slots=True, eq=False)
class LiveJob:
    """One piece of work: making a shared artifact, building an engine, or a benchmark.

    `seconds` is None until it is over; `failed` is the reason where it ended badly; `stopped` says
    that this was the user's wish.
    """

    id: str
    kind: JobKind
    title: str
    started_at: float
    clock: Clock
    entry: int | None = None
    expected_s: float | None = None
    why: str = ""
    log: str = ""
    phase: Phase = "starting"
    detail: str = ""
    done: float | None = None
    seconds: float | None = None
    cached: bool = False
    size_bytes: int | None = None
    path: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""
    hint: str = ""
    log_tail: str = ""

    @property
    def over(self) -> bool:
        return self.seconds is not None

    @property
    def stopped(self) -> bool:
        return self.failed == STOPPED

    @property
    def elapsed_s(self) -> float:
        """How long it has been going, or how long it took."""
        return self.clock() - self.started_at if self.seconds is None else self.seconds

    def close(self) -> None:
        """End it now, unless it has ended."""
        self.seconds = self.elapsed_s


class LiveJobs:
    """All jobs of a run, or of a session's builds, in the order in which they began."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._by_id: dict[str, LiveJob] = {}
        self.jobs: list[LiveJob] = []

    def apply(self, event: Event) -> LiveJob | None:
        """Fold `event` in; the job that it is about, None where it is about no known one."""
        match event:
            case JobStarted():
                return self._start(event)
            case Progress():
                if (job := self._by_id.get(event.job)) is not None:
                    job.phase, job.detail, job.done = event.phase, event.detail, event.done
                return job
            case JobDone():
                if (job := self._by_id.get(event.job)) is not None:
                    job.seconds, job.cached = event.seconds, event.cached
                    job.size_bytes, job.path = event.size_bytes, event.path
                    job.facts = event.facts
                return job
            case JobFailed():
                if (job := self._by_id.get(event.job)) is not None:
                    job.close()
                    job.failed, job.hint, job.log_tail = event.reason, event.hint, event.log_tail
                return job
        return None

    def _start(self, event: JobStarted) -> LiveJob:
        job = LiveJob(
            id=event.job,
            kind=event.kind,
            title=event.title,
            started_at=self._clock(),
            clock=self._clock,
            entry=event.entry,
            expected_s=event.expected_s,
            why=event.why,
            log=event.log,
        )
        self.jobs.append(job)
        # An id may come again (a reference for each batch size): the latest job has it.
        self._by_id[event.job] = job
        return job

    def keep_one_of_each(self) -> None:
        """Forget what says nothing more: of jobs that were done again, the former ones.

        What was found kept stands back behind the job that made it in this session.
        """
        kept: dict[str, LiveJob] = {}
        for job in self.jobs:
            former = kept.get(job.id)
            if former is None or not (job.cached and not former.failed and job.kind != "build"):
                kept[job.id] = job
        self.jobs = [job for job in self.jobs if kept[job.id] is job]

    def close(self, reason: str = "") -> None:
        """Nothing more will be said: what has not ended ends now, badly where there is a reason."""
        for job in self.jobs:
            if not job.over:
                job.close()
                job.failed = reason


def one_of_each(jobs: Sequence[LiveJob]) -> list[LiveJob]:
    """`jobs` with one of those that came to the same file.

    That is the latest which made it; where it was only found kept, the first that found it.
    """
    of_file: dict[str, LiveJob] = {}
    for job in jobs:
        if job.path not in of_file or not job.cached:
            of_file[job.path] = job
    return [job for job in jobs if not job.path or of_file[job.path] is job]
