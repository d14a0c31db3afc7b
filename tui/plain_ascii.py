"""The last look at what goes to a terminal that has plain ASCII only.

The app's own widgets draw in ASCII there; Textual's palette, toasts and scrollbars do not know how.
"""

from __future__ import annotations

from rich.cells import get_character_cell_size

_SIGNS = {
    ord(sign): plain
    for signs, plain in (
        ("─▔▀", "-"),
        # Without colours the heavier border tells which panel has the keys.
        ("━", "="),
        ("┃┏┓┗┛", "#"),
        ("▁▂▃▄", "_"),
        ("▅▆▇█", "#"),
        ("│▌▐▎▊▍▋▏▕", "|"),
        ("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
        ("…", "~"),
        ("🔎", "/ "),
    )
    for sign in signs
}


def in_cells(text: str) -> str:
    """`text` in ASCII, each sign in as many cells as it had; control sequences stay."""
    if text.isascii():
        return text
    return "".join(
        sign if sign.isascii() else "?" * get_character_cell_size(sign)
        for sign in text.translate(_SIGNS)
    )
