"""Time to the first frame against an empty Textual app; `--version` and `--help` against `pass`.

The first frame is the first output that holds the footer, seen from the other end of a pty.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.performance.common import COMMAND, own_folders, row, spread
from tests.terminal import Terminal

# What every row of the engines says once its interpreter is known, or while it answers again.
LISTED = ("✓ ready", "… was ready")

ROUNDS = 11
LIST_ROUNDS = 3

EMPTY_APP = """
from textual.app import App
from textual.widgets import Footer, Header
class Empty(App):
    BINDINGS = [("q", "quit", "quit")]
    def compose(self):
        yield Header()
        yield Footer()
Empty().run()
"""


def first_frame(command: list[str], environment: dict[str, str]) -> float:
    """Seconds from the start of the process until the footer's bytes have arrived."""
    with Terminal(command, environment=environment, until=b"quit") as terminal:
        terminal.wait_for("quit")
        return terminal.found_after


def listed(environment: dict[str, str], shown: str) -> float:
    """Seconds from the start of the process until the list of engines shows `shown`."""
    with Terminal(COMMAND, environment=environment) as terminal:
        terminal.wait_for(shown, 60)
        seconds = time.monotonic() - terminal.began
        terminal.wait_for(lambda text: "checking" not in text and "… was" not in text, 120)
        # The answers are written for the next start; the model is described meanwhile.
        terminal.quiet_for(1.0)
        return seconds


def wall(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    frames: list[float] = []
    with own_folders() as folders:
        environment = {**folders, "PYTHONDONTWRITEBYTECODE": ""}
        ours, empty = COMMAND, [sys.executable, "-c", EMPTY_APP]
        for command in (ours, empty):
            first_frame(command, environment)
        for _ in range(ROUNDS):
            frames.append(first_frame(ours, environment) / first_frame(empty, environment))
    row("first frame, infer-tui / empty app", spread(frames), "at most 1.5")
    with own_folders() as folders:
        first = listed(folders, LISTED[0])
        again = [listed(folders, LISTED[1]) for _ in range(LIST_ROUNDS)]
        sure = [listed(folders, LISTED[0]) for _ in range(LIST_ROUNDS)]
    row("first start: the first engine has answered after", f"{first:.2f} s", "at most 1.5 s")
    row("later ones: the list as it was last time after", f"{spread(again)} s", "at most 1.5 s")
    row("later ones: the first engine has answered again after", f"{spread(sure)} s", "")
    for option in ("--version", "--help"):
        wall([*COMMAND, option])
        pairs = [
            (wall([*COMMAND, option]), wall([sys.executable, "-c", "pass"])) for _ in range(ROUNDS)
        ]
        excess = statistics.median(ours - 3 * base for ours, base in pairs)
        row(f"{option} minus 3 x 'python -c pass'", f"{excess * 1000:.0f} ms", "at most 100 ms")
