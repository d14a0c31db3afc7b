"""PyTorch to ONNX. Runs in a worker; imports torch and onnx inside."""

from __future__ import annotations

import warnings
from typing import Any

from engines.opset import OPSET
from engines.worker.failure import WorkerError

INPUT = "input"
OUTPUT = "logits"


def export_onnx(request: dict[str, Any]) -> dict[str, Any]:
    """Write the FP32 model to `request["path"]` with a dynamic batch, and check the file.

    The input is float32 (batch, 3, size, size), the output float32 (batch, classes). The exporter
    is the one built on TorchScript: the newer one writes opset 18 where 17 is asked for.
    """
    import torch

    from engines.worker.model import build

    model = build(request["model"], request["weights"]).eval()
    size = request["model"]["input_size"]
    with warnings.catch_warnings(), torch.inference_mode():
        # It announces its successor at every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, size, size),),
            request["path"],
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    return {**inspect(request["path"]), "versions": {"torch": torch.__version__}}


def inspect(path: str) -> dict[str, Any]:
    """Check the file with ONNX's own checker and assert its opset; what it holds, in figures."""
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset != OPSET:
        raise WorkerError(
            f"the exporter wrote opset {opset}, expected {OPSET}",
            "install a torch whose torch.onnx.export has dynamo=False",
        )
    return {"opset": opset, "nodes": len(model.graph.node), "ir_version": model.ir_version}
