"""With --ascii nothing but ASCII goes to the terminal, whoever draws it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.terminal import Terminal
from tui.plain_ascii import in_cells

COMMAND = str(Path(sys.executable).with_name("infer-tui"))


def test_every_screen_and_textuals_palette_are_ascii() -> None:
    with Terminal([COMMAND, "--ascii", "--fresh"], columns=80, rows=24) as terminal:
        terminal.wait_for("to run", 60)
        terminal.press("\x10")
        terminal.wait_for("Search for commands")
        terminal.press("\x1b")
        terminal.wait_for(lambda text: "Search for commands" not in text)
        terminal.press("?")
        terminal.wait_for("Every key, by panel")
        terminal.press("\x1b")
        terminal.wait_for("2 Engines")
        terminal.press("o")
        terminal.wait_for("Saved profiles")
        assert bytes(terminal.raw).isascii()


@pytest.mark.parametrize("text", ["\x1b[1;31m▔▁▅ 🔎 …", "漢é", "╭─ ▌ ┃", "plain"])
def test_a_sign_keeps_its_cells(text: str) -> None:
    assert in_cells(text).isascii()
    assert cell_len(in_cells(text)) == cell_len(text)
