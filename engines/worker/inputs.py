"""The inputs that every engine gets: the same numbers in every process, on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANNELS = 3
# As a profile states it: zeros would draw less power and hide overflow.
KIND = "standard normal numbers"


def images(seed: int, start: int, count: int, size: int) -> NDArray[np.float32]:
    """Images `start` to `start + count` of the endless seeded set, shape (count, 3, size, size).

    Values are standard normal, as a normalised photograph's are. Each image has a generator of
    its own, so image 5 is the same whatever batch it comes in. Real numbers, not zeros: zeros draw
    less power and hide overflow.
    """
    batch = np.empty((count, CHANNELS, size, size), dtype=np.float32)
    for offset in range(count):
        generator = np.random.default_rng([seed, start + offset])
        batch[offset] = generator.standard_normal((CHANNELS, size, size), dtype=np.float32)
    return batch
