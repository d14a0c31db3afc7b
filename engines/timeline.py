"""Where a worker's seconds lie on the driver's clock: what ties samples to readings of a GPU."""

from __future__ import annotations

import time
from dataclasses import dataclass

from engines.worker import clock
from engines.worker.clock import ClockWord

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Timeline:
    """`origin_ns` is when a worker's seconds began, by the driver's `time.monotonic_ns`.

    `exact` says that both read the same clock. Otherwise the worker's word was taken to be as old
    as its arrival, so that every time is late by as long as the word took.
    """

    origin_ns: int
    exact: bool

    def at(self, seconds: float) -> int:
        """The driver's time `seconds` after the origin, in nanoseconds."""
        return self.origin_ns + round(seconds * NS_PER_S)


def tie(said: ClockWord, arrived_ns: int | None = None) -> Timeline:
    """The timeline of a worker that has `said` what its clock shows, at `arrived_ns` (now)."""
    if said["clock"] and said["clock"] == clock.identity():
        return Timeline(said["origin_ns"], exact=True)
    arrived_ns = time.monotonic_ns() if arrived_ns is None else arrived_ns
    return Timeline(arrived_ns - (said["now_ns"] - said["origin_ns"]), exact=False)


def asleep_ns() -> int:
    """How long this machine has been suspended since it started: CLOCK_MONOTONIC stands still
    then, and CLOCK_BOOTTIME goes on. Only the growth of it means anything.
    """
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return boot - time.monotonic_ns()
