"""Energy of an inference: a counter of joules read beside seconds of steady work."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines import rapl, timeline
from engines.events import Event, Progress
from engines.monitor import Watch
from engines.process import WorkerProcess
from engines.results import EnergyRecord

# A reading is late by up to the time between two of them, at either end: of 5 s that is 0.4 %.
# NVML's call takes 2.8 ms on an H200, where a poll every 10 ms moved no percentile.
EVERY_S = 0.02
# A counter that steps every 100 ms is known to 2 % of the time between its first and last step
# only after 50 of them. Zeus (ml.energy) takes windows of the same length.
SECONDS = 5.0
STEPS = 50
LONGEST_S = 20.0
# One that has not moved by then is not going to.
STUCK_S = 2.0
NS_PER_S = 1e9
NS_PER_MS = 1e6


class Counter(Protocol):
    """A counter of energy. `joules` is what it shows now, None where it does not answer."""

    def joules(self) -> float | None: ...


@dataclass(slots=True)
class Meter:
    """Reads a counter in a thread of its own and keeps the readings at which it had moved.

    `moved` holds the time by `time.monotonic_ns` and the joules of each; the very first reading
    is not among them, since nobody knows how long it had stood there. Use it as a context manager.
    """

    counter: Counter
    moved: list[tuple[int, float]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def enough_since(self, start_ns: float) -> bool:
        """Whether what it read since then makes a valid measurement."""
        moved = [time_ns for time_ns, _ in self.moved if time_ns >= start_ns]
        return len(moved) > STEPS and moved[-1] - moved[0] >= SECONDS * NS_PER_S

    def _read(self) -> None:
        last = self.counter.joules()
        while not self._over.wait(EVERY_S):
            now = self.counter.joules()
            if now is not None and last is not None and now != last:
                self.moved.append((time.monotonic_ns(), now))
            last = now if now is not None else last

    def __enter__(self) -> Meter:
        self._thread = threading.Thread(target=self._read, name="energy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(1.0)


class Requests:
    """When each request of the pass was under way, by the driver's clock."""

    def __init__(self) -> None:
        self._starts: list[NDArray[np.float64]] = []
        self._ends: list[NDArray[np.float64]] = []

    def add(self, start_ns: int, latencies_ms: NDArray[np.float64]) -> None:
        """A block that began at `start_ns`; its requests followed each other at once."""
        passed = np.cumsum(latencies_ms) * NS_PER_MS
        self._ends.append(start_ns + passed)
        self._starts.append(start_ns + passed - latencies_ms * NS_PER_MS)

    @property
    def span_ns(self) -> tuple[float, float]:
        """When the first began and the last ended; nothing lies between where there are none."""
        if not self._starts:
            return 0.0, 0.0
        return float(self._starts[0][0]), float(self._ends[-1][-1])

    def done_by(self, times_ns: Sequence[int]) -> NDArray[np.float64]:
        """How many requests were answered by each time; one under way counts by its share."""
        starts, ends = np.concatenate(self._starts), np.concatenate(self._ends)
        done = np.searchsorted(ends, times_ns, side="right")
        at = np.minimum(done, len(ends) - 1)
        under_way = (np.asarray(times_ns) - starts[at]) / np.maximum(ends[at] - starts[at], 1.0)
        return np.where(done < len(ends), done + np.clip(under_way, 0.0, 1.0), done)


Steps = Generator[Event, None, dict[str, Any]]


def of_gpu(worker: WorkerProcess, job: str, watch: Watch | None, images: int) -> Steps:
    """The field `energy` of a result, for an engine that answers `images` a request on the GPU
    that `watch` reads. Whoever else computes on it makes the reading void."""
    if watch is None:
        return {"energy": EnergyRecord(reason="not measurable: NVML does not show this GPU")}
    source = f"the whole of GPU {watch.gpu.index}, NVML"
    reason = ""
    if watch.gpu.facts().mig:
        reason = "not measurable: the GPU is split (MIG), and its counter is of all its parts"
    elif watch.gpu.joules() is None:
        reason = "not measurable: this GPU has no counter of its energy (Volta and newer have one)"
    if reason:
        return {"energy": EnergyRecord(source=source, idle_w=watch.idle_w, reason=reason)}
    watch.mark()
    began_ns = time.monotonic_ns()
    found = yield from measure(worker, job, watch.gpu, images, source)
    watch.mark(worked=True)
    if others := watch.computed_since(began_ns):
        reason = f"not valid: another process computed on the GPU ({', '.join(others)})"
        found = msgspec.structs.replace(found, joules_per_inference=None, reason=reason)
    return {"energy": msgspec.structs.replace(found, idle_w=watch.idle_w)}


def of_processors(worker: WorkerProcess, job: str, images: int) -> Steps:
    """The field `energy` of a result, for an engine on the CPU."""
    counter = rapl.find()
    if isinstance(counter, str):
        return {"energy": EnergyRecord(reason=counter)}
    source = "all processor packages with what else runs on them, RAPL"
    found = yield from measure(worker, job, counter, images, source)
    return {"energy": found}


def measure(
    worker: WorkerProcess, job: str, counter: Counter, images: int, source: str
) -> Generator[Event, None, EnergyRecord]:
    """Let the worker infer until `counter` has moved often enough, and judge that."""
    requests = Requests()
    began = time.monotonic()
    with Meter(counter) as meter:
        asking = worker.ask("measure", phase="reading the energy", seconds=LONGEST_S)
        told = False
        while True:
            try:
                message, payload = next(asking)
            except StopIteration:
                break
            if message["event"] == "progress":
                tied = timeline.tie(message["clock"])
                yield Progress(job, message["phase"])
                continue
            requests.add(tied.at(message["start_s"]), np.frombuffer(payload, dtype="<f8"))
            stuck = not meter.moved and time.monotonic() - began > STUCK_S
            if not told and (stuck or meter.enough_since(requests.span_ns[0])):
                worker.stop()
                told = True
    return judge(meter.moved, requests, images, source)


def judge(
    moved: Sequence[tuple[int, float]], requests: Requests, images: int, source: str
) -> EnergyRecord:
    """The energy of one inference from the readings at which the counter had `moved`.

    Only those count that were taken while requests were under way; from the first of them to the
    last the counter and the number of requests are both known.
    """
    start, end = requests.span_ns
    inside = [one for one in moved if start <= one[0] <= end]
    if len(inside) < 2:
        return EnergyRecord(source=source, reason="the counter did not move")
    if any(after < before for (_, before), (_, after) in pairwise(inside)):
        return EnergyRecord(source=source, reason="the counter went back in the middle")
    (first_ns, first_j), (last_ns, last_j) = inside[0], inside[-1]
    seconds, joules = (last_ns - first_ns) / NS_PER_S, float(last_j - first_j)
    before, after = requests.done_by([first_ns, last_ns])
    n = float(after - before)
    reason = _too_short(len(inside) - 1, seconds, n)
    return EnergyRecord(
        source=source,
        joules_per_inference=None if reason else joules / (n * images),
        mean_w=joules / seconds,
        n=round(n),
        seconds=seconds,
        steps=len(inside) - 1,
        reason=reason,
    )


def _too_short(steps: int, seconds: float, n: float) -> str:
    """Why that much is not enough; empty where it is."""
    if steps < STEPS or seconds < SECONDS:
        return f"{steps} steps of the counter in {seconds:.1f} s, {STEPS} in {SECONDS:g} s needed"
    return "" if n >= 1 else f"{n:.2f} requests in {seconds:.1f} s, at least one needed"
