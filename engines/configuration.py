"""The user's own configuration file: it is read, never written.

    [environments.trt11]
    python = "/opt/trt11/bin/python"
    [keymap]
    "bench.run" = "r,f5"
    [app]
    bell = true

This module reads the file and knows its tables; what a table may say, its own reader knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from engines import paths
from engines.errors import FileError, nearest

CONFIG = "config.toml"
TABLES = ("environments", "keymap", "app")
LARGEST_BYTES = 1 << 20


def config_file() -> Path:
    """Where the user's configuration is, whether it exists or not."""
    return paths.config_folder() / CONFIG


def read() -> dict[str, Any]:
    """The tables of the file by name; empty where there is no file.

    It is read once, and again when it has changed; nobody may change what is returned. Raises
    FileError where it can't be read, is not TOML, or has a table that nobody knows.
    """
    file = config_file()
    try:
        found = file.stat()
        return _read(file, (found.st_mtime_ns, found.st_size, found.st_ino))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"can't read {file}: {error.strerror or error}") from error


@lru_cache(maxsize=1)
def _read(file: Path, _version: tuple[int, ...]) -> dict[str, Any]:
    with file.open("rb") as stream:
        data = stream.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise FileError(f"{file} is larger than {LARGEST_BYTES} bytes: it is no configuration")
    document = _parsed(data, file)
    only(document, TABLES, str(file), "the file")
    return document


def _parsed(data: bytes, file: Path) -> dict[str, Any]:
    # The app reads the file before its first frame: who has none does not wait for a parser.
    import tomli

    try:
        return tomli.loads(data.decode())
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(
            f"{file} is not TOML: {error}",
            hint='expected tables such as [keymap], and lines such as "bench.run" = "r,f5"',
        ) from error


def only(table: Mapping[str, Any], known: Iterable[str], file: str, where: str) -> None:
    """Raise FileError at the first key of `table` that is not `known`."""
    for key in table:
        if key not in known:
            raise FileError(f"{file}: unknown key '{key}' in {where}", hint=nearest(key, known))
