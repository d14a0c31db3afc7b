"""The timed loop: one request in flight, host time, nothing else between the two clock reads."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Samples are handed over about ten times a second, which is as often as a screen can show them.
FLUSH_NS = 100_000_000
# One hand-over at most: 0.1 s of inferences of 2 microseconds.
CAPACITY = 50_000
NS_PER_MS = 1e6
NS_PER_S = 1e9

Deliver = Callable[[float, NDArray[np.float64]], None]


class Outcome(NamedTuple):
    """What a loop did: inferences, wall time in seconds, and whether it was told to stop."""

    n: int
    seconds: float
    stopped: bool


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect once, then keep the collector out of the timed loop."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def timed_loop(
    infer: Callable[[], None],
    deliver: Deliver,
    stopped: Callable[[], bool],
    *,
    iterations: int | None = None,
    seconds: float | None = None,
    origin_ns: int | None = None,
) -> Outcome:
    """Call `infer` until `iterations`, `seconds` or `stopped`, and deliver its latencies.

    `deliver(start_s, latencies_ms)` gets blocks in order, between inferences, never during one;
    `start_s` counts from `origin_ns` (by `time.perf_counter_ns`) or from the call. The buffer is
    made before the first inference and used again, so `deliver` must copy what it keeps.
    """
    with no_garbage_collection():
        return _loop(infer, deliver, stopped, iterations, seconds, origin_ns)


def timed_turn(
    infer: Callable[[], None],
    deliver_rewarm: Deliver,
    deliver: Deliver,
    stopped: Callable[[], bool],
    *,
    rewarm_seconds: float,
    seconds: float,
    origin_ns: int | None = None,
) -> Outcome:
    """A block of `seconds` that counts, right after `rewarm_seconds` that do not.

    Nothing lies between the two: a collection there would walk the whole heap through the caches
    that the re-warm has just filled. Each of them is at least one inference. The outcome is the
    block's; it is empty where `stopped` came before it.
    """
    with no_garbage_collection():
        rewarm = _loop(infer, deliver_rewarm, stopped, None, rewarm_seconds, origin_ns)
        if rewarm.stopped:
            return Outcome(0, 0.0, True)
        return _loop(infer, deliver, stopped, None, seconds, origin_ns)


def _loop(
    infer: Callable[[], None],
    deliver: Deliver,
    stopped: Callable[[], bool],
    iterations: int | None,
    seconds: float | None,
    origin_ns: int | None,
) -> Outcome:
    clock = time.perf_counter_ns
    block = np.empty(CAPACITY, dtype=np.float64)
    began = clock()
    origin = began if origin_ns is None else origin_ns
    end = None if seconds is None else began + int(seconds * NS_PER_S)
    done = 0
    while True:
        limit = CAPACITY if iterations is None else min(CAPACITY, iterations - done)
        filled = 0
        block_began = clock()
        flush_at = block_began + FLUSH_NS
        if end is not None and end < flush_at:
            flush_at = end
        while filled < limit:
            before = clock()
            infer()
            after = clock()
            block[filled] = after - before
            filled += 1
            if after >= flush_at:
                break
        done += filled
        deliver((block_began - origin) / NS_PER_S, block[:filled] / NS_PER_MS)
        if iterations is not None and done >= iterations:
            return Outcome(done, (clock() - began) / NS_PER_S, False)
        if stopped():
            return Outcome(done, (clock() - began) / NS_PER_S, True)
        if end is not None and clock() >= end:
            return Outcome(done, (clock() - began) / NS_PER_S, False)
