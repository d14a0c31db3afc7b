"""One NVIDIA GPU through NVML: facts for the record, readings, counters, and who computes on it.

What a driver, a GPU or the installed binding does not answer is None, never zero.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from engines.plan import Record

MILLI = 1000.0
MICROSECONDS = 1_000_000
GIB = 1 << 30
# NVML's answer for a process outside any GPU instance.
NO_INSTANCE = 0xFFFFFFFF


class GpuFacts(Record, frozen=True, kw_only=True):
    """One GPU: its identity and limits.

    `clock_limit_mhz` is what its SM clock can reach as it is set: its maximum, or the applications
    clock where that is lower. `mig` says that it is split into instances.
    """

    index: int
    name: str
    uuid: str
    memory_bytes: int | None = None
    compute_capability: str | None = None
    power_limit_w: float | None = None
    max_sm_clock_mhz: float | None = None
    max_memory_clock_mhz: float | None = None
    clock_limit_mhz: float | None = None
    ecc: bool | None = None
    persistence_mode: bool | None = None
    mig: bool | None = None


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds a GPU's memory; `memory_bytes` is None where the driver hides it.

    `instance` is the GPU instance that it runs in, None on a GPU that is not split (MIG).
    """

    pid: int
    name: str
    memory_bytes: int | None
    instance: int | None = None

    @property
    def title(self) -> str:
        return f"{self.name} (process {self.pid})"

    def __str__(self) -> str:
        held = f" holding {self.memory_bytes / GIB:.1f} GiB" if self.memory_bytes else ""
        return f"{self.title}{held}"


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One reading of one GPU, taken at `time_ns` by `time.monotonic_ns`.

    `throttle_reasons` is NVML's bit mask of clock event reasons, see `engines.clock_reasons`.
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
    memory_clock_mhz: float | None = None
    time_ns: int = 0


@dataclass(frozen=True, slots=True)
class Violations:
    """For how many nanoseconds, since the driver was loaded, each policy has held the clock down.

    The driver adds to them about every 100 ms.
    """

    power_ns: int | None
    thermal_ns: int | None


class Gpu:
    """GPU `index` of the started library `nvml`, whose error it may raise where there is none."""

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self.index = index
        self.name = _text(self._ask("nvmlDeviceGetName") or "unknown")
        self.uuid = _text(self._ask("nvmlDeviceGetUUID") or "unknown")

    def facts(self) -> GpuFacts:
        nvml = self._nvml
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        capability = self._ask("nvmlDeviceGetCudaComputeCapability")
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit")
        ecc, mig = self._ask("nvmlDeviceGetEccMode"), self._ask("nvmlDeviceGetMigMode")
        return GpuFacts(
            index=self.index,
            name=self.name,
            uuid=self.uuid,
            memory_bytes=int(memory.total) if memory else None,
            compute_capability="{}.{}".format(*capability) if capability else None,
            power_limit_w=limit / MILLI if limit is not None else None,
            max_sm_clock_mhz=self._ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
            max_memory_clock_mhz=self._ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM),
            clock_limit_mhz=self.clock_limit_mhz(),
            # Both are (current, pending).
            ecc=None if ecc is None else bool(ecc[0]),
            mig=None if mig is None else bool(mig[0]),
            persistence_mode=_yes_or_no(self._ask("nvmlDeviceGetPersistenceMode")),
        )

    def clock_limit_mhz(self) -> float | None:
        """The highest SM clock that the GPU can reach with the clocks that are set."""
        sm = self._nvml.NVML_CLOCK_SM
        highest = self._ask("nvmlDeviceGetMaxClockInfo", sm)
        # No longer there on the newest drivers, where clocks are locked instead.
        chosen = self._ask("nvmlDeviceGetApplicationsClock", sm)
        return min((one for one in (highest, chosen) if one), default=None)

    def sample(self) -> GpuSample:
        """A reading. On an H200 it takes 12 microseconds (docs/performance.md)."""
        nvml = self._nvml
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        power = self._ask("nvmlDeviceGetPowerUsage")
        return GpuSample(
            index=self.index,
            name=self.name,
            utilisation_percent=float(rates.gpu) if rates else None,
            memory_used_bytes=int(memory.used) if memory else None,
            memory_total_bytes=int(memory.total) if memory else None,
            power_w=power / MILLI if power is not None else None,
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            memory_clock_mhz=self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            temperature_c=self._ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            throttle_reasons=self._reasons(),
            time_ns=time.monotonic_ns(),
        )

    def violations(self) -> Violations:
        """The counters of time under a policy; on an H200 they take 0.7 ms.

        Their field ids are asked of the binding by name: those of their neighbours moved between
        two versions of it.
        """
        names = ("NVML_FI_DEV_PERF_POLICY_POWER", "NVML_FI_DEV_PERF_POLICY_THERMAL")
        ids = [getattr(self._nvml, name, None) for name in names]
        values = self._ask("nvmlDeviceGetFieldValues", ids) if None not in ids else None
        power, thermal = (self._count(one) for one in values) if values else (None, None)
        return Violations(
            power if power is not None else self._violation("NVML_PERF_POLICY_POWER"),
            thermal if thermal is not None else self._violation("NVML_PERF_POLICY_THERMAL"),
        )

    def joules(self) -> float | None:
        """The energy that the GPU has used since its driver was loaded (Volta and newer).

        The counter moves every 20 to 100 ms; on an H200 the call takes 2.8 ms.
        """
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return millijoules / MILLI if millijoules is not None else None

    def processes(self) -> list[GpuProcess]:
        """Who has a context for computing. In a container the numbers may be the host's, or the
        list empty."""
        return [
            GpuProcess(one.pid, _name_of(one.pid), one.usedGpuMemory, _instance(one))
            for one in self._ask("nvmlDeviceGetComputeRunningProcesses") or ()
        ]

    def utilisation_since(self, wall_ns: int) -> Mapping[int, int] | None:
        """The share in per cent of the SMs' time that each process took, by its number.

        Of samples since `wall_ns` by `time.time_ns`; None where the driver does not say.
        """
        nvml = self._nvml
        function = getattr(nvml, "nvmlDeviceGetProcessUtilization", None)
        if function is None:
            return None
        try:
            samples = function(self._handle, wall_ns // 1000)
        except nvml.NVMLError as error:
            none_yet = getattr(nvml, "NVMLError_NotFound", ())
            return {} if isinstance(error, none_yet) else None
        found: dict[int, int] = {}
        for one in samples:
            found[int(one.pid)] = max(found.get(int(one.pid), 0), int(one.smUtil))
        return found

    def _ask(self, name: str, *arguments: Any) -> Any:
        """What NVML's function `name` answers, None where there is none or it refuses."""
        function = getattr(self._nvml, name, None)
        if function is None:
            return None
        try:
            return function(self._handle, *arguments)
        except self._nvml.NVMLError:
            return None

    def _reasons(self) -> int | None:
        """Drivers before 535 know these bits by their older name only."""
        mask = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if mask is None:
            mask = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return None if mask is None else int(mask)

    def _count(self, field: Any) -> int | None:
        """The whole number in a field value, None where the driver refused that field."""
        nvml = self._nvml
        if field.nvmlReturn != nvml.NVML_SUCCESS:
            return None
        if field.valueType == nvml.NVML_VALUE_TYPE_UNSIGNED_INT:
            return int(field.value.uiVal)
        if field.valueType == nvml.NVML_VALUE_TYPE_UNSIGNED_LONG:
            return int(field.value.ulVal)
        if field.valueType == nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG:
            return int(field.value.ullVal)
        return None

    def _violation(self, policy: str) -> int | None:
        """The same counter by the older call."""
        number = getattr(self._nvml, policy, None)
        found = None if number is None else self._ask("nvmlDeviceGetViolationStatus", number)
        return None if found is None else int(found.violationTime)


def _name_of(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return "a process"


def _instance(process: Any) -> int | None:
    number = getattr(process, "gpuInstanceId", None)
    return None if number in (None, NO_INSTANCE) else int(number)


def _yes_or_no(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
