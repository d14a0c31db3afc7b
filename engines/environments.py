"""The user's interpreters: which program a name such as `trt11` stands for.

Only the user's own configuration file says so. Plans and profiles travel between people, so they
name environments, never programs:

    [environments.trt11]
    python = "/opt/trt11/bin/python"
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli

from engines import files, paths
from engines.errors import FileError, UsageError, nearest

CONFIG = "config.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LARGEST_BYTES = 1 << 20
EXAMPLE = '[environments.NAME] with python = "/path/to/python"'


def config_file() -> Path:
    """Where the user's configuration is, whether it exists or not."""
    return paths.config_folder() / CONFIG


def load() -> dict[str, str]:
    """Each environment's interpreter, by name; empty where nothing is configured.

    Raises FileError where the file can't be read or says something that is not understood. That
    an interpreter exists is not checked here: see `interpreter`.
    """
    file = config_file()
    document = _read(file)
    _only(document, ("environments",), str(file), "the file")
    environments = _table(document.get("environments", {}), f"{file}: environments")
    return {
        _checked_name(name, file): _python(one, f"{file}: environments.{name}")
        for name, one in environments.items()
    }


def interpreter(name: str) -> str:
    """The program of environment `name`. Raises UsageError or FileError where there is none."""
    known = load()
    check([name], known)
    python = known[name]
    found = shutil.which(str(files.of_user(python)) if "/" in python else python)
    if found is None:
        raise FileError(
            f"environment '{name}': {python} is not a program that can be run",
            hint=f"correct it in {config_file()}",
        )
    return found


def check(names: Iterable[str], known: Mapping[str, str] | None = None) -> None:
    """Raise UsageError at the first of `names` that the user has not configured; "" always is."""
    for name in names:
        if not name:
            continue
        known = load() if known is None else known
        if name not in known:
            near = f"{nearest(name, known)} " if known else ""
            raise UsageError(
                f"environment '{name}' is not configured here",
                hint=f"{near}{config_file()} names them: {EXAMPLE}",
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            text = stream.read(LARGEST_BYTES + 1)
        if len(text) > LARGEST_BYTES:
            raise FileError(f"{file} is larger than {LARGEST_BYTES} bytes: it is no configuration")
        return tomli.loads(text.decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FileError(f"can't read {file}: {error.strerror or error}") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{file} is not TOML: {error}", hint=f"expected {EXAMPLE}") from error


def _only(table: Mapping[str, Any], known: tuple[str, ...], file: str, where: str) -> None:
    for key in table:
        if key not in known:
            raise FileError(f"{file}: unknown key '{key}' in {where}", hint=nearest(key, known))


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FileError(f"{where} is {value!r}, expected a table", hint=EXAMPLE)
    return value


def _checked_name(name: str, file: Path) -> str:
    if not NAME.fullmatch(name):
        raise FileError(
            f"{file}: '{name}' can't name an environment", hint="letters, digits and . _ - can"
        )
    return name


def _python(value: object, where: str) -> str:
    table = _table(value, where)
    file, _, key = where.partition(": ")
    _only(table, ("python",), file, key)
    python = table.get("python")
    if not isinstance(python, str) or not python.strip():
        raise FileError(f"{where} has no python", hint=f"expected {EXAMPLE}")
    if "/" in python and not files.of_user(python).is_absolute():
        raise FileError(
            f"{where}.python is '{python}', expected an absolute path or a command on PATH"
        )
    return python
