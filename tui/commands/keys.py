"""`infer-tui keys`: every action with its id, its keys in force and its words."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from engines.configuration import config_file
from engines.errors import EXIT_OK
from tui import actions
from tui.commands.tables import markdown_table, text_table
from tui.settings import load

HEADINGS = ("action", "keys", "by default", "does")


def main(arguments: argparse.Namespace) -> int:
    keymap = load().keymap
    if arguments.format == "json":
        print(json.dumps(_document(keymap), indent=2, ensure_ascii=False))
        return EXIT_OK
    table = markdown_table if arguments.format == "md" else text_table
    for scope in actions.SCOPES:
        rows = [_row(action, keymap) for action in actions.of(scope.name)]
        if rows:
            title = scope.title if arguments.format == "text" else f"## {scope.title}\n"
            print(f"{title}\n{table(HEADINGS, rows)}\n")
    print(f'[keymap] in {config_file()} changes them, such as "bench.run" = "r,f5"')
    return EXIT_OK


def _row(action: actions.Action, keymap: Mapping[str, str]) -> tuple[str, ...]:
    keys = _text(actions.keys_of(action, keymap))
    default = _text(actions.keys_of(action, {}))
    return (action.id, keys, "" if keys == default else default, action.help)


def _text(keys: tuple[str, ...]) -> str:
    return ",".join(keys) or "(none)"


def _document(keymap: Mapping[str, str]) -> dict[str, Any]:
    return {
        "config": str(config_file()),
        "actions": [
            {
                "id": action.id,
                "scope": action.scope,
                "where": next(one.title for one in actions.SCOPES if one.name == action.scope),
                "keys": list(actions.keys_of(action, keymap)),
                "default": list(actions.keys_of(action, {})),
                "word": action.word,
                "help": action.help,
            }
            for action in actions.ACTIONS
        ],
    }
