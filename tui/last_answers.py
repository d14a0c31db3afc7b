"""What each interpreter answered at the last start, to be shown until it has answered again.

An answer takes seconds: frameworks are imported for it. What is remembered is never run by; where
the interpreter is another one by now, or something was installed in it, it is forgotten.
"""

from __future__ import annotations

import contextlib
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from engines import environments, files, paths
from engines.errors import InferTuiError
from engines.plan import Device, Record
from engines.registry import Availability

FILE = "engines-last-time.json"
# A row a device and environment: some kilobytes.
LARGEST_BYTES = 1 << 18


class Answer(Record, frozen=True, kw_only=True):
    """One answer, and which interpreter gave it."""

    engine: str
    device: Device
    ready: bool
    environment: str = ""
    interpreter: str = ""


def read() -> tuple[Answer, ...]:
    """The answers that still hold for the interpreters that are here; none where they are lost."""
    try:
        with (paths.state_folder() / FILE).open("rb") as stream:
            found = msgspec.json.decode(stream.read(LARGEST_BYTES), type=tuple[Answer, ...])
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError, InferTuiError):
        return ()
    here = _interpreters()
    return tuple(one for one in found if here.get(one.environment) == one.interpreter)


def write(answers: Iterable[Availability]) -> None:
    """Keep `answers` for the next start. Loss of them is no harm."""
    here = _interpreters()
    kept = [
        Answer(
            engine=one.engine,
            device=one.device,
            ready=one.ready,
            environment=one.environment,
            interpreter=here[one.environment],
        )
        for one in answers
        if one.environment in here
    ]
    with contextlib.suppress(OSError, InferTuiError):
        folder = paths.ready(paths.state_folder())
        files.replace(folder / FILE, msgspec.json.encode(kept), durable=False)


def _interpreters() -> Mapping[str, str]:
    """What tells each environment's interpreter from another: its path, and for the app's own when
    something was last installed in it."""
    installed = 0
    with contextlib.suppress(OSError):
        installed = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns
    named: Mapping[str, str] = {}
    with contextlib.suppress(InferTuiError):
        named = environments.load()
    return {**named, "": f"{sys.executable} {installed}"}
