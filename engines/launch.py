"""How a worker is started: the one place that knows about interpreters, and later containers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from engines import environments

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

# What a worker's environment has where the user has not set it.
DEFAULTS = {
    # Kernels are loaded when they are first launched, not all of a library's at its first call:
    # the default from CUDA 12.2 on, which libraries built for an older one (TensorRT 8.6) ask
    # for. docs.nvidia.com/cuda/cuda-c-programming-guide/#lazy-loading
    "CUDA_MODULE_LOADING": "LAZY",
    # The heap in huge pages, from glibc 2.35 on where the kernel allows it (`madvise`): in small
    # ones, which lie wherever there was room, four processes of one engine differed by 2 to 3 % on
    # a CPU, in these by half a percent (docs/statistics.md, "Are verdicts right?").
    # gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}

# What the app's own interpreter may have been started with and another one must not see.
OWN_INTERPRETERS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def command(environment: str = "") -> list[str]:
    """The command that starts a worker, with native crashes traced to its log.

    The interpreter is this one, or the one that the user configured as `environment`: UsageError
    or FileError where there is none.
    """
    python = environments.interpreter(environment) if environment else sys.executable
    return [python, "-X", "faulthandler", str(WORKER)]


def variables(environment: str = "") -> dict[str, str]:
    """The environment variables of a worker."""
    inherited = dict(os.environ)
    for name in OWN_INTERPRETERS if environment else ():
        inherited.pop(name, None)
    return {**DEFAULTS, **inherited, **SETTINGS}


def own_temporary(folder: Path) -> dict[str, str]:
    """Libraries' temporary files belong in the worker's folder, which goes even after a kill."""
    return {"TMPDIR": str(folder)}


def start(
    folder: Path,
    log: BinaryIO,
    environment: str = "",
    settings: Mapping[str, str] | None = None,
    cpus: str = "",
) -> subprocess.Popen[bytes]:
    """Start a worker that speaks the protocol on its standard input and output.

    `settings` are environment variables that this one worker has beside all others' own. It keeps
    to the processors `cpus`, such as "0-3,8", where any are named.

    Its working folder is `folder`, empty and ours, so that a relative entry of PYTHONPATH means
    nothing of the user's. It leads a session and process group of its own: a Ctrl-C in the
    terminal goes to the app alone, and a signal to the group reaches compilers too.
    """
    return subprocess.Popen(
        [*command(environment), *(("--cpus", cpus) if cpus else ())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=folder,
        env={**variables(environment), **own_temporary(folder), **(settings or {})},
        start_new_session=True,
        bufsize=0,
    )
