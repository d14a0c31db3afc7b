"""Whose turn it is on a GPU that several test processes use at once.

A test has its GPU to itself unless it is marked `shares_gpu`: one that measures is disturbed by
another, one that fills the memory disturbs it. Most of a test is starting and loading, so those
that may share are run several at a time.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def turn(*, alone: bool, folder: Path | None = None) -> Iterator[None]:
    """Wait until this process may use the GPUs it sees, with others or `alone`.

    In order of arrival: who waits to be alone holds the door, or those who share, one after the
    other, would never leave the GPU to it.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"infer-tui-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    name = os.environ.get(VISIBLE, "all").replace(os.sep, "_") or "none"
    with open(folder / f"{name}.door", "w") as door, open(folder / f"{name}.gpu", "w") as gpu:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(gpu, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
