"""The kept kernel timings of earlier builds: a hint for the builder, never a reason to fail."""

from __future__ import annotations

import fcntl
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.backends.trt.versions import attach_timing_cache
from engines.files import replace

# The file is this line, the SHA-256 of the rest, and TensorRT's own bytes: a damaged file is known
# before TensorRT reads it.
HEADER = b"infer-tui timing cache 1\n"
DIGEST_SIZE = hashlib.sha256().digest_size


class TimingCache:
    """The timing cache at `path`; empty for none. `state` is cold, warm, off or unsupported."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self.state = "off"

    def attach(self, config: Any) -> None:
        """Let `config` start from what is kept, or from nothing where that does not fit."""
        if self._path is None:
            return
        data = self._read()
        answer = attach_timing_cache(config, data)
        if answer == "refused" and data:
            _warn(f"{self._path.name} is of another TensorRT or GPU: starting a new one")
            data, answer = b"", attach_timing_cache(config, b"")
        self.state = answer if answer == "unsupported" else "warm" if data else "cold"
        if answer == "refused":
            self.state = "off"

    def save(self, config: Any) -> None:
        """Add what the build of `config` has timed to the file, and what others wrote meanwhile."""
        if self._path is None or self.state not in ("cold", "warm"):
            return
        try:
            with _locked(self._path):
                cache = config.get_timing_cache()
                if there := self._read():
                    other = config.create_timing_cache(there)
                    if other is not None:
                        cache.combine(other, False)
                replace(self._path, pack(bytes(cache.serialize())))
        except (OSError, AttributeError, TypeError, RuntimeError) as error:
            _warn(f"{self._path.name} is not kept: {error}")

    def _read(self) -> bytes:
        assert self._path is not None
        try:
            return unpack(self._path.read_bytes())
        except FileNotFoundError:
            return b""
        except (OSError, ValueError) as error:
            _warn(f"{self._path.name} is ignored: {error}")
            return b""


def pack(data: bytes) -> bytes:
    """The file that holds the cache `data`."""
    return HEADER + hashlib.sha256(data).digest() + data


def unpack(file: bytes) -> bytes:
    """The cache in `file`; ValueError where it is not whole."""
    start = len(HEADER) + DIGEST_SIZE
    if (
        file[: len(HEADER)] != HEADER
        or hashlib.sha256(file[start:]).digest() != file[len(HEADER) : start]
    ):
        raise ValueError("it is damaged")
    return file[start:]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`; the kernel lets it go when its holder dies."""
    with open(path.with_name(path.name + ".lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _warn(text: str) -> None:
    sys.stderr.write(f"[W] timing cache: {text}\n")
