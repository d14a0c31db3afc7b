"""PyTorch eager, on the CPU and on one CUDA GPU."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.backends import cuda, split, torch_layers
from engines.backends.base import (
    Backend,
    Facts,
    Job,
    Probe,
    Say,
    nothing,
    ready,
    unavailable,
)
from engines.worker.failure import WorkerError, explain, first_line
from engines.worker.processors import physical_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from engines.backends.layers import LayerTimes

INSTALL = "python -m pip install torch torchviz"
DTYPES = {"fp32": "float32", "tf32": "float32", "fp16": "float16", "bf16": "bfloat16"}
# Tensor cores compute TF32 and bfloat16 from Ampere on; before it torch only emulates bfloat16.
AMPERE = (8, 0)
# Calls before a capture: docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs takes three.
WARMUPS = 3


def probe(device: str) -> Probe:
    """Whether torch imports here and has `device`; asks the driver, and makes no context."""
    try:
        import torch
    except ModuleNotFoundError:
        return unavailable("torch is not installed", INSTALL)
    except (ImportError, OSError) as error:
        install = explain(error)["hint"] or INSTALL
        return unavailable(f"torch does not load: {first_line(error)}", install)
    versions = {"torch": str(torch.__version__)}
    if device == "cpu":
        return ready(versions)
    if (problem := cuda.problem(torch.version.cuda)) is not None:
        return unavailable(*problem, versions)
    if torch.version.cuda is None:
        return unavailable(
            f"torch {torch.__version__} is a CPU build",
            "python -m pip install --force-reinstall torch",
            versions,
        )
    found = ready(cuda_versions())
    found["gpus"] = cuda.gpus()
    found["gpu"] = found["gpus"][0]
    found["precisions"] = precisions_of(found["gpu"]["compute_capability"])
    return found


def precisions_of(compute_capability: str) -> list[str]:
    """The precisions that a GPU of this capability, such as "9.0", computes in itself."""
    if capability(compute_capability) < AMPERE:
        return ["fp32", "fp16"]
    return ["fp32", "tf32", "fp16", "bf16"]


def capability(text: str) -> tuple[int, int]:
    """The two numbers of a compute capability."""
    major, minor = text.split(".")
    return int(major), int(minor)


def cuda_versions() -> dict[str, str]:
    """Torch, the CUDA it was built for, and the cuDNN it loads."""
    import torch

    versions = {"torch": str(torch.__version__), "cuda": str(torch.version.cuda)}
    try:
        number = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    except RuntimeError:  # a cuDNN older than the one that torch was built with
        number = None
    if number is not None:
        # CUDNN_VERSION of cudnn_version.h, since cuDNN 9: 92400 is 9.24.0.
        versions["cudnn"] = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return versions


class Eager(Backend):
    """The model as written, called under `inference_mode`."""

    def __init__(self, job: Job, say: Say = nothing) -> None:
        super().__init__(job, say)
        self._model: Any = None

    def load(self) -> None:
        import torch

        torch.set_num_threads(self.job.options["threads"] or physical_cores())
        self._dtype = torch.bfloat16 if self.job.precision == "bf16" else torch.float32
        self._format = memory_format(self.job)
        self._model = model_of(self.job, self._dtype, torch.device("cpu"))
        self._inference_mode = torch.inference_mode
        self._logits = torch.empty(self.job.batch, self.job.model["classes"])
        self._output = self._logits.numpy()

    def set_input(self, batch: NDArray[np.float32]) -> None:
        import torch

        self._input: torch.Tensor = torch.from_numpy(np.ascontiguousarray(batch))

    def infer(self) -> None:
        with self._inference_mode():
            ready_input = self._input.to(dtype=self._dtype, memory_format=self._format)
            self._logits.copy_(self._model(ready_input))

    def output(self) -> NDArray[np.float32]:
        return self._output

    def layer_times(self, iterations: int) -> LayerTimes:
        return torch_layers.time_modules(self._model, self.infer, iterations)

    def facts(self) -> Facts:
        import torch

        return {
            "provider": "torch CPU",
            "threads": torch.get_num_threads(),
            "memory_format": "channels_last" if self.job.options["channels_last"] else "contiguous",
            "weights_dtype": str(self._dtype).removeprefix("torch."),
            "onednn": bool(torch.backends.mkldnn.is_available()),  # type: ignore[no-untyped-call]
        }

    def versions(self) -> dict[str, str]:
        import torch

        return {"torch": str(torch.__version__)}


def memory_format(job: Job) -> torch.memory_format:
    import torch

    return torch.channels_last if job.options["channels_last"] else torch.contiguous_format


def model_of(job: Job, dtype: torch.dtype, device: torch.device) -> torch.nn.Module:
    """The job's model with its weights, in `dtype` and the job's memory format on `device`."""
    from engines.worker.model import build

    model: Any = build(job.model, job.weights)
    placed: torch.nn.Module = model.to(device=device, dtype=dtype)
    return placed.to(memory_format=memory_format(job)).eval()  # type: ignore[call-overload, no-any-return]


def forward_of(
    model: torch.nn.Module, dtype: torch.dtype, layout: torch.memory_format
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The whole computation on the device: float32 images to float32 logits, casts included."""

    def forward(images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model(images.to(dtype=dtype, memory_format=layout))
        return logits.float()

    return forward


class EagerCuda(Backend):
    """The model as written on one GPU; copies and kernels all go to one stream of our own.

    From `load` to `close` that stream is this thread's current one and inference mode is on, so
    that a request need not enter either. Input and output are at fixed addresses from `load` on.
    """

    provider = "torch CUDA"
    has_stream = True

    def __init__(self, job: Job, say: Say = nothing) -> None:
        super().__init__(job, say)
        self._entered = ExitStack()
        self._graph: Any = None
        self._graph_refused = ""

    def load(self) -> None:
        import torch

        device = self._device()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._entered.enter_context(torch.cuda.stream(self._stream))
        self._choose_arithmetic()
        dtype = getattr(torch, DTYPES[self.job.precision])
        # Another engine of this thread has it on; tensors made in it could not be compiled.
        with torch.inference_mode(False):
            self._model = model_of(self.job, dtype, device)
            self._make_buffers(device)
        self._forward = forward_of(self._model, dtype, memory_format(self.job))
        self._entered.enter_context(torch.inference_mode())
        self._compute = self._computation()
        self._bind()

    def _device(self) -> torch.device:
        """The GPU that the job names, made this process's current one."""
        import torch

        index = self.job.options["gpu"]
        if (problem := cuda.problem(torch.version.cuda, index)) is not None:
            raise WorkerError(*problem)
        torch.cuda.set_device(index)
        return torch.device("cuda", index)

    def _choose_arithmetic(self) -> None:
        """TF32 for that precision only; cuDNN times its convolutions where that is asked for.

        Of torch's two ways to set TF32 the older: where they are mixed, reading them raises.
        """
        import torch

        tf32 = self.job.precision == "tf32"
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = bool(self.job.options["cudnn_benchmark"])

    def _make_buffers(self, device: torch.device) -> None:
        import torch

        model, batch = self.job.model, self.job.batch
        size = model["input_size"]
        self._host_input = self._page_locked(batch, 3, size, size)
        self._host_logits = self._page_locked(batch, model["classes"])
        self._input = torch.zeros(batch, 3, size, size, device=device)
        self._staging = self._host_input.numpy()
        self._output = self._host_logits.numpy()

    def _page_locked(self, *shape: int) -> torch.Tensor:
        """Host memory that the GPU reads and writes by itself: float32 of `shape`."""
        import torch

        return torch.zeros(shape, pin_memory=True)

    def _computation(self) -> Callable[[], torch.Tensor]:
        """What computes the logits of the static input: the model's launches, or their replay."""
        launches: Callable[[], torch.Tensor] = partial(self._forward, self._input)
        if not self.job.options["cuda_graph"]:
            return launches
        for _ in range(WARMUPS):
            launches()
        self._stream.synchronize()
        try:
            return self._captured(launches)
        except RuntimeError as error:
            self._graph, self._graph_refused = None, first_line(error)
            return launches

    def _captured(self, launches: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """A replay of `launches`; RuntimeError where one of them can't be captured."""
        import torch

        graph = torch.cuda.CUDAGraph()
        # Thread-local: what another thread does on the GPU can't spoil the capture.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            logits = launches()
        self._graph, replay = graph, graph.replay

        def replayed() -> torch.Tensor:
            replay()
            return logits

        return replayed

    def _bind(self) -> None:
        """Look up once what every request calls."""
        import torch

        self._copy_in = partial(self._input.copy_, self._host_input, non_blocking=True)
        self._copy_out = partial(self._host_logits.copy_, non_blocking=True)
        self._wait = self._stream.synchronize
        self._set_stream = torch.cuda.set_stream

    def set_input(self, batch: NDArray[np.float32]) -> None:
        np.copyto(self._staging, batch)

    def infer(self) -> None:
        self._copy_in()
        self._copy_out(self._compute())
        self._wait()

    def output(self) -> NDArray[np.float32]:
        return self._output

    def submit(self) -> None:
        # Another engine of this thread may have left its own.
        self._set_stream(self._stream)
        self._copy_in()
        self._copy_out(self._compute())

    def wait(self) -> None:
        self._wait()

    def device_times(self, iterations: int) -> split.DeviceTimes:
        parts = split.Parts(
            copy_in=self._copy_in,
            compute=self._compute,
            copy_out=self._copy_out,
            wait=self._wait,
            stream=self._stream.cuda_stream,
        )
        return split.timed(parts, iterations)

    def layer_times(self, iterations: int) -> LayerTimes:
        return torch_layers.time_modules_on_device(
            self._model, self._compute, self.infer, self._stream.cuda_stream, iterations
        )

    def memory(self) -> dict[str, int]:
        """What torch's allocator has held at most; the context's own memory is not in it."""
        import torch

        return {"allocator_peak": int(torch.cuda.max_memory_reserved())}

    def close(self) -> None:
        import torch

        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
        if self._graph is not None:
            self._graph.reset()
        self._graph = None
        held = ("_compute", "_copy_in", "_copy_out", "_forward", "_model", "_input", "_staging",
                "_output", "_host_input", "_host_logits")  # fmt: skip
        for name in held:
            self.__dict__.pop(name, None)
        self._entered.close()
        torch.cuda.empty_cache()

    def facts(self) -> Facts:
        import torch

        weights = next(self._model.parameters())
        found: Facts = {
            "provider": self.provider,
            "gpu": cuda.gpu(self.job.options["gpu"])["name"],
            "memory_format": "channels_last" if self.job.options["channels_last"] else "contiguous",
            "weights_dtype": str(weights.dtype).removeprefix("torch."),
            "tf32": torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        }
        return found | self._graph_facts()

    def _graph_facts(self) -> Facts:
        found: Facts = {"cuda_graph": self._graph is not None}
        if self._graph_refused:
            found["cuda_graph_refused"] = self._graph_refused
        return found

    def versions(self) -> dict[str, str]:
        return cuda_versions()


def backend(job: Job, say: Say = nothing) -> Backend:
    """The eager backend of the job's device."""
    return EagerCuda(job, say) if job.device == "cuda" else Eager(job, say)


BACKEND = backend
