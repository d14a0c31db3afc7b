"""The app on a GPU in a real terminal: build, cancel, rebuild, run, save.

INFER_TUI_TEST_PICTURES names a folder where the screens on the way are kept as SVG.
"""

from __future__ import annotations

import io
import itertools
import os
import sys
import time
from pathlib import Path

import psutil
import pytest
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

from engines import paths
from engines.registry import Availability
from profiles.reading import read_profile
from tests.terminal import Terminal

PICTURES = "INFER_TUI_TEST_PICTURES"
# pyte's names where Rich has others.
PALETTE = {"brown": "yellow", "brightbrown": "bright_yellow", "brightblack": "bright_black"}
ROOT = Path(__file__).parents[2]
PLAN = """
schema = 1
[measurement]
seconds = 2.0
warmup_max_seconds = 3.0
[[engines]]
engine = "eager"
device = "cuda"
precision = "fp16"
options = {{ cuda_graph = true }}
[[engines]]
engine = "onnxruntime"
device = "cuda"
precision = "fp16"
[[engines]]
engine = "tensorrt"
device = "cuda"
precision = "fp16"
environment = "{environment}"
options = {{ builder_level = 0 }}
"""


@pytest.mark.shares_gpu
def test_build_cancel_rebuild_run_and_save(
    tensorrt: Availability, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format(environment=tensorrt.environment))
    with Terminal([sys.executable, "-m", "tui.cli", "--plan", str(plan)]) as terminal:
        terminal.wait_for(lambda text: "TensorRT" in text and "3 to run" in text, 120)
        terminal.press("2")
        go_to(terminal, "TensorRT ")
        keep(terminal, "needs-a-build")

        begin_build(terminal)
        keep(terminal, "building")
        children = terminal.descendants()
        began = time.monotonic()
        terminal.press("x")
        terminal.wait_for("■ stopped", 10)
        psutil.wait_procs(children, timeout=3)
        assert time.monotonic() - began < 3.0
        assert not [one for one in children if one.is_running()]

        begin_build(terminal)
        wait_for_row(terminal, "ready", 240)
        terminal.press("b")
        terminal.wait_for("✓ built, ", 10)
        keep(terminal, "build-dialog")
        terminal.press("\r")
        wait_for_row(terminal, "building", 30)
        wait_for_row(terminal, "ready", 240)

        terminal.press("r")
        terminal.wait_for("measuring", 240)
        keep(terminal, "running")
        terminal.wait_for("complete in", 240)
        keep(terminal, "complete")
        terminal.press("s")
        terminal.wait_for("Save this run")
        terminal.press("\r")
        terminal.wait_for("Saved")
        terminal.press("q")
        assert terminal.wait_closed() == 0
    (saved,) = (paths.data_folder() / "profiles").glob("*.toml")
    assert [one.status for one in read_profile(saved).results] == ["ok", "ok", "ok"]


def cursor_row(text: str) -> str:
    """The row of the engines panel that the cursor is on."""
    return next((line for line in text.splitlines() if "│ ▸" in line), "")


def go_to(terminal: Terminal, words: str) -> None:
    """Move the cursor down until it is on a row with `words`."""
    while words not in (row := cursor_row(terminal.wait_for("│ ▸"))):
        terminal.press("j")
        terminal.wait_for(lambda text, row=row: cursor_row(text) != row)


def wait_for_row(terminal: Terminal, words: str, timeout: float) -> None:
    terminal.wait_for(lambda text: words in cursor_row(text), timeout)


def begin_build(terminal: Terminal) -> None:
    """Accept the dialog, and wait until the build goes."""
    terminal.press("b")
    terminal.wait_for("needs a build", 10)
    terminal.press("\r")
    wait_for_row(terminal, "building", 30)


def keep(terminal: Terminal, name: str) -> None:
    """Keep the screen as a picture, where somebody wants them."""
    folder = os.environ.get(PICTURES)
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / f"{name}.svg").write_text(picture(terminal))


def picture(terminal: Terminal) -> str:
    """What the terminal shows, as SVG."""
    cells = terminal.cells()
    console = Console(
        record=True, width=len(cells[0]), file=io.StringIO(), color_system="truecolor",
        force_terminal=True, legacy_windows=False,
    )  # fmt: skip
    for row in cells:
        line = Text(no_wrap=True, overflow="crop")
        for (style, _), alike in itertools.groupby(enumerate(row), look):
            line.append("".join(cell.data for _, cell in alike), style)
        console.print(line)
    return console.export_svg(title="infer-tui")


def look(place: tuple[int, Char]) -> tuple[Style, int | None]:
    """A cell's style, and its column unless it is of ASCII.

    Programs that draw SVG stretch words, and take other characters for wider than a cell.
    """
    column, cell = place
    style = Style(
        color=color(cell.fg), bgcolor=color(cell.bg), bold=cell.bold, reverse=cell.reverse
    )
    return style, None if cell.data.isascii() else column


def color(name: str) -> str | None:
    """Rich's name for the emulator's colour: six hex digits, or a word that Rich knows too."""
    if name == "default":
        return None
    is_hex = len(name) == 6 and set(name.lower()) <= set("0123456789abcdef")
    return f"#{name}" if is_hex else PALETTE.get(name, name)
