"""Engines that take turns: real ones, on a model small enough to take moments."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import psutil
import pytest

from engines import interleaving
from engines.benchmark import Benchmark, Steps, latency_record
from engines.control import Control
from engines.errors import WorkerFailed
from engines.events import (
    EngineFinished,
    Event,
    JobDone,
    JobFailed,
    JobStarted,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.process import WorkerProcess
from engines.results import KNOWN_WITHIN, EngineResult, is_known
from engines.runner import run
from engines.soundness import UNSETTLED_FACTOR

ORT = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
SERIAL = EngineSpec(engine="onnxruntime", device="cpu", options={"inter_op_threads": 2})
EAGER = EngineSpec(engine="eager", device="cpu", options={"threads": 1})
BLOCKS = 6
TURNS = Measurement(
    interleave=True,
    blocks=BLOCKS,
    block_seconds=0.05,
    warmup_min_seconds=0.0,
    warmup_min_iterations=5,
    warmup_max_seconds=0.2,
)


@pytest.fixture(autouse=True)
def short_rewarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaving, "REWARM_S", 0.01)


def plan_of(tiny: ModelSpec, *engines: EngineSpec, **changes: object) -> RunPlan:
    return RunPlan(
        model=tiny, measurement=msgspec.structs.replace(TURNS, **changes), engines=engines
    )


def results(events: list[Event]) -> dict[int, EngineResult]:
    return {one.entry: one.result for one in events if isinstance(one, EngineFinished)}


def rounds(events: list[Event]) -> list[RoundStarted]:
    return [one for one in events if isinstance(one, RoundStarted)]


def latencies(events: list[Event], entry: int, phase: str) -> dict[int | None, np.ndarray]:
    """What was measured of one entry, by round."""
    found = defaultdict(list)
    for event in events:
        if isinstance(event, Samples) and (event.entry, event.phase) == (entry, phase):
            found[event.round].append(event.latencies_ms)
    return {number: np.concatenate(blocks) for number, blocks in found.items()}


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def failing(
    monkeypatch: pytest.MonkeyPatch, entry: int, error: WorkerFailed, times: int = 1
) -> None:
    """Let `entry` fail at its first loads, after its real worker has begun."""
    real, left = Benchmark.prepare, [times]

    def prepare(self: Benchmark, worker: WorkerProcess) -> Steps:
        if self.entry == entry and left[0]:
            left[0] -= 1
            yield Progress(self.job, "loading")
            raise error
        yield from real(self, worker)

    monkeypatch.setattr(Benchmark, "prepare", prepare)


def test_every_engine_measures_a_block_in_every_round_in_a_random_order(tiny: ModelSpec) -> None:
    events = list(run(plan_of(tiny, EAGER, ORT, msgspec.structs.replace(ORT, batch=2)), Control()))
    started = next(one for one in events if isinstance(one, RunStarted))
    orders = [one.order for one in rounds(events)]
    assert [one.round for one in rounds(events)] == list(range(BLOCKS))
    assert [sorted(order) for order in orders] == [[0, 1, 2]] * BLOCKS
    # Anybody can draw them again from the run's name.
    again, expected = random.Random(started.run_id), []
    for _ in range(BLOCKS):
        order = [0, 1, 2]
        again.shuffle(order)
        expected.append(tuple(order))
    assert orders == expected
    turns = [
        (one.round, one.entry)
        for one in events
        if isinstance(one, Samples) and one.phase == "measuring"
    ]
    in_order = [(number, entry) for number, order in enumerate(orders) for entry in order]
    assert list(dict.fromkeys(turns)) == in_order
    for entry, result in results(events).items():
        measured = latencies(events, entry, "measuring")
        assert result.status == "ok", result.reason
        assert result.latency.n == sum(map(len, measured.values()))
        by_round = [measured[number] for number in range(BLOCKS)]
        assert result.latency == msgspec.structs.replace(
            latency_record(np.concatenate(by_round), rounds=[len(one) for one in by_round]),
            outlier_causes=result.latency.outlier_causes,
        )
        assert sorted(measured) == list(range(BLOCKS))
        rewarm = latencies(events, entry, "warm-up")
        assert sorted(rewarm.keys() - {None}) == list(range(BLOCKS)), "a re-warm before each block"
        assert result.warm_up.n == len(rewarm[None]), "re-warms are no part of the warm-up"
        assert result.stop.reason == "6 blocks of 0.05 s were asked for"
        assert result.stop.unmet == ()
        assert (
            0.98 * BLOCKS * 0.05
            < result.stop.seconds
            < BLOCKS * 0.05 + sum(float(block.max()) / 1000.0 + 0.02 for block in measured.values())
        ), "the others' turns are no part of it"
    assert results(events)[0].versus is None, "all others are compared with the first"
    for entry in (1, 2):
        versus = results(events)[entry].versus
        assert versus.baseline == "eager cpu fp32 b1"
        assert versus.blocks == BLOCKS
    assert any(one.startswith("per-image: ") for one in results(events)[2].versus.reasons)
    assert children() == []


def test_all_engines_of_a_round_begin_on_one_processor(
    tiny: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: dict[int, list[float]] = defaultdict(list)
    real = Benchmark.turn

    def turn(
        self: Benchmark, worker: WorkerProcess, number: int, rewarm_s: float, place: float
    ) -> Steps:
        places[number].append(place)
        return real(self, worker, number, rewarm_s, place)

    monkeypatch.setattr(Benchmark, "turn", turn)
    found = results(list(run(plan_of(tiny, ORT, EAGER), Control())))
    assert [one.status for one in found.values()] == ["ok"] * 2
    assert [len(one) for one in places.values()] == [2] * BLOCKS
    drawn = [set(one) for one in places.values()]
    assert all(len(one) == 1 for one in drawn)
    assert len(set.union(*drawn)) == BLOCKS, "drawn anew for each round"
    assert all(0 <= place < 1 for place in set.union(*drawn))


def test_an_engine_that_is_far_faster_is_called_so(
    tiny: ModelSpec,
) -> None:
    found = results(list(run(plan_of(tiny, EAGER, ORT), Control())))
    versus = found[1].versus
    assert versus.low < versus.ratio < versus.high < 0.99, "ONNX Runtime is several times as fast"
    # On a busy machine a warm-up that did not settle may change it by a factor of two, and so may
    # what leaves the ratio unknown.
    doubts = [UNSETTLED_FACTOR for result in found.values() if not result.warm_up.settled]
    if not is_known(versus.ratio, versus.low, versus.high):
        doubts.append(KNOWN_WITHIN)
    sure = versus.high * math.prod(doubts) < 1 / 1.01
    assert versus.verdict == ("FASTER" if sure else "UNCLEAR")


def test_who_waits_takes_no_processor_time(tiny: ModelSpec) -> None:
    """Of two workers one is busy while a block is measured, and the other sleeps."""
    before: dict[int, float] = {}
    least, most = [], []
    for event in run(plan_of(tiny, SERIAL, ORT, block_seconds=0.2), Control()):
        if isinstance(event, Samples) and event.phase == "measuring" and not before:
            before = {one.pid: sum(one.cpu_times()[:2]) for one in children()}
        if isinstance(event, Progress) and event.phase == "waiting for its turn" and before:
            spent = sorted(sum(one.cpu_times()[:2]) - before[one.pid] for one in children())
            least.append(spent[0])
            most.append(spent[-1])
            before = {}
    # One block is one measurement of each, to a tick of 10 ms.
    assert len(least) == 2 * BLOCKS
    assert sum(least) <= 0.1 * sum(most)


def test_a_worker_that_dies_in_mid_run_is_a_row_and_the_others_go_on(tiny: ModelSpec) -> None:
    """Its six whole rounds until then still support a verdict."""
    events: list[Event] = []
    for event in run(plan_of(tiny, ORT, SERIAL, ORT, blocks=8), Control()):
        events.append(event)
        if isinstance(event, RoundStarted) and event.round == 6:
            # Workers were started in the order of the plan.
            os.kill(sorted(children(), key=lambda one: one.pid)[1].pid, signal.SIGKILL)
    found = results(events)
    assert [found[entry].status for entry in range(3)] == ["ok", "failed", "ok"]
    assert "killed by SIGKILL" in found[1].reason
    assert sorted(latencies(events, 1, "measuring")) == list(range(6))
    assert found[1].latency.n == sum(map(len, latencies(events, 1, "measuring").values()))
    assert found[1].versus.blocks == 6
    assert any(one.startswith("failed: ") for one in found[1].versus.reasons)
    assert found[1].stop.unmet == ("6 of 8 blocks",)
    assert sorted(latencies(events, 2, "measuring")) == list(range(8))
    assert [one.order for one in rounds(events)][-1] in ((0, 2), (2, 0))
    failed = [one.entry for one in events if isinstance(one, JobFailed)]
    done = [one.entry for one in events if isinstance(one, JobDone) and one.kind == "benchmark"]
    assert (failed, done) == ([1], [0, 2])


@pytest.mark.parametrize(("at", "code"), [(7, ""), (2, "too-few-blocks")])
def test_a_stop_keeps_what_was_measured_and_judges_by_it(
    tiny: ModelSpec, at: int, code: str
) -> None:
    control, events = Control(), []
    asked = 0.0
    for event in run(plan_of(tiny, SERIAL, ORT, blocks=100, block_seconds=0.1), control):
        events.append(event)
        if isinstance(event, Samples) and event.round == at and not control.cancelled:
            control.cancel()
            asked = time.monotonic()
    assert time.monotonic() - asked < 2.0
    assert events[-1] == RunFinished("stopped", events[-1].seconds)
    for result in results(events).values():
        assert (result.status, result.reason) == ("stopped", "stopped by the user")
        assert result.latency.n > 0
        assert result.stop.reason == "stopped by the user"
        assert result.stop.unmet[0].endswith("of 100 blocks")
    versus = results(events)[1].versus
    assert versus.blocks in (at, at + 1)
    assert any(one.startswith("stopped: ") for one in versus.reasons)
    if code:
        assert versus.verdict == "UNCLEAR"
        assert [one for one in versus.reasons if one.startswith(code)]
    else:
        assert versus.low is not None
    assert children() == []


def test_a_stop_while_engines_load_measures_nothing_and_leaves_no_child(tiny: ModelSpec) -> None:
    control, events = Control(), []
    for event in run(plan_of(tiny, ORT, EAGER, SERIAL), control):
        events.append(event)
        if isinstance(event, Progress) and event.job == "benchmark 1":
            control.cancel()
    assert [result.status for result in results(events).values()] == ["stopped"] * 3
    assert sorted(results(events)) == [0, 1, 2]
    assert not rounds(events)
    assert children() == []


@pytest.mark.parametrize("kind", ["out-of-gpu-memory", "gpu-taken"])
def test_an_engine_without_room_beside_the_others_is_measured_alone_at_the_end(
    tiny: ModelSpec, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    failing(monkeypatch, 1, WorkerFailed("out of GPU memory: needs 3.00 GiB more", kind=kind))
    plan = plan_of(tiny, ORT, SERIAL, ORT, min_seconds=0.0, max_seconds=0.3)
    events = list(run(plan, Control()))
    found = results(events)
    assert [found[entry].status for entry in range(3)] == ["ok"] * 3
    assert {one.order for one in rounds(events)} <= {(0, 2), (2, 0)}
    assert len(rounds(events)) == BLOCKS
    versus = found[1].versus
    assert (versus.verdict, versus.blocks, versus.ratio) == ("UNCLEAR", 0, None)
    assert versus.reasons == ("not-interleaved: out of GPU memory: needs 3.00 GiB more",)
    assert found[1].facts["not_interleaved"] == "out of GPU memory: needs 3.00 GiB more"
    assert set(latencies(events, 1, "measuring")) == {None}
    assert found[1].latency.n > 0
    assert found[2].versus.verdict in ("FASTER", "SLOWER", "SAME", "UNCLEAR")
    assert [one.entry for one in events if isinstance(one, EngineFinished)] == [0, 2, 1]
    begun = [one.entry for one in events if isinstance(one, JobStarted) and one.entry is not None]
    assert begun == [0, 1, 2], "its job began once"


def test_an_engine_that_has_no_room_by_itself_has_failed(
    tiny: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 0, WorkerFailed("out of GPU memory", kind="out-of-gpu-memory"))
    found = results(list(run(plan_of(tiny, ORT, SERIAL), Control())))
    assert (found[0].status, found[0].reason) == ("failed", "out of GPU memory")
    assert found[0].versus is None
    assert found[1].status == "ok"
    assert found[1].versus is None, "it is the first that took turns"


def test_any_other_failure_to_load_is_a_row(
    tiny: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 1, WorkerFailed("the shared library libcudnn is not found"))
    found = results(list(run(plan_of(tiny, ORT, ORT, SERIAL), Control())))
    assert [found[entry].status for entry in range(3)] == ["ok", "failed", "ok"]
    assert found[1].versus is None
    assert found[2].versus.blocks == BLOCKS


def test_a_host_without_memory_for_one_more_measures_it_alone(
    tiny: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    available: Iterator[int] = iter([1 << 40, 1 << 20])
    monkeypatch.setattr(interleaving, "memory_available", lambda: next(available))
    plan = plan_of(tiny, ORT, SERIAL, min_seconds=0.0, max_seconds=0.2)
    found = results(list(run(plan, Control())))
    assert found[1].status == "ok"
    (reason,) = found[1].versus.reasons
    assert reason.startswith("not-interleaved: 1 MiB of host memory are free, the largest")


def test_leaving_the_iteration_ends_every_worker(tiny: ModelSpec) -> None:
    events = run(plan_of(tiny, ORT, SERIAL), Control())
    alive: Callable[[], int] = lambda: len(children())  # noqa: E731
    for event in events:
        if isinstance(event, RoundStarted):
            break
    assert alive() == 2
    events.close()
    assert alive() == 0
