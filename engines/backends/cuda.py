"""CUDA's driver by ctypes: what every engine asks of it, whatever framework owns the stream.

Nothing here needs a package: `libcuda.so.1` comes with the driver. Handles are plain integers, as
PyTorch, ONNX Runtime and PyCUDA give and take them. Names and signatures are of cuda.h.
"""

from __future__ import annotations

import ctypes
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypedDict

from engines.worker.failure import WorkerError

NO_DRIVER = "no NVIDIA driver answers on this machine"
GET_DRIVER = "an NVIDIA GPU and its driver"
NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
INVALID_DEVICE = 101  # CUDA_ERROR_INVALID_DEVICE
OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
NOT_READY = 600  # CUDA_ERROR_NOT_READY
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
# CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: a call of another thread can't spoil the capture.
THREAD_LOCAL = 1
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
# CU_EVENT_DEFAULT: has a time, and no CU_EVENT_BLOCKING_SYNC, with which a host that waits sleeps.
DEFAULT_EVENT = 0
# The first driver of each CUDA release: docs.nvidia.com/cuda/cuda-toolkit-release-notes, table 2.
OLDEST_DRIVER = {11: "450.80", 12: "525.60", 13: "580.65"}


class Gpu(TypedDict):
    """One GPU as CUDA counts them, `CUDA_VISIBLE_DEVICES` respected."""

    index: int
    name: str
    compute_capability: str
    uuid: str
    memory_bytes: int


class CudaError(WorkerError):
    """A call of the driver that failed; `code` is its CUresult."""

    def __init__(self, what: str, code: int) -> None:
        self.code = code
        super().__init__(
            f"{what}: {error_name(code)}",
            hint="choose a smaller batch" if code == OUT_OF_MEMORY else "",
            kind="out-of-gpu-memory" if code == OUT_OF_MEMORY else "error",
        )


_library: Any = None


def library() -> Any:
    """`libcuda.so.1`; OSError where there is none."""
    global _library
    if _library is None:
        _library = ctypes.CDLL("libcuda.so.1")
    return _library


def call(name: str, *arguments: Any) -> None:
    """Call the driver's function `name`; CudaError where it does not return success."""
    code = int(getattr(library(), name)(*arguments))
    if code:
        raise CudaError(name, code)


def error_name(code: int) -> str:
    """CUDA's own name for `code`, such as CUDA_ERROR_OUT_OF_MEMORY."""
    text = ctypes.c_char_p()
    if library().cuGetErrorName(code, ctypes.byref(text)) == 0 and text.value:
        return text.value.decode()
    return f"error {code}"


def problem(built_for: str | None = None, index: int = 0) -> tuple[str, str] | None:
    """Why CUDA can't be used here and what to do; None where it can.

    `built_for` is the CUDA version that a framework was built for, such as "13.0".
    """
    try:
        code = int(library().cuInit(0))
    except OSError:
        return NO_DRIVER, GET_DRIVER
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if code == NO_DEVICE and hidden is not None:
        return (
            f"CUDA_VISIBLE_DEVICES={hidden or chr(34) * 2} hides every GPU",
            "unset CUDA_VISIBLE_DEVICES",
        )
    if code:
        return f"the NVIDIA driver does not start: {error_name(code)}", "see nvidia-smi and dmesg"
    if index >= (count := device_count()):
        return f"there is no GPU {index}: CUDA counts {count}, from 0", "choose another gpu"
    return _too_old(built_for)


def _too_old(built_for: str | None) -> tuple[str, str] | None:
    """A framework needs a driver of its CUDA's major version or newer."""
    major = int((built_for or "0").partition(".")[0] or 0)
    if major * 1000 <= driver_cuda():
        return None
    needed = OLDEST_DRIVER.get(major, "")
    return (
        f"the driver is too old: it knows CUDA {driver_cuda() // 1000}"
        f".{driver_cuda() % 1000 // 10}, this build needs {built_for}",
        f"install driver {needed} or newer".replace("  ", " "),
    )


def driver_cuda() -> int:
    """The newest CUDA version that the driver knows: 13010 for 13.1."""
    version = ctypes.c_int()
    call("cuDriverGetVersion", ctypes.byref(version))
    return version.value


def device_count() -> int:
    count = ctypes.c_int()
    call("cuDeviceGetCount", ctypes.byref(count))
    return count.value


def gpu(index: int = 0) -> Gpu:
    """Facts of one GPU; call it only where `problem` says nothing."""
    device = _device(index)
    name = ctypes.create_string_buffer(256)
    call("cuDeviceGetName", name, 256, device)
    identity = (ctypes.c_ubyte * 16)()
    call("cuDeviceGetUuid", identity, device)
    memory = ctypes.c_size_t()
    call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    major, minor = (_attribute(which, device) for which in (CAPABILITY_MAJOR, CAPABILITY_MINOR))
    return Gpu(
        index=index,
        name=name.value.decode(),
        compute_capability=f"{major}.{minor}",
        uuid=f"GPU-{uuid.UUID(bytes=bytes(identity))}",
        memory_bytes=int(memory.value),
    )


def gpus() -> list[dict[str, Any]]:
    """Facts of every GPU in CUDA's order; call it only where `problem` says nothing."""
    return [dict(gpu(index)) for index in range(device_count())]


def _device(index: int) -> ctypes.c_int:
    device = ctypes.c_int()
    call("cuDeviceGet", ctypes.byref(device), index)
    return device


def _attribute(which: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    call("cuDeviceGetAttribute", ctypes.byref(value), which, device)
    return value.value


def memory() -> tuple[int, int]:
    """Free and total bytes of the current context's GPU."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return int(free.value), int(total.value)


class PrimaryContext:
    """The context that every framework of a process shares, current in this thread till `close`."""

    def __init__(self, index: int) -> None:
        call("cuInit", 0)
        self._device = _device(index)
        context = ctypes.c_void_p()
        call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        call("cuCtxPushCurrent_v2", context)

    def close(self) -> None:
        call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        call("cuDevicePrimaryCtxRelease_v2", self._device)


class Stream:
    """A stream of our own, beside the default one; `handle` is what frameworks take."""

    def __init__(self) -> None:
        handle = ctypes.c_void_p()
        call("cuStreamCreate", ctypes.byref(handle), NON_BLOCKING)
        self.handle = int(handle.value or 0)

    def synchronize(self) -> None:
        call("cuStreamSynchronize", ctypes.c_void_p(self.handle))

    def close(self) -> None:
        call("cuStreamDestroy_v2", ctypes.c_void_p(self.handle))


class Event:
    """A point in a stream whose time can be asked for."""

    def __init__(self) -> None:
        self._handle = ctypes.c_void_p()
        call("cuEventCreate", ctypes.byref(self._handle), DEFAULT_EVENT)
        self._record = library().cuEventRecord

    def record(self, stream: int) -> None:
        if code := self._record(self._handle, ctypes.c_void_p(stream)):
            raise CudaError("cuEventRecord", int(code))

    def recorder(self, stream: int) -> Callable[[], object]:
        """`record` with nothing left to look up or to check, for a loop that is timed.

        An event that could not be recorded has no time: `ms_since` says so.
        """
        return partial(self._record, self._handle, ctypes.c_void_p(stream))

    @property
    def reached(self) -> bool:
        """Whether the device has come to it."""
        code = int(library().cuEventQuery(self._handle))
        if code not in (0, NOT_READY):
            raise CudaError("cuEventQuery", code)
        return code == 0

    def ms_since(self, earlier: Event) -> float:
        """Milliseconds from `earlier`; both must have happened."""
        value = ctypes.c_float()
        call("cuEventElapsedTime", ctypes.byref(value), earlier._handle, self._handle)
        return value.value

    def close(self) -> None:
        """Let it go. In a context that an error has spoilt that fails, and there is no more to do:
        whatever spoilt it is what the user has to hear."""
        library().cuEventDestroy_v2(self._handle)


class DeviceMemory:
    """`size` bytes on the GPU; `pointer` is their address."""

    def __init__(self, size: int) -> None:
        address = ctypes.c_uint64()
        call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        self.pointer, self.size = int(address.value), size

    def close(self) -> None:
        call("cuMemFree_v2", ctypes.c_uint64(self.pointer))


class PinnedMemory:
    """`size` bytes of host memory at `pointer`, page-locked: copies can then be asynchronous."""

    def __init__(self, size: int) -> None:
        address = ctypes.c_void_p()
        call("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), 0)
        self.pointer, self.size = int(address.value or 0), size

    def array(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """The memory as a NumPy array, which must not outlive it."""
        import numpy as np

        buffer = (ctypes.c_ubyte * self.size).from_address(self.pointer)
        return np.frombuffer(memoryview(buffer), dtype=dtype).reshape(shape)

    def close(self) -> None:
        call("cuMemFreeHost", ctypes.c_void_p(self.pointer))


def copy_in(target: int, source: int, size: int, stream: int) -> None:
    """Host to device, in the order of `stream`."""
    call(
        "cuMemcpyHtoDAsync_v2",
        ctypes.c_uint64(target), ctypes.c_void_p(source), ctypes.c_size_t(size),
        ctypes.c_void_p(stream),
    )  # fmt: skip


def copy_out(target: int, source: int, size: int, stream: int) -> None:
    """Device to host, in the order of `stream`."""
    call(
        "cuMemcpyDtoHAsync_v2",
        ctypes.c_void_p(target), ctypes.c_uint64(source), ctypes.c_size_t(size),
        ctypes.c_void_p(stream),
    )  # fmt: skip


class Graph:
    """What `work` enqueues on `stream`, captured once; `launch` replays it.

    Raises CudaError where the work can't be captured; the stream stays usable.
    """

    def __init__(self, stream: int, work: Callable[[], object]) -> None:
        self._stream = ctypes.c_void_p(stream)
        self._graph, self._instance = ctypes.c_void_p(), ctypes.c_void_p()
        with self._capturing():
            work()
        try:
            call(
                "cuGraphInstantiateWithFlags",
                ctypes.byref(self._instance), self._graph, ctypes.c_uint64(0),
            )  # fmt: skip
        except CudaError:
            call("cuGraphDestroy", self._graph)
            raise
        self._launch = library().cuGraphLaunch

    @contextmanager
    def _capturing(self) -> Iterator[None]:
        call("cuStreamBeginCapture_v2", self._stream, THREAD_LOCAL)
        try:
            yield
        except BaseException:
            # Ends the capture so that the stream works again; what came of it is worth nothing.
            library().cuStreamEndCapture(self._stream, ctypes.byref(self._graph))
            raise
        call("cuStreamEndCapture", self._stream, ctypes.byref(self._graph))

    def launch(self) -> None:
        if code := self._launch(self._instance, self._stream):
            raise CudaError("cuGraphLaunch", int(code))

    def close(self) -> None:
        call("cuGraphExecDestroy", self._instance)
        call("cuGraphDestroy", self._graph)
