"""What the benchmarks share: folders of their own, the installed command, and printing."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSTALLED = Path(sys.executable).with_name("infer-tui")
# Where the project is not installed it runs from its repository.
COMMAND = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-m", "tui.cli"]
SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}


@contextmanager
def own_folders(own: Sequence[str] = ("DATA", "STATE", "CONFIG")) -> Iterator[dict[str, str]]:
    """An environment whose XDG folders `own` are temporary; the cache is the user's and warm.

    It holds the repository on the import path as well, for a command that is not installed.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        yield {f"XDG_{name}_HOME": f"{folder}/{name}" for name in own} | {"PYTHONPATH": path}


def row(name: str, value: str, limit: str = "") -> None:
    """One line of figures, beside the limit it is held to."""
    print(f"  {name:<58} {value:>16}   {limit}", flush=True)


def spread(values: list[float]) -> str:
    """The median and the extremes."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def full_environment(changes: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("SSH_CONNECTION", "SSH_TTY")}
    return {**kept, **changes}
