"""Series for the tests of statistics."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np


def autoregression(rng: np.random.Generator, n: int, r: float) -> np.ndarray:
    """Standard normal values of which each keeps the share `r` of the one before."""
    noise = rng.standard_normal(n) * math.sqrt(1 - r * r)
    noise[0] /= math.sqrt(1 - r * r)
    return np.fromiter(accumulate(noise.tolist(), lambda old, new: r * old + new), float, n)
