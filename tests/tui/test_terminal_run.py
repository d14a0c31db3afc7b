"""The installed command in a real terminal: a run, its ends, and what is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from profiles.reading import read_profile
from tests.terminal import Terminal

COMMAND = str(Path(sys.executable).with_name("infer-tui"))

PLAN = """
schema = 1
name = "terminal"
[model]
width = 0.35
input_size = 96
classes = 10
[measurement]
{measurement}
warmup_min_seconds = 0.1
warmup_max_seconds = 1.0
[[engines]]
engine = "onnxruntime"
device = "cpu"
options = {{ intra_op_threads = 1 }}
[[engines]]
engine = "onnxruntime"
device = "cpu"
batch = 2
options = {{ intra_op_threads = 1 }}
"""
ENDLESS = "seconds = 600.0"

Open = Callable[..., Terminal]


@pytest.fixture
def open_app(tmp_path: Path) -> Iterator[Open]:
    """Opens the app on a plan of two entries; it is ended with the test."""
    opened: list[Terminal] = []

    def start(measurement: str = "iterations = 700", **options) -> Terminal:
        plan = tmp_path / "plan.toml"
        plan.write_text(PLAN.format(measurement=measurement))
        terminal = Terminal([COMMAND, "--plan", str(plan)], **options)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.__exit__(None, None, None)


def running(terminal: Terminal) -> list[psutil.Process]:
    """Start the run and wait until samples come; returns the app's children."""
    terminal.wait_for("2 to run")
    terminal.wait_for("ready")
    terminal.press("r")
    terminal.wait_for("measuring", 90)
    children = terminal.descendants()
    assert children
    return children


def saved_profiles() -> list[Path]:
    folder = Path(os.environ["XDG_DATA_HOME"]) / "infer-tui" / "profiles"
    return sorted(folder.glob("*.toml"))


def assert_gone(children: list[psutil.Process], since: float) -> None:
    _, late = psutil.wait_procs(children, timeout=max(0.0, since + 3.0 - time.monotonic()))
    alive = [one for one in late if one.status() != psutil.STATUS_ZOMBIE]
    assert not alive, "children are gone within three seconds"


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24)])
def test_run_then_save_with_five_keys(open_app, columns, rows, tmp_path):
    terminal = open_app(columns=columns, rows=rows)
    terminal.wait_for("2 to run")
    terminal.wait_for("ready")
    terminal.press("r")
    terminal.wait_for("✓ complete in" if columns == 120 else "2/2", 90)
    terminal.wait_for(lambda text: "measuring" not in text and "▶" not in text, 90)
    terminal.press("s")
    terminal.wait_for("Save this run")
    terminal.press("\r")
    terminal.wait_for("Saved")
    terminal.press("q")
    assert terminal.wait_closed() == 0
    (path,) = saved_profiles()
    profile = read_profile(path)
    assert [result.status for result in profile.results] == ["ok", "ok"]
    assert [result.latency.n for result in profile.results] == [700, 700]
    assert path.with_name(profile.samples.file).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_mid_run_saves_and_leaves_no_child(open_app, number):
    terminal = open_app(ENDLESS)
    children = running(terminal)
    sent = time.monotonic()
    terminal.process.send_signal(number)
    assert_gone(children, sent)
    terminal.wait_closed()
    (path,) = saved_profiles()
    assert read_profile(path).results[0].latency.n > 0


def test_a_lost_connection_saves_and_leaves_no_child(open_app):
    terminal = open_app(ENDLESS)
    children = running(terminal)
    app, sent = psutil.Process(terminal.process.pid), time.monotonic()
    terminal.hang_up()
    assert_gone([app, *children], sent)
    (path,) = saved_profiles()
    assert read_profile(path).run.ending == "stopped"


def test_what_the_store_can_not_take_is_kept_elsewhere(open_app, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null")
    terminal = open_app(ENDLESS)
    running(terminal)
    terminal.process.send_signal(signal.SIGTERM)
    terminal.wait_closed(30)
    (path,) = tmp_path.glob("infer-tui-*/*.toml")
    assert read_profile(path).run.ending == "stopped"
    assert f"what was measured is kept in {path}:" in terminal.text.replace("\n", "")


def test_a_killed_app_leaves_no_child(open_app):
    terminal = open_app(ENDLESS)
    children = running(terminal)
    sent = time.monotonic()
    terminal.process.kill()
    assert_gone(children, sent)


def test_ctrl_c_stops_the_run_and_keeps_it_then_leaves(open_app):
    terminal = open_app(ENDLESS)
    children = running(terminal)
    sent = time.monotonic()
    terminal.press("\x03")
    terminal.wait_for("stopped")
    assert_gone(children, sent)
    terminal.press("\x03")
    assert terminal.wait_closed() == 0
    (path,) = saved_profiles()
    assert read_profile(path).results[0].status == "stopped"


def test_a_worker_killed_in_mid_run_is_a_row_and_the_other_goes_on(open_app):
    terminal = open_app("seconds = 4.0")
    children = running(terminal)
    for child in children:
        child.kill()
    terminal.wait_for("failed")
    terminal.wait_for("✓ complete in", 90)
    assert terminal.process.poll() is None


def test_resizing_in_mid_run_breaks_nothing(open_app):
    terminal = open_app(ENDLESS)
    running(terminal)
    for columns, rows in ((80, 24), (40, 10), (200, 60), (1, 1), (120, 40)):
        terminal.resize(columns, rows)
        terminal.quiet_for(0.5)
    terminal.wait_for("measuring")
    assert terminal.process.poll() is None


def test_the_size_is_the_terminals_whatever_the_environment_says(open_app):
    """Where a shell exports COLUMNS, it is the size that some terminal had once."""
    terminal = open_app(environment={"COLUMNS": "80", "LINES": "24"}, columns=120, rows=40)
    terminal.wait_for(lambda text: max(map(len, text.splitlines())) > 100)
    terminal.press("q")
    assert terminal.wait_closed() == 0


def test_a_tiny_terminal_says_what_it_needs_and_can_be_left(open_app):
    terminal = open_app(columns=40, rows=10)
    terminal.wait_for(lambda text: "60" in text and "15" in text)
    terminal.press("q")
    assert terminal.wait_closed() == 0


def test_a_folder_with_packages_of_our_names_is_not_imported(open_app, tmp_path):
    folder = tmp_path / "user"
    folder.mkdir()
    for name in ("engines", "profiles", "tui", "mobilenetv2"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('imported')\n")
    for name in ("torch", "textual", "onnxruntime"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')\n")
    terminal = open_app(cwd=folder)
    running(terminal)


def test_nothing_is_sent_while_idle(open_app):
    terminal = open_app()
    terminal.wait_for("2 to run")
    terminal.wait_for(lambda text: "checking" not in text and "…" not in text)
    terminal.quiet_for(2.0)
    assert terminal.quiet_for(3.0) == 0
