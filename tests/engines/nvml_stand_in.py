"""A GPU that says what it is told, through the real binding's own names, structures and errors.

The library behind the binding is not on a machine without a GPU; the functions that would call it
are replaced here, and nothing else of the binding is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

UUID = "GPU-00000000-1111-2222-3333-444444444444"
MIB = 1 << 20


@dataclass
class StandIn:
    """One GPU. Change its attributes at any time; `refuses` names functions it does not have, and
    `calls` counts what was asked of it."""

    name: str = "Stand-in"
    uuid: str = UUID
    sm_mhz: int = 1980
    max_sm_mhz: int = 1980
    application_mhz: int = 1980
    memory_mhz: int = 3201
    power_mw: int = 140_000
    temperature_c: int = 45
    utilisation: int = 95
    used_bytes: int = 1000 * MIB
    reasons: int = 0
    power_ns: int = 0
    thermal_ns: int = 0
    # What the energy counter shows at a time in seconds; None where it has none.
    millijoules: Callable[[float], int] | None = None
    processes: list[tuple[int, int | None]] = field(default_factory=list)
    # By process, the share of the GPU's time; None where the driver does not say.
    shares: dict[int, int] | None = field(default_factory=dict)
    mig: bool | None = None
    refuses: set[str] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)

    def put_in_place(self, monkeypatch: pytest.MonkeyPatch) -> StandIn:
        """Answer in the place of NVML until the test ends."""
        clocks = {pynvml.NVML_CLOCK_SM: "sm_mhz", pynvml.NVML_CLOCK_MEM: "memory_mhz"}
        most = {pynvml.NVML_CLOCK_SM: "max_sm_mhz", pynvml.NVML_CLOCK_MEM: "memory_mhz"}
        answers: dict[str, Callable[..., Any]] = {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlSystemGetDriverVersion": lambda: "580.159",
            "nvmlSystemGetCudaDriverVersion_v2": lambda: 13010,
            "nvmlDeviceGetCount": lambda: 1,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetName": lambda _: self.name,
            "nvmlDeviceGetUUID": lambda _: self.uuid,
            "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(
                total=80_000 * MIB, used=self.used_bytes, free=80_000 * MIB - self.used_bytes
            ),
            "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(
                gpu=self.utilisation, memory=10
            ),
            "nvmlDeviceGetPowerUsage": lambda _: self.power_mw,
            "nvmlDeviceGetClockInfo": lambda _, kind: getattr(self, clocks[kind]),
            "nvmlDeviceGetMaxClockInfo": lambda _, kind: getattr(self, most[kind]),
            "nvmlDeviceGetApplicationsClock": lambda _, __: self.application_mhz,
            "nvmlDeviceGetTemperature": lambda _, __: self.temperature_c,
            "nvmlDeviceGetCurrentClocksEventReasons": lambda _: self.reasons,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: self.reasons,
            "nvmlDeviceGetFieldValues": self._fields,
            "nvmlDeviceGetViolationStatus": lambda _, kind: SimpleNamespace(
                violationTime=[self.power_ns, self.thermal_ns][kind]
            ),
            "nvmlDeviceGetTotalEnergyConsumption": self._energy,
            "nvmlDeviceGetComputeRunningProcesses": self._processes,
            "nvmlDeviceGetProcessUtilization": self._shares,
            "nvmlDeviceGetCudaComputeCapability": lambda _: (9, 0),
            "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
            "nvmlDeviceGetEccMode": lambda _: [1, 1],
            "nvmlDeviceGetPersistenceMode": lambda _: 1,
            "nvmlDeviceGetMigMode": self._mig,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(pynvml, name, self._asked(name, answer))
        return self

    def _asked(self, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            if name in self.refuses:
                raise pynvml.NVMLError_NotSupported
            return answer(*arguments)

        return function

    def _fields(self, _handle: int, ids: list[int]) -> Any:
        counters = {
            pynvml.NVML_FI_DEV_PERF_POLICY_POWER: self.power_ns,
            pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL: self.thermal_ns,
        }
        values = (pynvml.c_nvmlFieldValue_t * len(ids))()
        for value, one in zip(values, ids, strict=True):
            value.fieldId = one
            value.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
            if one in counters and f"field {one}" not in self.refuses:
                value.nvmlReturn = pynvml.NVML_SUCCESS
                value.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
                value.value.ullVal = counters[one]
        return values

    def _energy(self, _handle: int) -> int:
        if self.millijoules is None:
            raise pynvml.NVMLError_NotSupported
        return self.millijoules(time.monotonic())

    def _processes(self, _handle: int) -> list[Any]:
        return [
            pynvml.nvmlFriendlyObject(
                {"pid": pid, "usedGpuMemory": held, "gpuInstanceId": 0xFFFFFFFF}
            )
            for pid, held in self.processes
        ]

    def _shares(self, _handle: int, _since: int) -> list[Any]:
        if self.shares is None:
            raise pynvml.NVMLError_NotSupported
        if not self.shares:
            raise pynvml.NVMLError_NotFound
        return [SimpleNamespace(pid=pid, smUtil=share) for pid, share in self.shares.items()]

    def _mig(self, _handle: int) -> list[int]:
        if self.mig is None:
            raise pynvml.NVMLError_NotSupported
        return [int(self.mig), int(self.mig)]
