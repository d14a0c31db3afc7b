"""Energy of an inference: when it is known, what it comes to, and what voids it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engines import rapl, registry
from engines.control import Control
from engines.events import EngineFinished, Progress, Samples
from engines.passes import energy
from engines.passes.energy import Requests, judge
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.results import EngineResult
from engines.runner import run
from tests.engines.nvml_stand_in import UUID, StandIn

S = 1_000_000_000
QUICK = Measurement(iterations=30, warmup_min_seconds=0.0, warmup_max_seconds=0.2, energy=True)


def steady(latency_ms: float, seconds: float, start_ns: int = 0) -> Requests:
    """Requests of one length, handed over in blocks of a tenth of a second."""
    requests = Requests()
    each = max(1, round(100 / latency_ms))
    for at in range(round(seconds * 1000 / latency_ms / each)):
        block = np.full(each, latency_ms)
        requests.add(start_ns + round(at * each * latency_ms * 1e6), block)
    return requests


def counter(watts: float, seconds: float, step_s: float = 0.1, first_s: float = 0.03):
    """When a counter of `watts` was seen to move, and to what."""
    times = np.arange(first_s, seconds, step_s)
    return [(round(time * S), watts * (time - first_s)) for time in times]


def test_energy_is_power_by_time():
    found = judge(counter(150.0, 6.0), steady(0.5, 6.0), images=1, source="GPU")
    assert found.reason == ""
    assert found.joules_per_inference == pytest.approx(150.0 * 0.0005)
    assert found.mean_w == pytest.approx(150.0)
    assert found.steps == 59
    assert found.seconds == pytest.approx(5.9)
    assert found.n == 11_800


def test_an_inference_is_an_image():
    found = judge(counter(150.0, 6.0), steady(4.0, 6.0), images=8, source="GPU")
    assert found.joules_per_inference == pytest.approx(150.0 * 0.004 / 8)


def test_requests_that_are_cut_by_a_step_count_by_their_share():
    """At three requests in the whole window, whole ones alone would be a third wrong."""
    found = judge(counter(100.0, 10.0), steady(2300.0, 10.0), images=1, source="GPU")
    assert found.joules_per_inference == pytest.approx(230.0, rel=1e-6)


def test_time_between_blocks_is_no_inference():
    requests = Requests()
    for at in range(10):
        requests.add(at * S, np.full(100, 5.0))  # half a second of work, half a second of pause
    found = judge(counter(100.0, 9.5), requests, images=1, source="GPU")
    # 6 were answered by the first step at 0.03 s, 986 by the last at 9.43 s.
    assert found.n == 980


def test_readings_outside_the_requests_do_not_count():
    requests = steady(1.0, 6.0, start_ns=2 * S)
    moved = counter(500.0, 2.0) + [(t + 2 * S, 1000.0 + j) for t, j in counter(150.0, 6.0)]
    found = judge(moved, requests, images=1, source="GPU")
    assert found.joules_per_inference == pytest.approx(0.150, rel=1e-3)


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ([], "did not move"),
        ([(S, 5.0)], "did not move"),
        (counter(150.0, 4.0), "50 in 5 s needed"),
        (counter(150.0, 6.0, step_s=1.0), "50 in 5 s needed"),
        (counter(150.0, 6.0, step_s=0.02)[:200], "50 in 5 s needed"),
        ([*counter(150.0, 6.0)[:40], (int(5.9 * S), 0.0)], "went back"),
    ],
    ids=["never", "once", "short", "coarse", "fast but short", "reset"],
)
def test_what_is_not_enough_gives_no_figure(moved, words):
    found = judge(moved, steady(0.5, 6.0), images=1, source="GPU")
    assert found.joules_per_inference is None
    assert words in found.reason


def test_no_requests_at_all_give_no_figure():
    assert judge(counter(150.0, 6.0), Requests(), 1, "GPU").joules_per_inference is None


@pytest.fixture
def gpu(monkeypatch) -> StandIn:
    """A GPU of 200 W whose counter steps every 20 ms, and a rule that is met in half a second."""
    monkeypatch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
    monkeypatch.setattr(energy, "EVERY_S", 0.005)
    monkeypatch.setattr(energy, "SECONDS", 0.4)
    monkeypatch.setattr(energy, "STEPS", 10)
    monkeypatch.setattr(energy, "STUCK_S", 0.3)
    made = StandIn(millijoules=lambda now: int(now / 0.02) * 4000)
    return made.put_in_place(monkeypatch)


def measured(tiny, on_event=lambda _: None, measurement=QUICK) -> EngineResult:
    """One real engine of the CPU, whose watch is taken for that of a GPU."""
    spec = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
    for event in run(RunPlan(model=tiny, measurement=measurement, engines=(spec,)), Control()):
        on_event(event)
        if isinstance(event, EngineFinished):
            return event.result
    raise AssertionError("it never finished")


@pytest.fixture
def on_the_gpu(monkeypatch, gpu) -> StandIn:
    """The pass of a GPU, for an engine that runs on the CPU."""
    monkeypatch.setattr(
        "engines.benchmark.energy.of_processors",
        lambda worker, job, images: energy.of_gpu(worker, job, WATCHES[-1], images),
    )
    from engines.monitor import Monitor

    real = Monitor.watch

    def kept(self, *arguments):
        WATCHES.append(real(self, *arguments))
        return WATCHES[-1]

    monkeypatch.setattr(Monitor, "watch", kept)
    return gpu


WATCHES: list = []


def test_a_real_run_is_measured_and_its_requests_are_no_samples(tiny, on_the_gpu):
    samples, phases = 0, []

    def count(event) -> None:
        nonlocal samples
        if isinstance(event, Samples) and event.phase == "measuring":
            samples += len(event.latencies_ms)
        if isinstance(event, Progress):
            phases.append(event.phase)

    result = measured(tiny, count)
    found = result.energy
    assert found.reason == ""
    assert found.mean_w == pytest.approx(200.0, rel=0.1)
    per_second = found.n / found.seconds
    assert found.joules_per_inference == pytest.approx(found.mean_w / per_second, rel=0.02)
    assert found.idle_w == 140.0
    assert found.source == "the whole of GPU 0, NVML"
    assert result.latency.n == samples == 30
    assert phases[-1] == "reading the energy"


def test_a_counter_that_never_moves_ends_the_pass_and_says_so(tiny, on_the_gpu):
    on_the_gpu.millijoules = lambda _: 5000
    found = measured(tiny).energy
    assert found.joules_per_inference is None
    assert found.reason == "the counter did not move"


def test_a_gpu_without_the_counter_is_not_measurable(tiny, on_the_gpu):
    on_the_gpu.millijoules = None
    found = measured(tiny).energy
    assert found.joules_per_inference is None
    assert "no counter of its energy" in found.reason


def test_a_split_gpu_is_not_measurable(tiny, on_the_gpu):
    on_the_gpu.mig = True
    assert "MIG" in measured(tiny).energy.reason


def test_another_process_voids_it(tiny, on_the_gpu):
    on_the_gpu.processes, on_the_gpu.shares = [(os.getpid(), None)], {os.getpid(): 5}
    found = measured(tiny).energy
    assert found.joules_per_inference is None
    assert "another process computed" in found.reason
    assert found.steps >= 10, "what was read stays"


def test_a_machine_without_a_counter_says_so(tiny, monkeypatch):
    monkeypatch.setattr(rapl, "FOLDER", Path("/nonexistent"))
    found = measured(tiny).energy
    assert found.joules_per_inference is None
    assert found.reason.startswith("not measurable: this machine shows no counter")


@pytest.fixture
def powercap(tmp_path):
    """Two packages as the kernel shows them, with a zone inside one and one of another kind."""
    for zone, name in (("0", "package-0"), ("1", "package-1"), ("0:0", "core"), ("2", "psys")):
        folder = tmp_path / f"intel-rapl:{zone}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text("1000000\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    return tmp_path


def test_rapl_adds_its_packages_up_and_survives_a_wrap(powercap):
    counters = rapl.find(powercap)
    assert counters.joules() == 0.0
    (powercap / "intel-rapl:0" / "energy_uj").write_text("3000000\n")
    assert counters.joules() == pytest.approx(2.0)
    (powercap / "intel-rapl:1" / "energy_uj").write_text("0\n")
    assert counters.joules() == pytest.approx(2.0 + 262143.32885 - 1.0)
    (powercap / "intel-rapl:0" / "energy_uj").unlink()
    assert counters.joules() is None


def test_rapl_that_only_root_may_read_says_so(powercap, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(rapl.Rapl, "_read", staticmethod(refuse))
    assert "only root" in rapl.find(powercap)
    assert "no counter" in rapl.find(powercap / "none")


def test_a_record_of_energy_survives_a_profile():
    found = judge(counter(150.0, 6.0), steady(0.5, 6.0), images=1, source="GPU")
    assert msgspec.convert(msgspec.to_builtins(found), type(found)) == found
