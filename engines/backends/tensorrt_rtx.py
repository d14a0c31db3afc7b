"""TensorRT-RTX: the same code over its twin module; its builder needs no GPU."""

from __future__ import annotations

from typing import Any

from engines.backends.base import Probe, Say
from engines.backends.trt import builder, probing
from engines.backends.trt.runtime import TensorRt

NAME = "tensorrt-rtx"


def probe(_device: str) -> Probe:
    """Whether TensorRT-RTX loads here, and whether it can run or only build."""
    return probing.probe(NAME)


def build(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """Write the engine file that `request` asks for; what it holds, in figures."""
    return builder.build(NAME, request, say)


BACKEND = TensorRt
