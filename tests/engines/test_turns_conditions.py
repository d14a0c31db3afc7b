"""What disturbed engines that take turns: each is judged by its own turns alone."""

from __future__ import annotations

from engines import registry
from engines.control import Control
from engines.events import EngineFinished, Samples
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.runner import run
from tests.engines.nvml_stand_in import UUID, StandIn


def test_heat_in_the_turns_of_one_is_not_the_others(tiny, monkeypatch):
    gpu = StandIn().put_in_place(monkeypatch)
    monkeypatch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
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
        if isinstance(event, Samples) and event.round is not None:
            gpu.reasons = 0x40 if event.entry == 1 else 0
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
