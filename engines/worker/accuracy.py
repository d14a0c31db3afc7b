"""How far an engine's logits are from the reference's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The smallest cosine that a row may have. An FP32 engine differs by rounding alone; BF16 keeps 8
# significant bits, FP16 11, and both add their rounding up over 53 layers.
TOLERANCE_COSINE = {"fp32": 0.9999, "tf32": 0.999, "fp16": 0.999, "bf16": 0.98, "int8": 0.95}

Logits = NDArray[np.float32]


def evaluate(
    infer_batch: Callable[[int], Logits], reference: Logits, batch: int, precision: str
) -> dict[str, Any]:
    """Compare an engine with `reference`, shape (images, classes), over all of its images.

    `infer_batch(start)` returns the logits of images `start` to `start + batch`, shape
    (batch, classes). The number of images is a multiple of `batch`.
    """
    logits = np.concatenate(
        [infer_batch(start) for start in range(0, len(reference), batch)]
    ).astype(np.float64)
    return compare(logits, reference.astype(np.float64), TOLERANCE_COSINE[precision])


def compare(
    logits: NDArray[np.float64], reference: NDArray[np.float64], tolerance: float
) -> dict[str, Any]:
    """The fields of an AccuracyRecord. Any NaN or infinity is outside every tolerance.

    The cosine is of all images' logits as one vector: an image whose few logits all happen to be
    near zero says nothing by itself.
    """
    finite = np.isfinite(logits)
    known = np.where(finite, logits, 0.0)
    error = np.abs(known - reference)
    similarity = cosine(known.ravel(), reference.ravel())
    bad = int(logits.size - np.count_nonzero(finite))
    agreement = float(np.mean(logits.argmax(axis=1) == reference.argmax(axis=1)))
    return {
        "images": len(reference),
        "max_error": float(error.max()),
        "mean_error": float(error.mean()),
        "cosine": similarity,
        "top1_agreement": agreement,
        "nan_count": bad,
        "tolerance_cosine": tolerance,
        "within_tolerance": bad == 0 and similarity >= tolerance,
    }


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The cosine of two vectors: 1 where both are all zeros, 0 where one of them is."""
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norms == 0.0:
        return float(not a.any() and not b.any())
    return float(np.clip(np.dot(a, b) / norms, -1.0, 1.0))
