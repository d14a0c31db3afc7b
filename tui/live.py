"""A run as the panels show it: the runner's events folded into state of bounded size.

One thread, the UI's, applies the events and reads the state. What a block of samples costs
depends on the block's length alone, and memory on the number of engines alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.events import (
    Ending,
    EngineFinished,
    Event,
    JobDone,
    JobFailed,
    JobKind,
    JobStarted,
    Phase,
    Progress,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult, Status
from engines.statistics import DecimatedSeries, LatencyHistogram, sample_floor
from tui.recent import RecentWindow

Floats = NDArray[np.float64]
Clock = Callable[[], float]
State = Literal[
    "waiting",
    "preparing",
    "loading",
    "compiling",
    "checking",
    "warm-up",
    "measuring",
    "done",
    "invalid",
    "stopped",
    "failed",
    "unavailable",
]

# Twice the columns of dots in the widest plot that a 200-column terminal has room for.
SERIES_COLUMNS = 512

_STATE_OF_PHASE: dict[Phase, State] = {
    "starting": "preparing",
    "loading": "loading",
    "compiling": "compiling",
    "checking": "checking",
    "warm-up": "warm-up",
    "measuring": "measuring",
}
_STATE_OF_STATUS: dict[Status, State] = {
    "ok": "done",
    "invalid": "invalid",
    "stopped": "stopped",
    "failed": "failed",
    "unavailable": "unavailable",
}
OVER: frozenset[State] = frozenset(_STATE_OF_STATUS.values())
RUNNING: frozenset[State] = frozenset(_STATE_OF_PHASE.values())


_needed = cache(sample_floor)


@dataclass(slots=True, eq=False)
class LiveEntry:
    """One engine of the run.

    `series` holds warm-up and measuring over seconds since the warm-up began; measuring began at
    `measuring_since`. `histogram`, `n` and the percentiles are of measured samples alone.
    """

    label: str
    spec: EngineSpec
    color_index: int
    state: State = "waiting"
    detail: str = ""
    n: int = 0
    elapsed_s: float = 0.0
    measuring_since: float | None = None
    last_ms: float | None = None
    result: EngineResult | None = None
    revision: int = 0
    series: DecimatedSeries = field(default_factory=lambda: DecimatedSeries(SERIES_COLUMNS))
    histogram: LatencyHistogram = field(default_factory=LatencyHistogram)
    recent: RecentWindow = field(default_factory=RecentWindow)

    @property
    def has_samples(self) -> bool:
        """Whether there is anything to draw, be it warm-up."""
        return self.last_ms is not None

    @property
    def over(self) -> bool:
        return self.state in OVER

    def percentile(self, percentile: float) -> float | None:
        """The percentile in ms: the result's where there is one, otherwise the live one.

        None where there are fewer samples than it takes.
        """
        if self.result is not None and self.result.latency is not None:
            found = self.result.latency.percentile(percentile)
            return found.value_ms if found else None
        if self.n < _needed(percentile):
            return None
        return float(self.histogram.quantile(percentile / 100.0))

    @property
    def p50_ms(self) -> float | None:
        return self.percentile(50)

    @property
    def p90_ms(self) -> float | None:
        return self.percentile(90)

    @property
    def p99_ms(self) -> float | None:
        return self.percentile(99)

    def add(self, latencies_ms: Floats, start_s: float, *, measured: bool) -> None:
        """Take a block of latencies whose first inference began `start_s` after warm-up did.

        What is no latency (NaN, infinite, negative) can't be drawn and is passed over.
        """
        latencies_ms = latencies_ms[np.isfinite(latencies_ms) & (latencies_ms >= 0)]
        if not len(latencies_ms):
            return
        if measured and self.measuring_since is None:
            self.measuring_since = start_s
        passed_s = np.cumsum(latencies_ms) / 1000.0
        self.series.add(start_s + passed_s - latencies_ms / 1000.0, latencies_ms)
        self.recent.add(latencies_ms)
        self.elapsed_s = start_s + float(passed_s[-1])
        self.last_ms = float(latencies_ms[-1])
        if measured:
            self.histogram.add(latencies_ms)
            self.n += len(latencies_ms)

    def finish(self, result: EngineResult) -> None:
        self.result = result
        self.state = _STATE_OF_STATUS[result.status]
        self.detail = result.reason


@dataclass(slots=True, eq=False)
class LiveJob:
    """One piece of work: making a shared artifact, building an engine, or a benchmark.

    `seconds` is None until it is over; `failed` is the reason where it ended badly.
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
    failed: str = ""
    hint: str = ""
    log_tail: str = ""

    @property
    def over(self) -> bool:
        return self.seconds is not None

    @property
    def elapsed_s(self) -> float:
        """How long it has been going, or how long it took."""
        return self.clock() - self.started_at if self.seconds is None else self.seconds

    def close(self) -> None:
        """End it now, unless it has ended."""
        self.seconds = self.elapsed_s


class LiveRun:
    """The state of one run. `revision` grows with every event that is applied.

    `ending` is None while the run goes; `clock` gives monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._job_of: dict[str, LiveJob] = {}
        self.entries: list[LiveEntry] = []
        self.jobs: list[LiveJob] = []
        self.plan: RunPlan | None = None
        self.run_id = ""
        self.ending: Ending | None = None
        self.seconds: float | None = None
        self.revision = 0

    @classmethod
    def from_results(
        cls,
        labels: Sequence[str],
        results: Sequence[EngineResult],
        samples: Mapping[int, Floats],
        warm_up: Mapping[int, Floats] | None = None,
    ) -> LiveRun:
        """A run that is over, from a profile.

        `samples` and `warm_up` give latencies in ms by the index of the result; an index may be
        missing. They are taken as having followed each other without a gap.
        """
        run = cls()
        run.ending = "complete"
        for index, (label, result) in enumerate(zip(labels, results, strict=True)):
            entry = LiveEntry(label, result.spec, index)
            for part, measured in ((warm_up or {}, False), (samples, True)):
                block = np.asarray(part.get(index, ()), dtype=np.float64)
                entry.add(block, entry.elapsed_s, measured=measured)
            entry.finish(result)
            entry.revision = 1
            run.entries.append(entry)
        run.revision = 1
        return run

    @property
    def running(self) -> bool:
        return self.ending is None

    @property
    def current(self) -> LiveEntry | None:
        """The engine that is being worked on now."""
        return next((entry for entry in self.entries if entry.state in RUNNING), None)

    def apply(self, event: Event) -> None:
        """Fold `event` into the state. Events about unknown jobs or entries change nothing."""
        self.revision += 1
        match event:
            case RunStarted():
                self._start(event)
            case JobStarted():
                self._start_job(event)
            case Progress():
                self._progress(event)
            case Samples():
                self._take(event)
            case JobDone():
                self._finish_job(event)
            case JobFailed():
                self._fail_job(event)
            case EngineFinished():
                if (entry := self._entry(event.entry)) is not None:
                    entry.finish(event.result)
            case RunFinished():
                self._end(event)

    def _entry(self, index: int | None) -> LiveEntry | None:
        """The entry that an event is about, with its revision raised."""
        if index is None or not 0 <= index < len(self.entries):
            return None
        entry = self.entries[index]
        entry.revision += 1
        return entry

    def _start(self, event: RunStarted) -> None:
        self.plan, self.run_id = event.plan, event.run_id
        pairs = zip(event.labels, event.plan.engines, strict=True)
        self.entries = [LiveEntry(label, spec, at) for at, (label, spec) in enumerate(pairs)]

    def _start_job(self, event: JobStarted) -> None:
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
        self._job_of[event.job] = job
        if (entry := self._entry(event.entry)) is not None:
            entry.state, entry.detail = "preparing", ""

    def _progress(self, event: Progress) -> None:
        if (job := self._job_of.get(event.job)) is None:
            return
        job.phase, job.detail, job.done = event.phase, event.detail, event.done
        if (entry := self._entry(job.entry)) is not None and not entry.over:
            entry.state, entry.detail = _STATE_OF_PHASE[event.phase], event.detail

    def _take(self, event: Samples) -> None:
        if (entry := self._entry(event.entry)) is None:
            return
        entry.add(event.latencies_ms, event.start_s, measured=event.phase == "measuring")
        if not entry.over:
            entry.state = event.phase

    def _finish_job(self, event: JobDone) -> None:
        if (job := self._job_of.get(event.job)) is None:
            return
        job.seconds, job.cached = event.seconds, event.cached
        job.size_bytes, job.path = event.size_bytes, event.path
        if (entry := self._entry(job.entry)) is not None and job.kind != "benchmark":
            entry.state, entry.detail = "waiting", ""

    def _fail_job(self, event: JobFailed) -> None:
        if (job := self._job_of.get(event.job)) is not None:
            job.close()
            job.failed, job.hint, job.log_tail = event.reason, event.hint, event.log_tail
        if (entry := self._entry(event.entry)) is not None:
            entry.state, entry.detail = "failed", event.reason

    def _end(self, event: RunFinished) -> None:
        self.ending, self.seconds = event.ending, event.seconds
        for job in self.jobs:
            job.close()
        for index, entry in enumerate(self.entries):
            if not entry.over:
                self._entry(index)
                entry.state = "stopped"
