"""Where the time of a request goes: the one loop of all engines, and figures that add up."""

from __future__ import annotations

import numpy as np
import pytest

from engines.backends import split


class Device:
    """A stream on a clock that only its own work moves, in nanoseconds. Notes what is called."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def step(self, name: str, nanoseconds: int):
        def call(*arguments: object) -> str:
            self.calls.append(name)
            self.now += nanoseconds
            assert arguments in ((), ("compute",)), "copy out is given what compute returned"
            return name

        return call

    def parts(self) -> split.Parts:
        return split.Parts(
            copy_in=self.step("copy in", 10_000),
            compute=self.step("compute", 30_000),
            copy_out=self.step("copy out", 5_000),
            wait=self.step("wait", 200_000),
            record=[self.step(f"event {number}", 1_000) for number in range(split.EVENTS)],
            elapsed=self.elapsed,
        )

    def elapsed(self) -> list[float]:
        assert self.calls[-1] == "wait", "an event's time is known when it has happened"
        self.calls.append("elapsed")
        self.now += 1_000_000
        return [0.01, 0.2, 0.02]


@pytest.fixture
def device(monkeypatch) -> Device:
    made = Device()
    monkeypatch.setattr(split.time, "perf_counter_ns", lambda: made.now)
    return made


def test_events_stand_between_the_parts_and_are_read_after_the_wait(device):
    times = split.timed(device.parts(), 3)
    assert device.calls == 3 * [
        "event 0", "copy in", "event 1", "compute", "event 2", "copy out", "event 3", "wait",
        "elapsed",
    ]  # fmt: skip
    assert times["host"] == pytest.approx([0.249] * 3), "with the events, without their reading"
    assert times["enqueue"] == pytest.approx([0.03] * 3)
    assert [times[name] for name in ("copy_in", "compute", "copy_out")] == [
        [0.01] * 3, [0.2] * 3, [0.02] * 3,
    ]  # fmt: skip


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


def test_neighbouring_events_are_asked_in_order():
    assert split.between([1, 4, 9], lambda earlier, later: later - earlier) == [3, 5]
