"""NVML: the library itself, and every NVIDIA GPU that it lists."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from engines.gpu import Gpu, GpuFacts, GpuProcess, GpuSample

__all__ = ["Gpu", "GpuFacts", "GpuProcess", "GpuSample", "Gpus"]


class Gpus:
    """NVML, if it answers. `problem` says why there is nothing to read.

    `cuda` is the newest CUDA version that the driver knows, such as "13.0".
    """

    def __init__(self) -> None:
        self.driver: str | None = None
        self.cuda: str | None = None
        self.problem = ""
        self._nvml: Any = None
        self._gpus: list[Gpu] = []
        try:
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml
            driver = pynvml.nvmlSystemGetDriverVersion()
            self.driver = driver.decode() if isinstance(driver, bytes) else driver
            self._gpus = [Gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
        except Exception as error:  # pynvml's errors share no base with ImportError
            self.problem = f"no NVIDIA GPU: {error}"
            return
        self.cuda = self._cuda_version()
        if not self._gpus:
            self.problem = "the NVIDIA driver lists no GPU"

    def facts(self) -> tuple[GpuFacts, ...]:
        return tuple(gpu.facts() for gpu in self._gpus)

    def samples(self) -> tuple[GpuSample, ...]:
        return tuple(gpu.sample() for gpu in self._gpus)

    def find(self, uuid: str) -> Gpu | None:
        """The GPU with that UUID, which CUDA gives too: NVML's order is not CUDA's."""
        return next((gpu for gpu in self._gpus if gpu.uuid.lower() == uuid.lower()), None)

    def processes(self) -> tuple[GpuProcess, ...]:
        """Who computes on the GPUs, the largest holder first.

        In a container the numbers may be the host's, or the list empty: then nobody can be named.
        """
        users = [user for gpu in self._gpus for user in gpu.processes()]
        return tuple(sorted(users, key=lambda one: -(one.memory_bytes or 0)))

    def close(self) -> None:
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml = None
            self._gpus = []

    def _cuda_version(self) -> str | None:
        try:
            number = int(self._nvml.nvmlSystemGetCudaDriverVersion_v2())
        except (AttributeError, self._nvml.NVMLError):
            return None
        return f"{number // 1000}.{number % 1000 // 10}"

    def __enter__(self) -> Gpus:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
