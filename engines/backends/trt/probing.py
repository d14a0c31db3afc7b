"""Whether TensorRT or TensorRT-RTX can build and run under this interpreter."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from engines.backends import cuda
from engines.backends.base import Probe, ready, unavailable
from engines.backends.trt import versions
from engines.backends.trt.builder import new_builder
from engines.backends.trt.device import NEEDS, pycuda_version
from engines.backends.trt.logger import RECORD, logger_of
from engines.worker.failure import WorkerError

INSTALL = {
    "tensorrt": "python -m pip install tensorrt pycuda",
    "tensorrt-rtx": "python -m pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs",
}


def probe(engine: str) -> Probe:
    """What there is of `engine`, and whether GPU 0 can run it; the GPUs wherever CUDA works."""
    answer = _framework(engine)
    if cuda.problem() is None:
        answer["gpus"] = cuda.gpus()
        answer["gpu"] = answer["gpus"][0]
    return answer


def _framework(engine: str) -> Probe:
    """What there is of `engine`, or why it does not load."""
    title = versions.TITLES[engine]
    try:
        trt = versions.load(engine)
    except ModuleNotFoundError as error:
        if error.name not in versions.MODULES[engine]:
            return unavailable(f"{title} does not load: {error}", INSTALL[engine])
        return unavailable(f"{title} is not installed", INSTALL[engine])
    except (ImportError, OSError) as error:
        return unavailable(f"{title} does not load: {error}", INSTALL[engine])
    return _loaded(trt, {engine: str(trt.__version__)})


def _loaded(trt: Any, found: dict[str, str]) -> Probe:
    """What the module `trt` can do here.

    TensorRT-RTX builds for a GPU that it is named, so it builds where nothing can run.
    """
    problem = cuda.problem()
    if problem is not None:
        capability = ""
        answer = unavailable(*problem, versions=found)
    else:
        capability = cuda.gpu(0)["compute_capability"]
        answer = _able_on(trt, capability, found)
    answer.setdefault("builds", False)
    answer["builds_for_named"] = versions.is_rtx(trt)
    answer["typed"] = versions.typed(trt)
    if versions.is_rtx(trt) and capability not in versions.capabilities(trt):
        capability = ""  # it builds for other GPUs only, and is not bound by this one
    answer["precisions"] = versions.precisions(trt, capability)
    return answer


def _able_on(trt: Any, capability: str, found: dict[str, str]) -> Probe:
    """Ready, or what stands in the way on a GPU of `capability`."""
    if versions.is_rtx(trt) and capability not in versions.capabilities(trt):
        return unavailable(versions.not_supported(trt, capability), versions=found)
    RECORD.start()
    try:
        new_builder(trt, logger_of(trt))
    except WorkerError as error:
        return unavailable(str(error), "", found)
    answer = _runnable(found)
    answer["builds"] = True
    return answer


def _runnable(found: dict[str, str]) -> Probe:
    """Whether PyCUDA is here, which running needs and building does not."""
    if find_spec("pycuda") is None:
        return unavailable("pycuda is not installed", NEEDS, found)
    try:
        found["pycuda"] = pycuda_version()
    except ImportError as error:
        return unavailable(f"pycuda does not load: {error}", NEEDS, found)
    return ready(found)
