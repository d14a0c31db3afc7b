"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing, and move it to ``path`` when the block succeeds.

    A reader of ``path`` sees the old file or the new one, never a part. If the block fails, the
    old file stays and nothing is left behind. A symbolic link keeps pointing where it points.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def describe_os_error(error: OSError) -> str:
    """Return the reason of ``error`` without its number and path, e.g. 'permission denied'."""
    return (error.strerror or str(error)).lower()
