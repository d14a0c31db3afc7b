"""How a worker is started: the one place that knows about interpreters, and later containers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

WORKER = Path(__file__).resolve().parent / "worker" / "main.py"

# What a worker's environment has beside the user's own.
SETTINGS = {
    # Python 3.11 and newer then never put a folder of the user's on the import path unasked.
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    # Inductor then compiles inside the worker, so that ending its process group ends everything.
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    # ONNX Runtime 1.32 otherwise reports its use over the network, from a thread of its own beside
    # the timed loop.
    "ORT_DISABLE_TELEMETRY": "1",
}


def command() -> list[str]:
    """The command that starts a worker: this interpreter, with native crashes traced to its log."""
    return [sys.executable, "-X", "faulthandler", str(WORKER)]


def start(folder: Path, log: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a worker that speaks the protocol on its standard input and output.

    Its working folder is `folder`, empty and ours, so that a relative entry of PYTHONPATH means
    nothing of the user's. It leads a session and process group of its own: a Ctrl-C in the
    terminal goes to the app alone, and a signal to the group reaches compilers too.
    """
    return subprocess.Popen(
        command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=folder,
        env={**os.environ, **SETTINGS},
        start_new_session=True,
        bufsize=0,
    )
