"""The folder of saved profiles: lists, opens, names, renames and deletes them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engines import files, paths
from engines.errors import FileError, UsageError
from engines.plan import Record, RunPlan
from profiles.reading import did_you_mean, read_profile
from profiles.schema import Ending, Profile
from profiles.validation import one_line
from profiles.writing import SUFFIX, read_samples, sidecars, write_profile

if TYPE_CHECKING:
    from profiles.samples import RawSamples

INDEX = ".index.json"
# Raised whenever an `Entry` says something else than before about the same file.
INDEX_VERSION = 1
LONGEST_NAME_PART = 40

# When the file was changed (ns), its size (bytes) and its inode: a replaced file differs in one.
Stamp = tuple[int, int, int]


class Entry(Record, frozen=True, kw_only=True):
    """One file of the store. `problem` says in one line why it can't be read, empty if it can.

    `started` of an unreadable one is when the file was changed. `engines` are the labels of the
    results; `fastest` is the one with the least p50, in milliseconds, for one request.
    """

    folder: str
    name: str
    started: datetime
    problem: str = ""
    title: str = ""
    model: str = ""
    machine: str = ""
    ending: Ending | None = None
    seconds: float | None = None
    engines: tuple[str, ...] = ()
    fastest: str = ""
    fastest_p50_ms: float | None = None
    bytes: int = 0

    @property
    def path(self) -> Path:
        return Path(self.folder, self.name + SUFFIX)


class Stored(NamedTuple):
    """A profile and the file it is in."""

    path: Path
    profile: Profile


class _Index(msgspec.Struct):
    """What the store knew of each file, and by which stamp it can tell that it still holds."""

    version: int
    folder: str
    entries: dict[str, tuple[Stamp, Entry]]


class Store:
    """The profiles in `folder`, by default the user's own. The folder may not exist yet."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.data_folder() / "profiles"

    def list(self) -> tuple[Entry, ...]:
        """Every profile, the newest first; unreadable files too, with their reason.

        Files that have not changed since the last time are not read again.
        """
        known = self._read_index()
        now = {name: self._entry(name, stamp, known) for name, stamp in self._files()}
        readable = {name: pair for name, pair in now.items() if not pair[1].problem}
        if readable != known:
            self._write_index(readable)
        newest_first = sorted(
            (entry for _, entry in now.values()),
            key=lambda entry: (entry.started, entry.name),
            reverse=True,
        )
        return tuple(newest_first)

    def open(self, name: Path | str) -> Stored:
        """The profile that `name` means: a file's path, a stored name or the only one it begins.

        Raises FileError where there is none (with the nearest name), several, or it is unreadable.
        """
        path = self.find(name)
        return Stored(path, read_profile(path))

    def find(self, name: Path | str) -> Path:
        """The file that `open` would read."""
        given = Path(name)
        if given.is_file() or len(given.parts) != 1:
            return given
        stem = str(name).removesuffix(SUFFIX)
        stored = [file.removesuffix(SUFFIX) for file, _ in self._files()]
        if stem in stored:
            return self.folder / (stem + SUFFIX)
        begun = sorted(one for one in stored if one.startswith(stem)) if stem else []
        if len(begun) == 1:
            return self.folder / (begun[0] + SUFFIX)
        shown = one_line(name)
        if begun:
            raise FileError(
                f"'{shown}' begins the names of {len(begun)} profiles",
                hint=f"add more of it, as in '{begun[-1]}'",
            )
        if given.exists():
            return given
        raise FileError(
            f"there is no profile '{shown}', neither here nor in {one_line(self.folder)}",
            hint=did_you_mean(stem, stored),
        )

    def new_path(self, subject: Profile | RunPlan) -> Path:
        """A name for a new file that sorts by time, says what it is of, and is not taken now."""
        if isinstance(subject, Profile):
            started, plan = subject.run.started, subject.plan
        else:
            started, plan = datetime.now(UTC), subject
        words = [f"{started.astimezone(UTC):%Y-%m-%dT%H-%M-%S}", _slug(plan.model.name)]
        stem = "-".join(filter(None, [*words, _slug(plan.name)]))
        names = (stem if count == 1 else f"{stem}-{count}" for count in range(1, 10**6))
        candidates = (self.folder / (name + SUFFIX) for name in names)
        return next(path for path in candidates if not os.path.lexists(path))

    def save(self, profile: Profile, samples: RawSamples) -> Stored:
        """Keep `profile` under a new name; never in the place of another. FileError if refused."""
        paths.ready(self.folder)
        while True:
            path = self.new_path(profile)
            try:
                return Stored(path, write_profile(profile, samples, path, overwrite=False))
            except FileError:
                # Another process may have taken the name in between.
                if not os.path.lexists(path):
                    raise

    def rename(self, name: Path | str, new_name: str) -> Path:
        """Give a profile another name, its samples with it; returns the new file.

        Raises FileError where it can't be read or the new name is taken, UsageError where that is
        not a plain file name. The old one goes only when the new one is whole.
        """
        old = self.open(name)
        stem = new_name.strip().removesuffix(SUFFIX)
        if not stem or stem.startswith(".") or "/" in stem or not stem.isprintable():
            raise UsageError(
                f"'{one_line(new_name)}' is not a name for a profile",
                hint="expected a file name without folders that does not begin with a dot",
            )
        new = old.path.with_name(stem + SUFFIX)
        if new == old.path:
            return new
        try:
            samples = read_samples(old.profile, old.path)
        except FileError:
            # It goes on saying which samples it misses; what is left of them stays where it is.
            write_profile(old.profile, None, new, overwrite=False)
            self._unlink(old.path)
        else:
            write_profile(old.profile, samples, new, overwrite=False)
            self._remove(old.path)
        return new

    def delete(self, name: Path | str) -> None:
        """Remove a profile and its samples; FileError where there is none or that is refused."""
        self._remove(self.find(name))

    def _remove(self, path: Path) -> None:
        samples = sidecars(path)
        self._unlink(path)
        for file in samples:
            files.remove(file)

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink()
        except OSError as error:
            raise FileError(
                f"can't delete {one_line(path)}: {error.strerror or error}",
                hint="check who owns the file and its folder",
            ) from error

    def _files(self) -> Iterator[tuple[str, Stamp]]:
        """The name and stamp of every file here that may be a profile."""
        try:
            found = os.scandir(self.folder)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            raise FileError(
                f"can't list {one_line(self.folder)}: {error.strerror or error}",
                hint="check who owns the folder",
            ) from error
        with found:
            for file in found:
                if not file.name.endswith(SUFFIX) or file.name.startswith("."):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    facts = file.stat(follow_symlinks=not _dangles(file))
                    yield file.name, (facts.st_mtime_ns, facts.st_size, facts.st_ino)

    def _entry(
        self, file: str, stamp: Stamp, known: dict[str, tuple[Stamp, Entry]]
    ) -> tuple[Stamp, Entry]:
        if file in known and known[file][0] == stamp:
            return known[file]
        path = self.folder / file
        try:
            return stamp, _describe(path, read_profile(path), stamp[1])
        except FileError as error:
            changed = datetime.fromtimestamp(stamp[0] / 1e9, UTC)
            name = file.removesuffix(SUFFIX)
            return stamp, Entry(
                folder=str(self.folder), name=name, started=changed, problem=str(error)
            )

    def _read_index(self) -> dict[str, tuple[Stamp, Entry]]:
        try:
            data = (self.folder / INDEX).read_bytes()
            index = msgspec.json.decode(data, type=_Index)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}
        right = index.version == INDEX_VERSION and index.folder == str(self.folder)
        return index.entries if right else {}

    def _write_index(self, entries: dict[str, tuple[Stamp, Entry]]) -> None:
        """The index only saves time: a folder that can't take one is listed all the same."""
        index = _Index(INDEX_VERSION, str(self.folder), entries)
        with contextlib.suppress(OSError, UnicodeEncodeError):
            files.replace(self.folder / INDEX, msgspec.json.encode(index), durable=False)


def _describe(path: Path, profile: Profile, size: int) -> Entry:
    measured = [
        (latency.p50_ms, result.label)
        for result in profile.results
        if (latency := result.latency) is not None and latency.p50_ms is not None
    ]
    p50_ms, fastest = min(measured, default=(None, ""))
    return Entry(
        folder=str(path.parent),
        name=path.name.removesuffix(SUFFIX),
        started=profile.run.started,
        title=profile.title,
        model=profile.model.label,
        machine=profile.machine.hostname,
        ending=profile.run.ending,
        seconds=profile.run.seconds,
        engines=tuple(result.label for result in profile.results),
        fastest=fastest,
        fastest_p50_ms=p50_ms,
        bytes=size + (profile.samples.bytes if profile.samples else 0),
    )


def _slug(text: str) -> str:
    """`text` as part of a file name that needs no quotes in a shell."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_NAME_PART].strip("-")


def _dangles(file: os.DirEntry[str]) -> bool:
    """Whether `file` is a link to nothing: its own stamp then stands for it."""
    return file.is_symlink() and not os.path.exists(file.path)
