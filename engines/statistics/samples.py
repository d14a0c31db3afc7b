"""The one check that every latency passes before anything is computed from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def checked(samples_ms: ArrayLike, *, name: str = "samples", allow_empty: bool = False) -> Floats:
    """`samples_ms` as a one-dimensional float64 array of finite latencies >= 0.

    Raises ValueError that says what was found; `name` is what the message calls them.
    """
    samples = np.asarray(samples_ms, dtype=np.float64)
    if samples.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, found shape {samples.shape}")
    if not len(samples):
        if allow_empty:
            return samples
        raise ValueError(f"{name}: expected at least one latency, found none")
    _refuse(samples, ~np.isfinite(samples), "not finite", name)
    _refuse(samples, samples < 0, "negative", name)
    return samples


def _refuse(samples: Floats, bad: NDArray[np.bool_], what: str, name: str) -> None:
    if not bad.any():
        return
    first = int(bad.argmax())
    raise ValueError(
        f"{name}: {int(bad.sum())} of {len(samples)} latencies are {what}, "
        f"the first is {samples[first]:g} at index {first}"
    )
