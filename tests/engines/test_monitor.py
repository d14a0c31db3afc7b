"""Reading a GPU beside a measurement: a GPU that says what it is told, and real workers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from engines import registry
from engines.control import Control
from engines.events import EngineFinished, Progress, Samples
from engines.monitor import Monitor
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.results import ConditionsRecord, EngineResult
from engines.runner import run
from engines.sharing import Neighbours
from tests.engines.nvml_stand_in import MIB, UUID, StandIn

pytestmark = pytest.mark.usefixtures("processors_that_nobody_shares")
QUICK = Measurement(iterations=200, warmup_min_seconds=0.05, warmup_max_seconds=1.0)
NOBODY = 2**22 + 1  # above the largest number that Linux gives a process


@pytest.fixture
def gpu(monkeypatch) -> StandIn:
    return StandIn().put_in_place(monkeypatch)


@pytest.fixture
def with_gpu(gpu, monkeypatch) -> StandIn:
    """The CPU's engines are taken to run on the stand-in: a GPU's own engines can't run here."""
    monkeypatch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
    return gpu


def until(met: Callable[[], object]) -> None:
    """Wait for another thread; the test's own time limit ends it otherwise."""
    while not met():
        threading.Event().wait(0.005)


def measured(tiny, measurement: Measurement = QUICK, on_event=lambda _: None) -> EngineResult:
    spec = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
    for event in run(RunPlan(model=tiny, measurement=measurement, engines=(spec,)), Control()):
        on_event(event)
        if isinstance(event, EngineFinished):
            return event.result
    raise AssertionError("it never finished")


class Ticks(threading.Event):
    """What the monitor's thread waits on; counts how often it did."""

    count = 0

    def wait(self, timeout=None):
        self.count += 1
        return super().wait(timeout)


def test_a_gpu_is_read_only_while_somebody_watches(gpu):
    with Monitor(period_s=0.002) as monitor:
        assert "nvmlInit" not in gpu.calls, "a run on the CPU alone starts no NVML"
        ticks = monitor._over = Ticks()
        watch = monitor.watch(UUID, os.getpid())
        until(lambda: len(watch.log().readings) > 5)
        watch.end()
        watch.end()
        begun = ticks.count
        until(lambda: ticks.count > begun + 1)  # what was under way is done
        count = len(watch.log().readings)
        until(lambda: ticks.count > begun + 10)
        assert len(watch.log().readings) == count
        again = monitor.watch(UUID, os.getpid())
        until(lambda: len(again.log().readings) > count + 5)
    assert gpu.calls["nvmlShutdown"] == 1
    assert not any(one.name == "monitor" for one in threading.enumerate())
    times = [one.time_ns for one in again.log().readings]
    assert times == sorted(times)


def test_edges_come_once_a_second_and_at_marks(gpu, monkeypatch):
    monkeypatch.setattr("engines.monitor.EDGE_EVERY_NS", 50_000_000)
    with Monitor(period_s=0.005) as monitor:
        watch = monitor.watch(UUID, os.getpid())
        until(lambda: len(watch.log().edges) >= 4)
        log = watch.log()
        between = [b.time_ns - a.time_ns for a, b in zip(log.edges, log.edges[1:], strict=False)]
        assert min(between) >= 50_000_000
        assert len(log.looks) == 1, "the list of processes is asked for at marks alone"
        gpu.thermal_ns = 9
        watch.mark(worked=True)
        assert watch.log().edges[-1].thermal_ns == 9
        assert len(watch.log().looks) == 2
        watch.mark()
        assert len(watch.log().looks) == 2, "a mark that follows at once tells nothing new"


def test_no_polling_at_all_is_possible(gpu):
    with Monitor(period_s=0) as monitor:
        watch = monitor.watch(UUID, os.getpid())
        watch.mark(worked=True)
        assert len(watch.log().readings) == 2


def test_a_gpu_that_nvml_does_not_list_is_not_watched(gpu):
    with Monitor() as monitor:
        assert monitor.watch("GPU-another", os.getpid()) is None
        assert monitor.problem == "NVML lists no GPU GPU-another"


def test_a_machine_without_nvml_has_nothing_to_watch():
    with Monitor() as monitor:
        if monitor.watch(UUID, os.getpid()) is not None:
            pytest.skip("this machine has NVML")


def test_memory_is_what_the_gpu_has_less_of_at_its_most(gpu):
    with Monitor(period_s=0) as monitor:
        watch = monitor.watch(UUID, 77)
        gpu.used_bytes += 900 * MIB
        gpu.processes = [(77, 850 * MIB), (78, 5 * MIB)]
        watch.mark(worked=True)
        gpu.used_bytes -= 100 * MIB
        gpu.processes = [(77, 750 * MIB)]
        watch.mark(worked=True)
        memory = watch.memory()
    assert memory.device_delta == 900 * MIB
    assert memory.process == 850 * MIB


def test_hidden_memory_is_none(gpu):
    gpu.refuses = {"nvmlDeviceGetMemoryInfo"}
    with Monitor(period_s=0) as monitor:
        watch = monitor.watch(UUID, 77)
        watch.mark(worked=True)
        assert (watch.memory().device_delta, watch.memory().process) == (None, None)


def test_idle_power_is_the_least_before_an_engine_was_loaded(gpu):
    with Monitor(period_s=0) as monitor:
        gpu.power_mw = 90_000
        first = monitor.watch(UUID, 77)
        gpu.power_mw = 300_000
        first.loaded()
        first.mark(worked=True)
        assert first.idle_w == 90.0
        gpu.power_mw = 200_000  # still warm from the first
        second = monitor.watch(UUID, 78)
        second.loaded()
        assert second.idle_w == 90.0


def test_a_process_of_ours_is_no_stranger(gpu):
    """Not the worker, nor what it starts; a forgotten notebook only holds memory."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import os, time; os.setsid(); print(flush=True);"
         "import subprocess as s; p = s.Popen(['sleep', '60']); print(p.pid, flush=True);"
         "p.wait()"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        child.stdout.readline()
        grandchild = int(child.stdout.readline())
        with Monitor(period_s=0) as monitor:
            watch = monitor.watch(UUID, child.pid)
            gpu.processes = [(child.pid, MIB), (grandchild, MIB), (os.getpid(), MIB)]
            gpu.shares = {child.pid: 90}
            watch.loaded()
            watch.mark(worked=True)
            (look,) = watch.log().looks[-1:]
        assert [f"(process {os.getpid()})" in one for one in look.others] == [True]
        assert look.computed == ()
    finally:
        os.killpg(child.pid, 9)
        child.wait()


def user(pid: int, instance: int | None = None):
    from engines.gpu import GpuProcess

    return GpuProcess(pid, "a process", None, instance)


def test_a_worker_under_a_number_of_the_host_is_not_taken_for_a_stranger():
    known = Neighbours()
    known.coming(77, [user(NOBODY)])
    known.came(77, [user(NOBODY), user(NOBODY + 1)])
    assert known.ours(NOBODY + 1)
    assert known.strangers([user(NOBODY), user(NOBODY + 1)]) == [user(NOBODY)]
    known.coming(78, [user(NOBODY), user(NOBODY + 1)])
    known.came(78, [user(NOBODY), user(NOBODY + 1), user(NOBODY + 2)])
    assert known.ours(NOBODY + 2)


def test_of_two_that_came_at_once_one_is_a_stranger():
    known = Neighbours()
    known.coming(77, [])
    both = [user(NOBODY), user(NOBODY + 1)]
    known.came(77, both)
    assert known.strangers(both) == [user(NOBODY + 1)]


def test_a_list_that_the_container_hides_accuses_nobody():
    known = Neighbours()
    known.coming(77, [])
    known.came(77, [])
    assert known.computing([], {}, worked=True) == []


def test_a_run_in_a_container_that_gives_the_hosts_numbers_is_clean(gpu):
    with Monitor(period_s=0) as monitor:
        watch = monitor.watch(UUID, 77)
        gpu.processes, gpu.shares = [(NOBODY, 500 * MIB)], {NOBODY: 95}
        watch.loaded()
        watch.mark(worked=True)
        assert [(one.others, one.computed) for one in watch.log().looks] == [((), ())] * 3


def test_where_the_worker_is_seen_nobody_else_is_taken_for_it():
    known = Neighbours()
    known.coming(77, [])
    known.came(77, [user(77), user(NOBODY)])
    assert not known.ours(NOBODY)
    assert known.strangers([user(77), user(NOBODY)]) == [user(NOBODY)]


def test_computing_is_told_from_holding_memory():
    known = Neighbours()
    known.coming(77, [user(NOBODY)])
    both = [user(77), user(NOBODY)]
    assert known.computing(both, {77: 90}, worked=True) == []
    assert known.computing(both, {77: 90, NOBODY: 1}, worked=True) == [user(NOBODY)]
    assert known.computing(both, {NOBODY: 3}, worked=False) == [user(NOBODY)]
    assert known.computing(both, {}, worked=True) == [user(NOBODY)], "ours is missing: no proof"
    assert known.computing(both, None, worked=True) == [user(NOBODY)]
    assert known.computing(both, None, worked=False) == []


def test_other_parts_of_a_split_gpu_are_not_strangers():
    known = Neighbours()
    known.coming(77, [])
    users = [user(77, instance=3), user(NOBODY, instance=3), user(NOBODY + 1, instance=4)]
    assert known.strangers(users) == [user(NOBODY, instance=3)]


def test_a_run_on_a_hot_gpu_says_so(tiny, with_gpu):
    with_gpu.reasons = 0x44
    result = measured(tiny)
    found = result.conditions
    assert found is not None
    assert found.verdicts == ("THROTTLED",)
    assert found.throttled_share == 1.0
    assert found.reasons == {"SwPowerCap": 1.0, "HwThermalSlowdown": 1.0}
    assert set(result.latency.outlier_causes) <= {"throttled"}
    (disturbance,) = found.disturbances
    assert disturbance.start_s >= result.warm_up.seconds * 0.9, "in seconds since the warm-up began"
    assert result.memory.device_delta == 0
    assert result.status == "ok", "the engine did nothing wrong"


def test_heat_that_comes_in_the_middle_is_tied_to_its_samples(tiny, with_gpu, monkeypatch):
    """The worker's clock and the readings meet: blocks before the heat are clean."""
    monkeypatch.setattr("engines.monitor.EDGE_EVERY_NS", 100_000_000)
    seen: list[Samples] = []
    hot_from: list[float] = []

    def heat(event) -> None:
        if isinstance(event, Samples) and event.phase == "measuring":
            seen.append(event)
            if event.start_s > seen[0].start_s + 1.0 and not hot_from:
                with_gpu.reasons = 0x20
                hot_from.append(event.start_s)

    measurement = Measurement(seconds=2.5, warmup_min_seconds=0.05, warmup_max_seconds=0.3)
    result = measured(tiny, measurement, heat)
    (disturbance,) = result.conditions.disturbances
    assert disturbance.start_s == pytest.approx(hot_from[0], abs=0.5)
    assert disturbance.end_s == pytest.approx(seen[-1].start_s, abs=0.3)
    assert 0.3 < result.conditions.throttled_share < 0.8


def test_a_stranger_who_computes_is_named(tiny, with_gpu):
    with_gpu.processes = [(os.getpid(), 20 * MIB)]
    with_gpu.shares = {os.getpid(): 30}
    result = measured(tiny)
    assert result.conditions.verdicts == ("SHARED GPU",)
    assert f"(process {os.getpid()})" in result.conditions.others[0]
    assert not result.conditions.invalid


def test_a_gpu_that_still_idles_is_waited_for_and_not_for_ever(tiny, with_gpu, monkeypatch):
    monkeypatch.setattr("engines.benchmark.IDLE_PATIENCE_S", 0.7)
    with_gpu.reasons = 0x1
    measurement = Measurement(iterations=50, warmup_min_seconds=0.05, warmup_max_seconds=60.0)
    result = measured(tiny, measurement)
    assert 0.7 < result.warm_up.seconds < 30.0
    with_gpu.reasons = 0x0

    def wake(event) -> None:
        if isinstance(event, Progress) and event.phase == "warm-up":
            with_gpu.reasons = 0x1
        if isinstance(event, Samples) and event.start_s > 1.0:
            with_gpu.reasons = 0x0

    monkeypatch.setattr("engines.benchmark.IDLE_PATIENCE_S", 1000.0)
    result = measured(tiny, measurement, wake)
    assert 1.0 < result.warm_up.seconds < 59.0
    assert result.warm_up.settled


def test_a_gpu_that_can_not_be_read_says_why(tiny, with_gpu):
    with_gpu.uuid = "GPU-another"
    result = measured(tiny)
    assert result.status == "ok"
    assert result.conditions.problem == f"NVML lists no GPU {UUID}"
    assert result.conditions.sm_clock_median_mhz is None
    assert result.memory is None


def test_an_entry_on_the_cpu_has_no_gpu_conditions(tiny, gpu):
    found = measured(tiny)
    assert found.conditions == ConditionsRecord(
        processor_wait_share=found.conditions.processor_wait_share
    )
    assert found.memory is None
    assert "nvmlInit" not in gpu.calls


def test_a_suspended_machine_is_a_verdict_on_any_entry(tiny, monkeypatch):
    """CLOCK_BOOTTIME goes on while a machine sleeps, the clock of the samples does not."""
    asleep = iter([0, 0, 0, 7_000_000_000])
    monkeypatch.setattr("engines.timeline.asleep_ns", lambda: next(asleep))
    result = measured(tiny)
    assert result.conditions.verdicts == ("SUSPENDED",)
    assert result.conditions.asleep_s == 7.0


def test_a_worker_that_dies_leaves_its_conditions(tiny, with_gpu):
    import signal

    import psutil

    with_gpu.reasons = 0x40

    def kill(event) -> None:
        if isinstance(event, Samples) and event.phase == "measuring":
            for child in psutil.Process().children():
                os.kill(child.pid, signal.SIGKILL)

    result = measured(tiny, Measurement(iterations=10**6, warmup_max_seconds=0.2), kill)
    assert result.status == "failed"
    assert result.conditions.readings >= 1
