"""Builds in a real terminal: pressed, watched, and left in the middle."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.terminal import Terminal

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")

COMMAND = str(Path(sys.executable).with_name("infer-tui"))
PLAN = """
schema = 1
[model]
width = 0.35
input_size = 96
classes = 10
[[engines]]
engine = "tensorrt-rtx"
device = "cuda"
options = { compute_capability = "8.9" }
"""


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """The app with the cursor on TensorRT-RTX; no engine file is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    with Terminal([COMMAND, "--plan", str(plan)], columns=120, rows=40) as opened:
        opened.wait_for("TensorRT-RTX")
        opened.wait_for(lambda text: "checking" not in text and "…" not in text, 90)
        opened.press("G")
        opened.wait_for("builds for a named GPU")
        yield opened


def begin(terminal: Terminal) -> list[psutil.Process]:
    """Have the row built; the children that do it."""
    terminal.press("b")
    terminal.wait_for("needs a build: not made yet")
    terminal.press("\r")
    terminal.wait_for("▶ building TensorRT-RTX")
    deadline = time.monotonic() + 30
    while not (children := terminal.descendants()):
        assert time.monotonic() < deadline, "no worker began"
    return children


def assert_gone(children: list[psutil.Process], since: float) -> None:
    _, late = psutil.wait_procs(children, timeout=max(0.0, since + 3.0 - time.monotonic()))
    alive = [one for one in late if one.status() != psutil.STATUS_ZOMBIE]
    assert not alive, "children are gone within three seconds"


def test_b_and_enter_build(terminal: Terminal) -> None:
    begin(terminal)
    terminal.wait_for("✓ built", 120)
    terminal.press("3")
    terminal.wait_for("why: not made yet")
    terminal.press("q")
    assert terminal.wait_closed() == 0


def test_a_lost_terminal_ends_the_build(terminal: Terminal) -> None:
    children = begin(terminal)
    sent = time.monotonic()
    terminal.process.send_signal(signal.SIGHUP)
    assert_gone(children, sent)
    terminal.wait_closed()


def test_q_asks_and_a_second_q_ends_the_build(terminal: Terminal) -> None:
    children = begin(terminal)
    terminal.press("q")
    terminal.wait_for("A build is going")
    sent = time.monotonic()
    terminal.press("q")
    assert_gone(children, sent)
    assert terminal.wait_closed() == 0
