"""Over a line of 1,200 bytes a second: from a key to its whole answer at the far end.

A real run goes meanwhile. A pty stands before the app that is read at that rate, and what the
kernel keeps in front of it (18 kB, 15 s of the line) is the buffer that sshd and TCP are to a real
line. The figure of a key is the time until the last byte of its answer has been read and drawn.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.performance.common import COMMAND, SSH, own_folders, row
from tests.performance.line import PLAN
from tests.terminal import Terminal

RATE = 1200
ESCAPE = "\x1b"
SETTLED_S = 3.0


def footer(shown: str) -> Callable[[str], bool]:
    """Whether the last line, which names the keys, has `shown`."""
    return lambda text: shown in text.splitlines()[-1]


def all_of(*shown: str) -> Callable[[str], bool]:
    return lambda text: all(one in text for one in shown)


BOX = f"╰{'─' * 70}╯"
KEYS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("another panel (4)", "4", footer("time span")),
    ("another panel (2)", "2", footer("space")),
    ("the cursor moves (j)", "j", lambda text: "torch 2" not in text),
    ("and back (k)", "k", all_of("torch 2")),
    ("a dialog (i)", "i", all_of("How to measure", "esc cancel", BOX)),
    ("it goes (escape)", ESCAPE, lambda text: footer("space")(text) and BOX not in text),
    ("the help (?)", "?", lambda text: footer("esc")(text) and "Every key" in text),
    ("it goes (escape)", ESCAPE, lambda text: footer("space")(text) and "1 Model" in text),
    ("leave? (q)", "q", all_of("Leave?", "A run is going", BOX)),
)


def main() -> None:
    with own_folders() as folders, tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(PLAN)
        for name, options, environment in (
            ("--slow-line", ["--slow-line"], folders),
            ("as under SSH", [], {**folders, **SSH}),
        ):
            measure(name, [*COMMAND, *options, "--plan", str(plan)], environment)


def measure(name: str, command: list[str], environment: dict[str, str]) -> None:
    with Terminal(command, environment=environment, rate=RATE) as terminal:
        terminal.wait_for(lambda text: footer("quit")(text) and "1 Model" in text, 60)
        row(f"{name}: first frame", f"{time.monotonic() - terminal.began:.1f} s")
        terminal.wait_for("1 to run", 120)
        row(f"{name}: a ready engine list", f"{time.monotonic() - terminal.began:.1f} s")
        terminal.press("r")
        terminal.wait_for("measuring", 120)
        for what, key, answered in KEYS:
            terminal.quiet_for(SETTLED_S)
            began = time.monotonic()
            terminal.press(key)
            terminal.wait_for(answered, 300)
            row(f"{name}: {what}", f"{time.monotonic() - began:.1f} s")
        children = terminal.descendants()
        began = time.monotonic()
        terminal.press("q")
        while any(child.is_running() and child.status() != "zombie" for child in children):
            time.sleep(0.02)
        row(f"{name}: no child is left after", f"{time.monotonic() - began:.1f} s", "at most 3 s")
        terminal.wait_closed(60)
        row(f"{name}: the app has ended after", f"{time.monotonic() - began:.1f} s")
