"""The inputs that every engine gets: the same numbers in every process, on every machine; and the
images of the user's own that INT8 scales are taken from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.worker.failure import WorkerError

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


def read_calibration(path: str, size: int) -> NDArray[np.float32]:
    """The user's calibration images, shape (n, 3, size, size), mapped rather than read whole."""
    expected = f"expected a .npy file of float32 with the shape (n, 3, {size}, {size})"
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise WorkerError(
            f"can't read {path}: {error.strerror or error}", expected, kind="file"
        ) from error
    except (ValueError, EOFError) as error:
        raise WorkerError(f"{path} is no array: {error}", expected, kind="file") from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise WorkerError(f"{path} holds several arrays", expected, kind="usage")
    if found.dtype != np.float32:
        raise WorkerError(f"{path} holds {found.dtype}", expected, kind="usage")
    if found.ndim != 4 or found.shape[1:] != (CHANNELS, size, size):
        raise WorkerError(f"{path} has the shape {found.shape}", expected, kind="usage")
    if len(found) == 0:
        raise WorkerError(f"{path} holds no image", expected, kind="usage")
    return found
