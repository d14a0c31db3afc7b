"""CUDA's driver as `engines.backends.ahead` calls it, on a clock that tests turn themselves."""

from __future__ import annotations

import ctypes
from typing import Any

NOT_READY = 600


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

    def cuEventCreate(self, event: Any, _flags: int) -> int:  # noqa: N802
        event._obj.value = next(self._handles)
        self.held.add(event._obj.value)
        return 0

    def cuEventRecord(self, event: Any, _stream: Any) -> int:  # noqa: N802
        self.recorded[event.value] = self.now_ms
        return 0

    def cuEventQuery(self, _event: Any) -> int:  # noqa: N802
        return NOT_READY if self.ahead else 0

    def cuEventElapsedTime(self, value: Any, earlier: Any, later: Any) -> int:  # noqa: N802
        value._obj.value = self.recorded[later.value] - self.recorded[earlier.value]
        return 0

    def cuEventDestroy_v2(self, event: Any) -> int:  # noqa: N802
        self.held.remove(event.value)
        return 0
