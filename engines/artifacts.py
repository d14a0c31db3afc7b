"""The cache of conversions: each artifact is known by what it was made from.

Layout: `<cache>/<kind>/<slot>/<key>/`, a folder an artifact, holding its file and `artifact.json`.
The slot says in words what it is for; the key is a digest of the parts it was made from. A hit
costs a hash of the file; a miss says which part changed. Folders appear whole, by a rename.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engines import files, paths
from engines.control import Control
from engines.errors import Cancelled, FileError
from engines.plan import Record

META = "artifact.json"
LAST = "last.json"
KEY_LENGTH = 20
# How often a second process looks whether the first one has finished making the same thing.
LOCK_RETRY_S = 0.2

Parts = Mapping[str, str]


class Meta(Record, frozen=True, kw_only=True):
    """What is written beside an artifact's file. `seconds` is how long it took to make."""

    kind: str
    slot: str
    parts: dict[str, str]
    file: str
    size_bytes: int
    sha256: str
    seconds: float
    facts: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A kept conversion: the path of its file and what is known of it."""

    path: Path
    meta: Meta


@dataclass(frozen=True, slots=True)
class Miss:
    """No artifact fits. `why` says what changed since the one that comes nearest."""

    why: str


class Cache:
    """The artifacts under one root folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or paths.cache_folder()

    def find(self, kind: str, slot: str, parts: Parts) -> Artifact | Miss:
        """The artifact made from exactly `parts`, or why there is none."""
        folder = self._folder(kind, slot, parts)
        meta = read_meta(folder)
        if meta is None:
            return Miss(self._why(kind, slot, parts))
        path = folder / meta.file
        try:
            intact = sha256_of(path) == meta.sha256
        except OSError:
            intact = False
        return Artifact(path, meta) if intact else Miss("the kept file is damaged")

    def peek(self, kind: str, slot: str, parts: Parts) -> Meta | Miss:
        """What is recorded of the artifact made from `parts`, its file not looked into."""
        folder = self._folder(kind, slot, parts)
        meta = read_meta(folder)
        if meta is not None and (folder / meta.file).exists():
            return meta
        return Miss(self._why(kind, slot, parts))

    @contextlib.contextmanager
    def making(
        self, kind: str, slot: str, parts: Parts, control: Control, *, anew: bool = False
    ) -> Iterator[Making | Artifact]:
        """Hold the right to make this artifact; another process that wants it waits meanwhile.

        Gives a `Making`, or the artifact itself where another process made it in the meantime.
        With `anew` one that is kept already is made again, and stays until the new one is whole;
        one that another process finished during the wait is new enough. Raises Cancelled where the
        user stops the wait.
        """
        folder = self._folder(kind, slot, parts)
        paths.ready(folder.parent)
        before = read_meta(folder) if anew else None
        with _lock(folder.with_suffix(".lock"), control):
            found = self.find(kind, slot, parts)
            if isinstance(found, Artifact) and found.meta != before:
                yield found
                return
            temporary = _fresh_folder(folder)
            try:
                yield Making(self, kind, slot, dict(parts), folder, temporary)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def remember(self, kind: str, slot: str, seconds: float) -> None:
        """Keep how long work of this kind took, for `last_seconds`. Loss of it is no harm."""
        file = self.root / kind / slot / LAST
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            files.replace(file, json.dumps({"seconds": seconds}).encode(), durable=False)

    def last_seconds(self, kind: str, slot: str) -> float | None:
        """How long this work took the last time, None if that is not known."""
        try:
            return float(json.loads((self.root / kind / slot / LAST).read_bytes())["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _folder(self, kind: str, slot: str, parts: Parts) -> Path:
        return self.root / kind / slot / key_of(parts)

    def _why(self, kind: str, slot: str, parts: Parts) -> str:
        """Which parts differ from the kept artifact of this slot that shares the most of them."""
        kept = [
            meta.parts
            for folder in sorted((self.root / kind / slot).glob("[!.]*/"))
            if (meta := read_meta(folder)) is not None
        ]
        if not kept:
            return "not made yet"
        nearest = max(kept, key=lambda one: sum(one.get(k) == v for k, v in parts.items()))
        changed = [
            f"{name} {short(nearest.get(name, 'absent'))} → {short(value)}"
            for name, value in parts.items()
            if nearest.get(name) != value
        ]
        changed += [f"{name} is gone" for name in nearest if name not in parts]
        return "changed: " + ", ".join(changed)


@dataclass(frozen=True, slots=True)
class Making:
    """An artifact being made in `folder`; nothing of it is seen by others before `keep`."""

    cache: Cache
    kind: str
    slot: str
    parts: dict[str, str]
    place: Path
    folder: Path

    def keep(self, file: str, seconds: float, facts: Mapping[str, Any]) -> Artifact:
        """Move what was made, with its file `file`, to its place. FileError if that fails."""
        path = self.folder / file
        try:
            meta = Meta(
                kind=self.kind,
                slot=self.slot,
                parts=self.parts,
                file=file,
                size_bytes=path.stat().st_size,
                sha256=sha256_of(path),
                seconds=seconds,
                facts=dict(facts),
            )
            (self.folder / META).write_bytes(msgspec.json.encode(meta))
            # What it replaces is moved, not deleted, first: the gap is two renames long.
            aside = self.folder.with_name(f"{self.folder.name}.old")
            if self.place.exists():
                os.rename(self.place, aside)
            try:
                os.rename(self.folder, self.place)
            except OSError:
                if aside.exists():
                    os.rename(aside, self.place)
                raise
            shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise _unwritable(self.place.parent, error) from error
        self.cache.remember(self.kind, self.slot, seconds)
        return Artifact(self.place / file, meta)


def key_of(parts: Parts) -> str:
    """A digest of `parts`, whatever their order."""
    text = json.dumps(dict(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short(value: str) -> str:
    """A digest cut to what a person compares; anything else as it is."""
    is_digest = len(value) == 64 and all(one in "0123456789abcdef" for one in value)
    return value[:8] if is_digest else value


def read_meta(folder: Path) -> Meta | None:
    """The record of the artifact in `folder`, None where it is missing or not readable."""
    try:
        return msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except (OSError, msgspec.MsgspecError):
        return None


def _fresh_folder(place: Path) -> Path:
    """An empty folder to make the artifact of `place` in; call it with the lock held.

    What a killed process left half-made for the same place goes first.
    """
    for left in place.parent.glob(f".{place.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        return Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise _unwritable(place.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> FileError:
    return FileError(
        f"can't write in the cache {folder}: {error.strerror or error}",
        hint="free some space, or set XDG_CACHE_HOME to another folder",
    )


@contextlib.contextmanager
def _lock(path: Path, control: Control) -> Iterator[None]:
    """Hold an advisory lock; the kernel frees it when its process ends, however it ends."""
    try:
        file = path.open("a")
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                select.select([control], [], [], LOCK_RETRY_S)
                if control.cancelled:
                    raise Cancelled from None
        yield
