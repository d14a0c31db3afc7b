"""p50 and p99 of an engine while its GPU is read 0, 1 and 5 times a second, in turn.

And while the energy counter is read as the energy pass reads it. One engine stays loaded; the
conditions take turns of a second in random order. Without a GPU an engine of the CPU is measured
beside a stand-in for NVML, which shows the price of the thread alone.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from engines import entry, registry, runner
from engines.backends import cuda
from engines.benchmark import Benchmark, Steps
from engines.control import Control
from engines.events import EngineFinished
from engines.gpus import Gpus
from engines.monitor import Monitor
from engines.passes.energy import Meter
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.process import WorkerProcess
from engines.sampling import Taken, sample
from tests.engines.nvml_stand_in import UUID, StandIn
from tests.performance.common import row, spread

ROUNDS = 12
TURN_S = 1.0
ENERGY = "energy"
CONDITIONS: tuple[float | str, ...] = (0, 1, 5, ENERGY)
ON_GPU = EngineSpec(engine="eager", device="cuda", precision="fp16", options={"cuda_graph": True})
ON_CPU = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
WARM_UP = Measurement(iterations=100, warmup_max_seconds=3.0)
CALLS = 20

Found = dict[float | str, list[np.ndarray]]


class Turns(Benchmark):
    """Measures the loaded engine under each condition, after the measurement itself."""

    found: Found

    def extra_passes(self, worker: WorkerProcess) -> Steps:
        order = random.Random(0)
        for _ in range(ROUNDS):
            for condition in order.sample(CONDITIONS, len(CONDITIONS)):
                yield from self.turn(worker, condition)

    def turn(self, worker: WorkerProcess, condition: float | str) -> Steps:
        taken = {"measuring": Taken()}
        rate = 0.0 if condition == ENERGY else float(condition)
        with Monitor(1.0 / rate if rate else 0.0) as monitor:
            watch = monitor.watch(self._gpu, worker.pid)
            assert watch is not None, "NVML does not list the GPU that CUDA uses"
            meter = Meter(watch.gpu) if condition == ENERGY else contextlib.nullcontext()
            with meter:
                yield from sample(
                    worker, self.job, self.entry, "measuring", taken, watch=watch, seconds=TURN_S
                )
            watch.end()
        self.found.setdefault(condition, []).append(taken["measuring"].all())


def main() -> None:
    gpu = cuda.problem() is None
    with _prepared(gpu) as uuid:
        _print_costs(uuid)
        found = _measured(ON_GPU if gpu else ON_CPU)
    still = found[0]
    n = sum(len(one) for one in still)
    row("samples in each condition", f"{n:,}", "a stand-in for NVML" * (not gpu))
    for condition in CONDITIONS[1:]:
        name = "energy counter, 50 Hz" if condition == ENERGY else f"{condition} Hz"
        turns = found[condition]
        for percentile, limit in ((50, "at most 1.005"), (99, "at most 1.03")):
            ratios = [
                float(np.percentile(one, percentile) / np.percentile(other, percentile))
                for one, other in zip(turns, still, strict=True)
            ]
            pooled = np.percentile(np.concatenate(turns), percentile) / np.percentile(
                np.concatenate(still), percentile
            )
            row(f"p{percentile} at {name} / not read, all turns", f"{pooled:.4f}", limit)
            row("  turn by turn", spread(ratios))


@contextlib.contextmanager
def _prepared(gpu: bool) -> Iterator[str]:
    """The UUID of the GPU to read; a stand-in where there is none."""
    if gpu:
        yield str(cuda.gpu()["uuid"])
        return
    with pytest.MonkeyPatch.context() as patch:
        StandIn(millijoules=lambda now: int(now / 0.1) * 15_000).put_in_place(patch)
        patch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
        yield UUID


def _measured(spec: EngineSpec) -> Found:
    """The latencies of each turn under each condition."""
    Turns.found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry, "Benchmark", Turns)
        plan = RunPlan(measurement=WARM_UP, engines=(spec,))
        for event in runner.run(plan, Control()):
            if isinstance(event, EngineFinished):
                assert event.result.status == "ok", event.result.reason
    return Turns.found


def _print_costs(uuid: str) -> None:
    """What one call costs the process that drives, in microseconds."""
    with Gpus() as gpus:
        gpu = gpus.find(uuid)
        assert gpu is not None
        calls: dict[str, Callable[[], object]] = {
            "a reading": gpu.sample,
            "the throttle counters": gpu.violations,
            "the list of processes": gpu.processes,
            "shares of processes": lambda: gpu.utilisation_since(time.time_ns() - 2 * 10**9),
            "the energy counter": gpu.joules,
        }
        for name, call in calls.items():
            row(f"{name}, median of {CALLS}", f"{_microseconds(call):.1f} µs")


def _microseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - began) / 1000)
    return float(np.median(times))
