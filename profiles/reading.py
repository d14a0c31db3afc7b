"""Reads plans and profiles, strictly: what is wrong is said in one line, never guessed around."""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli

from engines import plan as plans
from engines import registry
from engines.errors import FileError, UsageError
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult, LatencyRecord, PercentileRecord
from profiles import schema
from profiles.schema import Profile
from profiles.validation import check_numbers, check_schema, convert, one_line

LARGEST_BYTES = 16 * 2**20

# What `profiles.writing` puts around a profile. A file that has the first line but not the last
# was cut short, even if the cut fell between two keys and left valid TOML.
FIRST_LINE = "# infer-tui profile"
LAST_LINE = "# end of profile"

# A line that begins as a key or a table does; a text without one is of another kind.
_LIKE_TOML = re.compile(r"""^[ \t]*(\[+[ \t]*["'\w]|["'\w][^=\n]*=)""", re.MULTILINE)
_PROFILE_TABLES = frozenset({"run", "machine", "plan", "results", "samples"})
# An engine that returns NaN or infinity is a finding, and a profile must be able to hold it.
_MAY_BE_INFINITE = re.compile(r"\.(accuracy|facts)\.")
# An event is exact to half a microsecond: three spans may add up to more than the host saw.
_MAY_BE_NEGATIVE = re.compile(r"\.(accuracy|facts|options)\.|\.device\.unaccounted_ms$")


def read_profile(path: Path | str) -> Profile:
    """The profile in the file `path`.

    Raises FileError with one line that names the file, the line or key, what was found and what
    was expected.
    """
    return parse_profile(read_text(path), str(path))


def is_profile(path: Path | str) -> bool:
    """Whether the file `path` is a whole profile as `profiles.writing` leaves one."""
    try:
        text = read_text(path)
        parse_profile(text, str(path))
    except FileError:
        return False
    return text.startswith(FIRST_LINE)


def read_plan(path: Path | str) -> RunPlan:
    """The plan in the file `path`: a plan file's own, or the one that a profile was made from.

    Raises FileError as `read_profile` does, also where an engine of the plan does not exist.
    """
    text, source = read_text(path), str(path)
    document = _parse_toml(text, one_line(source))
    if _PROFILE_TABLES & document.keys():
        return parse_profile(text, source).plan
    return parse_plan(text, source)


def parse_profile(text: str, source: str) -> Profile:
    """The profile that `text` describes; FileError, naming `source`, where it is not one."""
    source = one_line(source)
    document = _parse_toml(text, source)
    if text.startswith(FIRST_LINE) and not text.rstrip().endswith(LAST_LINE):
        raise FileError(
            f"{source}: ends too early: its last line, '{LAST_LINE}', is missing",
            hint="copy or save it again",
        )
    if "engines" in document and "plan" not in document:
        raise FileError(
            f"{source}: this is a plan, expected a profile",
            hint="run it with --save to make a profile of it",
        )
    check_schema(document, schema.SCHEMA, source)
    _check_nested_schema(document, source)
    profile = convert(document, Profile, source)
    check_numbers(document, source, _MAY_BE_NEGATIVE, _MAY_BE_INFINITE)
    _check_engines(profile.plan.engines, "plan.engines", source)
    _check_results(profile, source)
    return profile


def parse_plan(text: str, source: str) -> RunPlan:
    """The plan that `text` describes; FileError, naming `source`, where it is not one."""
    source = one_line(source)
    document = _parse_toml(text, source)
    check_schema(document, plans.SCHEMA, source)
    plan = convert(document, RunPlan, source)
    check_numbers(document, source, _MAY_BE_NEGATIVE, _MAY_BE_INFINITE)
    _check_engines(plan.engines, "engines", source)
    return plan


def read_text(path: Path | str) -> str:
    """The text of a TOML file of at most LARGEST_BYTES; FileError where there is none."""
    shown = one_line(path)
    data = read_bytes(path, LARGEST_BYTES)
    if not data.strip():
        raise FileError(f"{shown}: is empty", hint="expected a plan or a profile in TOML")
    if b"\0" in data:
        hint = "give the .toml file beside it" if data.startswith(b"PK") else "expected TOML text"
        raise FileError(f"{shown}: is a binary file", hint=hint)
    try:
        # Editors on Windows begin UTF-8 files with a mark that TOML parsers refuse.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(
            f"{shown}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8",
            hint="save the file as UTF-8 text",
        ) from error


def read_bytes(path: Path | str, limit: int) -> bytes:
    """What the file `path` holds; FileError if it can't be read or is larger than `limit` bytes."""
    shown = one_line(path)
    try:
        # Before it is opened: opening a pipe or a device can wait for ever.
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise FileError(f"{shown}: is a device or a pipe, expected a file")
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except ValueError as error:  # a NUL in the name
        raise FileError(f"can't read {shown}: {one_line(error)}", hint="check the name") from error
    except OSError as error:
        raise _unreadable(Path(path), error) from error
    if len(data) > limit:
        raise FileError(
            f"{shown}: is larger than {limit // 2**20} MiB",
            hint="expected a plan or a profile, which take some kilobytes",
        )
    return data


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'X'?` where a known name is near, otherwise advice that fits any number."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean '{one_line(close[0])}'?" if close else "check the name"


def _unreadable(path: Path, error: OSError) -> FileError:
    shown = one_line(path)
    if error.errno == errno.EISDIR:
        return FileError(f"{shown}: is a folder", hint="expected a TOML file; name one inside it")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        folder = path.parent
        if not folder.is_dir():
            return FileError(
                f"can't read {shown}: there is no folder {one_line(folder)}", hint="check the path"
            )
        return FileError(
            f"can't read {shown}: there is no such file",
            hint=did_you_mean(path.name, _names_in(folder)),
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return FileError(
            f"can't read {shown}: permission denied",
            hint="ask its owner for leave to read it, or copy it",
        )
    return FileError(
        f"can't read {shown}: {error.strerror or one_line(error)}",
        hint="check the path and the disk",
    )


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        if not _LIKE_TOML.search(text):
            raise FileError(
                f"{source}: is not TOML", hint="expected a plan or a profile in TOML"
            ) from error
        if error.pos >= len(error.doc.rstrip()):
            line = error.doc.rstrip().count("\n") + 1
            problem = f"{source}, line {line}: ends too early: {one_line(error.msg)}"
        else:
            problem = f"{source}, line {error.lineno}, column {error.colno}: {one_line(error.msg)}"
        raise FileError(problem, hint="correct that line, or make the file again") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{source}: {one_line(error)}", hint="this is not a plan or profile") from (
            error
        )
    if not document:
        raise FileError(f"{source}: is empty", hint="expected a plan or a profile in TOML")
    return document


def _check_nested_schema(document: Mapping[str, Any], source: str) -> None:
    plan = document.get("plan")
    if isinstance(plan, Mapping) and "schema" in plan:
        check_schema(plan, plans.SCHEMA, f"{source}: plan")


def _check_engines(specs: tuple[EngineSpec, ...], where: str, source: str) -> None:
    if not specs:
        raise FileError(
            f"{source}: {where} is empty", hint='expected at least one, such as engine = "eager"'
        )
    for index, spec in enumerate(specs):
        try:
            registry.check(spec)
        except UsageError as error:
            raise FileError(
                f"{source}: {where}[{index}]: {one_line(error.message)}", hint=error.hint
            ) from error


def _check_results(profile: Profile, source: str) -> None:
    """A profile that contradicts itself would give a comparison that looks sound and is not."""
    if len(profile.results) != len(profile.plan.engines):
        raise FileError(
            f"{source}: results has {len(profile.results)} entries, expected one for each of the"
            f" {len(profile.plan.engines)} plan.engines",
            hint="restore the missing part, or run the plan again",
        )
    for index, result in enumerate(profile.results):
        if problem := _contradiction(result):
            raise FileError(
                f"{source}: results[{index}]{problem}", hint="restore it, or run the plan again"
            )


def _contradiction(result: EngineResult) -> str:
    """What can't be true of `result`, beginning with the key's path; empty if all can be."""
    latency = result.latency
    if latency is None:
        return ""
    if latency.n < 1:
        return f".latency.n is {latency.n}, expected at least 1"
    if not _within_range(latency):
        return ".latency: expected min_ms at most mean_ms, and that at most max_ms"
    for index, one in enumerate(latency.percentiles):
        if problem := _percentile_problem(one):
            return f".latency.percentiles[{index}]{problem}"
    return ""


def _within_range(latency: LatencyRecord) -> bool:
    # Rounding to six digits may move a mean of equal samples past its bounds by one unit.
    slack = 1e-5 * latency.max_ms
    return latency.min_ms - slack <= latency.mean_ms <= latency.max_ms + slack


def _percentile_problem(record: PercentileRecord) -> str:
    if not 0 < record.percentile < 100:
        return f".percentile is {record.percentile:g}, expected a number between 0 and 100"
    if record.value_ms is None:
        return ""
    low = record.value_ms if record.low_ms is None else record.low_ms
    high = record.value_ms if record.high_ms is None else record.high_ms
    if not low <= record.value_ms <= high:
        return f": expected low_ms at most value_ms ({record.value_ms}), and that at most high_ms"
    return ""
