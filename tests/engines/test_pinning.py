"""Which processors a worker may use, and which the process that drives it."""

from __future__ import annotations

import os
import threading

import pytest

from engines import pinning
from engines.control import Control
from engines.errors import UsageError, WorkerFailed
from engines.events import EngineFinished
from engines.machine import describe_machine
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.process import WorkerProcess
from engines.runner import run
from engines.worker import processors
from engines.worker.processors import allowed_processors, parse, written

QUICK = Measurement(iterations=20, warmup_min_seconds=0.0, warmup_max_seconds=0.2)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0", [0]),
        ("0-3,8", [0, 1, 2, 3, 8]),
        ("8,0-3,2", [0, 1, 2, 3, 8]),
        ("3-1", []),
        ("", []),
        ("5-5", [5]),
    ],
)
def test_a_list_is_read_as_linux_writes_it(text, numbers):
    assert parse(text) == numbers


def test_a_list_is_written_at_its_shortest():
    assert written([0, 1, 2, 3, 8]) == "0-3,8"
    assert written([]) == ""
    assert written([7, 6, 2, 6]) == "2,6-7"
    for numbers in ([0], [0, 2], list(range(64))):
        assert parse(written(numbers)) == numbers


def test_what_can_not_be_had_is_refused_with_what_can():
    here = written(allowed_processors())
    pinning.check("")
    pinning.check(here)
    missing = max(allowed_processors()) + 100
    with pytest.raises(UsageError) as caught:
        pinning.check(f"0-{missing}")
    assert str(missing) in caught.value.message
    assert here in caught.value.hint
    with pytest.raises(UsageError, match="names no processor"):
        pinning.check("3-1")
    with pytest.raises(UsageError, match="more than Linux can have"):
        pinning.check("0-99999999999999")


def test_a_run_on_processors_that_are_not_here_starts_nothing(tiny):
    plan = RunPlan(
        model=tiny,
        measurement=Measurement(cpus="4000"),
        engines=(EngineSpec(engine="onnxruntime"),),
    )
    with pytest.raises(UsageError, match="processor 4000"):
        run(plan, Control())


def test_a_pinned_worker_counts_only_its_own_processors(tiny):
    last = allowed_processors()[-1]
    engines = (
        EngineSpec(engine="onnxruntime", device="cpu"),
        EngineSpec(engine="eager", device="cpu"),
    )
    measurement = Measurement(
        iterations=20, warmup_min_seconds=0.0, warmup_max_seconds=0.2, cpus=str(last)
    )
    plan = RunPlan(model=tiny, measurement=measurement, engines=engines)
    before = os.sched_getaffinity(0)
    events = run(plan, Control())
    ort, eager = [one.result for one in events if isinstance(one, EngineFinished)]
    for result in (ort, eager):
        assert result.status == "ok", result.reason
        assert result.facts["processors"] == str(last)
        assert result.facts["cores"] == 1
    assert ort.facts["intra_op_threads"] == 1, "threads follow the processors"
    assert eager.facts["threads"] == 1
    assert os.sched_getaffinity(0) == before


def test_a_worker_whose_processors_are_gone_says_so(tmp_path):
    with (
        WorkerProcess(tmp_path / "log", Control(), cpus="4000") as worker,
        pytest.raises(WorkerFailed) as caught,
    ):
        worker.greet()
    assert "can't run on processors 4000" in caught.value.hint


def affinities() -> set[frozenset[int]]:
    """The processors of every thread of this process."""
    threads = os.listdir("/proc/self/task")
    return {frozenset(os.sched_getaffinity(int(one))) for one in threads}


@pytest.mark.skipif(len(allowed_processors()) < 2, reason="one processor can't be parted")
def test_the_driver_leaves_pinned_processors_and_comes_back(monkeypatch):
    monkeypatch.setattr(pinning, "LEAST_TO_PART", 2)
    first, *others = allowed_processors()
    free = affinities()
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with pinning.driver_kept_off(str(first)):
            assert affinities() == {frozenset(others)}, "threads that are there already move too"
            assert describe_machine().logical_cores == len(others) + 1, "the machine is the same"
        assert affinities() == free
        with pytest.raises(ZeroDivisionError), pinning.driver_kept_off(str(first)):
            raise ZeroDivisionError
        assert affinities() == free
    finally:
        over.set()
        thread.join()


def test_the_driver_stays_where_it_is_without_room_or_reason(monkeypatch):
    free = affinities()
    everything = written(allowed_processors())
    monkeypatch.setattr(pinning, "LEAST_TO_PART", 1)
    for cpus in ("", everything):
        with pinning.driver_kept_off(cpus):
            assert affinities() == free
    monkeypatch.setattr(pinning, "LEAST_TO_PART", len(allowed_processors()) + 1)
    with pinning.driver_kept_off("0"):
        assert affinities() == free


def test_facts_leave_out_what_the_kernel_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(processors, "CPU_FOLDER", tmp_path)
    monkeypatch.setattr(processors, "SMT", tmp_path / "smt")
    monkeypatch.setattr(processors, "HUGE_PAGES", tmp_path / "enabled")
    found = processors.facts()
    assert set(found) == {"processors", "cores"}
    numbers = allowed_processors()
    for number, choice in zip(numbers, ("performance", "powersave"), strict=False):
        (tmp_path / f"cpu{number}" / "cpufreq").mkdir(parents=True)
        (tmp_path / f"cpu{number}" / "cpufreq" / "scaling_governor").write_text(f"{choice}\n")
    (tmp_path / "smt").write_text("1\n")
    found = processors.facts()
    assert found["smt"] is True
    assert str(found["governor"]).split(" and ") == ["performance", "powersave"][: len(numbers)]
