"""A run as the panels show it: the runner's events folded into state of bounded size.

One thread, the UI's, applies the events and reads the state. What a block of samples costs
depends on the block's length alone, and memory on the number of engines alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    JobStarted,
    Phase,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult, Status
from engines.statistics import DecimatedSeries, LatencyHistogram, sample_floor
from tui.jobs import Clock, LiveJob, LiveJobs
from tui.recent import LatestSeries, RecentWindow

Floats = NDArray[np.float64]
State = Literal[
    "waiting",
    "preparing",
    "building",
    "loading",
    "compiling",
    "checking",
    "warm-up",
    "re-warm",
    "measuring",
    "loaded",
    "timing",
    "energy",
    "measured",
    "throughput",
    "done",
    "invalid",
    "stopped",
    "failed",
    "unavailable",
]

# Twice the columns of dots in the widest plot that a 200-column terminal has room for.
SERIES_COLUMNS = 512
# How much of the end of a run the plot over time can show in place of all of it, in seconds.
LAST_S = (60.0, 10.0, 2.0)

_STATE_OF_PHASE: dict[Phase, State] = {
    "starting": "preparing",
    "parsing": "building",
    "building": "building",
    "inspecting": "building",
    "loading": "loading",
    "compiling": "compiling",
    "checking": "checking",
    "warm-up": "warm-up",
    "measuring": "measuring",
    "waiting for its turn": "loaded",
    "timing the device": "timing",
    "reading the energy": "energy",
    "throughput": "throughput",
}
_STATE_OF_STATUS: dict[Status, State] = {
    "ok": "done",
    "invalid": "invalid",
    "stopped": "stopped",
    "failed": "failed",
    "unavailable": "unavailable",
}
OVER: frozenset[State] = frozenset(_STATE_OF_STATUS.values())
RUNNING: frozenset[State] = frozenset(_STATE_OF_PHASE.values()) - {"loaded"} | {"re-warm"}


_needed = cache(sample_floor)


@dataclass(slots=True, eq=False)
class LiveEntry:
    """One engine of the run.

    `series` holds warm-up and measuring over seconds since the warm-up began; measuring began at
    `measuring_since`. Of an engine that takes turns these are seconds of its own turns, and the
    re-warm before each is left out. `histogram`, `n` and the percentiles are of measured samples
    alone.
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
    latest: tuple[LatestSeries, ...] = field(
        default_factory=lambda: tuple(LatestSeries(one, SERIES_COLUMNS) for one in LAST_S)
    )
    # Live ones that were asked for, until there are more samples.
    _percentiles: dict[float, float] = field(default_factory=dict)

    @property
    def place(self) -> int:
        """Which entry of the run it is, from 1 on."""
        return self.color_index + 1

    @property
    def disturbed(self) -> tuple[tuple[float, float], ...]:
        """When something is known to have disturbed it, in seconds from its warm-up on."""
        found = self.result.conditions if self.result else None
        return tuple((one.start_s, one.end_s) for one in found.disturbances) if found else ()

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
        if percentile not in self._percentiles:
            self._percentiles[percentile] = float(self.histogram.quantile(percentile / 100.0))
        return self._percentiles[percentile]

    @property
    def p50_ms(self) -> float | None:
        return self.percentile(50)

    @property
    def p90_ms(self) -> float | None:
        return self.percentile(90)

    @property
    def p99_ms(self) -> float | None:
        return self.percentile(99)

    def points(self, last_s: float | None = None) -> tuple[Floats, Floats, Floats]:
        """Times in seconds, smallest and largest latencies in ms: of all, or of one of LAST_S."""
        if last_s is None:
            return self.series.points()
        return next(one for one in self.latest if one.seconds == last_s).points()

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
        times_s = start_s + passed_s - latencies_ms / 1000.0
        self.series.add(times_s, latencies_ms)
        for latest in self.latest:
            latest.add(times_s, latencies_ms)
        self.recent.add(latencies_ms)
        self.elapsed_s = start_s + float(passed_s[-1])
        self.last_ms = float(latencies_ms[-1])
        if measured:
            self.histogram.add(latencies_ms)
            self.n += len(latencies_ms)
            self._percentiles.clear()

    def finish(self, result: EngineResult) -> None:
        self.result = result
        self.state = _STATE_OF_STATUS[result.status]
        self.detail = result.reason


class LiveRun:
    """The state of one run. `revision` grows with every event that is applied.

    `ending` is None while the run goes; `clock` gives monotonic seconds. `round` counts from 1 to
    `rounds` while engines take turns, and is 0 before.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._work = LiveJobs(clock)
        self.entries: list[LiveEntry] = []
        self.plan: RunPlan | None = None
        self.run_id = ""
        self.ending: Ending | None = None
        self.seconds: float | None = None
        self.round = self.rounds = 0
        self.revision = 0
        # A limit that was looked at in place of the plan's; no limit is one too.
        self._looked_at: tuple[float | None] | None = None

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
        missing. They are taken as having followed each other without a gap, so the re-warms of
        engines that took turns are not among them.
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
    def jobs(self) -> list[LiveJob]:
        """Every piece of work of this run, in the order in which they began."""
        return self._work.jobs

    @property
    def running(self) -> bool:
        return self.ending is None

    @property
    def by_turns(self) -> bool:
        """Whether the engines take turns."""
        return self.plan is not None and self.plan.measurement.interleave

    @property
    def limit_ms(self) -> float | None:
        """The limit that its frontier is looked at under: its plan's, until another is set.

        Setting one changes what is shown and nothing else: neither this run's plan nor another's.
        """
        if self._looked_at is not None:
            return self._looked_at[0]
        return self.plan.max_latency_ms if self.plan is not None else None

    @limit_ms.setter
    def limit_ms(self, limit_ms: float | None) -> None:
        self._looked_at = (limit_ms,)

    @property
    def current(self) -> LiveEntry | None:
        """The engine that is being worked on now, or that has its turn."""
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
            case RoundStarted():
                self.round, self.rounds = event.round + 1, event.rounds
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
        self._work.apply(event)
        if (entry := self._entry(event.entry)) is not None:
            entry.state, entry.detail = "preparing", ""

    def _progress(self, event: Progress) -> None:
        if (job := self._work.apply(event)) is None:
            return
        if (entry := self._entry(job.entry)) is not None and not entry.over:
            entry.state, entry.detail = _STATE_OF_PHASE[event.phase], event.detail

    def _take(self, event: Samples) -> None:
        if (entry := self._entry(event.entry)) is None:
            return
        if event.round is None:
            entry.add(event.latencies_ms, event.start_s, measured=event.phase == "measuring")
        elif event.phase == "measuring":
            # The turns of the others would be gaps in which nothing was measured.
            entry.add(event.latencies_ms, entry.elapsed_s, measured=True)
        if not entry.over:
            entry.state = event.called

    def _finish_job(self, event: JobDone) -> None:
        if (job := self._work.apply(event)) is None:
            return
        if (entry := self._entry(job.entry)) is not None and not entry.over:
            # Its verdict comes when the others are measured too.
            entry.state = "measured" if job.kind == "benchmark" else "waiting"
            entry.detail = ""

    def _fail_job(self, event: JobFailed) -> None:
        job = self._work.apply(event)
        if (entry := self._entry(event.entry)) is not None:
            stopped = job is not None and job.stopped
            entry.state, entry.detail = "stopped" if stopped else "failed", event.reason

    def _end(self, event: RunFinished) -> None:
        self.ending, self.seconds = event.ending, event.seconds
        self._work.close()
        for index, entry in enumerate(self.entries):
            if not entry.over:
                self._entry(index)
                entry.state = "stopped"
