"""What machine this is, and how busy it is. No framework: /proc, psutil and NVML."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from engines.gpus import GpuFacts, Gpus, GpuSample
from engines.pinning import own_processors
from engines.plan import Record
from engines.worker.processors import governor, physical_cores, smt

CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")
CGROUP_MEMORY_NOW = Path("/sys/fs/cgroup/memory.current")


class Machine(Record, frozen=True, kw_only=True):
    """What another person must know of a machine to repeat a run on one like it.

    Cores and memory are what this process may use, within its affinity and container limits.
    `cuda` is the newest CUDA that the GPUs' driver knows; `gpu_problem` says why `gpus` is empty.
    """

    hostname: str
    os: str
    kernel: str
    architecture: str
    python: str
    cpu: str
    physical_cores: int
    logical_cores: int
    memory_bytes: int
    governor: str | None = None
    smt: bool | None = None
    driver: str | None = None
    cuda: str | None = None
    gpus: tuple[GpuFacts, ...] = ()
    gpu_problem: str = ""


@dataclass(frozen=True, slots=True)
class TelemetrySample:
    """One reading. None means that this machine does not say; zero means zero.

    `cpu_percent` is over the time since the last sample, 100 being all logical processors busy.
    """

    time_s: float
    cpu_percent: float
    memory_used_bytes: int
    memory_total_bytes: int
    load_1m: float
    cpu_mhz: float | None = None
    temperature_c: float | None = None
    gpus: tuple[GpuSample, ...] = ()
    problem: str = ""


def describe_machine() -> Machine:
    """This machine, as a profile records it."""
    here = own_processors()
    with Gpus() as gpus:
        return Machine(
            hostname=platform.node(),
            os=_os_name(),
            kernel=platform.release(),
            architecture=platform.machine(),
            python=platform.python_version(),
            cpu=_cpu_name(),
            physical_cores=physical_cores(here),
            logical_cores=len(here),
            memory_bytes=memory_limit(),
            governor=governor(here),
            smt=smt(),
            driver=gpus.driver,
            cuda=gpus.cuda,
            gpus=gpus.facts(),
            gpu_problem=gpus.problem,
        )


def memory_limit() -> int:
    """Bytes of memory that this process may use: the machine's, or its container's if less."""
    total = int(psutil.virtual_memory().total)
    limit = _read(CGROUP_MEMORY)
    return min(total, int(limit)) if limit and limit.isdigit() else total


def memory_available() -> int:
    """Bytes that can be had now without swapping, within the container's limit."""
    free = int(psutil.virtual_memory().available)
    limit, used = _read(CGROUP_MEMORY), _read(CGROUP_MEMORY_NOW)
    if limit and used and limit.isdigit() and used.isdigit():
        return min(free, max(0, int(limit) - int(used)))
    return free


class Telemetry:
    """Reads how busy the machine is. One sample costs well under a millisecond."""

    def __init__(self) -> None:
        self._gpus = Gpus()
        # The first reading of psutil only sets the point that the next one counts from.
        psutil.cpu_percent()

    def sample(self) -> TelemetrySample:
        memory = psutil.virtual_memory()
        return TelemetrySample(
            time_s=time.monotonic(),
            cpu_percent=float(psutil.cpu_percent()),
            memory_used_bytes=int(memory.total - memory.available),
            memory_total_bytes=int(memory.total),
            load_1m=os.getloadavg()[0],
            cpu_mhz=_cpu_mhz(),
            temperature_c=_temperature(),
            gpus=self._gpus.samples(),
            problem=self._gpus.problem,
        )

    def close(self) -> None:
        self._gpus.close()


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpu_name() -> str:
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cpu_mhz() -> float | None:
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return float(frequency.current) if frequency and frequency.current else None


def _temperature() -> float | None:
    """The hottest sensor of the processor package, where there is one."""
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    found = psutil.sensors_temperatures()
    for name in ("coretemp", "k10temp", "zenpower", "cpu_thermal"):
        if readings := [one.current for one in found.get(name, ()) if one.current]:
            return float(max(readings))
    return None
