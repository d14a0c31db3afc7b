"""A real terminal for tests and benchmarks: a pty, and an emulator that reads the screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import psutil
import pyte

# Asked by Textual at start; a terminal that supports synchronised output answers so.
SYNC_QUERY, SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
# Pictures and what wraps them: APC and DCS, of which the emulator knows nothing.
PICTURE = re.compile(rb"\x1b[_P].*?\x1b\\", re.DOTALL)
BEGUN_PICTURE = re.compile(rb"\x1b(?:[_P].*)?\Z", re.DOTALL)

# A line with a rate hands over what is due so often.
PIECE_S = 0.05


class Terminal:
    """Runs `command` in a terminal of `columns` x `rows` and keeps what it shows and sends.

    With `until` the emulator rests until those bytes have come, `found_after` seconds after the
    start: it reads more slowly than a program draws, and a full pty holds the program up.
    `answers` are what the terminal answers to queries, beside the one that every test's does.

    `bytes_sent` counts what the program has written so far. Waiting is on the program's output,
    never on a clock alone. `raw` is all that was written, from the emulator's start on, sequences
    that draw nothing included.

    With `rate` it takes that many bytes a second, as a slow line does; what was written lies in the
    kernel's buffer until then, about 18 kB, and after that the program is held up. `stall` stops
    taking any, as a terminal that is stopped or a line that is cut without a word.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        environment: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        until: bytes = b"",
        rate: int = 0,
        answers: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._rate = rate
        self._flows = threading.Event()
        self._flows.set()
        self.bytes_sent = 0
        self._answers = {SYNC_QUERY: SYNC_ANSWER, **(answers or {})}
        self._held = b""
        self.raw = bytearray()
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._closed = False
        self._until, self._seen = until, b""
        self.found_after = self._found_at = 0.0
        self._master, slave = pty.openpty()
        self._name = os.ttyname(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, **settings, **(environment or {})},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def lines(self) -> list[str]:
        with self._changed:
            return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def cells(self) -> list[list[Any]]:
        """Every cell of the screen with its colours, row by row (pyte's `Char`)."""
        with self._changed:
            screen = self._screen
            return [
                [screen.buffer[row][column] for column in range(screen.columns)]
                for row in range(screen.lines)
            ]

    def press(self, *keys: str) -> None:
        """Type `keys`, each as the bytes that a terminal sends for it."""
        for key in keys:
            os.write(self._master, key.encode())

    def seconds_to(self, key: str, sent: bytes, timeout: float = 10.0) -> float:
        """Type `key`; the seconds until `sent` has come. The emulator rests meanwhile."""
        with self._changed:
            self._until, self._found_at = sent, 0.0
        began = time.monotonic()
        self.press(key)
        with self._changed:
            if not self._changed.wait_for(lambda: self._found_at or self._closed, timeout):
                raise AssertionError(f"{sent!r} was not sent within {timeout:g} s of {key!r}")
            return self._found_at - began

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self._screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

    def wait_for(self, shown: str | Callable[[str], bool], timeout: float = 30.0) -> str:
        """Wait until the screen shows the text or meets the condition; returns the screen."""
        meets = shown if callable(shown) else lambda text: shown in text
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                text = "\n".join(line.rstrip() for line in self._screen.display)
                if meets(text):
                    return text
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise AssertionError(f"never shown: {shown!r}; the screen was:\n{text}")
                self._changed.wait(left)

    def wait_sent(self, pattern: bytes, timeout: float = 30.0) -> bytes:
        """Wait until `pattern` is somewhere in what the program has written; returns all of it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while re.search(pattern, self.raw) is None:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise AssertionError(f"never sent: {pattern!r}; sent was {self.raw[-400:]!r}")
                self._changed.wait(left)
            return bytes(self.raw)

    def wait_closed(self, timeout: float = 10.0) -> int:
        """Wait for the program to end; returns its exit code."""
        return self.process.wait(timeout)

    def quiet_for(self, seconds: float) -> int:
        """Bytes sent during `seconds` from now."""
        with self._changed:
            before, end = self.bytes_sent, time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return self.bytes_sent - before

    def descendants(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def stall(self, *, full: bool = False) -> None:
        """Take nothing more of what the program writes; keys still reach it.

        With `full` not one byte more goes into the kernel's buffer either.
        """
        self._flows.clear()
        if full:
            slave = os.open(self._name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(slave, b" " * 64)
            os.close(slave)

    def flow(self) -> None:
        """Take what the program writes again."""
        self._flows.set()

    def hang_up(self) -> None:
        """Close the terminal, as a lost SSH connection does."""
        os.close(self._master)
        self._master = -1

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in [*self.descendants(), psutil.Process()]:
            if process.pid != os.getpid():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._flows.set()
        self._reader.join(5)
        if self._master >= 0:
            os.close(self._master)

    def _read(self) -> None:
        # The end of what came before: a query may come in two pieces.
        before = b""
        while True:
            self._flows.wait()
            data = self._take()
            before = self._answer(before + data)
            with self._changed:
                if not data:
                    self._closed = True
                    self._changed.notify_all()
                    return
                self.bytes_sent += len(data)
                self._seen += data
                if self._until not in self._seen:
                    continue
                self._found_at = self._found_at or time.monotonic()
                self.found_after = self.found_after or self._found_at - self.began
                self.raw += self._seen
                self._stream.feed(self._without_pictures(self._seen))
                self._seen, self._until = b"", b""
                self._changed.notify_all()

    def _take(self) -> bytes:
        """What has come, at the line's rate; nothing at its end."""
        size = 1 << 16
        if self._rate and self.process.poll() is None:
            time.sleep(PIECE_S)
            size = max(1, round(self._rate * PIECE_S))
        try:
            return os.read(self._master, size)
        except OSError:
            return b""

    def _answer(self, data: bytes) -> bytes:
        """Answer the queries in `data` in their order; returns what may be the beginning of one."""
        queries = b"|".join(map(re.escape, self._answers))
        end = 0
        for query in re.finditer(queries, data):
            end = query.end()
            with contextlib.suppress(OSError):
                os.write(self._master, self._answers[query[0]])
        return data[end:][-(max(map(len, self._answers)) - 1) :]

    def _without_pictures(self, data: bytes) -> bytes:
        data = PICTURE.sub(b"", self._held + data)
        begun = BEGUN_PICTURE.search(data)
        self._held = begun[0] if begun else b""
        return data[: len(data) - len(self._held)]


def _take_terminal() -> None:
    """Make the pty the controlling terminal, so that a hang-up is a SIGHUP."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
