"""What the user's configuration says of the app: its keys, and how it meets the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from engines import configuration
from engines.errors import FileError, UsageError

KEYMAP_EXAMPLE = '"bench.run" = "r,f5"; infer-tui keys lists the actions'


@dataclass(frozen=True, slots=True)
class Settings:
    """The tables [keymap] and [app] of the user's file; a command line option goes before them.

    `keymap` gives an action's id its keys, see `tui.actions.check_keymap`. `bell` rings when a long
    run or build ends, `mouse` takes the mouse from the terminal, `ascii` draws with plain
    characters, `slow_line` draws for a line of 1,200 bytes a second.
    """

    keymap: Mapping[str, str] = field(default_factory=dict)
    bell: bool = False
    mouse: bool = True
    ascii: bool = False
    slow_line: bool = False


SWITCHES = tuple(one.name for one in fields(Settings) if one.name != "keymap")


def load() -> Settings:
    """The user's settings; FileError, with the file's name, where they are not understood."""
    document = configuration.read()
    file = str(configuration.config_file())
    keymap = document.get("keymap", {})
    switches = document.get("app", {})
    for name, table in (("keymap", keymap), ("app", switches)):
        if not isinstance(table, dict):
            raise FileError(f"{file}: {name} is {table!r}, expected a table", hint=f"[{name}]")
    return Settings(keymap=_keymap(keymap, file), **_switches(switches, file))


def _keymap(table: Mapping[str, object], file: str) -> dict[str, str]:
    if not table:
        return {}
    # Textual comes with the registry: nobody waits for it who has no keymap.
    from tui.actions import check_keymap

    found: dict[str, str] = {}
    for action, keys in _flat(table):
        if not isinstance(keys, str):
            raise FileError(
                f"{file}: keymap: {action} is {keys!r}, expected keys in quotes",
                hint=KEYMAP_EXAMPLE,
            )
        found[action] = keys
    try:
        return check_keymap(found)
    except UsageError as error:
        raise FileError(f"{file}: keymap: {error.message}", hint=error.hint) from error


def _flat(table: Mapping[str, object], before: str = "") -> list[tuple[str, object]]:
    """The entries by whole id: without quotes TOML takes `bench.run` for a table in a table."""
    found: list[tuple[str, object]] = []
    for name, value in table.items():
        inner = _flat(value, f"{before}{name}.") if isinstance(value, dict) else None
        found += [(f"{before}{name}", value)] if inner is None else inner
    return found


def _switches(table: Mapping[str, object], file: str) -> dict[str, bool]:
    configuration.only(table, SWITCHES, file, "app")
    found: dict[str, bool] = {}
    for name, value in table.items():
        if not isinstance(value, bool):
            raise FileError(f"{file}: app.{name} is {value!r}, expected true or false")
        found[name] = value
    return found
