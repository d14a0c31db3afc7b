"""Several requests in flight: engines of one job side by side in this process.

A lane is a whole engine with a stream and buffers of its own: ONNX Runtime binds one stream to a
session, and TensorRT wants an optimisation profile for each execution context of a dynamic engine.
Engines with a stream are kept busy by one thread, which hands a request over and waits for the
oldest; the others have a thread each, which calls `infer`.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import Backend
from engines.worker.accuracy import TOLERANCE_COSINE, cosine
from engines.worker.failure import WorkerError
from engines.worker.loop import no_garbage_collection
from engines.worker.processors import allowed_processors

# Until as many requests are in flight as shall be, and clocks and caches have followed.
SETTLE_NS = 300_000_000
# Requests of one pass at most: five seconds of 5 microseconds each.
CAPACITY = 1_000_000
# How often a pass is asked whether it shall stop.
LOOK_NS = 50_000_000
NS_PER_S = 1e9
NS_PER_MS = 1e6

Stopped = Callable[[], bool]
Times = NDArray[np.int64]


class Flown(NamedTuple):
    """What a pass came to: the latency in ms of each request that was answered in `seconds`."""

    latencies_ms: NDArray[np.float64]
    seconds: float


class Lanes:
    """Engines of one job: the one that is loaded already, and others made beside it.

    `images(start)` gives the batch that begins with image `start`. Every lane has a batch of its
    own, so that an answer that comes from another lane's buffers does not pass for its own.
    """

    def __init__(self, first: Backend, images: Callable[[int], NDArray[np.float32]]) -> None:
        self._engines = [first]
        self._images = images
        self._expected = [self._answer_of_first(0)]

    def grow_to(self, count: int) -> None:
        """Load engines until there are `count`; one that can't be loaded leaves nothing behind."""
        first = self._engines[0]
        if count > 1 and (reason := first.needs_to_be_alone()):
            raise WorkerError(f"one request at a time: {reason}", kind="refused")
        while len(self._engines) < count:
            start = len(self._engines) * first.job.batch
            expected = self._answer_of_first(start)
            with _closed_on_failure(first.another()) as engine:
                engine.load()
                engine.set_input(self._images(start))
                if engine.compiles:
                    engine.compile()
                one_request(engine)
            self._engines.append(engine)
            self._expected.append(expected)
        first.set_input(self._images(0))

    def run(self, count: int, seconds: float, stopped: Stopped) -> Flown:
        """Keep `count` requests in flight for `seconds` after they have settled."""
        engines = self._engines[:count]
        fly = by_one_thread if engines[0].has_stream else by_a_thread_each
        with no_garbage_collection():
            flown = fly(engines, seconds, stopped)
        self._check(count)
        return flown

    def facts(self) -> dict[str, str]:
        """How requests are kept in flight, for a reader of their figures."""
        if self._engines[0].has_stream:
            how = "an engine, a stream and buffers each; one thread hands them over"
            return {"requests_in_flight": how}
        own = self._engines[0].facts()
        inside = own.get("threads", own.get("intra_op_threads", "?"))
        processors = len(allowed_processors())
        return {
            "requests_in_flight": "an engine and a thread each;"
            f" threads inside each: {inside}; processors: {processors}"
        }

    def close(self) -> None:
        """Let go of what was made here, the youngest first, and put the first one's input back."""
        while len(self._engines) > 1:
            self._engines.pop().close()
        self._engines[0].set_input(self._images(0))

    def _answer_of_first(self, start: int) -> NDArray[np.float32]:
        """What the engine whose accuracy was checked says of the batch at `start`."""
        first = self._engines[0]
        first.set_input(self._images(start))
        one_request(first)
        return first.output().copy()

    def _check(self, count: int) -> None:
        """Whether each lane's last answer is the one to its own input; WorkerError if not."""
        limit = TOLERANCE_COSINE[self._engines[0].job.precision]
        for number in range(count):
            found, wanted = (
                np.nan_to_num(one).astype(np.float64).ravel()
                for one in (self._engines[number].output(), self._expected[number])
            )
            if (alike := cosine(found, wanted)) < limit:
                raise WorkerError(
                    f"with {count} in flight engine {number + 1} gives other logits than alone:"
                    f" cosine {alike:.5f}, expected at least {limit:g}",
                    "its requests get into each other's way; measure it with one in flight",
                )


def one_request(engine: Backend) -> None:
    """One whole request, whatever other engines have left in this thread."""
    if engine.has_stream:
        engine.submit()
        engine.wait()
    else:
        engine.infer()


@contextmanager
def _closed_on_failure(engine: Backend) -> Iterator[Backend]:
    """`engine`, closed again where what is done with it fails."""
    try:
        yield engine
    except BaseException as error:
        # Its frames hold buffers, which must go before what they were made in does.
        traceback.clear_frames(error.__traceback__)
        try:
            engine.close()
        except Exception:
            # What broke the load may break this too, and is what the user must read.
            traceback.print_exc()
        raise


def by_one_thread(engines: Sequence[Backend], seconds: float, stopped: Stopped) -> Flown:
    """Hand a request to every engine, then always wait for the oldest and hand over the next.

    A latency is from before a request is handed over until its thread knows the answer: one that
    is there before its turn waits for it.
    """
    clock = time.perf_counter_ns
    submits, waits = [one.submit for one in engines], [one.wait for one in engines]
    count = len(engines)
    ended, took = _times(CAPACITY), _times(CAPACITY)
    began, done, turn = [0] * count, 0, 0
    watch = _Watch(count, seconds, stopped)
    for number, submit in enumerate(submits):
        began[number] = clock()
        submit()
    while True:
        waits[turn]()
        now = clock()
        ended[done], took[done] = now, now - began[turn]
        done += 1
        if (now >= watch.due and watch.over(now, done)) or done == CAPACITY:
            break
        began[turn] = clock()
        submits[turn]()
        turn = turn + 1 if turn + 1 < count else 0
    for wait in waits:
        wait()
    return _flown(ended[:done], took[:done], watch.since)


class _Watch:
    """When a pass has settled, and when it is over; asked when `due`.

    Each of `count` lanes must have answered before it has settled, and once more before it is
    over, however long a request takes. `since` is when it had settled.
    """

    def __init__(self, count: int, seconds: float, stopped: Stopped) -> None:
        self._count, self._stopped = count, stopped
        self._length = int(seconds * NS_PER_S)
        self._began = time.perf_counter_ns()
        self._done_before = 0
        self.since: int | None = None
        self.due = self._began + LOOK_NS

    def over(self, now: int, done: int) -> bool:
        """Whether the pass is over, with `done` requests answered by `now`."""
        self.due = now + LOOK_NS
        if self.since is None:
            if now - self._began >= SETTLE_NS and done >= self._count:
                self.since, self._done_before = now, done
        elif now - self.since >= self._length and done - self._done_before >= self._count:
            return True
        return self._stopped()


def by_a_thread_each(engines: Sequence[Backend], seconds: float, stopped: Stopped) -> Flown:
    """Let a thread of its own call `infer` of each engine, over and over."""
    over = threading.Event()
    lanes = [_Lane(engine, CAPACITY // len(engines), over) for engine in engines]
    watch = _Watch(len(engines), seconds, stopped)
    for lane in lanes:
        lane.start()
    while not over.wait(LOOK_NS / NS_PER_S):
        now = time.perf_counter_ns()
        # Not the sum: a lane that has not answered yet is one that has not settled.
        done = min(lane.done for lane in lanes) * len(lanes)
        if watch.over(now, done):
            break
    end = time.perf_counter_ns()
    over.set()
    for lane in lanes:
        lane.join()
    for lane in lanes:
        if lane.error is not None:
            raise lane.error
    ended, took = (
        np.concatenate([getattr(lane, name)[: lane.done] for lane in lanes])
        for name in ("ended", "took")
    )
    # Lanes stop one by one: what is answered later was not one of so many in flight.
    in_time = np.flatnonzero(ended <= end)
    order = in_time[np.argsort(ended[in_time], kind="stable")]
    return _flown(ended[order], took[order], watch.since)


class _Lane(threading.Thread):
    """Calls `infer` of one engine until `over` is set, and notes when and for how long."""

    def __init__(self, engine: Backend, capacity: int, over: threading.Event) -> None:
        super().__init__(name="lane", daemon=True)
        self._infer, self._over = engine.infer, over
        self.ended, self.took = _times(capacity), _times(capacity)
        self.done = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._call_on()
        except BaseException as error:
            self.error = error
        # A full or failed lane ends the pass: with one less it would be another.
        self._over.set()

    def _call_on(self) -> None:
        clock, infer, is_over = time.perf_counter_ns, self._infer, self._over.is_set
        ended, took = self.ended, self.took
        for number in range(len(ended)):
            before = clock()
            infer()
            after = clock()
            ended[number], took[number] = after, after - before
            self.done = number + 1
            if is_over():
                return


def _times(capacity: int) -> Times:
    """Room for `capacity` times, touched once, so that no page of it is made in a pass."""
    return np.full(capacity, -1, dtype=np.int64)


def _flown(ended: Times, took: Times, since: int | None) -> Flown:
    """The requests that were answered after the first answer since `since`; times are in order.

    From answer to answer, so that no part of an interval is counted without its request.
    """
    if since is None or len(after := np.flatnonzero(ended >= since)) < 2:
        raise WorkerError("it was stopped before it had settled", kind="stopped")
    first = int(after[0])
    return Flown(
        took[first + 1 :] / NS_PER_MS,
        float(ended[-1] - ended[first]) / NS_PER_S,
    )
