"""Where the time of a request goes: the one loop of all engines, and figures that add up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engines.backends import cuda, split
from engines.worker.failure import WorkerError
from tests.engines.cuda_support import TurnedClock

STREAM = 5


class Device(TurnedClock):
    """A stream whose clock and whose host's only their own work moves. Notes what is called."""

    def __init__(self) -> None:
        super().__init__()
        self.host_ns = 0
        self.calls: list[str] = []

    def step(self, name: str, host_ns: int, device_ms: float):
        def call(*arguments: object) -> str:
            self.calls.append(name)
            self.host_ns += host_ns
            self.pass_ms(device_ms)
            assert arguments in ((), ("compute",)), "copy out is given what compute returned"
            return name

        return call

    def parts(self) -> split.Parts:
        return split.Parts(
            copy_in=self.step("copy in", 10_000, 0.01),
            compute=self.step("compute", 30_000, 0.2),
            copy_out=self.step("copy out", 5_000, 0.02),
            wait=self.step("wait", 200_000, 0.0),
            stream=STREAM,
        )

    def cuEventCreate(self, event, flags) -> int:  # noqa: N802
        self.calls.append("make")
        return super().cuEventCreate(event, flags)

    def cuEventRecord(self, event, stream) -> int:  # noqa: N802
        assert stream.value == STREAM
        self.calls.append("event")
        self.host_ns += 1_000
        return super().cuEventRecord(event, stream)

    def cuEventElapsedTime(self, value, earlier, later) -> int:  # noqa: N802
        self.calls.append("read")
        return super().cuEventElapsedTime(value, earlier, later)


@pytest.fixture
def device(monkeypatch) -> Device:
    made = Device()
    monkeypatch.setattr(split.time, "perf_counter_ns", lambda: made.host_ns)
    monkeypatch.setattr(cuda, "_library", made)
    return made


def test_events_stand_between_the_parts_made_before_all_requests_and_read_behind(device):
    times = split.timed(device.parts(), 3)
    assert device.calls == [
        *["make"] * 12,
        *3 * ["event", "copy in", "event", "compute", "event", "copy out", "event", "wait"],
        *["read"] * 9,
    ]
    assert times["host"] == pytest.approx([0.249] * 3), "with the events, without their reading"
    assert times["enqueue"] == pytest.approx([0.03] * 3)
    for name, ms in {"copy_in": 0.01, "compute": 0.2, "copy_out": 0.02}.items():
        assert times[name] == pytest.approx([ms] * 3, rel=1e-5), name
    assert not device.held, "none is left"


def test_an_event_that_fails_is_an_error_and_all_are_let_go(device, monkeypatch):
    monkeypatch.setattr(device, "cuEventRecord", lambda *_: 700, raising=False)
    with pytest.raises(cuda.CudaError, match="cuEventElapsedTime"):
        split.timed(device.parts(), 2)
    assert not device.held


def test_what_spoils_the_context_is_what_is_told(device, monkeypatch):
    monkeypatch.setattr(device, "cuEventDestroy_v2", lambda *_: 700, raising=False)
    parts = dataclasses.replace(device.parts(), wait=broken)
    with pytest.raises(WorkerError, match="an illegal address") as caught:
        split.timed(parts, 100)
    assert caught.value.__context__ is None


def broken() -> None:
    raise WorkerError("an illegal address")


def scattered(n: int) -> split.DeviceTimes:
    """Parts that vary together and apart, and some requests far outside."""
    rng = np.random.default_rng(n)
    parts = {name: rng.lognormal(0.0, 0.5, n) for name in ("copy_in", "compute", "copy_out")}
    rest = rng.lognormal(-2.0, 0.5, n)
    rest[:: max(n // 7, 1)] *= 1000
    whole = parts | {"enqueue": rest / 2, "host": sum(parts.values()) + rest}
    return split.DeviceTimes(**{name: list(column) for name, column in whole.items()})


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 20, 499])
def test_the_parts_add_up_to_the_host_time(n):
    found = split.summary(scattered(n))
    parts = sum(found[f"{name}_ms"] for name in ("copy_in", "compute", "copy_out", "unaccounted"))
    assert parts == pytest.approx(found["host_ms"], rel=1e-12)
    assert all(value > 0 for value in found.values())


def test_requests_that_were_held_up_do_not_count():
    times = scattered(400)
    host = np.array(times["host"])
    found = split.summary(times)
    low, high = np.quantile(host, [0.25, 0.75])
    assert low <= found["host_ms"] <= high
    worst = int(np.argmax(host))
    times["host"][worst] *= 100
    times["compute"][worst] *= 100
    assert split.summary(times) == found
