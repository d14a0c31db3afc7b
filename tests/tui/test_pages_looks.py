"""Pictures of the help, a log, the palette and what asks before it acts; and states of the bench
in light and on a terminal of 16 colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.command import CommandList
from textual.pilot import Pilot

from tests.tui.app_support import Small, Wide, until
from tests.tui.test_app_looks import (
    BROKEN,
    COMPLETE,
    DISTURBED,
    RUNNING,
    FrozenApp,
    nothing_to_wait_for,
    showing,
)
from tui.controller import Controller
from tui.screens.log import LogScreen

__all__ = ["nothing_to_wait_for"]

SIZES = pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
THEMES = pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
LOG = """\
loading mobilenetv2 1 @ 224 on cuda
[W] cudnn: no execution plan for features.0.0, trying another
measuring
Traceback (most recent call last):
  File "engines/backends/pytorch.py", line 231, in infer
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB
"""


@pytest.fixture(autouse=True)
def same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files are shown from the reader's home on, and have a fixed time in their names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".local" / "share" / "infer-tui" / "profiles"
    path = folder / "2026-11-22T12-00-00-mobilenetv2.toml"
    monkeypatch.setattr(Controller, "proposed_path", lambda self: path)


def pressing(*keys: str) -> Callable[[Pilot[None]], object]:
    return showing([], *keys)


async def palette(pilot: Pilot[None]) -> None:
    """The palette, asked for what has to do with profiles."""
    await pressing("ctrl+p", *"profile")(pilot)
    found = pilot.app.screen.query_one(CommandList)
    await until(pilot, lambda: found.option_count > 0)
    await pilot.pause()


async def log(pilot: Pilot[None]) -> None:
    """A worker's log, searched for a word."""
    await pressing()(pilot)
    path = Path.home() / "eager.log"
    path.write_text(LOG)
    await pilot.app.push_screen(LogScreen(path, "eager cuda fp16 b1"))
    await until(pilot, lambda: pilot.app.screen.rows.lines)
    await pilot.press("slash", *"memory", "enter")
    await pilot.pause()


async def save(pilot: Pilot[None]) -> None:
    await showing(COMPLETE)(pilot)
    pilot.app.ask_where_to_save()
    await pilot.pause()


PAGES = {
    "help": pressing("question_mark"),
    "palette": palette,
    "log": log,
    "save": save,
    "leave": showing(RUNNING, "q"),
}


@SIZES
@pytest.mark.parametrize("page", PAGES)
def test_pages(snap_compare, size, page) -> None:
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=PAGES[page])


@THEMES
@pytest.mark.parametrize("page", PAGES)
def test_pages_in_another_theme(snap_compare, theme, page) -> None:
    app = FrozenApp(theme=theme)
    assert snap_compare(app, terminal_size=Small, run_before=PAGES[page])


@THEMES
@pytest.mark.parametrize(
    ("events", "keys"),
    [([], "2"), (RUNNING, "4"), (BROKEN, "6j"), (DISTURBED, "6"), ([], "2i")],
    ids=["empty", "running", "broken", "disturbed", "dialog"],
)
def test_states_in_another_theme(snap_compare, theme, events, keys) -> None:
    app = FrozenApp(theme=theme)
    assert snap_compare(app, terminal_size=Small, run_before=showing(events, *keys))
