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

from engines import configuration, files
from engines.configuration import config_file, only
from engines.errors import FileError, UsageError, nearest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
EXAMPLE = '[environments.NAME] with python = "/path/to/python"'


def load() -> dict[str, str]:
    """Each environment's interpreter, by name; empty where nothing is configured.

    Raises FileError where the file can't be read or says something that is not understood. That
    an interpreter exists is not checked here: see `interpreter`.
    """
    file = config_file()
    document = configuration.read()
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
    only(table, ("python",), file, key)
    python = table.get("python")
    if not isinstance(python, str) or not python.strip():
        raise FileError(f"{where} has no python", hint=f"expected {EXAMPLE}")
    if "/" in python and not files.of_user(python).is_absolute():
        raise FileError(
            f"{where}.python is '{python}', expected an absolute path or a command on PATH"
        )
    return python
