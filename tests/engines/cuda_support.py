"""CUDA's driver as far as events go, on a clock that tests turn themselves or the host's."""

from __future__ import annotations

import ctypes
import time
from typing import Any

NOT_READY = 600
INVALID_HANDLE = 400
BLOCKING_SYNC = 1  # CU_EVENT_BLOCKING_SYNC


class TurnedClock:
    """A device whose clock moves only when a test says so."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.spun_ms: list[float] = []
        self.held: set[int] = set()
        self.recorded: dict[int, float] = {}
        self.refuses_code = False
        self.ahead = True
        self._handles = iter(range(1, 1_000_000))

    def pass_ms(self, ms: float) -> None:
        """Let the device work for `ms`."""
        self.now_ms += ms

    def __getattr__(self, name: str) -> Any:
        assert name.startswith("cu"), name
        return lambda *_: 0

    def cuModuleLoadData(self, module: Any, code: Any) -> int:  # noqa: N802
        assert b".entry spin(" in code.value
        return 222 if self.refuses_code else 0  # CUDA_ERROR_UNSUPPORTED_PTX_VERSION

    def cuLaunchKernel(self, *arguments: Any) -> int:  # noqa: N802
        nanoseconds = ctypes.cast(arguments[9][0], ctypes.POINTER(ctypes.c_uint64)).contents.value
        self.spun_ms.append(nanoseconds / 1e6)
        return 0

    def cuEventCreate(self, event: Any, flags: int) -> int:  # noqa: N802
        assert not flags & BLOCKING_SYNC, "a host that waits for it would sleep"
        event._obj.value = next(self._handles)
        self.held.add(event._obj.value)
        return 0

    def cuEventRecord(self, event: Any, _stream: Any) -> int:  # noqa: N802
        self.recorded[event.value] = self.now_ms
        return 0

    def cuEventQuery(self, _event: Any) -> int:  # noqa: N802
        return NOT_READY if self.ahead else 0

    def cuEventElapsedTime(self, value: Any, earlier: Any, later: Any) -> int:  # noqa: N802
        if not {earlier.value, later.value} <= self.recorded.keys():
            return INVALID_HANDLE
        value._obj.value = self.recorded[later.value] - self.recorded[earlier.value]
        return 0

    def cuEventDestroy_v2(self, event: Any) -> int:  # noqa: N802
        self.held.remove(event.value)
        return 0


class HostClock(TurnedClock):
    """The same on the host's clock; notes the streams that events are recorded on."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[int] = []

    def cuEventRecord(self, event: Any, stream: Any) -> int:  # noqa: N802
        self.streams.append(stream.value)
        self.recorded[event.value] = time.perf_counter() * 1e3
        return 0
