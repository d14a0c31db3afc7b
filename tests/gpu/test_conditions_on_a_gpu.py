"""Readings, energy and memory of a real GPU, and who else is on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engines.backends import cuda
from engines.control import Control
from engines.events import EngineFinished
from engines.gpu import Gpu
from engines.gpus import Gpus
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.registry import Availability
from engines.results import EngineResult
from engines.runner import run

pytestmark = pytest.mark.usefixtures("common_cache")
EAGER = EngineSpec(
    engine="eager", device="cuda", precision="fp16", batch=8, options={"cuda_graph": True}
)
TWO_SECONDS = Measurement(seconds=2.0, warmup_min_seconds=0.5, warmup_max_seconds=3.0)
MIB = 1 << 20

# Takes the GPU, says so, and then works on it until it is killed.
STRANGER = """
import torch
a = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
torch.cuda.synchronize()
print("ready", flush=True)
while True:
    for _ in range(50):
        a @ a
    torch.cuda.synchronize()
"""
# Holds memory as a forgotten notebook does.
NOTEBOOK = """
import signal, torch
a = torch.zeros(64 << 20, device="cuda", dtype=torch.uint8)
torch.cuda.synchronize()
print("ready", flush=True)
signal.pause()
"""


def measured(spec: EngineSpec = EAGER, measurement: Measurement = TWO_SECONDS) -> EngineResult:
    plan = RunPlan(measurement=measurement, engines=(spec,))
    (result,) = [e.result for e in run(plan, Control()) if isinstance(e, EngineFinished)]
    assert result.status == "ok", f"{result.reason} {result.hint}"
    return result


@contextmanager
def somebody(script: str) -> Iterator[subprocess.Popen[str]]:
    """Another process on the GPU, in a session of its own as a stranger's is."""
    other = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "ready"
        yield other
    finally:
        other.kill()
        other.wait()


@contextmanager
def nvml() -> Iterator[Gpu]:
    with Gpus() as gpus:
        assert not gpus.problem
        gpu = gpus.find(str(cuda.gpu()["uuid"]))
        assert gpu is not None, "NVML and CUDA know the GPU by one UUID"
        yield gpu


def needs_processes(other: subprocess.Popen[str]) -> None:
    """Skip where a container hides them: nobody can be told from nobody then."""
    with nvml() as gpu:
        if other.pid not in [one.pid for one in gpu.processes()]:
            pytest.skip("NVML does not show another process by its number here")


_kept: list[EngineResult] = []


@pytest.fixture
def with_energy() -> EngineResult:
    """One run for several tests: it takes ten seconds."""
    if not _kept:
        measurement = Measurement(seconds=2.0, warmup_max_seconds=3.0, energy=True)
        _kept.append(measured(measurement=measurement))
    return _kept[0]


def test_facts_name_the_limits():
    with nvml() as gpu:
        facts = gpu.facts()
    assert facts.clock_limit_mhz is not None
    assert facts.max_sm_clock_mhz is not None
    assert 500 < facts.clock_limit_mhz <= facts.max_sm_clock_mhz < 5000
    assert facts.power_limit_w is None or 20 < facts.power_limit_w < 3000


def test_readings_are_of_a_gpu_at_work(with_energy):
    found = with_energy.conditions
    assert found is not None
    with nvml() as gpu:
        facts = gpu.facts()
    assert 7 <= found.readings <= 20, "five a second for two seconds, and those at the edges"
    assert 200 < found.sm_clock_min_mhz <= found.sm_clock_max_mhz <= 1.01 * facts.max_sm_clock_mhz
    assert found.memory_clock_median_mhz > 400
    assert found.power_median_w > 30
    assert facts.power_limit_w is None or found.power_max_w < 1.2 * facts.power_limit_w
    assert 10 < found.temperature_max_c < 110
    assert found.utilisation_median_percent is None or found.utilisation_median_percent > 30
    assert all(0 < share <= 1 for share in found.reasons.values())
    assert found.asleep_s == 0.0


def test_the_warm_up_left_the_idle_clocks(with_energy):
    assert with_energy.warm_up.settled, with_energy.warm_up.reason
    assert with_energy.conditions.reasons.get("GpuIdle", 0.0) < 0.5


def test_counters_move_one_way():
    with nvml() as gpu:
        before = gpu.violations()
        measured(measurement=Measurement(iterations=200, warmup_max_seconds=1.0))
        after = gpu.violations()
    for one, other in zip(
        (before.power_ns, before.thermal_ns), (after.power_ns, after.thermal_ns), strict=True
    ):
        assert (one is None) == (other is None)
        assert one is None or 0 <= one <= other


def test_energy_is_power_by_time(with_energy):
    found, latency = with_energy.energy, with_energy.latency
    if "no counter of its energy" in found.reason or "MIG" in found.reason:
        pytest.skip(found.reason)
    assert found.reason == ""
    assert found.steps >= 50
    assert 5.0 <= found.seconds < 20.0
    # By another way: the power that was read and the latency that was measured, seconds before.
    expected = with_energy.conditions.power_median_w * latency.mean_ms / 1000.0 / EAGER.batch
    assert expected / 1.6 < found.joules_per_inference < 1.6 * expected
    assert found.idle_w is not None
    assert 5 < found.idle_w < found.mean_w


def test_memory_rows_are_plausible(with_energy):
    memory = with_energy.memory
    assert memory is not None
    assert memory.allocator_peak > MIB, "weights and activations of eight images"
    assert memory.device_delta > memory.allocator_peak, "the context is in it, too"
    assert memory.device_delta < 8192 * MIB
    if memory.process is not None:
        assert memory.allocator_peak < memory.process <= 1.3 * memory.device_delta


def test_memory_of_a_tensorrt_engine(tensorrt: Availability):
    spec = EngineSpec(
        engine="tensorrt", device="cuda", precision="fp16", environment=tensorrt.environment,
        options={"builder_level": 0},
    )  # fmt: skip
    memory = measured(spec).memory
    assert memory is not None
    assert memory.activations > 100_000
    assert memory.weights is None or memory.weights > 5 * MIB, "3.5 million parameters in FP16"
    assert memory.allocator_peak is None
    assert memory.device_delta > memory.activations


def test_a_stranger_who_computes_is_named_and_voids_the_energy():
    with somebody(STRANGER) as other:
        needs_processes(other)
        result = measured(measurement=Measurement(iterations=1000, energy=True))
    assert "SHARED GPU" in result.conditions.verdicts
    assert any(f"(process {other.pid})" in one for one in result.conditions.others)
    assert not any("infer" in one for one in result.conditions.others)
    assert result.energy.joules_per_inference is None
    assert "another process" in result.energy.reason or "MIG" in result.energy.reason


def test_a_stranger_who_only_holds_memory_is_named_and_disturbs_nothing():
    with somebody(NOTEBOOK) as other:
        needs_processes(other)
        with nvml() as gpu:
            if gpu.utilisation_since(0) is None:
                pytest.skip("this driver does not say who computes")
        found = measured().conditions
    assert any(f"(process {other.pid})" in one for one in found.others)
    assert "SHARED GPU" not in found.verdicts
