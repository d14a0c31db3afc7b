"""A real terminal behind a slow line, and behind one that takes nothing at all."""

from __future__ import annotations

import signal

import psutil
import pytest

from profiles.store import Store
from tests.tui.test_terminal_run import ENDLESS, Open, open_app  # noqa: F401

SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}


def test_nothing_piles_up_before_a_line_that_is_stuck(open_app: Open) -> None:  # noqa: F811
    terminal = open_app("seconds = 1.0", environment=SSH)
    terminal.wait_for("2 to run", 60)
    terminal.press("r")
    terminal.wait_for("measuring", 60)
    workers = terminal.descendants()
    terminal.stall()
    # The first engine is measured to its end though nobody sees it.
    _, left = psutil.wait_procs(workers, 60)
    assert workers
    assert not left
    # What lies before the line now is all that the app has sent meanwhile.
    terminal.process.send_signal(signal.SIGSTOP)
    terminal.flow()
    assert terminal.quiet_for(0.5) < 5_000
    terminal.process.send_signal(signal.SIGCONT)
    terminal.press("x")
    terminal.wait_for("■ stopped", 30)


@pytest.mark.parametrize("line", [{}, SSH])
def test_leaving_ends_the_children_though_the_terminal_takes_nothing(
    open_app: Open,  # noqa: F811
    line: dict[str, str],
) -> None:
    terminal = open_app(ENDLESS, environment=line)
    terminal.wait_for("2 to run", 60)
    terminal.press("r")
    terminal.wait_for("measuring", 60)
    children = terminal.descendants()
    terminal.stall(full=True)
    terminal.press(*"jkjkjkjkjkjkjkjkjkjkjkjkjkjkjkjkjkjkjkjk", "q", "q")
    _, left = psutil.wait_procs(children, 3.0)
    assert children
    assert not left
    assert terminal.wait_closed(30) == 0
    assert len(Store().list()) == 1, "what was measured is kept"


def test_a_signal_ends_it_though_the_terminal_takes_nothing(open_app: Open) -> None:  # noqa: F811
    terminal = open_app(ENDLESS)
    terminal.wait_for("2 to run", 60)
    terminal.press("r")
    terminal.wait_for("measuring", 60)
    children = terminal.descendants()
    terminal.stall(full=True)
    terminal.press(*"jk" * 40)
    terminal.process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(children, 3.0)
    assert children
    assert not left
    assert terminal.wait_closed(30) == 128 + signal.SIGTERM
    assert len(Store().list()) == 1


def test_a_slow_line_shows_the_end_of_a_run_whole(open_app: Open) -> None:  # noqa: F811
    terminal = open_app(environment={}, rate=6_000)
    terminal.wait_for("2 to run", 60)
    terminal.press("r")
    shown = terminal.wait_for(lambda text: "✓ complete" in text and "▿" in text, 60)
    assert shown.count("1.00x") == 1
