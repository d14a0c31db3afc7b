"""`infer-tui profiles`: the saved profiles, newest first."""

from __future__ import annotations

import argparse
import json

import msgspec

from engines.errors import EXIT_OK
from profiles.index import Entry
from profiles.store import Store
from tui.commands.tables import markdown_table, text_table
from tui.formats import byte_size, milliseconds

HEADINGS = ("profile", "model", "engines", "fastest", "p50 ms", "ended", "size")
NUMBERS = (2, 4, 6)


def main(arguments: argparse.Namespace) -> int:
    store = Store()
    entries = store.list()
    if arguments.format == "json":
        print(json.dumps({"profiles": [msgspec.to_builtins(one) for one in entries]}, indent=2))
        return EXIT_OK
    if not entries:
        print(f"no profile is saved in {store.folder}; 'infer-tui run' makes one")
        return EXIT_OK
    table = markdown_table if arguments.format == "md" else text_table
    print(table(HEADINGS, [_row(one) for one in entries], NUMBERS))
    for one in entries:
        if one.problem:
            print(f"\n{one.name}: {one.problem}")
    return EXIT_OK


def _row(one: Entry) -> tuple[str, ...]:
    if one.problem:
        return (one.name, "can't be read", "", "", "", "", byte_size(one.bytes))
    return (
        one.name,
        one.model,
        str(len(one.engines)),
        one.fastest,
        milliseconds(one.fastest_p50_ms),
        one.ending or "",
        byte_size(one.bytes),
    )
