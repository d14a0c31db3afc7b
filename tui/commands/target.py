"""The file that a command is told to write: refused before any work, where that would lose one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from engines import files
from engines.errors import FileError, UsageError

# Enough of a file to know by what it begins with who wrote it.
BEGINNING = 1024


def check_target(name: str, what: str, is_one: Callable[[Path], bool], *, overwrite: bool) -> Path:
    """The path `name` of a file to be written, which is `what` in words, such as "a profile".

    Raises UsageError or FileError where it can't be written, and where there is a file: without
    `overwrite` any, with it one that is not `what` by `is_one`. An empty file has nothing to lose.
    """
    if name == "-":
        raise UsageError(
            f"'-' names no file: {what} is not written to standard output",
            hint="name a file, or ./- for one that is called so",
        )
    path = files.of_user(name).absolute()
    if not path.parent.is_dir():
        raise FileError(f"can't save in {path.parent}: no such folder", hint="make it first")
    if path.exists():
        _check_existing(path, what, is_one, overwrite=overwrite)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise FileError(
            f"can't save in {path.parent}: {error.strerror or error}", hint="choose another folder"
        ) from error
    return path


def begins_with(*marks: bytes) -> Callable[[Path], bool]:
    """Whether a file's beginning holds all `marks`."""

    def holds(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                beginning = file.read(BEGINNING)
        except OSError:
            return False
        return all(mark in beginning for mark in marks)

    return holds


def _check_existing(
    path: Path, what: str, is_one: Callable[[Path], bool], *, overwrite: bool
) -> None:
    if not path.is_file():
        raise FileError(f"can't save {path}: it is not a file", hint="choose another name")
    may_go = path.stat().st_size == 0 or is_one(path)
    if may_go and not overwrite:
        raise FileError(
            f"can't save {path}: the file exists",
            hint="choose another name, or add --overwrite to replace it",
        )
    if not may_go:
        raise FileError(
            f"can't save {path}: the file exists and is not {what} that infer-tui wrote",
            hint="choose another name",
        )
