"""ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import (
    GET_DRIVER,
    LATER,
    NO_DRIVER,
    Backend,
    Facts,
    Probe,
    driver_answers,
    ready,
    unavailable,
)
from engines.worker.failure import WorkerError
from engines.worker.processors import physical_cores

INSTALL = "python -m pip install onnxruntime onnx onnxscript"
INSTALL_GPU = "python -m pip uninstall -y onnxruntime; python -m pip install onnxruntime-gpu"
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
    """Whether onnxruntime imports here and was built with the provider of `device`."""
    wheels = [name for name in ("onnxruntime", "onnxruntime-gpu") if _installed(name)]
    if len(wheels) == 2:
        return unavailable(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
            "python -m pip uninstall -y onnxruntime onnxruntime-gpu, then install one of them",
        )
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return unavailable("onnxruntime is not installed", INSTALL)
    except (ImportError, OSError) as error:
        return unavailable(f"onnxruntime does not load: {error}", INSTALL)
    versions = {"onnxruntime": onnxruntime.__version__}
    if device == "cpu":
        return ready(versions)
    if not driver_answers():
        return unavailable(NO_DRIVER, GET_DRIVER, versions)
    if CUDA not in onnxruntime.get_available_providers():
        return unavailable(
            f"onnxruntime {onnxruntime.__version__} has no CUDA provider", INSTALL_GPU, versions
        )
    return unavailable(LATER, "", versions)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


class OnnxRuntime(Backend):
    """A session on the exported ONNX file, with input and output bound to fixed host memory."""

    def load(self) -> None:
        import onnxruntime as ort

        options = self._session_options(ort)
        self._session = ort.InferenceSession(
            self.job.onnx, options, providers=[CPU], enable_fallback=0
        )
        found = self._session.get_providers()
        if found[0] != CPU:
            raise WorkerError(f"ONNX Runtime runs on {found[0]}, expected {CPU}")
        self._binding = self._session.io_binding()
        self._run_options = ort.RunOptions()
        classes = self.job.model["classes"]
        self._output = np.empty((self.job.batch, classes), dtype=np.float32)

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
        self._options = options
        return options

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

    def output(self) -> NDArray[np.float32]:
        return self._output

    def facts(self) -> Facts:
        nodes = self._nodes_by_provider()
        return {
            "provider": self._session.get_providers()[0],
            "graph_optimization_level": self.job.options["graph_optimization_level"],
            "intra_op_threads": self._options.intra_op_num_threads,
            "inter_op_threads": self._options.inter_op_num_threads,
            "execution_mode": "parallel"
            if self.job.options["inter_op_threads"] > 1
            else "sequential",
            "spinning": self.job.options["spinning"],
            **{f"nodes_{provider}": count for provider, count in nodes.items()},
        }

    def _nodes_by_provider(self) -> Counter[str]:
        """Nodes that each provider got, where this version can say (1.27 and newer)."""
        counted: Counter[str] = Counter()
        if hasattr(self._session, "get_provider_graph_assignment_info"):
            for part in self._session.get_provider_graph_assignment_info():
                counted[part.ep_name] += len(part.get_nodes())
        return counted

    def versions(self) -> dict[str, str]:
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__}


BACKEND = OnnxRuntime
