"""Title, bell, clipboard and what is remembered, in a real terminal and in a real tmux."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines import configuration, paths
from tests.terminal import Terminal
from tests.tui.test_terminal_run import COMMAND, ENDLESS, PLAN, Open, open_app, running

__all__ = ["open_app"]

# The clipboard is named "c" by the app, not at all by tmux.
COPY = rb"\x1b\]52;c?;([A-Za-z0-9+/=]+)\x07"
ALONE = {"TMUX": "", "STY": ""}


def configure(text: str) -> None:
    (paths.ready(paths.config_folder()) / configuration.CONFIG).write_text(text)


def clipboard(raw: bytes) -> str:
    (code,) = re.findall(COPY, raw)
    return base64.b64decode(code).decode()


def run_to_its_end(terminal: Terminal) -> None:
    terminal.wait_for("2 to run")
    terminal.wait_for("ready")
    terminal.press("r")
    terminal.wait_for("✓ complete", 90)


def test_title_and_clipboard_of_a_run(open_app: Open) -> None:
    terminal = open_app(environment=ALONE)
    run_to_its_end(terminal)
    raw = terminal.wait_sent(rb"\x1b\]2;infer-tui: done\x07")
    titles = re.findall(rb"\x1b\]2;([^\x07]*)\x07", raw)
    assert b"infer-tui: running 1/2 onnxruntime cpu fp32 b1" in titles
    assert raw.index(b"\x1b[22;0t") < raw.index(b"\x1b]2;")
    terminal.press("6")
    terminal.press("Y")
    text = clipboard(terminal.wait_sent(COPY))
    assert re.search(r"^\|.* p50 ms .*\|$", text, re.MULTILINE), "a Markdown table"
    assert len(re.findall(r"^\|", text, re.MULTILINE)) >= 4, "two entries below their headings"
    terminal.wait_for("copied.md")
    assert (paths.state_folder() / "copied.md").read_text() == text
    terminal.press("q")
    terminal.wait_for("Leave")
    terminal.press("q")
    assert terminal.wait_closed() == 0
    assert bytes(terminal.raw).rindex(b"\x1b[23;0t") > raw.rindex(b"\x1b]2;")


def test_nothing_is_said_to_the_terminal_before_anything_is_done(open_app: Open) -> None:
    terminal = open_app(environment=ALONE)
    terminal.wait_for("ready")
    terminal.press("q")
    assert terminal.wait_closed() == 0
    for sequence in (b"\x1b]2;", b"\x1b[22;0t", b"\x1b[23;0t", b"\x1b]52;"):
        assert sequence not in bytes(terminal.raw)


def test_the_bell_rings_at_the_end_where_the_configuration_asks(
    open_app: Open, tmp_path: Path
) -> None:
    configure("[app]\nbell = true\nmouse = false")
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format(measurement="iterations = 50"))
    # Ten seconds are not waited for: any run is long.
    start = "from tui import cli, telling; telling.BELL_AFTER_S = 0.0; cli.main()"
    with Terminal(
        [sys.executable, "-c", start, "--plan", str(plan)], environment=ALONE
    ) as terminal:
        run_to_its_end(terminal)
        raw = terminal.wait_sent(b"infer-tui: done\x07")
        without_titles = re.sub(rb"\x1b\][^\x07]*\x07", b"", raw)
        assert without_titles.count(b"\x07") == 1
        assert b"\x1b[?1003h" not in raw, "the mouse is the terminal's"


def test_the_title_is_given_back_where_a_signal_ends_it(open_app: Open) -> None:
    terminal = open_app(ENDLESS, environment=ALONE)
    running(terminal)
    terminal.wait_sent(rb"infer-tui: running 1/2")
    assert re.search(rb"\x1b\[\?1003h", terminal.raw), "the mouse is the app's"
    terminal.process.send_signal(signal.SIGTERM)
    terminal.wait_closed()
    terminal.wait_sent(rb"\x1b\[23;0t")


def test_what_was_chosen_is_there_at_the_next_start() -> None:
    with Terminal([COMMAND], environment=ALONE) as terminal:
        terminal.wait_for(lambda text: "checking" not in text and "to run" in text, 60)
        terminal.press("i")
        terminal.wait_for("How to measure")
        terminal.press("\x1b[C", "\r")
        terminal.wait_for("measured for 100 iterations")
        terminal.press("a")
        terminal.wait_for(lambda text: "nothing selected" in text and "[x]" not in text)
        terminal.press("q")
        assert terminal.wait_closed() == 0
    left = json.loads((paths.state_folder() / "last-time.json").read_bytes())
    assert left["measurement"]["iterations"] == 100
    with Terminal([COMMAND], environment=ALONE) as terminal:
        terminal.wait_for("measured for 100 iterations")
        terminal.wait_for("nothing selected", 60)
        terminal.press("q")
        assert terminal.wait_closed() == 0
    with Terminal([COMMAND, "--fresh"], environment=ALONE) as terminal:
        terminal.wait_for("until the median is known")
        terminal.wait_for("[x]", 60)
        terminal.press("q")
        assert terminal.wait_closed() == 0


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """A tmux as it comes, of a server of its own that reads nobody's configuration."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    command = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    yield command
    subprocess.run([*command, "kill-server"], capture_output=True, check=False)


def test_inside_tmux_a_copy_is_its_newest_buffer_and_on_the_outer_clipboard(
    tmux: list[str],
) -> None:
    environment = {**os.environ, **ALONE, "TERM": "xterm-256color"}
    with Terminal([*tmux, "new-session", COMMAND], environment=environment) as terminal:
        terminal.wait_for("to run", 60)
        terminal.press("?")
        terminal.wait_for("Every key, by panel")
        terminal.press("y")
        terminal.wait_for("given to tmux")
        shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, text=True, check=True)
        assert "Choose engines (space)" in shown.stdout
        assert shown.stdout == (paths.state_folder() / "copied.txt").read_text()
        (code,) = re.findall(COPY, terminal.wait_sent(COPY))
        assert base64.b64decode(code).decode() == shown.stdout
