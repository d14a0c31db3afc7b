"""Runs that end well, are stopped, or die, folded into profiles."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.benchmark import latency_record
from engines.errors import UsageError
from engines.events import (
    EngineFinished,
    JobFailed,
    JobStarted,
    Progress,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.model import ModelFacts
from engines.plan import EngineSpec, RunPlan
from engines.sampling import CHUNK, Taken
from profiles.recorder import Recorder
from profiles.schema import Profile
from profiles.writing import read_samples, write_profile

PLAN = RunPlan(
    name="three",
    engines=(
        EngineSpec(engine="eager", device="cpu"),
        EngineSpec(engine="onnxruntime", device="cpu", batch=4),
        EngineSpec(engine="compile", device="cpu"),
    ),
)
FACTS = ModelFacts(
    name="mobilenetv2",
    label="mobilenetv2 1 @ 224",
    source="built-in, seed 0",
    digest="ab" * 32,
    input_shape=(1, 3, 224, 224),
    output_shape=(1, 1000),
    parameters=3504872,
    parameters_without_batch_norm=3470760,
    macs=300774272,
    weight_bytes=1,
    peak_activation_bytes=1,
    layers=(),
)


def block(entry: int, start_s: float, *values: float, phase: Any = "measuring") -> Samples:
    return Samples(f"benchmark {entry}", entry, phase, start_s, np.array(values))


@pytest.fixture
def recorder() -> Recorder:
    made = Recorder()
    made.apply(RunStarted(PLAN, PLAN.labels(), "run-7"))
    return made


def test_a_whole_run(recorder: Recorder, build: Any, profile: Profile) -> None:
    values = build.latencies(1.0, 100)
    results = []
    for entry, (spec, label) in enumerate(zip(PLAN.engines, PLAN.labels(), strict=True)):
        recorder.apply(JobStarted(f"benchmark {entry}", "benchmark", label, entry))
        recorder.apply(Progress(f"benchmark {entry}", "loading"))
        recorder.apply(block(entry, 0.0, 9.0, 8.0, phase="warm-up"))
        recorder.apply(block(entry, 0.5, *values[:60]))
        recorder.apply(block(entry, 0.7, *values[60:]))
        results.append(build.result(spec, label, values))
        recorder.apply(EngineFinished(entry, results[-1]))
    recorder.apply(RunFinished("complete", 12.5))
    made = recorder.profile(
        profile.machine, FACTS, name="mine", tool_version="1.2", command="infer-tui run"
    )
    assert made.results == tuple(results)
    assert made.plan == PLAN
    assert made.machine == profile.machine
    assert made.model.digest == FACTS.digest
    assert made.model.macs == FACTS.macs
    assert made.model.label == "mobilenetv2 1 @ 224"
    run = made.run
    assert (run.id, run.name, run.seconds, run.ending) == ("run-7", "mine", 12.5, "complete")
    assert (run.tool_version, run.command) == ("1.2", "infer-tui run")
    assert run.started.tzinfo is not None
    samples = recorder.samples()
    assert list(samples) == sorted(samples)
    measured = samples[1, "measuring"]
    np.testing.assert_array_equal(measured.latencies_ms, values)
    np.testing.assert_array_equal(measured.block_first, [0, 60])
    np.testing.assert_array_equal(measured.block_start_s, [0.5, 0.7])
    np.testing.assert_array_equal(samples[1, "warm-up"].latencies_ms, [9.0, 8.0])


def test_a_run_that_is_stopped_keeps_what_was_measured(
    recorder: Recorder, build: Any, profile: Profile, tmp_path: Any
) -> None:
    finished = build.result(PLAN.engines[0], PLAN.labels()[0], build.latencies(2.0, 50))
    recorder.apply(EngineFinished(0, finished))
    recorder.apply(JobStarted("benchmark 1", "benchmark", "x", 1))
    values = build.latencies(4.0, 30)
    recorder.apply(block(1, 0.0, *values))
    made = recorder.profile(profile.machine)
    assert made.run.ending == "stopped"
    assert made.run.seconds >= 0
    assert [one.status for one in made.results] == ["ok", "stopped", "stopped"]
    partial = made.results[1]
    assert partial.latency == latency_record(values)
    assert partial.throughput == pytest.approx(4 * 1000 / values.mean())
    assert partial.stop is not None
    assert partial.stop.seconds == pytest.approx(values.sum() / 1000)
    assert partial.reason == "stopped before its end"
    assert made.results[2].latency is None
    assert made.results[2].reason == "not started"
    assert [one.label for one in made.results] == list(PLAN.labels())
    # What is known of the model without its facts still tells what was run.
    assert made.model.name == "mobilenetv2"
    written = write_profile(made, recorder.samples(), tmp_path / "a.toml")
    kept = read_samples(written, tmp_path / "a.toml")
    np.testing.assert_array_equal(kept[1, "measuring"].latencies_ms, values)


def test_turns_that_were_stopped_are_summarised_by_their_rounds(
    recorder: Recorder, build: Any, profile: Profile
) -> None:
    rounds = [build.latencies(median, 50 + number) for number, median in enumerate([4, 5, 6] * 2)]
    for number, values in enumerate(rounds):
        recorder.apply(Samples("benchmark 1", 1, "measuring", float(number), values, round=number))
    samples, sizes = np.concatenate(rounds), [len(one) for one in rounds]
    found = recorder.profile(profile.machine).results[1].latency
    assert found == latency_record(samples, rounds=sizes)
    assert found != latency_record(samples)


def test_an_engine_that_died_says_why_and_keeps_its_samples(
    recorder: Recorder, build: Any, profile: Profile
) -> None:
    values = build.latencies(1.0, 40)
    recorder.apply(block(0, 0.0, *values))
    recorder.apply(JobFailed("benchmark 0", "benchmark", "killed by SIGKILL", "free memory", 0))
    recorder.apply(JobFailed("export", "export", "no export", "", None))
    bare = build.result(PLAN.engines[1], PLAN.labels()[1], values, latency=None, status="failed")
    recorder.apply(block(1, 0.0, *values))
    recorder.apply(EngineFinished(1, bare))
    recorder.apply(RunFinished("complete", 3.0))
    first, second, third = recorder.profile(profile.machine).results
    assert (first.status, first.reason, first.hint) == (
        "failed",
        "killed by SIGKILL",
        "free memory",
    )
    assert first.latency == latency_record(values)
    assert second.status == "failed"
    assert second.latency == latency_record(values)
    assert third.status == "stopped"


def test_warm_up_alone_is_no_measurement(recorder: Recorder, profile: Profile) -> None:
    recorder.apply(block(0, 0.0, 5.0, 6.0, phase="warm-up"))
    made = recorder.profile(profile.machine)
    assert made.results[0].latency is None
    assert list(recorder.samples()) == [(0, "warm-up")]


def test_samples_handed_out_do_not_change_and_can_not_be_changed(recorder: Recorder) -> None:
    recorder.apply(block(0, 0.0, 1.0, 2.0))
    early = recorder.samples()[0, "measuring"].latencies_ms
    for number in range(5000):
        recorder.apply(block(0, number, 3.0))
    np.testing.assert_array_equal(early, [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        early[0] = 9.0
    assert len(recorder.samples()[0, "measuring"].latencies_ms) == 5002


def test_nothing_was_run(profile: Profile) -> None:
    with pytest.raises(UsageError, match="nothing to save"):
        Recorder().profile(profile.machine)
    assert Recorder().samples() == {}


def test_a_second_run_is_refused(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="one run"):
        recorder.apply(RunStarted(PLAN, PLAN.labels(), "run-8"))


def test_the_profile_of_a_saved_run_can_be_taken_again(
    recorder: Recorder, build: Any, profile: Profile
) -> None:
    recorder.apply(block(0, 0.0, *build.latencies(1.0, 30)))
    before = recorder.profile(profile.machine).results[0].latency
    recorder.apply(block(0, 1.0, *build.latencies(1.0, 30)))
    after = recorder.profile(profile.machine).results[0].latency
    assert before is not None
    assert after is not None
    assert (before.n, after.n) == (30, 60)


def test_a_million_samples_take_eight_bytes_each(recorder: Recorder) -> None:
    one = np.ones(1000)
    tracemalloc.start()
    for number in range(1000):
        recorder.apply(Samples("benchmark 0", 0, "measuring", float(number), one))
    grown, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - grown < 100_000
    assert grown < 8_000_000 + 500_000


def test_what_the_driver_keeps_is_not_kept_twice(recorder: Recorder) -> None:
    taken = Taken()
    tracemalloc.start()
    for number in range(10_000):
        kept = taken.add(np.full(100, float(number)), 1.0)
        recorder.apply(Samples("benchmark 0", 0, "measuring", float(number), kept))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Beside the samples a recorder has four numbers a block, and the last chunk is not full.
    assert grown < 8_000_000 + 10_000 * 40 + 8 * CHUNK
    found = recorder.samples()[0, "measuring"]
    np.testing.assert_array_equal(found.latencies_ms, taken.all())
    np.testing.assert_array_equal(found.block_first, 100 * np.arange(10_000))


def test_a_block_that_changes_later_is_kept_as_it_came(recorder: Recorder) -> None:
    reused = np.ones(3)
    recorder.apply(Samples("benchmark 0", 0, "measuring", 0.0, reused))
    reused[:] = 2.0
    recorder.apply(Samples("benchmark 0", 0, "measuring", 1.0, reused))
    found = recorder.samples()[0, "measuring"].latencies_ms
    np.testing.assert_array_equal(found, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


def views() -> list[np.ndarray]:
    """Read-only blocks, of which some lie side by side in one array and some do not."""
    whole = np.arange(10.0)
    grid = np.arange(12.0).reshape(3, 4)
    found = [whole[:3], whole[3:5], whole[6:8], whole[8:], whole[:2], whole[2:2], whole[2:4]]
    found += [whole[::2], grid[0], grid[1], np.arange(4.0), np.arange(4)]
    for one in found:
        one.flags.writeable = False
    return found


def test_blocks_that_nobody_can_write_to_come_out_as_they_went_in(recorder: Recorder) -> None:
    given = views()
    for number, one in enumerate(given):
        recorder.apply(Samples("benchmark 0", 0, "measuring", float(number), one))
    found = recorder.samples()[0, "measuring"]
    np.testing.assert_array_equal(found.latencies_ms, np.concatenate(given))
    for got, one in zip(found.blocks(), given, strict=True):
        np.testing.assert_array_equal(got, one)


def test_the_cost_of_an_event(recorder: Recorder) -> None:
    one = Samples("benchmark 0", 0, "measuring", 0.0, np.ones(100))
    start = time.perf_counter()
    for _ in range(10_000):
        recorder.apply(one)
    spent = time.perf_counter() - start
    assert len(recorder.samples()[0, "measuring"].latencies_ms) == 1_000_000
    print(f"\n{1e6 * spent / 10_000:.1f} us an event of 100 samples")


def test_strange_facts_and_samples_do_not_cost_the_run(
    recorder: Recorder, build: Any, profile: Profile, tmp_path: Any
) -> None:
    facts: Any = {"list": [1, 2], "none": None, "huge": 2**64, "on": True, "n": 3, 5: "five"}
    result = build.result(PLAN.engines[0], PLAN.labels()[0], build.latencies(1.0, 20), facts=facts)
    recorder.apply(EngineFinished(0, result))
    recorder.apply(block(1, 0.0, 1.0, float("nan")))
    recorder.apply(block(2, 0.0, 0.0, 0.0))
    written = write_profile(recorder.profile(profile.machine), {}, tmp_path / "a.toml")
    kept = {"list": "[1, 2]", "none": "None", "huge": str(2**64), "on": True, "n": 3, "5": "five"}
    assert written.results[0].facts == kept
    assert written.results[1].latency is None
    assert "1 of 2 latencies are not finite" in written.results[1].reason
    assert written.results[2].latency is not None
    assert written.results[2].throughput is None


def test_every_status_is_kept(recorder: Recorder, build: Any, profile: Profile) -> None:
    values = build.latencies(1.0, 20)
    for entry, status in enumerate(("invalid", "unavailable", "stopped")):
        result = build.result(PLAN.engines[entry], PLAN.labels()[entry], values, status=status)
        if status == "unavailable":
            result = msgspec.structs.replace(result, latency=None)
        recorder.apply(EngineFinished(entry, result))
    made = recorder.profile(profile.machine)
    assert [one.status for one in made.results] == ["invalid", "unavailable", "stopped"]
