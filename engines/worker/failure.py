"""Says in one line what an exception of a framework means, and what to do about it."""

from __future__ import annotations

import errno
import re
from typing import TypedDict


class Failure(TypedDict):
    """The fields of a `failed` event."""

    kind: str
    message: str
    hint: str


class WorkerError(Exception):
    """A failure whose words are already meant for the user."""

    def __init__(self, message: str, hint: str = "", kind: str = "error") -> None:
        super().__init__(message)
        self.hint = hint
        self.kind = kind


MEMORY = re.compile(
    r"can't allocate memory|out of memory|std::bad_alloc|Unable to allocate|Failed to allocate",
    re.IGNORECASE,
)
COMPILER = re.compile(
    r"InvalidCxxCompiler|No working C\+\+ compiler|Failed to find C compiler|CppCompileError"
)
REFUSED_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
NO_MODULE = re.compile(r"No module named '?([\w.]+)")


def explain(error: BaseException) -> Failure:
    """The failure that `error` is, in one line."""
    text = first_line(error)
    if isinstance(error, WorkerError):
        return Failure(kind=error.kind, message=text, hint=error.hint)
    whole = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or MEMORY.search(whole):
        return Failure(
            kind="out-of-memory",
            message=f"out of memory: {text}",
            hint="choose a smaller batch",
        )
    if (full := _refused_write(error)) is not None:
        return Failure(
            kind="file",
            message=f"can't write in the cache: {full.strerror}",
            hint="free some space, or set XDG_CACHE_HOME to another folder",
        )
    if COMPILER.search(whole):
        return Failure(
            kind="no-compiler",
            message="torch.compile found no working C++ compiler, or no headers of Python",
            hint="apt install g++ python3-dev; the compiler's own words are in the log",
        )
    if isinstance(error, ModuleNotFoundError) and (missing := NO_MODULE.search(whole)):
        return Failure(
            kind="missing-module",
            message=f"the Python package {missing[1]} is not installed in this interpreter",
            hint=f"python -m pip install {missing[1]}",
        )
    # Our own checks raise ValueError with words meant for the user; a framework's class says more.
    named = text if type(error) is ValueError else f"{type(error).__name__}: {text}"
    return Failure(kind="error", message=named, hint="")


def _refused_write(error: BaseException | None) -> OSError | None:
    """The full or read-only file system behind `error`, None where that is not its cause."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in REFUSED_WRITES:
            return error
        error = error.__cause__ or error.__context__
    return None


def first_line(error: BaseException) -> str:
    """The first line of the error's text that says something, cut to a screen's width or so."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next((line for line in lines if line), type(error).__name__)
    return line if len(line) <= 300 else line[:297] + "..."
