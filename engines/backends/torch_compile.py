"""torch.compile: the model through Dynamo and Inductor, on the CPU and on one CUDA GPU."""

from __future__ import annotations

import os
import shutil
import sysconfig
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.backends import cuda, pytorch, torch_layers
from engines.backends.base import Backend, Facts, Job, Probe, Say, nothing, unavailable
from engines.backends.pytorch import Eager, EagerCuda, capability
from engines.worker.failure import WorkerError, explain, first_line

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from engines.backends.layers import LayerTimes

INSTALL_CXX = "apt install g++ (or set CXX to a compiler)"
INSTALL_CC = "apt install gcc (or set CC to a compiler)"
INSTALL_HEADERS = "apt install python3-dev, for this version of Python"
INSTALL_TRITON = "python -m pip install triton, in the version that this torch asks for"
# GPUTooOldForTriton of torch/_inductor/exc.py
VOLTA = (7, 0)
# The modes that replay CUDA graphs: torch._inductor.list_mode_options, "triton.cudagraphs".
GRAPH_MODES = ("reduce-overhead", "max-autotune")
# One call compiles and warms up, the next records a CUDA graph, the third replays it.
CALLS_TO_SETTLE = 3


def missing_for_compiling() -> tuple[str, str] | None:
    """What Inductor lacks to compile for the CPU, and how to get it; None where it has all.

    Inductor takes CXX or g++, nothing else, and compiles against Python's own headers.
    """
    if shutil.which(os.environ.get("CXX") or "g++") is None:
        return "torch.compile needs a C++ compiler on the CPU and found none", INSTALL_CXX
    return _missing_headers()


def missing_for_triton() -> tuple[str, str] | None:
    """What Inductor lacks to compile for a GPU, and how to get it; None where it has all.

    Triton makes the kernels; it builds a small extension of Python first, with CC or gcc or clang.
    """
    try:
        import triton  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: F401
    except ModuleNotFoundError:
        return "torch.compile needs Triton on a GPU and it is not installed", INSTALL_TRITON
    except (ImportError, OSError) as error:
        install = explain(error)["hint"] or INSTALL_TRITON
        return f"torch.compile needs Triton and it does not load: {first_line(error)}", install
    compilers = [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]
    if not any(shutil.which(name) for name in compilers):
        return "torch.compile needs a C compiler on a GPU, for Triton, and found none", INSTALL_CC
    return _missing_headers()


def _missing_headers() -> tuple[str, str] | None:
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "torch.compile needs the headers of Python and found none", INSTALL_HEADERS
    return None


def probe(device: str) -> Probe:
    """Whether torch imports here, has `device`, and finds the compilers that Inductor needs."""
    found = pytorch.probe(device)
    if not found["ready"]:
        return found
    missing = missing_for_compiling() if device == "cpu" else missing_on(found["gpu"])
    return found if missing is None else unavailable(*missing, found["versions"])


def missing_on(gpu: dict[str, Any]) -> tuple[str, str] | None:
    """What keeps torch.compile from this GPU, and what to do; None where nothing does."""
    found = gpu["compute_capability"]
    if capability(found) < VOLTA:
        return (
            f"torch.compile needs compute capability 7.0 or newer, this {gpu['name']} has {found}",
            "measure eager or onnxruntime on it",
        )
    return missing_for_triton()


def keep_compiled_code(job: Job) -> None:
    """Let runs share compiled code; to be called before Inductor is imported.

    Compilers run in this process or its group, and end with it.
    """
    if job.cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = job.cache


def forbid_compiling(forbidden: bool) -> None:
    """Make any further compilation an error, or allow it again."""
    import torch

    torch.compiler.set_stance("fail_on_recompile" if forbidden else "default")


def name_own_kernels() -> None:
    """Let Inductor's C++ kernels tell a profiler when they run, which they otherwise don't."""
    from torch._inductor import config

    config.cpp.enable_kernel_profile = True


class Compiled(Eager):
    """The eager model compiled for one fixed shape; recompiling in the timed loop is an error."""

    compiles = True

    def load(self) -> None:
        keep_compiled_code(self.job)
        super().load()
        import torch

        if self.job.layers:
            name_own_kernels()
        forbid_compiling(False)
        self._model = torch.compile(
            self._model, mode=self.job.options["mode"], dynamic=False, fullgraph=False
        )

    def compile(self) -> None:
        """Compile by a first inference, then forbid any further compilation."""
        if (missing := missing_for_compiling()) is not None:
            raise WorkerError(*missing, kind="no-compiler")
        self.infer()
        forbid_compiling(True)

    def layer_times(self, iterations: int) -> LayerTimes:
        return torch_layers.time_calls(self.infer, iterations)

    def close(self) -> None:
        forbid_compiling(self.beside)

    def facts(self) -> Facts:
        return {
            **super().facts(),
            "provider": "Inductor CPU",
            **compilation(self.job.options["mode"]),
        }


class CompiledCuda(EagerCuda):
    """The model and its casts compiled for one fixed shape; recompiling later is an error.

    CUDA graphs of Inductor belong to the thread that compiled, and replay on its current stream,
    which is ours. Every call is a new step for them, since its output is copied away before the
    next: no step needs marking.
    """

    compiles = True
    provider = "Inductor CUDA"

    def load(self) -> None:
        keep_compiled_code(self.job)
        super().load()
        forbid_compiling(False)

    def needs_to_be_alone(self) -> str:
        if self.job.options["mode"] not in GRAPH_MODES:
            return ""
        # torch/_inductor/cudagraph_trees.py: one tree and one memory pool a device and thread.
        return (
            f"mode {self.job.options['mode']} replays Inductor's CUDA graphs, which share their"
            " memory: one request's output is overwritten by the next"
        )

    def _computation(self) -> Callable[[], torch.Tensor]:
        import torch
        from torch._dynamo import mark_static_address

        # Its address never changes: a CUDA graph reads it in place instead of copying it first.
        mark_static_address(self._input)
        self._forward = torch.compile(
            self._forward, mode=self.job.options["mode"], dynamic=False, fullgraph=False
        )
        return partial(self._forward, self._input)

    def compile(self) -> None:
        """Compile and record by first inferences, then forbid any further compilation."""
        gpu = dict(cuda.gpu(self.job.options["gpu"]))
        if (missing := missing_on(gpu)) is not None:
            raise WorkerError(*missing, kind="no-compiler")
        for _ in range(CALLS_TO_SETTLE):
            self.infer()
        forbid_compiling(True)

    def layer_times(self, iterations: int) -> LayerTimes:
        return torch_layers.time_kernels(
            self._compute, self.infer, self._stream.cuda_stream, iterations
        )

    def close(self) -> None:
        import torch

        forbid_compiling(self.beside)
        super().close()
        if not self.beside:
            torch._dynamo.reset()
        torch.cuda.empty_cache()

    def facts(self) -> Facts:
        return super().facts() | compilation(self.job.options["mode"])

    def _graph_facts(self) -> Facts:
        if self.job.options["mode"] not in GRAPH_MODES:
            return {"cuda_graph": False}
        refused = graphs_refused(self.job.options["gpu"])
        if not refused:
            return {"cuda_graph": True}
        return {"cuda_graph": False, "cuda_graph_refused": refused}


def compilation(mode: str) -> Facts:
    """What Dynamo and Inductor counted in this process."""
    from torch._dynamo.utils import counters, get_compilation_metrics

    hits, misses = (counters["inductor"][f"fxgraph_cache_{what}"] for what in ("hit", "miss"))
    reasons = [getattr(one, "recompile_reason", None) for one in get_compilation_metrics()]
    return {
        "mode": mode,
        "graphs": int(counters["stats"]["unique_graphs"]),
        "graph_breaks": int(sum(counters["graph_break"].values())),
        "recompiles": sum(reason is not None for reason in reasons),
        "compile_cache": "warm" if hits and not misses else "cold",
    }


def graphs_refused(gpu: int) -> str:
    """Why Inductor replays no CUDA graph on `gpu`, though its mode asks for one; empty if it does.

    Compilation metrics keep the reason of a skip, the tree manager what was recorded.
    """
    from torch._dynamo.utils import counters, get_compilation_metrics
    from torch._inductor.cudagraph_trees import get_manager

    if skips := int(counters["inductor"]["cudagraph_skips"]):
        told = [getattr(one, "cudagraph_skip_reason", None) for one in get_compilation_metrics()]
        reason = next((text.splitlines()[0] for text in told if text), "the reason is in the log")
        return f"Inductor skipped CUDA graphs {skips} times: {reason}"
    manager = get_manager(gpu, create_if_none_exists=False)
    if manager is None or not any(manager.get_roots()):
        return "Inductor recorded no CUDA graph"
    return ""


def backend(job: Job, say: Say = nothing) -> Backend:
    """The compiled backend of the job's device."""
    return CompiledCuda(job, say) if job.device == "cuda" else Compiled(job, say)


BACKEND = backend
