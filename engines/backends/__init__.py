"""One file an engine. A file's framework is imported inside its functions, in a worker only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.backends.base import Backend, Probe, Say

MODULES = {
    "eager": "pytorch",
    "compile": "torch_compile",
    "onnxruntime": "onnxruntime",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt_rtx",
}


def _module(engine: str) -> Any:
    return importlib.import_module(f"engines.backends.{MODULES[engine]}")


def probe_backend(engine: str, device: str) -> Probe:
    """Whether this interpreter can run `engine` on `device`; imports its framework to find out."""
    found: Probe = _module(engine).probe(device)
    return found


def open_backend(request: dict[str, Any], say: Say | None = None) -> Backend:
    """The backend that a `load` request asks for, not loaded yet; it says its progress to `say`."""
    from engines.backends.base import Job, nothing

    backend: Backend = _module(request["engine"]).BACKEND(Job.of(request), say or nothing)
    return backend


def build_engine(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """Build the engine file that a `build` request asks for; what it holds, in figures."""
    built: dict[str, Any] = _module(request["engine"]).build(request, say)
    return built
