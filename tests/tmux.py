"""A real tmux for tests: a pane of its own server, its keys, and what it shows."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tui.keys import shown_key

# Textual's names of keys, and those of tmux; all others are signs and letters.
_NAMES = {
    "up": "Up", "down": "Down", "left": "Left", "right": "Right", "pageup": "PPage",
    "pagedown": "NPage", "home": "Home", "end": "End", "delete": "DC", "backspace": "BSpace",
    "enter": "Enter", "space": "Space", "tab": "Tab", "shift+tab": "BTab", "escape": "Escape",
    "f1": "F1",
}  # fmt: skip

SETTLED_S = 0.03


class Tmux:
    """Runs `command` in a tmux of `columns` x `rows` that reads nobody's configuration.

    Its pane's output comes through a pipe, so that waiting is on what is drawn.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        columns: int,
        rows: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self._environment = {**os.environ, "TMUX": "", "STY": "", **(environment or {})}
        fifo = folder / "drawn"
        os.mkfifo(fifo)
        self._drawn = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        size = ["-x", str(columns), "-y", str(rows)]
        # The pane waits until its output is piped; a shell outlives the app and shows its end.
        start = "read -r go; " + " ".join(command) + '; echo "ended with $?"; exec cat'
        self._do("new-session", "-d", *size, "-c", str(folder), "sh", "-c", start)
        self._do("set-option", "-g", "status", "off", ";", "set-option", "-s", "escape-time", "0",
                 ";", "resize-window", *size, ";", "pipe-pane", f"exec cat > {fifo}")  # fmt: skip
        self._do("send-keys", "Enter")

    def _do(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], env=self._environment, capture_output=True, text=True,
            check=True, timeout=20,
        )  # fmt: skip
        return done.stdout

    def press(self, key: str) -> None:
        """Press a key by Textual's name of it."""
        if key in _NAMES:
            self._do("send-keys", _NAMES[key])
        elif key.startswith("ctrl+"):
            self._do("send-keys", f"C-{key.removeprefix('ctrl+')}")
        else:
            self._do("send-keys", "-l", shown_key(key))

    def type(self, text: str) -> None:
        self._do("send-keys", "-l", text)

    def look(self) -> str:
        """What is shown, with its colours."""
        return self._do("capture-pane", "-p", "-e")

    def text(self) -> str:
        """What is shown."""
        return self._do("capture-pane", "-p")

    def wait(self, met: Callable[[], bool], within_s: float = 25.0) -> bool:
        """Whether `met` comes true; it is asked after each time that something is drawn."""
        deadline = time.monotonic() + within_s
        while not met():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._draws(min(left, 1.0))
        return True

    def settle(self) -> None:
        """Wait until nothing is drawn any more, for as long as a few frames take."""
        while self._draws(SETTLED_S):
            pass

    def _draws(self, within_s: float) -> bool:
        """Whether something is drawn within so many seconds; returns once it is."""
        if not select.select([self._drawn], [], [], within_s)[0]:
            return False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._drawn, 1 << 16):
                pass
        return True

    def alternate_screen(self) -> bool:
        """Whether a program draws on the terminal's other screen, as apps do."""
        return self._do("display-message", "-p", "#{alternate_on}").strip() == "1"

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)
        os.close(self._drawn)
