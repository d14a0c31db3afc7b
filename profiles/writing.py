"""Writes a profile and its raw samples so that a reader never meets half of either.

The samples' file is named by what it holds and is in place before the profile that names it, so an
older profile of the same name keeps its own samples until the very moment it is replaced.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import tomli_w

from engines import files
from engines.errors import FileError
from engines.plan import RunPlan
from profiles.index import SUFFIX
from profiles.reading import (
    FIRST_LINE,
    LAST_LINE,
    is_profile,
    parse_profile,
    read_bytes,
    read_profile,
)
from profiles.schema import Profile, SamplesFile
from profiles.validation import one_line

if TYPE_CHECKING:
    from profiles.samples import Phase, RawSamples, Series

LARGEST_SAMPLES_BYTES = 2**30

# One part in a million, where a comparison asks for one in a hundred.
SIGNIFICANT_DIGITS = 6
_ROUNDED = re.compile(
    r"(_ms|_s|_w|_share|^seconds|^throughput|^per_second|^joules_per_inference|^ratio|^low|^high)$"
)

# An array of numbers or short texts as tomli_w writes it: one item a line. No text holds a raw line
# break (it is escaped), so such lines are never part of a text. An array may be in another.
_SPREAD_ARRAY = re.compile(r"(= |^ +)\[\n((?: +[^\n{\[\]]*,\n)+) *\]", re.MULTILINE)
_LONGEST_LINE = 100

_WHAT_TO_DO = {
    errno.ENOSPC: "free some space there, or save it in another folder",
    errno.EDQUOT: "free some of your quota, or save it in another folder",
    errno.EFBIG: "raise the limit on file sizes, or save it in another folder",
    errno.EACCES: "save it in a folder that you may write to",
    errno.EPERM: "save it in a folder that you may write to",
    errno.EROFS: "save it in a folder that you may write to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "make the folder first, or save it in another",
    errno.ENOTDIR: "save it in a folder",
    errno.EEXIST: "choose another name",
}


def write_profile(
    profile: Profile, samples: RawSamples | None, path: Path | str, *, overwrite: bool = True
) -> Profile:
    """Write `profile` to `path` and `samples` to a file beside it; returns it as read back.

    Either both are in place afterwards, or neither: then FileError says why and what to do, no
    temporary file is left, and an older profile at `path` is as it was, with its own samples.
    An existing file at `path` is such an error without `overwrite`, and with it where that is no
    profile: nobody else's file is lost. Where `samples` is None the
    profile goes on naming the file of samples that it names already.
    """
    try:
        target = Path(os.path.realpath(path))
        _check_target(target, overwrite)
        return _write(profile, samples, target, overwrite)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FileError(
            f"can't save {one_line(path)}: {one_line(reason or error)}",
            hint=_WHAT_TO_DO.get(number or 0, "save it under another name or in another folder"),
        ) from error


def read_samples(profile: Profile, path: Path | str) -> dict[tuple[int, Phase], Series]:
    """The raw samples of `profile`, which was read from `path`; empty if it was saved without.

    Raises FileError where their file is missing or not the one that was saved with the profile.
    """
    if profile.samples is None:
        return {}
    from profiles.samples import decode

    sidecar = Path(os.path.realpath(path)).parent / profile.samples.file
    shown = one_line(sidecar)
    try:
        data = read_bytes(sidecar, LARGEST_SAMPLES_BYTES)
    except FileError as error:
        raise FileError(
            f"the samples of {one_line(path)} can't be read: {error.message}",
            hint="put their file back beside it; the saved intervals can still be compared",
        ) from error
    if hashlib.sha256(data).hexdigest() != profile.samples.sha256:
        raise FileError(
            f"{shown}: is not the file of samples that {one_line(path)} was saved with"
            " (its SHA-256 differs)",
            hint="put the right one back; the saved intervals can still be compared",
        )
    return decode(data, shown)


def render(profile: Profile, name: str) -> str:
    """`profile` as TOML text with stable key order; `name` is the file it is for."""
    # A whole number where the schema has a float is written as one, so that a second save of what
    # was read back gives the same file.
    profile = msgspec.convert(msgspec.to_builtins(profile), Profile)
    run = profile.run
    started = run.started.astimezone(UTC)
    about = f"{profile.heading} on {profile.machine.hostname}"
    header = [
        f"{FIRST_LINE}: {about}, {started:%Y-%m-%d %H:%M:%S} UTC",
        f"# Run it again:  infer-tui run {shlex.quote(name)}",
        f"# Compare it:    infer-tui compare {shlex.quote(name)} OTHER.toml",
    ]
    if run.rounds:
        header.append(f"# Its verdicts:  infer-tui compare {shlex.quote(name)}")
    body = _dumps(profile)
    return "\n".join([*map(one_line, header), "", body, LAST_LINE, ""])


def render_plan(plan: RunPlan) -> str:
    """`plan` as the text of a plan file."""
    return _dumps(plan)


def sidecars(path: Path) -> list[Path]:
    """The files of samples that belong to the profile `path` alone, by their name."""
    own = re.compile(re.escape(_sidecar_stem(path)) + r"\.[0-9a-f]{16}\.samples\.npz")
    try:
        names = os.listdir(path.parent)
    except OSError:
        return []
    return [path.parent / name for name in sorted(names) if own.fullmatch(name)]


def sidecar_name(path: Path, digest: str) -> str:
    """What the samples of the profile `path` are called that have the SHA-256 `digest`."""
    return f"{_sidecar_stem(path)}.{digest[:16]}.samples.npz"


def _sidecar_stem(path: Path) -> str:
    """What the samples' file is called after: a name that TOML text can hold."""
    return one_line(path.name.removesuffix(SUFFIX)).replace("\\", " ")


def _check_target(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if target.exists():
        if not overwrite:
            raise FileExistsError(errno.EEXIST, "it exists already")
        if not target.is_file():
            raise ValueError("is a device, expected a file")
        if target.stat().st_size and not is_profile(target):
            raise ValueError("the file that is there is not a profile that infer-tui wrote")
        # Replacing a file needs no leave to write it, but its owner protected it for a reason.
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is write-protected")


def _write(profile: Profile, samples: RawSamples | None, target: Path, overwrite: bool) -> Profile:
    if samples is None:
        return _write_text(profile, target, overwrite)
    if not samples:
        return _write_text(msgspec.structs.replace(profile, samples=None), target, overwrite)
    from profiles.samples import encode

    data = encode(samples)
    digest = hashlib.sha256(data).hexdigest()
    sidecar = target.with_name(sidecar_name(target, digest))
    record = SamplesFile(file=sidecar.name, sha256=digest, bytes=len(data))
    kept = sidecar.exists()
    try:
        files.replace(sidecar, data)
        return _write_text(msgspec.structs.replace(profile, samples=record), target, overwrite)
    except BaseException:
        # An interrupt may come when the new profile is in place already and names this file.
        if not kept and _named_sidecar(target) != sidecar:
            files.remove(sidecar)
        raise


def _write_text(profile: Profile, target: Path, overwrite: bool) -> Profile:
    text = render(profile, target.name)
    # What can't be read back must not take the place of what can.
    saved = parse_profile(text, target.name)
    older = _named_sidecar(target)
    files.replace(target, text.encode(), overwrite=overwrite)
    if older and (saved.samples is None or older.name != saved.samples.file):
        files.remove(older)
    return saved


def _named_sidecar(target: Path) -> Path | None:
    """The file of samples that the profile at `target` names, if it is that profile's own."""
    try:
        samples = read_profile(target).samples
    except FileError:
        return None
    own = target.with_name(samples.file) if samples else None
    return own if own in sidecars(target) else None


def _dumps(record: msgspec.Struct) -> str:
    return _SPREAD_ARRAY.sub(_on_one_line, tomli_w.dumps(_table(record)))


def _on_one_line(array: re.Match[str]) -> str:
    items = [line.strip().removesuffix(",") for line in array[2].splitlines()]
    line = f"{array[1]}[{', '.join(items)}]"
    return line if len(line) <= _LONGEST_LINE else array[0]


def _table(record: msgspec.Struct) -> dict[str, Any]:
    """`record` as TOML can hold it: without what is None or empty by default, and rounded."""
    table: dict[str, Any] = {}
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        optional = not field.required
        if value is None or (optional and value in ("", (), {})):
            continue
        if isinstance(value, float) and _ROUNDED.search(field.name):
            value = _rounded(value)
        table[field.encode_name] = _plain(value)
    return table


def _plain(value: object) -> Any:
    if isinstance(value, msgspec.Struct):
        return _table(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        # A name from the system may hold bytes that are not UTF-8; a TOML file may not.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0)
    return value


def _rounded(value: float) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))
