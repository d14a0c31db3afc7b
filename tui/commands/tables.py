"""Plain tables for a terminal or a pull request."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

Row = Sequence[str]

# Where standard output is no terminal.
WIDTH_OF_A_FILE = (120, 40)


def text_table(headings: Row, rows: Sequence[Row], right: Sequence[int] = ()) -> str:
    """Columns as wide as their widest cell, two spaces apart; those in `right` right-aligned."""
    table = [tuple(headings), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def markdown_table(headings: Row, rows: Sequence[Row], right: Sequence[int] = ()) -> str:
    """The same as a Markdown table."""
    rule = ["---:" if column in right else "---" for column in range(len(headings))]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (headings, rule, *rows)
    )


def width_of_output() -> int:
    """The terminal's columns, or those of a file."""
    return shutil.get_terminal_size(WIDTH_OF_A_FILE).columns


def wrapped(text: str) -> str:
    """`text` in lines as wide as the terminal, those after the first indented."""
    return textwrap.fill(text, width_of_output(), subsequent_indent="  ", break_on_hyphens=False)
