"""Device times without the waits for launches: the device is kept busy until all is enqueued.

A small kernel is over before the next one is launched. Between two events around it there is then
mostly waiting, and every layer of a small model seems to take as long as a launch does. So the
device first gets a kernel that does nothing for long enough, as nvbench's blocking kernel, but
with an end of its own: a stream's queue may be full before an inference is enqueued.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from statistics import median
from typing import Any

from engines.backends import cuda
from engines.backends.layers import MS_PER_NS, WARMUPS

Work = Callable[[], object]

TRIALS = 20
# The device is kept busy so many times as long as enqueueing takes.
MARGIN = 2.0
# Turns are counted as well, one of which takes more than a nanosecond: should the clock stand
# still, the kernel ends all the same.
SPIN = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry spin(.param .u64 nanoseconds)
{
    .reg .pred waiting;
    .reg .u64 wanted, begun, now, passed, turns;
    ld.param.u64 wanted, [nanoseconds];
    mov.u64 begun, %globaltimer;
    mov.u64 turns, 0;
again:
    mov.u64 now, %globaltimer;
    sub.u64 passed, now, begun;
    add.u64 turns, turns, 1;
    max.u64 passed, passed, turns;
    setp.lt.u64 waiting, passed, wanted;
    @waiting bra again;
    ret;
}
"""


class Spin:
    """A kernel on `stream` that takes as long as it is told."""

    def __init__(self, stream: int) -> None:
        self._stream = ctypes.c_void_p(stream)
        self._module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        cuda.call("cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(SPIN))
        cuda.call("cuModuleGetFunction", ctypes.byref(self._function), self._module, b"spin")

    def __call__(self, ms: float) -> None:
        nanoseconds = ctypes.c_uint64(int(ms / MS_PER_NS))
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(nanoseconds))
        one = (1, 1, 1)
        cuda.call("cuLaunchKernel", self._function, *one, *one, 0, self._stream, parameters, None)

    def close(self) -> None:
        cuda.call("cuModuleUnload", self._module)


class Ahead:
    """Times what is enqueued on `stream` with the host ahead of the device.

    `mark` records an event; work that is timed may call it. `expect` must come before `run`, to
    learn how long work takes to be enqueued; it warms the work up as well.
    """

    def __init__(self, stream: int) -> None:
        self.notes: list[str] = []
        self._stream = stream
        self._held = ExitStack()
        self._events: list[cuda.Event] = []
        self._used = 0
        self._busy_ms = 0.0
        self._late = self._runs = 0
        self._spin: Spin | None = None
        try:
            self._spin = Spin(stream)
            self._held.callback(self._spin.close)
        except cuda.CudaError as error:
            self.notes.append(f"the device can't be kept busy while work is enqueued: {error}")

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def mark(self) -> None:
        """Record an event behind what is enqueued so far."""
        if self._used == len(self._events):
            self._events.append(cuda.Event())
            self._held.callback(self._events[-1].close)
        self._events[self._used].record(self._stream)
        self._used += 1

    def expect(self, work: Work) -> None:
        """Learn how long the host needs to enqueue `work`."""
        taken = []
        for trial in range(-WARMUPS, TRIALS):
            began_ns = time.perf_counter_ns()
            work()
            if trial >= 0:
                taken.append((time.perf_counter_ns() - began_ns) * MS_PER_NS)
            self._finish()
        self._busy_ms = MARGIN * median(taken)
        self._late = self._runs = 0

    def run(self, work: Work) -> list[float]:
        """Milliseconds on the device: those of the whole of `work`, then those from each mark that
        it makes to the next."""
        if self._spin is not None:
            self._spin(self._busy_ms)
        self.mark()
        first = self._events[0]
        work()
        self.mark()
        self._late += first.reached
        self._runs += 1
        events = self._finish()
        inner = events[1:-1]
        between = [later.ms_since(earlier) for earlier, later in pairwise(inner)]
        return [events[-1].ms_since(first), *between]

    def whole(self, work: Work) -> list[float]:
        """Milliseconds of `work` on the device, several times."""
        self.expect(work)
        return [self.run(work)[0] for _ in range(TRIALS)]

    def nothing_ms(self) -> float:
        """What two events with nothing between them are apart, which is in every time."""

        def marks() -> None:
            for _ in range(TRIALS):
                self.mark()

        return float(median(self.run(marks)[1:]))

    def all_notes(self) -> list[str]:
        """What a reader must know of the times that `run` gave since the last `expect`."""
        if not self._late:
            return self.notes
        return [
            *self.notes,
            f"in {self._late} of {self._runs} inferences the device was not kept busy for long"
            " enough: some of their times have the wait for a launch in them",
        ]

    def _finish(self) -> list[Any]:
        """Wait for the device; the events since the last time, used again from now on."""
        cuda.call("cuStreamSynchronize", ctypes.c_void_p(self._stream))
        events, self._used = self._events[: self._used], 0
        return events
