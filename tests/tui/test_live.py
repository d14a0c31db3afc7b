"""A run's events, folded into what the panels draw."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from engines.errors import Cancelled
from engines.events import (
    EngineFinished,
    JobDone,
    JobFailed,
    JobStarted,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult, LatencyRecord, PercentileRecord
from tui.jobs import LiveJobs
from tui.live import OVER, SERIES_COLUMNS, LiveEntry, LiveRun
from tui.recent import RECENT_COLUMNS
from tui.widgets.results import how_it_goes, state_of

EAGER = EngineSpec(engine="eager", device="cpu")
COMPILE = EngineSpec(engine="compile", device="cpu")


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def started(*specs: EngineSpec, clock: Clock | None = None) -> LiveRun:
    plan = RunPlan(engines=specs or (EAGER, COMPILE))
    run = LiveRun(clock or Clock())
    run.apply(RunStarted(plan, plan.labels(), "a run"))
    return run


def samples(phase: Any, start_s: float, *latencies_ms: float, entry: int = 0) -> Samples:
    return Samples(f"benchmark {entry}", entry, phase, start_s, np.array(latencies_ms))


def result(status: Any = "ok", **fields: Any) -> EngineResult:
    return EngineResult(label="eager cpu fp32 b1", spec=EAGER, status=status, **fields)


# The life of an entry


def test_a_new_run_waits_with_every_engine_of_its_plan() -> None:
    run = started()
    assert [entry.label for entry in run.entries] == ["eager cpu fp32 b1", "compile cpu fp32 b1"]
    assert [entry.state for entry in run.entries] == ["waiting", "waiting"]
    assert [entry.color_index for entry in run.entries] == [0, 1]
    assert run.running
    assert run.current is None


def test_an_entry_goes_through_the_phases_of_its_job() -> None:
    run = started()
    run.apply(JobStarted("benchmark 0", "benchmark", "eager", entry=0))
    assert run.entries[0].state == "preparing"
    for phase in ("loading", "compiling", "checking", "warm-up", "measuring"):
        run.apply(Progress("benchmark 0", phase, "half done"))  # type: ignore[arg-type]
        assert (run.entries[0].state, run.entries[0].detail) == (phase, "half done")
        assert run.current is run.entries[0]
    run.apply(EngineFinished(0, result("invalid", reason="cosine 0.9")))
    assert (run.entries[0].state, run.entries[0].detail) == ("invalid", "cosine 0.9")
    assert run.entries[0].over
    assert run.current is None


def test_an_entry_is_building_while_its_engine_file_is_made() -> None:
    run = started()
    run.apply(JobStarted("build", "build", "TensorRT fp32", entry=1))
    for phase in ("parsing", "building", "inspecting"):
        run.apply(Progress("build", phase))  # type: ignore[arg-type]
        assert run.entries[1].state == "building"
        assert run.current is run.entries[1]
    run.apply(JobDone("build", "build", 9.0, entry=1, facts={"layers": {"FP16": 3}}))
    assert run.entries[1].state == "waiting"
    assert run.jobs[0].facts == {"layers": {"FP16": 3}}
    run.apply(JobStarted("benchmark 1", "benchmark", "x", entry=1))
    run.apply(Progress("benchmark 1", "timing the device"))
    assert run.entries[1].state == "timing"


def test_a_build_that_the_user_stops_has_not_failed() -> None:
    run = started()
    run.apply(JobStarted("build", "build", "TensorRT fp32", entry=1))
    run.apply(JobFailed("build", "build", Cancelled().message, entry=1))
    assert run.jobs[0].stopped
    assert run.entries[1].state == "stopped"


def test_of_work_that_is_done_again_one_job_is_kept() -> None:
    work = LiveJobs(Clock())

    def do(job: str, kind: Any, *, cached: bool) -> None:
        work.apply(JobStarted(job, kind, job))
        work.apply(JobDone(job, kind, 1.0, cached=cached))

    do("export", "export", cached=False)
    do("build", "build", cached=False)
    do("export", "export", cached=True)
    do("build", "build", cached=True)
    work.keep_one_of_each()
    found = [(one.id, one.cached) for one in work.jobs]
    assert found == [("export", False), ("build", True)]


@pytest.mark.parametrize(
    ("status", "state"),
    [("ok", "done"), ("stopped", "stopped"), ("failed", "failed"), ("unavailable", "unavailable")],
)
def test_a_result_says_how_an_entry_ended(status: str, state: str) -> None:
    run = started()
    run.apply(EngineFinished(0, result(status)))
    assert run.entries[0].state == state
    assert state in OVER


def test_a_build_for_an_entry_leaves_it_waiting_for_its_benchmark() -> None:
    run = started()
    run.apply(JobStarted("build 0", "build", "TensorRT engine", entry=0))
    run.apply(JobDone("build 0", "build", 12.0, entry=0))
    assert run.entries[0].state == "waiting"


def test_the_end_of_the_run_stops_what_still_waits() -> None:
    clock = Clock()
    run = started(clock=clock)
    run.apply(JobStarted("benchmark 0", "benchmark", "eager", entry=0))
    clock.now += 3
    run.apply(RunFinished("stopped", 3.0))
    assert [entry.state for entry in run.entries] == ["stopped", "stopped"]
    assert run.jobs[0].seconds == pytest.approx(3)
    assert (run.ending, run.running) == ("stopped", False)


# Samples


def test_warm_up_is_drawn_but_not_counted() -> None:
    run = started()
    run.apply(samples("warm-up", 0.0, 30.0, 20.0))
    entry = run.entries[0]
    assert (entry.n, entry.histogram.n, entry.measuring_since) == (0, 0, None)
    assert entry.has_samples
    run.apply(samples("measuring", 0.06, 10.0, 12.0))
    assert (entry.n, entry.histogram.n, entry.measuring_since) == (2, 2, 0.06)
    assert entry.last_ms == 12.0
    assert entry.elapsed_s == pytest.approx(0.082)
    times, low, high = entry.series.points()
    assert times.tolist() == pytest.approx([0.0, 0.03, 0.06, 0.07])
    assert low.tolist() == high.tolist() == [30.0, 20.0, 10.0, 12.0]


def test_percentiles_wait_for_their_sample_floor() -> None:
    run = started()
    entry = run.entries[0]
    latencies = np.linspace(10.0, 20.0, 661)
    run.apply(samples("measuring", 0.0, *latencies[:10]))
    assert entry.p50_ms is None
    run.apply(samples("measuring", 0.1, *latencies[10:]))
    assert entry.p50_ms == pytest.approx(15.0, rel=2e-3)
    assert entry.p90_ms == pytest.approx(19.0, rel=2e-3)
    assert entry.p99_ms is None
    run.apply(samples("measuring", 12.0, 20.0))
    assert entry.p99_ms == pytest.approx(19.9, rel=2e-3)


def test_a_result_has_the_last_word_on_percentiles() -> None:
    run = started()
    run.apply(samples("measuring", 0.0, *np.linspace(10.0, 20.0, 700)))
    exact = PercentileRecord(percentile=50, needs=11, value_ms=14.9)
    latency = LatencyRecord(n=700, mean_ms=15, min_ms=10, max_ms=20, percentiles=(exact,))
    run.apply(EngineFinished(0, result(latency=latency)))
    assert run.entries[0].p50_ms == 14.9
    assert run.entries[0].p99_ms is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_what_is_no_latency_is_passed_over(bad: float) -> None:
    run = started()
    run.apply(samples("measuring", 0.0, bad))
    assert not run.entries[0].has_samples
    run.apply(samples("measuring", 0.0, 1.0, bad, 2.0))
    assert (run.entries[0].n, run.entries[0].last_ms) == (2, 2.0)


def test_an_empty_block_changes_nothing() -> None:
    run = started()
    run.apply(samples("measuring", 1.0))
    assert run.entries[0].measuring_since is None
    assert not run.entries[0].has_samples


def test_memory_does_not_grow_with_the_number_of_samples() -> None:
    entry = LiveEntry("eager", EAGER, 0)
    block = np.random.default_rng(0).gamma(9.0, 0.03, 20_000)

    def fill(blocks: int) -> int:
        for _ in range(blocks):
            entry.add(block, entry.elapsed_s, measured=True)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    few = fill(5)
    many = fill(45)
    tracemalloc.stop()
    assert entry.n == 1_000_000
    assert many - few < 200_000
    assert len(entry.series.points()[0]) <= SERIES_COLUMNS
    assert len(entry.recent.values()) <= RECENT_COLUMNS


# Jobs


def test_a_job_runs_against_the_clock_until_it_is_done() -> None:
    clock = Clock()
    run = started(clock=clock)
    run.apply(
        JobStarted(
            "export m", "export", "m → ONNX", expected_s=8.0, why="not made yet", log="/tmp/a.log"
        )
    )
    run.apply(Progress("export m", "loading", "opset 20", 0.25))
    clock.now += 2.5
    job = run.jobs[0]
    assert (job.elapsed_s, job.over) == (2.5, False)
    assert (job.phase, job.detail, job.done) == ("loading", "opset 20", 0.25)
    assert (job.expected_s, job.why, job.log) == (8.0, "not made yet", "/tmp/a.log")
    run.apply(JobDone("export m", "export", 2.7, size_bytes=13_900_000, path="m.onnx"))
    clock.now += 60
    assert (job.elapsed_s, job.over, job.size_bytes) == (2.7, True, 13_900_000)


def test_a_kept_artifact_is_told_from_a_made_one() -> None:
    run = started()
    run.apply(JobStarted("weights m", "weights", "weights"))
    run.apply(JobDone("weights m", "weights", 0.01, cached=True))
    assert run.jobs[0].cached


def test_a_failed_job_says_why_and_what_to_do() -> None:
    clock = Clock()
    run = started(clock=clock)
    run.apply(JobStarted("benchmark 1", "benchmark", "compile", entry=1))
    clock.now += 4
    run.apply(JobFailed("benchmark 1", "benchmark", "out of memory", "a smaller batch", 1, "tail"))
    job = run.jobs[0]
    assert (job.failed, job.hint, job.log_tail) == ("out of memory", "a smaller batch", "tail")
    assert job.seconds == 4
    assert (run.entries[1].state, run.entries[1].detail) == ("failed", "out of memory")


def test_an_id_that_comes_again_is_a_new_job() -> None:
    run = started()
    for seconds in (1.0, 2.0):
        run.apply(JobStarted("reference m", "reference", "reference"))
        run.apply(JobDone("reference m", "reference", seconds))
    assert [job.seconds for job in run.jobs] == [1.0, 2.0]


# Revisions and strays


def test_every_event_raises_the_revision_of_the_run_and_of_its_entry_only() -> None:
    run = started()
    before = run.revision, run.entries[0].revision, run.entries[1].revision
    run.apply(samples("measuring", 0.0, 1.0))
    assert (run.revision, run.entries[0].revision) == (before[0] + 1, before[1] + 1)
    assert run.entries[1].revision == before[2]


@pytest.mark.parametrize(
    "stray",
    [
        Progress("nobody", "loading"),
        JobDone("nobody", "export", 1.0),
        JobFailed("nobody", "export", "reason"),
        samples("measuring", 0.0, 1.0, entry=7),
        samples("measuring", 0.0, 1.0, entry=-1),
        EngineFinished(7, result()),
    ],
)
def test_an_event_about_something_unknown_changes_nothing(stray: Any) -> None:
    run = started()
    run.apply(stray)
    assert [entry.state for entry in run.entries] == ["waiting", "waiting"]
    assert run.jobs == []


def test_late_progress_does_not_wake_an_entry_that_is_over() -> None:
    run = started()
    run.apply(JobStarted("benchmark 0", "benchmark", "eager", entry=0))
    run.apply(EngineFinished(0, result()))
    run.apply(Progress("benchmark 0", "measuring"))
    run.apply(samples("measuring", 0.0, 1.0))
    assert run.entries[0].state == "done"


# Opened profiles


def test_a_profile_is_shown_as_the_run_that_it_was() -> None:
    latencies = np.random.default_rng(1).gamma(100.0, 0.1, 900)
    warm = np.array([80.0, 20.0, 15.0])
    run = LiveRun.from_results(
        ["eager", "compile"],
        [result(), result("failed", reason="killed")],
        {0: latencies},
        {0: warm},
    )
    first, second = run.entries
    assert not run.running
    assert (first.n, first.state, second.state, second.detail) == (900, "done", "failed", "killed")
    assert first.measuring_since == pytest.approx(0.115)
    assert first.elapsed_s == pytest.approx((warm.sum() + latencies.sum()) / 1000)
    assert not second.has_samples
    assert run.revision == 1


# Turns


def turn(entry: int, number: int, phase: Any, start_s: float, *latencies_ms: float) -> Samples:
    return Samples(f"benchmark {entry}", entry, phase, start_s, np.array(latencies_ms), number)


def test_the_entry_that_has_its_turn_is_the_current_one() -> None:
    run = started()
    for entry in (0, 1):
        job = f"benchmark {entry}"
        run.apply(JobStarted(job, "benchmark", "x", entry=entry))
        run.apply(Progress(job, "waiting for its turn"))
    assert [entry.state for entry in run.entries] == ["loaded", "loaded"]
    assert run.current is None
    assert (run.round, run.rounds) == (0, 0)
    run.apply(RoundStarted(3, 9, (1, 0)))
    assert (run.round, run.rounds) == (4, 9)
    run.apply(Progress("benchmark 1", "measuring", "round 4 of 9"))
    assert run.current is run.entries[1]
    run.apply(turn(1, 3, "warm-up", 3.0, 1.0))
    assert run.current is run.entries[1], "a re-warm is part of its turn"
    assert state_of(run.entries[1]) == ("▶ re-warm", "accent")
    assert how_it_goes(run.entries[1]) == "re-warm before its turn, round 4 of 9"
    run.apply(turn(1, 3, "measuring", 3.1, 1.0, 1.0))
    assert how_it_goes(run.entries[1]) == "measuring, 2 measured, round 4 of 9"
    run.apply(Progress("benchmark 1", "waiting for its turn"))
    run.apply(Progress("benchmark 0", "measuring", "round 4 of 9"))
    assert run.current is run.entries[0]
    run.apply(JobDone("benchmark 0", "benchmark", 9.0, entry=0))
    assert run.entries[0].state == "measured", "its verdict comes when all are measured"
    run.apply(EngineFinished(0, result()))
    assert run.entries[0].state == "done"


def test_the_turns_of_others_are_no_gaps_and_rewarms_are_not_drawn() -> None:
    run = started()
    run.apply(samples("warm-up", 0.0, 10.0, 10.0))
    for number, start_s in enumerate((7.0, 19.0)):
        run.apply(turn(0, number, "warm-up", start_s, 50.0))
        run.apply(turn(0, number, "measuring", start_s + 0.05, 10.0, 12.0))
    entry = run.entries[0]
    times, _, high = entry.series.points()
    assert times.tolist() == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.042, 0.052])
    assert high.max() == 12.0
    assert entry.n == 4
    assert entry.measuring_since == pytest.approx(0.02)
    assert entry.elapsed_s == pytest.approx(0.064)
