"""Puts a file in place whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from engines.errors import FileError


def replace(target: Path, data: bytes, *, overwrite: bool = True, durable: bool = True) -> None:
    """Write `data` to `target` in one step that a crash or a full disk can't leave half done.

    Raises OSError as the system gives it, FileExistsError where `target` exists and `overwrite` is
    false; no temporary file is left. Only a `durable` file is sure to outlast a power failure.
    """
    with _temporary(target.parent) as temporary:
        # Not tempfile: its files are private, and a profile is for sharing as the umask allows.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if overwrite or not _linked(temporary, target):
            os.replace(temporary, target)
    if durable:
        _sync_folder(target.parent)


def move(source: Path, target: Path) -> None:
    """Give `source` the name `target` in the same file system, never in the place of another.

    Raises OSError as the system gives it, FileExistsError where `target` exists. A crash can leave
    a file under both names, never under none.
    """
    if not _linked(source, target):
        # A folder, or a file system without links.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        os.rename(source, target)
        return
    try:
        source.unlink()
    except OSError:
        remove(target)
        raise


def duplicate(source: Path, target: Path) -> None:
    """Have what is in `source` under the name `target` too: by a link, or by a copy.

    Raises OSError as the system gives it, FileExistsError where `target` exists.
    """
    if _linked(source, target):
        return
    with _temporary(target.parent) as temporary:
        shutil.copyfile(source, temporary)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        move(temporary, target)
    _sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove `path` if it is there and may be removed; what is left over does no harm."""
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    temporary = folder / f".infer-tui-{secrets.token_hex(8)}.tmp"
    try:
        yield temporary
    finally:
        remove(temporary)


def _linked(source: Path, target: Path) -> bool:
    """Whether `target` came to be by a link, which fails where that name is taken."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        return False  # a file system without links
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name itself outlast a power failure, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def of_user(name: str) -> Path:
    """The path that a user wrote, its `~` expanded; FileError where that names nobody."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise FileError(f"{name}: there is no such user", hint="write the whole path") from error


def check_readable(name: str, what: str, expected: str) -> Path:
    """The path of the file `name` that a user gave; FileError where it can't be read.

    `what` is what it is for, `expected` what it should be, in words.
    """
    path = of_user(name)
    try:
        # Before it is opened: opening a pipe can wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileError(
            f"can't read the {what} file {name}: {reason or error}", hint=f"expected {expected}"
        ) from error
