"""ONNX Runtime: whether it can run here, and a session on the CPU."""

from __future__ import annotations

import abc
import os
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.backends import cuda, onnxruntime_layers
from engines.backends.base import Backend, Facts, Job, Probe, Say, nothing, ready, unavailable
from engines.worker.failure import WorkerError, first_line
from engines.worker.processors import physical_cores

if TYPE_CHECKING:
    from engines.backends.layers import LayerTimes

INSTALL = "python -m pip install onnxruntime onnx onnxscript"
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
# The names ONNX Runtime's documentation gives to graph optimisation levels.
LEVELS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
# Its log severities: 2 is a warning. Its own default would write warnings to our log as well.
WARNINGS = 2


def probe(device: str) -> Probe:
    """Whether onnxruntime imports here and its provider of `device` can run."""
    folders = {name: folders_of(name) for name in ("onnxruntime", "onnxruntime-gpu")}
    if folders["onnxruntime"] & folders["onnxruntime-gpu"]:
        return unavailable(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
            "python -m pip uninstall -y onnxruntime onnxruntime-gpu, then install one of them",
        )
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return unavailable("onnxruntime is not installed", INSTALL)
    except (ImportError, OSError) as error:
        return unavailable(f"onnxruntime does not load: {first_line(error)}", INSTALL)
    versions = {"onnxruntime": str(onnxruntime.__version__)}
    if device == "cpu":
        return ready(versions)
    from engines.backends import onnxruntime_needs

    versions |= onnxruntime_needs.linked_versions(onnxruntime)
    if (trouble := onnxruntime_needs.trouble(onnxruntime, 0)) is not None:
        return unavailable(*trouble, versions)
    answer = ready(versions)
    answer["gpus"] = cuda.gpus()
    answer["gpu"] = answer["gpus"][0]
    # Tensor cores know TF32 since compute capability 8.0; before, the option changes nothing.
    tf32 = float(answer["gpu"]["compute_capability"]) >= 8
    answer["precisions"] = ["fp32", "tf32", "fp16"] if tf32 else ["fp32", "fp16"]
    return answer


def folders_of(package: str) -> set[str]:
    """The import folders that installations of `package` on the import path own."""
    found = metadata.distributions(name=package)
    return {os.path.realpath(str(one.locate_file("onnxruntime"))) for one in found}


class OnnxRuntime(Backend):
    """A session on an ONNX file, with its input and output bound to fixed memory."""

    _session: Any = None
    _binding: Any = None
    _output: NDArray[np.float32]
    # Where a session writes its profile; empty for one that writes none.
    _profile = ""

    def _session_options(self, ort: Any) -> Any:
        chosen = self.job.options
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(
            ort.GraphOptimizationLevel, LEVELS[chosen["graph_optimization_level"]]
        )
        options.intra_op_num_threads = chosen["intra_op_threads"] or physical_cores()
        options.inter_op_num_threads = chosen["inter_op_threads"]
        options.execution_mode = (
            ort.ExecutionMode.ORT_PARALLEL
            if chosen["inter_op_threads"] > 1
            else ort.ExecutionMode.ORT_SEQUENTIAL
        )
        options.log_severity_level = WARNINGS
        spinning = "1" if chosen["spinning"] else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        options.add_session_config_entry("session.inter_op.allow_spinning", spinning)
        if hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if self._profile:
            options.enable_profiling = True
            options.profile_file_prefix = self._profile
        self._options = options
        return options

    def output(self) -> NDArray[np.float32]:
        return self._output

    def layer_times(self, iterations: int) -> LayerTimes:
        """By a session that profiles itself, which takes the place of the one there was."""
        with onnxruntime_layers.profile_prefix() as self._profile:
            row = self._start_profiled()
            host_ms, events = onnxruntime_layers.time_nodes(
                self.infer, lambda: self._session.end_profiling(), iterations
            )
        side_by_side = self.job.options["inter_op_threads"] > 1
        return onnxruntime_layers.layer_times(host_ms, events, row, side_by_side)

    @abc.abstractmethod
    def _start_profiled(self) -> str:
        """Let a session that profiles take this one's place, and say what one of its rows is."""

    def facts(self) -> Facts:
        return {
            "provider": self._session.get_providers()[0],
            "graph_optimization_level": self.job.options["graph_optimization_level"],
            "intra_op_threads": self._options.intra_op_num_threads,
            "inter_op_threads": self._options.inter_op_num_threads,
            "execution_mode": "parallel"
            if self.job.options["inter_op_threads"] > 1
            else "sequential",
            "spinning": self.job.options["spinning"],
            **{f"nodes_{name}": kinds.total() for name, kinds in nodes(self._session).items()},
        }

    def versions(self) -> dict[str, str]:
        import onnxruntime

        return {"onnxruntime": str(onnxruntime.__version__)}


def nodes(session: Any) -> dict[str, Counter[str]]:
    """Operators that each provider got, where this version can say (1.27 and newer)."""
    counted: dict[str, Counter[str]] = {}
    if hasattr(session, "get_provider_graph_assignment_info"):
        for part in session.get_provider_graph_assignment_info():
            kinds = counted.setdefault(part.ep_name, Counter())
            kinds.update(node.op_type for node in part.get_nodes())
    return counted


class CpuSession(OnnxRuntime):
    """A session on the processor."""

    def load(self) -> None:
        self._start()
        classes = self.job.model["classes"]
        self._output = np.empty((self.job.batch, classes), dtype=np.float32)

    def _start(self) -> None:
        import onnxruntime as ort

        self._session = ort.InferenceSession(
            self.job.onnx, self._session_options(ort), providers=[CPU], enable_fallback=0
        )
        found = self._session.get_providers()
        if found[0] != CPU:
            raise WorkerError(f"ONNX Runtime runs on {found[0]}, expected {CPU}")
        self._binding = self._session.io_binding()
        self._run_options = ort.RunOptions()

    def _start_profiled(self) -> str:
        self._start()
        self.set_input(self._input)
        return onnxruntime_layers.ON_CPU

    def set_input(self, batch: NDArray[np.float32]) -> None:
        self._input = np.ascontiguousarray(batch)
        name = self._session.get_inputs()[0].name
        logits = self._session.get_outputs()[0].name
        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()
        self._binding.bind_cpu_input(name, self._input)
        self._binding.bind_output(
            logits, "cpu", 0, np.float32, self._output.shape, self._output.ctypes.data
        )

    def infer(self) -> None:
        self._session.run_with_iobinding(self._binding, self._run_options)


def backend(job: Job, say: Say = nothing) -> Backend:
    """The session of `job`'s device."""
    if job.device == "cpu":
        return CpuSession(job, say)
    from engines.backends.onnxruntime_cuda import CudaSession

    return CudaSession(job, say)


BACKEND = backend
