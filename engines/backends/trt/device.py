"""A GPU through PyCUDA: the primary context, one stream, page-locked buffers.

The primary context is the one that every framework of a process shares; `pycuda.autoinit` would
make another. All of it belongs to the thread that made it, and must be gone before the context is
popped: PyCUDA ends the process with abort() where its context stack is not empty at exit.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends import cuda, split
from engines.backends.trt.builder import out_of_memory, size_text
from engines.worker.failure import WorkerError

NEEDS = (
    "PyCUDA is compiled as it is installed and needs a C++ compiler and CUDA's headers: have nvcc"
    ' on PATH, or python -m pip install "cuda-toolkit[cudart,crt,nvcc,profiler]"; then'
    " python -m pip install pycuda numpy"
)


def pycuda_version() -> str:
    """PyCUDA's version; ImportError where it is not there or does not load."""
    import_module("pycuda.driver")
    return str(import_module("pycuda").VERSION_TEXT)


class Device:
    """GPU `index` with its primary context current, from here to `close`."""

    def __init__(self, index: int) -> None:
        self._driver: Any = import_module("pycuda.driver")
        self._stream: Any = None
        self._host_input: Any = None
        self._host_output: Any = None
        self._input: Any = None
        self._output: Any = None
        self._driver.init()
        self._context: Any = self._driver.Device(index).retain_primary_context()
        self._context.push()

    def prepare(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Make all that a request needs: both are float32, in host and in device memory."""
        driver = self._driver
        needed = sum(math.prod(shape) * 4 for shape in (input_shape, output_shape))
        try:
            self._stream = driver.Stream()
            self._host_input = self._page_locked(input_shape)
            self._host_output = self._page_locked(output_shape)
            self._input = driver.mem_alloc(self._host_input.nbytes)
            self._output = driver.mem_alloc(self._host_output.nbytes)
        except driver.MemoryError as error:
            raise out_of_memory(
                "the buffers for one batch", f"Requested size was {needed} bytes"
            ) from error

    def _page_locked(self, shape: tuple[int, ...]) -> Any:
        """Float32 host memory; what is missing for it is the host's, though CUDA hands it out."""
        try:
            return self._driver.pagelocked_empty(shape, np.float32)
        except self._driver.MemoryError as error:
            raise WorkerError(
                "the page-locked buffers for one batch ran out of host memory:"
                f" {size_text(math.prod(shape) * 4)} needed",
                hint="choose a smaller batch, or free memory of the host",
                kind="out-of-memory",
            ) from error

    @property
    def stream(self) -> int:
        """The stream's handle, as TensorRT and CUDA's driver take it."""
        return int(self._stream.handle)

    @property
    def input_pointer(self) -> int:
        return int(self._input)

    @property
    def output_pointer(self) -> int:
        return int(self._output)

    @property
    def host_input(self) -> NDArray[np.float32]:
        array: NDArray[np.float32] = self._host_input
        return array

    @property
    def host_output(self) -> NDArray[np.float32]:
        array: NDArray[np.float32] = self._host_output
        return array

    def request(self, compute: Callable[[], None]) -> Callable[[], None]:
        """One whole request as a function without arguments: in, `compute`, out, wait."""
        copy_in, copy_out = self._copies()
        synchronize = self._stream.synchronize

        def whole() -> None:
            copy_in()
            compute()
            copy_out()
            synchronize()

        return whole

    def submission(self, compute: Callable[[], None]) -> Callable[[], None]:
        """The same without the wait."""
        copy_in, copy_out = self._copies()

        def handed_over() -> None:
            copy_in()
            compute()
            copy_out()

        return handed_over

    def times(self, compute: Callable[[], None], iterations: int) -> split.DeviceTimes:
        """Where the time of `iterations` requests goes, in milliseconds."""
        copy_in, copy_out = self._copies()
        parts = split.Parts(
            copy_in=copy_in,
            compute=compute,
            copy_out=lambda _: copy_out(),
            wait=self._stream.synchronize,
            stream=self.stream,
        )
        return split.timed(parts, iterations)

    def _copies(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """The copy of the input to the device and of the output to the host, on the stream."""
        driver, stream = self._driver, self._stream
        return (
            partial(driver.memcpy_htod_async, self._input, self._host_input, stream),
            partial(driver.memcpy_dtoh_async, self._host_output, self._output, stream),
        )

    def graph(self, work: Callable[[], None]) -> cuda.Graph:
        """`work` captured on the stream; it must have run once before. CudaError if it can't be."""
        return cuda.Graph(self.stream, work)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def close(self) -> None:
        """Let everything go, then the context; what was handed out must be gone before."""
        self._host_input = self._host_output = None
        self._input = self._output = None
        self._stream = None
        gc.collect()
        context, self._context = self._context, None
        if context is not None:
            try:
                context.pop()
            finally:
                context.detach()


def open_device(index: int) -> Device:
    """GPU `index`; WorkerError where PyCUDA or the GPU can't be used."""
    if (problem := cuda.problem(None, index)) is not None:
        reason, install = problem
        raise WorkerError(reason, install)
    try:
        return Device(index)
    except ImportError as error:
        raise WorkerError(f"pycuda does not load: {error}", NEEDS, "missing-module") from error
