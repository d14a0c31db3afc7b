"""NVIDIA GPUs as NVML sees them: facts for the record and readings for the telemetry panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import psutil

from engines.plan import Record

MILLIWATTS = 1000.0
GIB = 1 << 30


class GpuFacts(Record, frozen=True, kw_only=True):
    """One GPU: its identity and limits."""

    index: int
    name: str
    uuid: str
    memory_bytes: int | None = None
    compute_capability: str | None = None
    power_limit_w: float | None = None


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds a GPU's memory; `memory_bytes` is None where the driver hides it."""

    pid: int
    name: str
    memory_bytes: int | None

    def __str__(self) -> str:
        held = f" holding {self.memory_bytes / GIB:.1f} GiB" if self.memory_bytes else ""
        return f"{self.name} (process {self.pid}){held}"


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One reading of one GPU. None where the driver refuses the field, never zero instead.

    `throttle_reasons` is NVML's bit mask of clock event reasons.
    """

    index: int
    name: str
    utilisation_percent: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    power_w: float | None
    sm_clock_mhz: float | None
    temperature_c: float | None
    throttle_reasons: int | None


class Gpus:
    """NVML, if it answers. `problem` says why there is nothing to read."""

    def __init__(self) -> None:
        self.driver: str | None = None
        self.problem = ""
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml

            pynvml.nvmlInit()
            self.driver = _text(pynvml.nvmlSystemGetDriverVersion())
            handles = [
                pynvml.nvmlDeviceGetHandleByIndex(index)
                for index in range(pynvml.nvmlDeviceGetCount())
            ]
        except Exception as error:  # pynvml's errors share no base with ImportError
            self.problem = f"no NVIDIA GPU: {error}"
            return
        self._nvml, self._handles = pynvml, handles
        if not handles:
            self.problem = "the NVIDIA driver lists no GPU"

    def facts(self) -> tuple[GpuFacts, ...]:
        return tuple(self._fact(index, handle) for index, handle in enumerate(self._handles))

    def samples(self) -> tuple[GpuSample, ...]:
        return tuple(self._sample(index, handle) for index, handle in enumerate(self._handles))

    def processes(self) -> tuple[GpuProcess, ...]:
        """Who computes on the GPUs, the largest holder first.

        In a container the numbers may be the host's, or the list empty: then nobody can be named.
        """
        found = [one for handle in self._handles for one in self._users_of(handle)]
        users = [GpuProcess(one.pid, _name_of(one.pid), one.usedGpuMemory) for one in found]
        return tuple(sorted(users, key=lambda one: -(one.memory_bytes or 0)))

    def _users_of(self, handle: Any) -> list[Any]:
        return self._ask(lambda: self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or []

    def close(self) -> None:
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml = None
            self._handles = []

    def __enter__(self) -> Gpus:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer, or None where this driver or GPU has no such field."""
        try:
            return question()
        except self._nvml.NVMLError:
            return None

    def _fact(self, index: int, handle: Any) -> GpuFacts:
        nvml = self._nvml
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        capability = self._ask(lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
        limit = self._ask(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        return GpuFacts(
            index=index,
            name=_text(self._ask(lambda: nvml.nvmlDeviceGetName(handle)) or "unknown"),
            uuid=_text(self._ask(lambda: nvml.nvmlDeviceGetUUID(handle)) or "unknown"),
            memory_bytes=int(memory.total) if memory else None,
            compute_capability="{}.{}".format(*capability) if capability else None,
            power_limit_w=limit / MILLIWATTS if limit is not None else None,
        )

    def _sample(self, index: int, handle: Any) -> GpuSample:
        nvml = self._nvml
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        rates = self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        power = self._ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        return GpuSample(
            index=index,
            name=_text(self._ask(lambda: nvml.nvmlDeviceGetName(handle)) or "unknown"),
            utilisation_percent=float(rates.gpu) if rates else None,
            memory_used_bytes=int(memory.used) if memory else None,
            memory_total_bytes=int(memory.total) if memory else None,
            power_w=power / MILLIWATTS if power is not None else None,
            sm_clock_mhz=self._ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            temperature_c=self._ask(
                lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            ),
            throttle_reasons=self._ask(lambda: self._reasons(handle)),
        )

    def _reasons(self, handle: Any) -> int:
        """Drivers before 535 know these bits by their older name only."""
        nvml = self._nvml
        new = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
        if new is not None:
            try:
                return int(new(handle))
            except nvml.NVMLError_FunctionNotFound:
                pass
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


def _name_of(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "a process"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
