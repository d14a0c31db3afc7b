"""The timed loop: what ends it, what it delivers, what it keeps out."""

from __future__ import annotations

import gc
import itertools
import time

import numpy as np
import pytest

from engines.worker import loop
from engines.worker.loop import timed_loop, timed_turn


class Recorder:
    def __init__(self) -> None:
        self.blocks: list[tuple[float, np.ndarray]] = []

    def __call__(self, start_s, latencies_ms):
        self.blocks.append((start_s, latencies_ms.copy()))

    @property
    def latencies_ms(self):
        return np.concatenate([block for _, block in self.blocks])


class FakeClock:
    """Every reading is one millisecond after the last: an inference takes exactly one."""

    def __init__(self) -> None:
        self._ticks = itertools.count(step=1_000_000)

    def __call__(self) -> int:
        return next(self._ticks)


def never() -> bool:
    return False


def test_iterations_are_exact_and_each_is_delivered_once():
    seen = Recorder()
    calls = itertools.count()
    outcome = timed_loop(lambda: next(calls), seen, never, iterations=1234)
    assert outcome.n == 1234 == len(seen.latencies_ms) == next(calls)
    assert not outcome.stopped


def test_seconds_end_it_by_the_clock(monkeypatch):
    monkeypatch.setattr(loop.time, "perf_counter_ns", FakeClock())
    seen = Recorder()
    outcome = timed_loop(lambda: None, seen, never, seconds=0.5)
    # Each inference reads the clock twice, so half a second holds some 250 of them.
    assert 200 <= outcome.n <= 250
    assert np.all(seen.latencies_ms == 1.0)
    starts = [start for start, _ in seen.blocks]
    assert starts == sorted(starts)
    assert len(starts) >= 4, "half a second is handed over in blocks of a tenth"


def test_stop_ends_it_at_the_next_hand_over(monkeypatch):
    monkeypatch.setattr(loop.time, "perf_counter_ns", FakeClock())
    seen = Recorder()
    outcome = timed_loop(lambda: None, seen, lambda: len(seen.blocks) == 3, iterations=10**9)
    assert outcome.stopped
    assert len(seen.blocks) == 3
    assert outcome.n == len(seen.latencies_ms)


def test_a_latency_is_the_time_of_its_inference():
    seen = Recorder()

    def busy() -> None:
        end = time.perf_counter_ns() + 2_000_000
        while time.perf_counter_ns() < end:
            pass

    timed_loop(busy, seen, never, iterations=20)
    assert np.all(seen.latencies_ms >= 2.0)
    assert np.quantile(seen.latencies_ms, 0.2) < 2.5, "but for what else the machine does"


def test_the_collector_is_off_inside_and_on_again_after_a_failure():
    inside = []

    def infer() -> None:
        inside.append(gc.isenabled())
        raise RuntimeError("from the engine")

    with pytest.raises(RuntimeError, match="from the engine"):
        timed_loop(infer, Recorder(), never, iterations=5)
    assert inside == [False]
    assert gc.isenabled()


def test_what_a_block_went_through_is_its_own(monkeypatch):
    """Counted from the end of one hand-over to the beginning of the next."""
    from types import SimpleNamespace

    from engines.worker import jobs, usage

    calls = itertools.count()

    def getrusage(_who):
        count = next(calls)
        return SimpleNamespace(ru_nivcsw=count, ru_majflt=10 * count)

    monkeypatch.setattr(usage.resource, "getrusage", getrusage)
    monkeypatch.setattr(loop.time, "perf_counter_ns", FakeClock())
    said = []
    engine = SimpleNamespace(infer=lambda: None, facts=dict, memory=dict)
    session = SimpleNamespace(
        backend=engine,
        origin_ns=0,
        say=lambda event, *_, **fields: said.append((event, fields)),
        stopped=never,
    )
    jobs.measure({"phase": "measuring", "seconds": 0.5}, session)
    blocks = [fields for event, fields in said if event == "samples"]
    assert len(blocks) >= 4
    assert {one["preempted"] for one in blocks} == {1}
    assert {one["page_faults"] for one in blocks} == {10}
    ((_, begun),) = [one for one in said if one[0] == "progress"]
    assert begun["clock"]["origin_ns"] == 0


def test_a_turn_is_a_rewarm_and_a_block_with_nothing_between(monkeypatch):
    monkeypatch.setattr(loop.time, "perf_counter_ns", FakeClock())
    rewarm, block, collections = Recorder(), Recorder(), []
    monkeypatch.setattr(loop.gc, "collect", lambda: collections.append(len(rewarm.blocks)))
    outcome = timed_turn(
        lambda: None, rewarm, block, never, rewarm_seconds=0.2, seconds=0.5, origin_ns=0
    )
    # Each inference reads the clock twice: 0.2 s hold some 100, half a second some 250.
    assert 80 <= len(rewarm.latencies_ms) <= 100
    assert 200 <= outcome.n == len(block.latencies_ms) <= 250
    assert rewarm.blocks[-1][0] < block.blocks[0][0]
    assert collections == [0], "the heap is walked before the re-warm, never after it"


def test_each_part_of_a_turn_is_one_inference_at_least(monkeypatch):
    monkeypatch.setattr(loop.time, "perf_counter_ns", FakeClock())
    rewarm, block = Recorder(), Recorder()
    outcome = timed_turn(lambda: None, rewarm, block, never, rewarm_seconds=1e-6, seconds=1e-6)
    assert (len(rewarm.latencies_ms), outcome.n) == (1, 1)


def test_a_stop_in_the_rewarm_begins_no_block():
    rewarm, block = Recorder(), Recorder()
    stopped = timed_turn(
        lambda: None, rewarm, block, lambda: True, rewarm_seconds=0.01, seconds=600.0
    )
    assert stopped == (0, 0.0, True)
    assert len(rewarm.latencies_ms)
    assert block.blocks == []
