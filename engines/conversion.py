"""The FP32 model in another precision, as ONNX. Runs in a worker with torch, onnx, onnxruntime.

One file a precision, all of one opset, with float32 input and output: the casts are in the graph,
so that every engine is fed and read alike and their latencies can be compared.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.export import INPUT, cosine_to, inspect, write
from engines.worker import inputs
from engines.worker.failure import WorkerError

# Far beyond the images that accuracy is checked on: INT8 is not judged on what it has seen.
CALIBRATION_START = 1_000_000
# Measured on the built-in weights: INT8's cosine to FP32 is 0.979, 0.977 and 0.977 with the ranges
# of 8, 32 and 128 images, so more of them buy nothing.
CALIBRATION_IMAGES = 32
CALIBRATION_BATCH = 8
QUANTISED = ("Conv", "Gemm", "MatMul", "Add")
INSTALL = "python -m pip install --upgrade onnxruntime onnx"


def convert_onnx(request: dict[str, Any]) -> dict[str, Any]:
    """Write the model in `request["precision"]` to `request["path"]`, and check the file.

    `request["source"]` is the FP32 ONNX file; BF16 is made from `model` and `weights` instead. The
    result is what `inspect` says, the `versions` of what made the file and, but for BF16, which
    ONNX Runtime's CPU has no kernels for, the `cosine` of its logits to the FP32 model's.
    """
    import onnx
    import torch

    from engines.worker.model import build

    precision = request["precision"]
    model = build(request["model"], request["weights"]).eval()
    versions = {"onnx": str(onnx.__version__)}
    if precision == "bf16":
        _write_bf16(model, request)
        return {
            **inspect(request["path"], precision),
            "versions": {**versions, "torch": str(torch.__version__)},
        }
    import onnxruntime

    CONVERTERS[precision](request)
    result = inspect(request["path"], precision)
    if precision == "int8":
        _check_quantisation(request["path"])
    return {
        **result,
        "cosine": cosine_to(model, request),
        "versions": {**versions, "onnxruntime": str(onnxruntime.__version__)},
    }


def _write_bf16(model: Any, request: dict[str, Any]) -> None:
    """Export a BF16 copy of the FP32 `model` that casts its input and its logits."""
    import copy

    import torch

    class Cast(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = copy.deepcopy(model).bfloat16()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(images.bfloat16())
            return logits.float()

    write(Cast().eval(), request["model"]["input_size"], request["path"])


def _write_fp16(request: dict[str, Any]) -> None:
    """Cast the FP32 file: its batch normalisations were folded in FP32, which keeps more bits."""
    import onnx

    try:
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise _without("onnxruntime.transformers.float16", error) from error
    converted = convert_float_to_float16(onnx.load(request["source"]), keep_io_types=True)
    _sort(converted.graph)
    onnx.save(converted, request["path"])


def _sort(graph: Any) -> None:
    """Put every node behind what it reads, as ONNX asks: the converter appends its casts."""
    known = {"", *(one.name for one in graph.input), *(one.name for one in graph.initializer)}
    ordered: list[Any] = []
    waiting = list(graph.node)
    while waiting:
        left = []
        for node in waiting:
            if known.issuperset(node.input):
                ordered.append(node)
                known.update(node.output)
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise WorkerError(f"nothing gives {left[0].name} its inputs {list(left[0].input)}")
        waiting = left
    del graph.node[:]
    graph.node.extend(ordered)


def _write_int8(request: dict[str, Any]) -> None:
    """Quantise the FP32 file with ranges seen on the calibration images.

    TensorRT's parsers dictate the settings. They refuse an INT32 bias and a zero point other than
    0, and they expect a pair of QuantizeLinear and DequantizeLinear at every input and weight but
    none behind the operator, where it would come between a convolution and its activation.
    """
    try:
        from onnxruntime.quantization import (
            CalibrationDataReader,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise _without("onnxruntime.quantization", error) from error

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, batches: Iterator[NDArray[np.float32]]) -> None:
            self._batches = batches

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch}

    reader = Reader(calibration_batches(request))
    with tempfile.TemporaryDirectory() as folder:
        prepared = os.path.join(folder, "prepared.onnx")
        quant_pre_process(request["source"], prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            request["path"],
            reader,
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(QUANTISED),
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "AddQDQPairToWeight": True,
                "OpTypesToExcludeOutputQuantization": list(QUANTISED),
            },
        )


CONVERTERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "fp16": _write_fp16,
    "int8": _write_int8,
}


def _without(module: str, error: ImportError) -> WorkerError:
    missing = error.name or ""
    if missing.startswith("onnxruntime"):
        return WorkerError(f"this onnxruntime has no {module}", INSTALL, kind="missing-module")
    return WorkerError(
        f"{module} needs the Python package {missing}, which is not installed",
        f"python -m pip install {missing}",
        kind="missing-module",
    )


def calibration_batches(request: dict[str, Any]) -> Iterator[NDArray[np.float32]]:
    """Batches of (up to 8, 3, size, size): of the user's file, or else of the seeded images."""
    size = request["model"]["input_size"]
    path = request["model"].get("calibration") or ""
    if not path:
        seed, end = request["input_seed"], CALIBRATION_START + CALIBRATION_IMAGES
        starts = range(CALIBRATION_START, end, CALIBRATION_BATCH)
        return (inputs.images(seed, start, CALIBRATION_BATCH, size) for start in starts)
    batches = list(_batches_of(inputs.read_calibration(path, size)))
    # All are looked at before any is used: minutes into a calibration is too late to complain.
    for number, batch in enumerate(batches):
        if not np.isfinite(batch).all():
            first = number * CALIBRATION_BATCH
            raise WorkerError(
                f"{path}: a value among images {first} to {first + len(batch) - 1} is not finite",
                "leave out NaN and infinity, which have no place in a range",
                kind="usage",
            )
    return iter(batches)


def _batches_of(images: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(images), CALIBRATION_BATCH):
        yield images[start : start + CALIBRATION_BATCH]


def _check_quantisation(path: str) -> None:
    """Assert what TensorRT's parsers ask of a quantised file; WorkerError of kind "precision"."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    known = {one.name: one for one in graph.initializer}
    for node in graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise WorkerError(
                f"the int8 file has {node.domain}.{node.op_type}, expected ONNX's own operators",
                kind="precision",
            )
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = numpy_helper.to_array(known[node.input[2]])
            if zero.dtype != np.int8 or zero.any():
                raise WorkerError(
                    f"{node.name} of the int8 file has a zero point of {zero.dtype} that is"
                    f" {'not ' if zero.any() else ''}0, expected int8 and 0",
                    kind="precision",
                )
