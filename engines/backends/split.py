"""Where the time of a request goes: one loop for every engine that has a stream.

Extra requests, never those whose latency is a sample: four events cost 5 to 15 microseconds.
Every request has events of its own, made before the first one and read behind the last: between
two requests nothing happens that does not between two samples. None of them is blocking: a host
that sleeps until an event is woken a quarter of a millisecond late (measured on an H200).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypedDict

import numpy as np

from engines.backends import cuda

# Before the copy in, behind it, behind the computation, behind the copy out.
EVENTS = 4
MS_PER_NS = 1e-6


class DeviceTimes(TypedDict):
    """Milliseconds of each extra request.

    `copy_in`, `compute` and `copy_out` lie between two device events each; `enqueue`, handing the
    computation over, and `host`, the whole request, are by the host's clock.
    """

    copy_in: list[float]
    compute: list[float]
    copy_out: list[float]
    enqueue: list[float]
    host: list[float]


@dataclass(frozen=True)
class Parts:
    """One request on `stream`, in parts: as `infer` runs them, with nothing left to look up.

    `compute` hands the computation over and returns what `copy_out` is given. `wait` returns when
    all of it has been done. `stream` is the driver's handle, in a context that is current.
    """

    copy_in: Callable[[], object]
    compute: Callable[[], Any]
    copy_out: Callable[[Any], object]
    wait: Callable[[], object]
    stream: int


def timed(parts: Parts, iterations: int) -> DeviceTimes:
    """The times of `iterations` requests, one after another; CudaError where an event fails."""
    with _events(iterations) as events:
        times = _requests(parts, events)
        for copy_in, compute, copy_out in map(_spans, events):
            times["copy_in"].append(copy_in)
            times["compute"].append(compute)
            times["copy_out"].append(copy_out)
    return times


@contextmanager
def _events(requests: int) -> Iterator[list[list[cuda.Event]]]:
    """EVENTS for each request."""
    with ExitStack() as held:
        yield [
            [held.enter_context(closing(cuda.Event())) for _ in range(EVENTS)]
            for _ in range(requests)
        ]


def _requests(parts: Parts, events: list[list[cuda.Event]]) -> DeviceTimes:
    """Run a request around each row of `events`; the host's times of them."""
    clock = time.perf_counter_ns
    copy_in, compute, copy_out, wait = parts.copy_in, parts.compute, parts.copy_out, parts.wait
    times = DeviceTimes(copy_in=[], compute=[], copy_out=[], enqueue=[], host=[])
    recorders = [[event.recorder(parts.stream) for event in row] for row in events]
    for begin, copied_in, computed, copied_out in recorders:
        began = clock()
        begin()
        copy_in()
        copied_in()
        handing_over = clock()
        answer = compute()
        handed_over = clock()
        computed()
        copy_out(answer)
        copied_out()
        del answer  # as in `infer`: no output is alive when the next is computed
        wait()
        ended = clock()
        times["enqueue"].append((handed_over - handing_over) * MS_PER_NS)
        times["host"].append((ended - began) * MS_PER_NS)
    return times


def _spans(events: list[cuda.Event]) -> list[float]:
    """Milliseconds between neighbours."""
    return [later.ms_since(earlier) for earlier, later in pairwise(events)]


def summary(times: DeviceTimes) -> dict[str, float]:
    """The figures of a DeviceRecord: means over the middle half of the requests by host time.

    Medians of parts do not add up to the median of the whole. Means over the same requests do, and
    of these the slowest and the fastest quarter are left out, as a median leaves out what lies far
    away. So copy in, compute, copy out and unaccounted are the host time, exactly.
    """
    host = np.asarray(times["host"])
    rest = len(host) // 4
    middle = np.argsort(host, kind="stable")[rest : len(host) - rest]
    means = {
        f"{part}_ms": float(np.asarray(times[part])[middle].mean())  # type: ignore[literal-required]
        for part in DeviceTimes.__annotations__
    }
    parts = means["copy_in_ms"] + means["compute_ms"] + means["copy_out_ms"]
    return {**means, "unaccounted_ms": means["host_ms"] - parts}
