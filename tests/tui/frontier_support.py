"""A sweep to show: three engines at three batch sizes, some with several requests in flight."""

from __future__ import annotations

from typing import Any

from engines.plan import EngineSpec, RunPlan, unique_labels
from engines.results import ConditionsRecord, EngineResult, ThroughputRecord
from tests.profiles.conftest import latencies, one_result
from tests.tui.app_support import TINY
from tui.live import LiveRun

ENGINES = ("eager", "onnxruntime", "tensorrt")
BATCHES = (1, 8, 32)
SPECS = tuple(
    EngineSpec(engine=engine, device="cuda", precision="fp16", batch=batch)
    for engine in ENGINES
    for batch in BATCHES
)
LABELS = unique_labels(SPECS)
# Milliseconds of one request, by engine and batch.
MEDIANS = (0.5, 1.0, 3.2, 0.26, 0.55, 1.6, 0.23, 0.4, 1.1)
INVALID, THROTTLED, SHORT = 2, 5, 4
WITH_PASSES = (3, 6, 8)


def in_flight(number: int, times: float, latency_ms: float, batch: int) -> ThroughputRecord:
    return ThroughputRecord(
        in_flight=number, n=9000, seconds=2.0, per_second=times * 1000 * batch / latency_ms,
        p50_ms=0.6 * number * latency_ms, p99_ms=0.65 * number * latency_ms,
    )  # fmt: skip


def sweep_results() -> list[EngineResult]:
    found = []
    for index, (spec, label, median) in enumerate(zip(SPECS, LABELS, MEDIANS, strict=True)):
        changes: dict[str, Any] = {}
        if index in WITH_PASSES:
            changes["throughputs"] = tuple(
                in_flight(number, times, median, spec.batch)
                for number, times in ((2, 1.7), (4, 2.3))
            )
        if index == INVALID:
            changes["status"] = "invalid"
        if index == THROTTLED:
            changes["conditions"] = ConditionsRecord(verdicts=("THROTTLED",))
        samples = latencies(median, 300 if index == SHORT else 2000, seed=index)
        found.append(one_result(spec, label, samples, **changes))
    return found


def sweep(max_latency_ms: float | None = None) -> LiveRun:
    """The whole sweep as a profile that was opened."""
    run = LiveRun.from_results(LABELS, sweep_results(), {})
    run.plan = RunPlan(model=TINY, engines=SPECS, max_latency_ms=max_latency_ms)
    return run
