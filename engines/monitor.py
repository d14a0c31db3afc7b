"""Reads GPUs while entries are measured on them: in the driver's process, never in a worker's.

A thread takes the cheap readings five times a second, which moved no percentile of a 0.6 ms
inference (docs/performance.md), and the counters of throttled time once a second. What may take the
driver's lock for longer, the list of processes, is asked at the edges of measurements alone.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

from engines.clock_reasons import IDLE
from engines.conditions import Edge, GpuLog, Look
from engines.gpu import Gpu, GpuProcess, GpuSample
from engines.gpus import Gpus
from engines.results import MemoryRecord
from engines.sharing import Neighbours

PERIOD_S = 0.2
# Ten steps of the counters, and what a stretch of `engines.conditions` is judged by.
EDGE_EVERY_NS = 1_000_000_000
# A turn that begins where another has just ended needs no second mark.
FRESH_NS = 20_000_000
# NVML's shares of processes are of samples up to a second long: a look asks for at least two.
SHARES_OVER_NS = 2_000_000_000
# For a call into a driver that hangs; the thread ends with the process then.
PATIENCE_S = 2.0


class Monitor:
    """Watches GPUs for a whole run, however many workers take turns on them.

    Use it as a context manager. NVML is started by the first `watch`; `period_s` is the time
    between two readings, 0 for none but those at the edges.
    """

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self.problem = ""
        self._gpus: Gpus | None = None
        self._watched: dict[str, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def watch(self, uuid: str, worker: int) -> Watch | None:
        """Begin to read the GPU `uuid` for the process `worker`, which has loaded nothing yet.

        None where NVML does not answer or lists no such GPU: `problem` then says so.
        """
        if self._gpus is None:
            self._gpus = Gpus()
        if uuid not in self._watched:
            gpu = self._gpus.find(uuid)
            if gpu is None:
                self.problem = self._gpus.problem or f"NVML lists no GPU {uuid}"
                return None
            self._watched[uuid] = _Watched(gpu)
        self._start()
        return Watch(self._watched[uuid], worker)

    def _start(self) -> None:
        if self._thread is None and self._period_s > 0:
            self._thread = threading.Thread(target=self._read, name="monitor", daemon=True)
            self._thread.start()

    def _read(self) -> None:
        while not self._over.wait(self._period_s):
            for one in list(self._watched.values()):
                if one.watches:
                    one.read()

    def close(self) -> None:
        """Stop reading; what was read stays with its watches."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
        if self._gpus is not None and not (self._thread and self._thread.is_alive()):
            self._gpus.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Watched:
    """One GPU with all that was read of it in this run. `watches` counts who reads it now."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.watches = 0
        self.readings: list[GpuSample] = []
        self.edges: list[Edge] = []
        self.looks: list[Look] = []
        self.neighbours = Neighbours()
        # The least power that it drew while an engine was being loaded, over the whole run.
        self.idle_w: float | None = None
        self.clock_limit_mhz = gpu.clock_limit_mhz()
        # Edges come from the thread and from the driver: their times must not cross.
        self._lock = threading.Lock()

    def read(self) -> None:
        """A reading, and an edge where the last one is a second old."""
        with self._lock:
            self.readings.append(self.gpu.sample())
            if self.since_edge() >= EDGE_EVERY_NS:
                self._count()

    def mark(self, *, worked: bool, came: int | None = None) -> list[GpuProcess]:
        """A reading, an edge and a look at the processes, now; returns those.

        `came` is a worker of ours that has loaded its engine since the look before.
        """
        with self._lock:
            self.readings.append(self.gpu.sample())
            self._count()
            users = self.gpu.processes()
            if came is not None:
                self.neighbours.came(came, users)
            self._look(users, worked)
            return users

    def since_edge(self) -> int:
        """How long ago the latest edge was taken; every watch begins with one."""
        return time.monotonic_ns() - self.edges[-1].time_ns

    def _count(self) -> None:
        held = self.gpu.violations()
        self.edges.append(Edge(time.monotonic_ns(), held.power_ns, held.thermal_ns))

    def _look(self, users: list[GpuProcess], worked: bool) -> None:
        others = self.neighbours.strangers(users)
        computed: list[GpuProcess] = []
        if others:
            now_ns = time.monotonic_ns()
            since_ns = max(SHARES_OVER_NS, now_ns - self.looks[-1].time_ns) if self.looks else 0
            shares = self.gpu.utilisation_since(time.time_ns() - since_ns)
            computed = self.neighbours.computing(users, shares, worked=worked)
        self.looks.append(
            Look(
                time.monotonic_ns(),
                tuple(one.title for one in others),
                tuple(one.title for one in computed),
            )
        )


class Watch:
    """One entry's view of a GPU, from before its engine is loaded to `end`."""

    def __init__(self, watched: _Watched, worker: int) -> None:
        self._watched = watched
        self._worker = worker
        self._first = len(watched.readings)
        self._process_bytes: int | None = None
        self._ended = False
        users = watched.mark(worked=False)
        watched.neighbours.coming(worker, users)
        watched.watches += 1

    @property
    def gpu(self) -> Gpu:
        return self._watched.gpu

    @property
    def idle_w(self) -> float | None:
        """What the GPU drew at its least while an engine of this run was being loaded: until a
        framework is imported nothing of ours is on it."""
        return self._watched.idle_w

    def loaded(self) -> None:
        """The worker has loaded its engine and holds the GPU from now on."""
        self._watched.mark(worked=False, came=self._worker)
        drawn = [one.power_w for one in self._mine() if one.power_w is not None]
        idle = [*drawn, *([] if self.idle_w is None else [self.idle_w])]
        self._watched.idle_w = min(idle, default=None)

    def mark(self, *, worked: bool = False) -> None:
        """Before a measurement, and after one in which the worker `worked`."""
        if not worked and self._watched.since_edge() < FRESH_NS:
            return
        users = self._watched.mark(worked=worked)
        own = [
            one.memory_bytes
            for one in users
            if one.pid == self._worker and one.memory_bytes is not None
        ]
        self._process_bytes = max([*own, self._process_bytes or 0]) or None

    def idles(self, since_ns: int) -> bool:
        """Whether the latest reading since then says that the GPU idles, its clocks falling."""
        readings = self._watched.readings
        latest = readings[-1] if readings else None
        if latest is None or latest.time_ns < since_ns:
            return False
        return bool((latest.throttle_reasons or 0) & IDLE)

    def computed_since(self, start_ns: int) -> tuple[str, ...]:
        """Which other processes were found to have computed on the GPU since then."""
        looks = [one for one in self._watched.looks if one.time_ns >= start_ns]
        return tuple(dict.fromkeys(name for one in looks for name in one.computed))

    def memory(self) -> MemoryRecord:
        """Device and process memory from the beginning until now: ask it before workers take
        turns, while this one is the only one that takes or frees any."""
        used = [one.memory_used_bytes for one in self._mine() if one.memory_used_bytes is not None]
        return MemoryRecord(
            device_delta=max(used) - used[0] if used else None,
            process=self._process_bytes,
        )

    def log(self) -> GpuLog:
        """All that was read of the GPU so far, of every entry of the run."""
        watched = self._watched
        return GpuLog(
            list(watched.readings),
            list(watched.edges),
            list(watched.looks),
            watched.clock_limit_mhz,
        )

    def end(self) -> None:
        """Nothing more has to be read for this entry, however it ended."""
        if not self._ended:
            self._ended = True
            self._watched.watches -= 1
            self.mark()

    def _mine(self) -> list[GpuSample]:
        return self._watched.readings[self._first :]
