"""Deleted profiles: kept with their samples until the trash is emptied.

Each lies in a folder of its own inside the store's, under the names that it had, so that it stays
a whole profile and comes back by being moved. The profile goes in first and comes out last: after
a crash in between it is in the trash, and its samples are where they were or beside it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from engines import files
from engines.errors import FileError
from profiles.index import SUFFIX
from profiles.validation import one_line

FOLDER = ".trash"


class Deleted(NamedTuple):
    """A profile in the trash: its file there, and the folder that it comes back to."""

    path: Path
    home: Path

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)


class Contents(NamedTuple):
    """What the trash held when it was looked at: how many profiles, and their bytes."""

    folders: tuple[Path, ...]
    bytes: int


class Trash:
    """The deleted profiles of the store in `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.folder = home / FOLDER

    def take(self, path: Path, samples: Sequence[Path]) -> Deleted:
        """Move a profile and its samples in; FileError where that is refused, and all is as was."""
        moved: list[Path] = []
        inside: Path | None = None
        try:
            inside = self._new_folder()
            for source in (path, *samples):
                files.move(source, inside / source.name)
                moved.append(source)
        except OSError as error:
            for source in reversed(moved):
                assert inside is not None
                with contextlib.suppress(OSError):
                    files.move(inside / source.name, source)
            if inside is not None:
                with contextlib.suppress(OSError):
                    inside.rmdir()
            raise FileError(
                f"can't delete {one_line(path)}: {error.strerror or error}",
                hint="check who owns the file and its folder",
            ) from error
        return Deleted(inside / path.name, self._home)

    def __len__(self) -> int:
        """How many deletions lie here."""
        return len(self._folders())

    def latest(self) -> Deleted | None:
        """The profile that was deleted last, None where there is none."""
        for folder in reversed(self._folders()):
            with contextlib.suppress(OSError):
                for name in sorted(os.listdir(folder)):
                    if name.endswith(SUFFIX):
                        return Deleted(folder / name, self._home)
        return None

    def restore(self, deleted: Deleted) -> Path:
        """Move a profile and its samples back; returns its file.

        Raises FileError where its name was taken meanwhile or it is gone from the trash.
        """
        inside, back = deleted.path.parent, deleted.home / deleted.path.name
        try:
            if os.path.lexists(back):
                raise FileExistsError
            for name in sorted(os.listdir(inside)):
                if name != deleted.path.name:
                    # Samples are named by what they hold: what has their name is the same.
                    with contextlib.suppress(FileExistsError):
                        files.move(inside / name, deleted.home / name)
            files.move(deleted.path, back)
        except FileExistsError as error:
            raise FileError(
                f"can't bring back {one_line(deleted.name)}: another profile has that name by now",
                hint="rename that one first",
            ) from error
        except OSError as error:
            raise FileError(
                f"can't bring back {one_line(deleted.name)}: {error.strerror or error}",
                hint=f"look for it in {one_line(inside)}",
            ) from error
        # Only what was not moved is left, if anything.
        shutil.rmtree(inside, ignore_errors=True)
        return back

    def contents(self) -> Contents:
        """What emptying the trash would remove."""
        folders = self._folders()
        return Contents(tuple(folders), sum(_bytes_in(folder) for folder in folders))

    def empty(self, contents: Contents) -> None:
        """Remove for good what `contents` names; FileError where some of it could not be."""
        for folder in contents.folders:
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise FileError(
                    f"can't empty {one_line(self.folder)}: {error.strerror or error}",
                    hint="check who owns what is in it",
                ) from error
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _folders(self) -> list[Path]:
        """A folder a deletion, the latest last."""
        try:
            names = sorted(os.listdir(self.folder))
        except OSError:
            return []
        return [self.folder / name for name in names]

    def _new_folder(self) -> Path:
        while True:
            # Names sort by time; another process may have taken this microsecond.
            inside = self.folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}"
            try:
                inside.mkdir(parents=True)
            except FileExistsError:
                if not self.folder.is_dir():
                    raise
                continue
            return inside


def _bytes_in(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total
