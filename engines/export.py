"""PyTorch to ONNX. Runs in a worker; imports torch and onnx inside."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.opset import OPSET
from engines.worker.accuracy import TOLERANCE_COSINE
from engines.worker.failure import WorkerError
from engines.worker.processors import few_cores

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

INPUT = "input"
OUTPUT = "logits"
# What ONNX calls the type that the weights of a file of each precision have.
WEIGHT_TYPES = {"fp32": "FLOAT", "fp16": "FLOAT16", "bf16": "BFLOAT16", "int8": "INT8"}
# Enough images for a cosine that tells a wrong file from a right one, in a fraction of a second.
COMPARED_IMAGES = 8


def export_onnx(request: dict[str, Any]) -> dict[str, Any]:
    """Write the FP32 model to `request["path"]` with a dynamic batch, and check the file.

    The input is float32 (batch, 3, size, size), the output float32 (batch, classes). The result is
    what `inspect` says, the `versions` of what made the file and, where ONNX Runtime is installed,
    the `cosine` of the file's logits to PyTorch's.
    """
    import onnx
    import torch

    from engines.worker.model import build

    model = build(request["model"], request["weights"]).eval()
    write(model, request["model"]["input_size"], request["path"])
    result = inspect(request["path"], "fp32")
    versions = {"torch": str(torch.__version__), "onnx": str(onnx.__version__)}
    try:
        import onnxruntime
    except ImportError:
        # Exporting does not need it, only comparing does: TensorRT may be all that is wanted.
        return {**result, "versions": versions}
    versions["onnxruntime"] = str(onnxruntime.__version__)
    found, expected = cosine_to(model, request), TOLERANCE_COSINE["fp32"]
    if found < expected:
        # Every other file is made from this one. What a lower precision costs is judged in its row.
        raise WorkerError(
            f"the exported file is not the model: cosine {found:.5f}, expected {expected} or more",
            "install another torch: this one's exporter changes the network",
            kind="precision",
        )
    return {**result, "cosine": found, "versions": versions}


def write(model: torch.nn.Module, size: int, path: str) -> None:
    """Export `model`, which takes float32 (batch, 3, size, size), to the file `path`.

    The exporter is the one built on TorchScript: the newer one writes opset 18 where 17 is asked
    for, and leaves FP32 kernels in a BF16 model.
    """
    import torch

    with warnings.catch_warnings(), torch.inference_mode():
        # It announces its successor at every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, size, size),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )


def cosine_to(model: torch.nn.Module, request: dict[str, Any]) -> float:
    """The cosine of the logits of the file `request["path"]`, on the CPU, to those of `model`.

    A value that is not finite counts as 0, as in an accuracy check.
    """
    import onnxruntime as ort
    import torch

    from engines.worker.accuracy import cosine
    from engines.worker.inputs import images

    size = request["model"]["input_size"]
    batch = images(request.get("input_seed", 0), 0, COMPARED_IMAGES, size)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(batch)).numpy().astype(np.float64)
    options = ort.SessionOptions()
    options.intra_op_num_threads = few_cores()
    session = ort.InferenceSession(request["path"], options, providers=["CPUExecutionProvider"])
    found: NDArray[np.float64] = session.run([OUTPUT], {INPUT: batch})[0].astype(np.float64)
    return cosine(np.where(np.isfinite(found), found, 0.0).ravel(), wanted.ravel())


def inspect(path: str, precision: str) -> dict[str, Any]:
    """Check that the file is what engines expect of a file of `precision`; its figures.

    `tensor_types` counts the convolutions by the type of their weights, such as {"FLOAT16": 52},
    and `qdq_pairs` the tensors that are quantised and dequantised again. WorkerError of kind
    "precision" where the file is not of `precision` throughout.
    """
    import onnx

    model = onnx.load(path)
    # The standard gave convolutions BF16 in opset 22, and its type inference refuses them before;
    # TensorRT 10 and newer read them in any opset.
    onnx.checker.check_model(model, full_check=precision != "bf16")
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset != OPSET:
        raise WorkerError(
            f"the exporter wrote opset {opset}, expected {OPSET}",
            "install a torch whose torch.onnx.export has dynamo=False",
        )
    _check_ends(model.graph)
    tensor_types = Counter(_weight_types(model.graph))
    expected = WEIGHT_TYPES[precision]
    if set(tensor_types) != {expected}:
        raise WorkerError(
            f"the weights of the {precision} file are {dict(tensor_types)}, expected {expected}",
            "remove the file from the cache; please report it if it comes back",
            kind="precision",
        )
    operators = Counter(node.op_type for node in model.graph.node)
    return {
        "opset": opset,
        "nodes": len(model.graph.node),
        "ir_version": model.ir_version,
        "tensor_types": dict(tensor_types),
        "qdq_pairs": min(operators["QuantizeLinear"], operators["DequantizeLinear"]),
    }


def _check_ends(graph: Any) -> None:
    """Every file takes and gives float32 with a free batch size, whatever is between."""
    import onnx

    for ends, name in ((graph.input, INPUT), (graph.output, OUTPUT)):
        tensor = ends[0].type.tensor_type
        found = onnx.TensorProto.DataType.Name(tensor.elem_type)
        if len(ends) != 1 or ends[0].name != name or found != "FLOAT":
            raise WorkerError(
                f"the file's {', '.join(f'{one.name!r}' for one in ends)} is {found},"
                f" expected one tensor {name!r} of FLOAT",
                kind="precision",
            )
        if not tensor.shape.dim[0].dim_param:
            raise WorkerError(f"the batch size of {name!r} is fixed, expected a dynamic one")


def _weight_types(graph: Any) -> list[str]:
    """The type that each convolution's weights are computed with; quantised ones count as such."""
    import onnx

    types = {one.name: one.data_type for one in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Constant":
            types.update(
                (node.output[0], one.t.data_type) for one in node.attribute if one.name == "value"
            )
    found = []
    for node in graph.node:
        if node.op_type == "Conv":
            weight = node.input[1]
            source = producers.get(weight)
            if source is not None and source.op_type == "DequantizeLinear":
                weight = source.input[2]  # its zero point has the quantised type
            found.append(onnx.TensorProto.DataType.Name(types.get(weight, 0)))
    return found
