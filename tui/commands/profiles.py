"""`infer-tui profiles`: the saved profiles, newest first."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import msgspec

from engines.errors import EXIT_OK
from profiles.index import Entry
from profiles.store import Store
from profiles.table import Cell, Column, fitting, markdown_lines, text_lines
from tui.commands.tables import width_of_output
from tui.formats import byte_size, milliseconds

# The columns with the highest of these numbers go first where the terminal is narrow.
HEADINGS = {
    "profile": 0,
    "model": 4,
    "engines": 3,
    "fastest": 1,
    "p50 ms": 0,
    "ended": 2,
    "size": 5,
}
NUMBERS = ("engines", "p50 ms", "size")


def main(arguments: argparse.Namespace) -> int:
    store = Store()
    entries = store.list()
    if arguments.format == "json":
        print(json.dumps({"profiles": [msgspec.to_builtins(one) for one in entries]}, indent=2))
        return EXIT_OK
    if not entries:
        print(f"no profile is saved in {store.folder}; 'infer-tui run' makes one")
        return EXIT_OK
    columns = _columns([_row(one) for one in entries])
    if arguments.format == "md":
        print("\n".join(markdown_lines(columns)))
    else:
        width = width_of_output()
        print("\n".join(text_lines(fitting(columns, width), width)))
    for one in entries:
        if one.problem:
            print(f"\n{one.name}: {one.problem}")
    return EXIT_OK


def _columns(rows: Sequence[Sequence[str]]) -> list[Column]:
    return [
        Column(heading, [Cell(text) for text in cells], priority, numeric=heading in NUMBERS)
        for (heading, priority), cells in zip(
            HEADINGS.items(), zip(*rows, strict=True), strict=True
        )
    ]


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
