"""The folder of saved profiles: lists, opens, names, renames and deletes them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from engines import files, paths
from engines.errors import FileError, UsageError
from engines.plan import RunPlan
from profiles.index import SUFFIX, Entry, Known, Stamp, lasting, read_index, write_index
from profiles.reading import did_you_mean, read_profile
from profiles.schema import Profile
from profiles.trash import Deleted, Trash
from profiles.validation import one_line
from profiles.writing import sidecar_name, sidecars, write_profile

if TYPE_CHECKING:
    from profiles.samples import RawSamples

LONGEST_NAME_PART = 40

# Called with what is known so far and how many files there are.
Progress = Callable[[Sequence[Entry], int], object]


class Stored(NamedTuple):
    """A profile and the file it is in."""

    path: Path
    profile: Profile


class Store:
    """The profiles in `folder`, by default the user's own. The folder may not exist yet."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.data_folder() / "profiles"

    @property
    def trash(self) -> Trash:
        """What was deleted here."""
        return Trash(self.folder)

    def list(self, progress: Progress | None = None) -> tuple[Entry, ...]:
        """Every profile, the newest first; unreadable files too, with their reason.

        Files that have not changed since the last time are not read again. `progress` is called
        after each file that is; what it raises ends the listing, and what was read stays known.
        """
        known = read_index(self.folder)
        # Most names begin with their time: what a reader wants to see first is read first.
        found = sorted(self._files(), reverse=True)
        now = {name: known[name] for name, stamp in found if _still(known, name, stamp)}
        entries = [entry for _, entry in now.values()]
        whole = False
        try:
            for name, stamp in found:
                if name in now:
                    continue
                lasts = lasting(stamp)
                entry = self._entry(name, stamp)
                entries.append(entry)
                if lasts and not entry.problem:
                    now[name] = (stamp, entry)
                if progress is not None:
                    progress(entries, len(found))
            whole = True
        finally:
            worth_keeping = now if whole else {**known, **now}
            if worth_keeping != known:
                write_index(self.folder, worth_keeping)
        return tuple(newest_first(entries))

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

    def new_path(self, plan: RunPlan, started: datetime) -> Path:
        """A name for a new file that sorts by time, says what it is of, and is not taken now."""
        words = [f"{started.astimezone(UTC):%Y-%m-%dT%H-%M-%S}", _slug(plan.model.name)]
        stem = "-".join(filter(None, [*words, _slug(plan.name)]))
        names = (stem if count == 1 else f"{stem}-{count}" for count in range(1, 10**6))
        candidates = (self.folder / (name + SUFFIX) for name in names)
        return next(path for path in candidates if not os.path.lexists(path))

    def save(self, profile: Profile, samples: RawSamples) -> Stored:
        """Keep `profile` under a new name; never in the place of another. FileError if refused."""
        paths.ready(self.folder)
        while True:
            path = self.new_path(profile.plan, profile.run.started)
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
        profile, copied = _with_samples_at(old, new)
        try:
            write_profile(profile, None, new, overwrite=False)
        except BaseException:
            if copied is not None:
                files.remove(copied)
            raise
        own = sidecars(old.path)
        self._unlink(old.path)
        if profile.samples is not None and profile.samples != old.profile.samples:
            named = old.profile.samples.file if old.profile.samples else ""
            for file in own:
                if file.name == named:
                    files.remove(file)
        return new

    def delete(self, name: Path | str) -> Deleted:
        """Move a profile and its samples to the trash; FileError where there is none or it can't.

        `restore` takes what this returns.
        """
        path = self.find(name)
        if not os.path.lexists(path):
            raise FileError(f"can't delete {one_line(path)}: it is gone already")
        return Trash(path.parent).take(path, sidecars(path))

    def restore(self, deleted: Deleted) -> Path:
        """Bring back what `delete` took away; returns its file. FileError where it can't."""
        return Trash(deleted.home).restore(deleted)

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
                    yield (
                        file.name,
                        (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino),
                    )

    def _entry(self, file: str, stamp: Stamp) -> Entry:
        changed_ns, _, size, _ = stamp
        path = self.folder / file
        try:
            return _describe(path, read_profile(path), size)
        except FileError as error:
            return Entry(
                folder=str(self.folder),
                name=file.removesuffix(SUFFIX),
                started=datetime.fromtimestamp(changed_ns / 1e9, UTC),
                problem=str(error),
                bytes=size,
            )


def newest_first(entries: Sequence[Entry]) -> list[Entry]:
    """`entries` as a store lists them."""
    return sorted(entries, key=lambda entry: (entry.started, entry.name), reverse=True)


def _still(known: Known, name: str, stamp: Stamp) -> bool:
    """Whether what is known of a file still holds."""
    return name in known and known[name][0] == stamp


def _with_samples_at(old: Stored, new: Path) -> tuple[Profile, Path | None]:
    """The profile `old` with its samples under the name that belongs to `new`, and their file.

    They are not read: they stay what they are, to the last byte. Where there are none the profile
    goes on saying which ones it misses.
    """
    record = old.profile.samples
    if record is None:
        return old.profile, None
    source = Path(os.path.realpath(old.path)).with_name(record.file)
    target = Path(os.path.realpath(new)).with_name(sidecar_name(new, record.sha256))
    copied: Path | None = target
    try:
        files.duplicate(source, target)
    except FileExistsError:
        # It is named by what it holds.
        copied = None
    except FileNotFoundError:
        return old.profile, None
    except OSError as error:
        raise FileError(
            f"can't rename {one_line(old.path)}: its samples: {error.strerror or error}",
            hint="free some space there, or check who owns its samples",
        ) from error
    moved = msgspec.structs.replace(record, file=target.name)
    return msgspec.structs.replace(old.profile, samples=moved), copied


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
