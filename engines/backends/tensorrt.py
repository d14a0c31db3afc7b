"""TensorRT 8.6 to 11: engine files built from ONNX, run on PyCUDA's memory and stream."""

from __future__ import annotations

from typing import Any

from engines.backends.base import Probe, Say
from engines.backends.trt import builder, probing
from engines.backends.trt.runtime import TensorRt

NAME = "tensorrt"


def probe(_device: str) -> Probe:
    """Whether TensorRT and PyCUDA load here and a GPU answers."""
    return probing.probe(NAME)


def build(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """Write the engine file that `request` asks for; what it holds, in figures."""
    return builder.build(NAME, request, say)


BACKEND = TensorRt
