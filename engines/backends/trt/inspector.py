"""What an engine is made of, by TensorRT's inspector: which precision each layer runs in.

What it writes differs: 8.6 gives a tensor's type in prose ("Channel major FP16 format where
channel % 8 == 0"), 10 in a word under "Format/Datatype", 11 under "DataType". Under a dynamic batch
it may give none at all ("N/A due to dynamic shapes"), so weights and kernel names are asked too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

UNKNOWN = "UNKNOWN"
# TensorRT's words for a type, and ours.
TYPES = {
    "bfloat16": "BF16", "bf16": "BF16", "half": "FP16", "fp16": "FP16", "float16": "FP16",
    "float": "FP32", "fp32": "FP32", "float32": "FP32", "int8": "INT8", "fp8": "FP8",
    "int4": "INT4", "fp4": "FP4", "int32": "INT32", "int64": "INT64",
    "bool": "BOOL", "uint8": "UINT8",
}  # fmt: skip
WORDS = re.compile(r"\b(" + "|".join(sorted(TYPES, key=len, reverse=True)) + r")\b", re.IGNORECASE)
# Kernel names give the types of their operands: "sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_...".
KERNEL = re.compile(r"_(bf16|f16|f32|i8|e4m3)(?:bf16|f16|f32|i8|e4m3)_")
OPERANDS = {"bf16": "BF16", "f16": "FP16", "f32": "FP32", "i8": "INT8", "e4m3": "FP8"}
# Narrowest first: a layer that reads INT8 and writes FP32 computes in INT8.
WIDTHS = ("FP4", "INT4", "FP8", "INT8", "BF16", "FP16", "FP32")
# These move or convert data; they are no layers of the model.
MOVERS = ("reformat", "noop", "constant", "signal", "wait", "cast")
# A layer of the second optimisation profile and those after it ends so; the first has no mark.
OTHER_PROFILE = re.compile(r"\[profile [1-9]\d*\]$", re.IGNORECASE)
WANTED = {"fp16": "FP16", "bf16": "BF16", "int8": "INT8"}


def layers_of(text: str) -> list[dict[str, Any]]:
    """The layers in the inspector's JSON; empty where it holds no more than their names."""
    try:
        # 8.6 parts the names of fused layers by a raw control character, which strict JSON forbids.
        found = json.loads(text, strict=False).get("Layers", [])
    except (ValueError, AttributeError):
        return []
    return [one for one in found if isinstance(one, dict)]


def count(layers: list[dict[str, Any]]) -> dict[str, int]:
    """How many of the model's layers run in each precision, in the first optimisation profile."""
    counted = Counter(
        precision_of(one)
        for one in layers
        if str(one.get("LayerType", "")).lower() not in MOVERS
        and not OTHER_PROFILE.search(str(one.get("Name", "")))
    )
    return dict(counted.most_common())


def precision_of(layer: dict[str, Any]) -> str:
    """The precision that `layer` computes in, UNKNOWN where nothing tells.

    Its weights' type says so; else the narrowest type that it reads or writes; else its kernel's
    name. TF32 is a kernel's own way of reading FP32, so only the name can tell it.
    """
    weights = layer.get("Weights")
    kernel = str(layer.get("TacticName", ""))
    found = _type_in(str(weights.get("Type", ""))) if isinstance(weights, dict) else ""
    found = found or _narrowest(layer) or _operand(kernel) or UNKNOWN
    return "TF32" if found == "FP32" and "tf32" in kernel else found


def _narrowest(layer: dict[str, Any]) -> str:
    tensors = [*layer.get("Inputs", []), *layer.get("Outputs", [])]
    types = {_tensor_type(one) for one in tensors if isinstance(one, dict)}
    return next((one for one in WIDTHS if one in types), "")


def _tensor_type(tensor: dict[str, Any]) -> str:
    for key in ("DataType", "Format/Datatype", "Format/DataType", "Datatype", "Format"):
        if found := _type_in(str(tensor.get(key, ""))):
            return found
    return ""


def _type_in(words: str) -> str:
    found = WORDS.search(words)
    return TYPES[found[1].lower()] if found else ""


def _operand(kernel: str) -> str:
    found = KERNEL.search(kernel)
    return OPERANDS[found[1]] if found else ""


def missing(precision: str, counted: dict[str, int]) -> bool:
    """Whether an engine asked for in `precision` came out without a layer in it.

    Where most layers are unknown nothing is claimed.
    """
    known = sum(counted.values()) - counted.get(UNKNOWN, 0)
    wanted = WANTED.get(precision)
    return bool(wanted and wanted not in counted and known > counted.get(UNKNOWN, 0))


def described(counted: dict[str, int]) -> str:
    """The counts in words, such as "40 FP16, 3 FP32"."""
    return ", ".join(f"{number} {name}" for name, number in counted.items())
