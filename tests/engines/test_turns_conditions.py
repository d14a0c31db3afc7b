"""What disturbed engines that take turns: each is judged by its own turns alone."""

from __future__ import annotations

import pytest

from engines import registry
from engines.benchmark import Benchmark, Steps
from engines.control import Control
from engines.errors import WorkerFailed
from engines.events import EngineFinished, Samples
from engines.monitor import Monitor, Watch
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.process import WorkerProcess
from engines.runner import run
from tests.engines.nvml_stand_in import UUID, StandIn

pytestmark = pytest.mark.usefixtures("processors_that_nobody_shares")


def test_heat_in_the_turns_of_one_is_not_the_others(tiny, monkeypatch):
    gpu = StandIn().put_in_place(monkeypatch)
    monkeypatch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
    real = Benchmark.turn

    def turn(self: Benchmark, *arguments: object, **named: object) -> Steps:
        """Hot from the second engine's re-warm to the first one's, however late events come."""
        gpu.reasons = 0x40 if self.entry == 1 else 0
        yield from real(self, *arguments, **named)

    monkeypatch.setattr(Benchmark, "turn", turn)
    measurement = Measurement(
        interleave=True,
        blocks=6,
        block_seconds=0.5,
        warmup_min_seconds=0.05,
        warmup_max_seconds=0.5,
    )
    engines = tuple(
        EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1}, batch=batch)
        for batch in (1, 2)
    )
    found = {}
    for event in run(RunPlan(model=tiny, measurement=measurement, engines=engines), Control()):
        if isinstance(event, EngineFinished):
            found[event.entry] = event.result
    cool, hot = found[0].conditions, found[1].conditions
    assert found[0].status == found[1].status == "ok"
    # A reading may still see the heat of the turn before, in the moment in which turns change.
    assert hot.throttled_share > 0.8
    assert cool.throttled_share < 0.6
    assert hot.verdicts == ("THROTTLED",)
    assert cool.readings > 6
    assert found[0].memory.device_delta == 0
    assert found[1].versus.verdict == "UNCLEAR"


def test_no_gpu_is_read_for_an_engine_that_found_no_room(tiny, monkeypatch):
    """It is measured alone later, with a watch of its own; the one of its first try is over."""
    StandIn().put_in_place(monkeypatch)
    monkeypatch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
    watches: list[Watch] = []
    real_watch, real_prepare, tries = Monitor.watch, Benchmark.prepare, [0]

    def watch(self: Monitor, uuid: str, worker: int) -> Watch | None:
        found = real_watch(self, uuid, worker)
        assert found is not None
        watches.append(found)
        return found

    def prepare(self: Benchmark, worker: WorkerProcess) -> Steps:
        steps = real_prepare(self, worker)
        if self.entry == 1 and not tries[0]:
            tries[0] += 1
            # Its worker says "loading" once the GPU is watched.
            for step in steps:
                yield step
                if step.phase == "loading":
                    break
            raise WorkerFailed("out of GPU memory", kind="out-of-gpu-memory")
        yield from steps

    monkeypatch.setattr(Monitor, "watch", watch)
    monkeypatch.setattr(Benchmark, "prepare", prepare)
    measurement = Measurement(
        interleave=True,
        blocks=6,
        block_seconds=0.05,
        min_seconds=0.0,
        max_seconds=0.3,
        warmup_min_seconds=0.0,
        warmup_max_seconds=0.2,
    )
    serial = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
    plan = RunPlan(model=tiny, measurement=measurement, engines=(serial, serial))
    still_read = set()
    for event in run(plan, Control()):
        if isinstance(event, Samples) and event.round is not None:
            still_read.add(watches[0]._watched.watches)
    assert still_read == {1}, "the first engine's alone"
    assert len(watches) == 3
    assert watches[0]._watched.watches == 0
