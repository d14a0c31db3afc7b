"""Several requests in flight: engines that stand in for a device, and the CPU's for real."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from engines.benchmark import Benchmark
from engines.control import Control
from engines.errors import Cancelled, WorkerFailed
from engines.events import EngineFinished, Progress
from engines.passes import throughput as driver_side
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.runner import run
from engines.worker import jobs, throughput
from engines.worker.failure import WorkerError
from engines.worker.throughput import Lanes

MS = 1_000_000
TAKES = 10 * MS


class Gpu:
    """A clock that waiting moves, and the requests that are under way on it."""

    def __init__(self) -> None:
        self.now = 0
        self.in_flight = 0
        self.most = 0
        self.closed: list[int] = []
        self.opened = 0
        self.room = 99


class OnGpu:
    """An engine with a stream of its own: a request takes TAKES, whatever the others do."""

    has_stream = True
    compiles = False
    alone = ""

    def __init__(self, gpu: Gpu, number: int = 0) -> None:
        self.gpu, self.number = gpu, number
        self.job = SimpleNamespace(batch=1, precision="fp32")
        self.handed_over: list[int] = []
        self.given = self.answered = np.zeros(2)

    def another(self) -> OnGpu:
        self.gpu.opened += 1
        return type(self)(self.gpu, self.gpu.opened)

    def needs_to_be_alone(self) -> str:
        return self.alone

    def load(self) -> None:
        if self.number >= self.gpu.room:
            raise WorkerError("out of GPU memory: needs 1 GiB more", kind="out-of-gpu-memory")

    def set_input(self, batch: np.ndarray) -> None:
        self.given = batch

    def submit(self) -> None:
        assert not self.handed_over, "one request an engine at a time"
        self.handed_over.append(self.gpu.now + TAKES)
        self.gpu.in_flight += 1
        self.gpu.most = max(self.gpu.most, self.gpu.in_flight)

    def wait(self) -> None:
        if self.handed_over:
            self.gpu.now = max(self.gpu.now, self.handed_over.pop())
            self.gpu.in_flight -= 1
            self.answered = self.given + 1.0

    def output(self) -> np.ndarray:
        return self.answered

    def facts(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        self.gpu.closed.append(self.number)


@pytest.fixture
def gpu(monkeypatch) -> Gpu:
    made = Gpu()
    monkeypatch.setattr(throughput.time, "perf_counter_ns", lambda: made.now)
    return made


def images(start: int) -> np.ndarray:
    return np.array([start, -3.0])


def never() -> bool:
    return False


@pytest.mark.parametrize("count", [1, 2, 4])
def test_as_many_requests_as_asked_are_in_flight_and_no_more(gpu, count):
    lanes = Lanes(OnGpu(gpu), images)
    lanes.grow_to(count)
    gpu.most = 0
    flown = lanes.run(count, 2.0, never)
    assert (gpu.most, gpu.in_flight) == (count, 0), "and at the end none is left"
    assert np.all(flown.latencies_ms == 10.0)
    assert len(flown.latencies_ms) / flown.seconds == pytest.approx(100 * count, rel=0.02)
    assert flown.seconds == pytest.approx(2.0, abs=0.1)
    assert "one thread" in lanes.facts()["requests_in_flight"]


def test_requests_that_take_longer_than_the_pass_are_waited_for(gpu, monkeypatch):
    monkeypatch.setitem(globals(), "TAKES", 7_000 * MS)
    lanes = Lanes(OnGpu(gpu), images)
    lanes.grow_to(3)
    flown = lanes.run(3, 2.0, never)
    assert len(flown.latencies_ms) >= 2
    assert np.all(flown.latencies_ms == 7000.0)


def test_a_stop_keeps_what_was_measured_once_it_has_settled(gpu):
    lanes = Lanes(OnGpu(gpu), images)
    began = gpu.now
    flown = lanes.run(1, 60.0, lambda: gpu.now - began > 1000 * MS)
    assert 0.5 < flown.seconds < 1.0
    with pytest.raises(WorkerError, match="stopped before it had settled"):
        lanes.run(1, 60.0, lambda: True)
    assert gpu.in_flight == 0


class Shared(OnGpu):
    """Answers what another engine was given, as with one buffer for all."""

    last = np.zeros(2)

    def set_input(self, batch: np.ndarray) -> None:
        Shared.last = batch

    def wait(self) -> None:
        super().wait()
        self.answered = Shared.last + 1.0


def test_answers_to_another_engine_s_input_are_no_throughput(gpu):
    lanes = Lanes(Shared(gpu), images)
    lanes.grow_to(2)
    with pytest.raises(WorkerError, match="engine 2 gives other logits than alone: cosine"):
        lanes.run(2, 0.5, never)


class Session:
    """What a handler sees of the worker's conversation."""

    def __init__(self, backend: OnGpu, stopped=never) -> None:
        self.backend, self.stopped = backend, stopped
        self.said: list[tuple[str, bytes, dict]] = []

    def say(self, event: str, payload: bytes = b"", **fields: object) -> None:
        self.said.append((event, payload, fields))

    @property
    def flown(self) -> list[dict]:
        return [fields for event, _, fields in self.said if event == "flown"]


REQUEST = {"batch": 1, "input_seed": 0, "input_size": 32, "seconds": 0.5}


def test_memory_that_runs_out_keeps_the_smaller_numbers_and_says_why(gpu, capsys):
    gpu.room = 3
    first = OnGpu(gpu)
    session = Session(first)
    jobs.throughput({**REQUEST, "in_flight": [1, 2, 4, 8]}, session)
    assert [one["in_flight"] for one in session.flown] == [1, 2, 4]
    assert [bool(one.get("seconds")) for one in session.flown] == [True, True, False]
    assert session.flown[2]["reason"].startswith("out of GPU memory")
    assert gpu.closed == [3, 2, 1], "the one that failed at once, then the youngest first"
    assert gpu.in_flight == 0
    first.submit()
    first.wait()
    assert first.output() == pytest.approx(jobs.inputs.images(0, 0, 1, 32) + 1.0)


def test_an_engine_that_must_be_alone_has_one_request_at_a_time(gpu, capsys):
    first = OnGpu(gpu)
    first.alone = "its graphs share their memory"
    session = Session(first)
    jobs.throughput({**REQUEST, "in_flight": [1, 2]}, session)
    assert "seconds" in session.flown[0]
    assert session.flown[1]["reason"] == "one request at a time: its graphs share their memory"
    assert gpu.opened == 0


class OnCpu(OnGpu):
    """An engine without a stream, called by a thread of its own."""

    has_stream = False
    together: threading.Barrier
    fails = False

    def infer(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.together.wait(20)
            if self.fails:
                raise WorkerError("it broke")
        self.answered = self.given + 1.0

    def facts(self) -> dict[str, object]:
        return {"threads": 3}


def test_engines_without_a_stream_have_a_thread_each(monkeypatch):
    """No lane gets past its first request unless all of them are in one at the same time."""
    calls = []
    OnCpu.together = threading.Barrier(3, action=lambda: calls.append(1))
    lanes = Lanes(OnCpu(Gpu()), images)
    lanes.grow_to(3)
    over = threading.Timer(5.0, OnCpu.together.abort)
    monkeypatch.setattr(throughput, "SETTLE_NS", 10 * MS)
    over.start()
    try:
        # Lanes that end one by one break the barrier for those that are still in it.
        with pytest.raises(threading.BrokenBarrierError):
            lanes.run(3, 0.05, lambda: len(calls) > 20 and OnCpu.together.abort() is None)
    finally:
        over.cancel()
    assert len(calls) > 20
    assert "threads inside each: 3; processors: " in lanes.facts()["requests_in_flight"]


def test_a_lane_that_fails_ends_the_pass_in_its_own_words():
    OnCpu.together = threading.Barrier(1)
    lanes = Lanes(OnCpu(Gpu()), images)
    lanes.grow_to(2)
    lanes._engines[1].fails = True
    with pytest.raises(WorkerError, match="it broke"):
        lanes.run(2, 60.0, never)
    assert not [one for one in threading.enumerate() if one.name == "lane"]


@pytest.fixture
def short(monkeypatch) -> None:
    monkeypatch.setattr(driver_side, "SECONDS", 0.4)


def test_the_cpu_s_engines_are_measured_with_several_in_flight(tiny, short):
    specs = (
        EngineSpec(engine="onnxruntime", device="cpu", batch=2, options={"intra_op_threads": 1}),
        EngineSpec(engine="eager", device="cpu", options={"threads": 1}),
    )
    measurement = Measurement(iterations=30, warmup_max_seconds=0.3, in_flight=(3, 1, 3))
    events = list(run(RunPlan(model=tiny, measurement=measurement, engines=specs), Control()))
    for result in [one.result for one in events if isinstance(one, EngineFinished)]:
        assert result.status == "ok", result.reason
        assert result.latency.n == 30, "no request of a pass is a sample"
        assert [one.in_flight for one in result.throughputs] == [1, 3]
        for one in result.throughputs:
            assert one.reason == ""
            assert one.per_second == pytest.approx(one.n * result.spec.batch / one.seconds)
            assert one.seconds > 0.2
            if one.n >= 662:
                assert one.p50_ms < one.p99_ms
            else:
                assert one.p99_ms is None
            if one.p50_ms:
                # As many are under way on average as Little's law says.
                busy = one.n * one.p50_ms / 1000 / one.seconds
                assert busy < 1.3 * one.in_flight
        assert "a thread each; threads inside each: 1" in result.facts["requests_in_flight"]
    details = [one.detail for one in events if isinstance(one, Progress)]
    assert details.count("3 in flight") == 2


class Worker:
    """A worker that says what it was told to."""

    cancelled = False

    def __init__(self, *said: tuple[dict, bytes], error: Exception | None = None) -> None:
        self.said, self.error = said, error

    def ask(self, do, **fields):
        self.fields = {"do": do, **fields}
        yield from self.said
        if self.error:
            raise self.error
        return {"facts": {"requests_in_flight": "x"}}


def result_of(worker: Worker, in_flight: tuple[int, ...]):
    benchmark = Benchmark(
        job="job", entry=0, label="x", spec=EngineSpec(engine="eager", device="cpu", batch=4),
        measurement=Measurement(in_flight=in_flight), load={"batch": 4}, reference="",
    )  # fmt: skip
    benchmark._found["facts"] = {"provider": "torch CPU"}
    list(benchmark.extra_passes(worker))
    return benchmark.result()


def flown(count: int, n: int = 20) -> tuple[dict, bytes]:
    latencies = np.full(n, 2.0, "<f8").tobytes()
    return {"event": "flown", "in_flight": count, "seconds": 0.5}, latencies


def test_numbers_above_one_that_failed_are_told_as_not_tried():
    refused = {"event": "flown", "in_flight": 2, "reason": "out of GPU memory"}, b""
    worker = Worker(flown(1), refused)
    result = result_of(worker, (8, 2, 1))
    assert worker.fields == {
        "do": "throughput", "batch": 4, "in_flight": [1, 2, 8], "seconds": driver_side.SECONDS,
    }  # fmt: skip
    one, two, eight = result.throughputs
    assert (one.n, one.per_second, one.p50_ms, one.p99_ms) == (20, 160.0, 2.0, None)
    assert (two.per_second, two.reason) == (None, "out of GPU memory")
    assert eight.reason == "not tried: 2 in flight failed"
    assert result.facts == {"provider": "torch CPU", "requests_in_flight": "x"}


@pytest.mark.parametrize("error", [WorkerFailed("the worker was killed"), Cancelled()])
def test_a_pass_that_breaks_off_keeps_what_was_measured(error):
    result = result_of(Worker(flown(1), error=error), (1, 2))
    assert result.status == "ok"
    one, two = result.throughputs
    assert one.per_second == 160.0
    assert (two.per_second, two.reason) == (None, error.message)
