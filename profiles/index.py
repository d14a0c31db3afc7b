"""What a listing of the store has found out, kept so that the next one reads only what changed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from engines import files
from engines.plan import Record
from profiles.schema import Ending

INDEX = ".index.json"
# Raised whenever an `Entry` says something else than before about the same file.
INDEX_VERSION = 2
SUFFIX = ".toml"
# A file that was changed so lately could be changed again within the same tick of its file
# system's clock, and look as before: at most two seconds, FAT's.
RACY_NS = 2_000_000_000

# When the file was changed and when anything about it was (ns), its size (bytes) and its inode.
# No program can set the second back, so that a file with its old time and size put back is seen.
Stamp = tuple[int, int, int, int]


class Entry(Record, frozen=True, kw_only=True):
    """One file of the store. `problem` says in one line why it can't be read, empty if it can.

    `started` of an unreadable one is when the file was changed. `engines` are the labels of the
    results; `fastest` is the one with the least p50, in milliseconds, for one request. `bytes` are
    those of the file and of its samples.
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


Known = dict[str, tuple[Stamp, Entry]]


class _Index(msgspec.Struct):
    """What was known of each file, and by which stamp one can tell that it still holds."""

    version: int
    folder: str
    entries: Known


def read_index(folder: Path) -> Known:
    """What is known of the files in `folder`, by their names; nothing where that can't be told."""
    try:
        data = (folder / INDEX).read_bytes()
        index = msgspec.json.decode(data, type=_Index)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    right = index.version == INDEX_VERSION and index.folder == str(folder)
    return index.entries if right else {}


def write_index(folder: Path, entries: Mapping[str, tuple[Stamp, Entry]]) -> None:
    """Keep `entries`. It only saves time: a folder that can't take one is listed all the same."""
    index = _Index(INDEX_VERSION, str(folder), dict(entries))
    with contextlib.suppress(OSError, UnicodeEncodeError):
        files.replace(folder / INDEX, msgspec.json.encode(index), durable=False)


def lasting(stamp: Stamp) -> bool:
    """Whether a file read now can't change later without its stamp changing as well."""
    return time.time_ns() - max(stamp[0], stamp[1]) > RACY_NS
