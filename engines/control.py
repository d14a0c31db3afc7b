"""How a run is stopped from another thread."""

from __future__ import annotations

import os
import threading


class Control:
    """Carries the user's wish to stop to the thread that drives a run.

    `cancel` may be called from any thread and more than once. The driving thread waits on
    `fileno()` beside the worker's pipe, so a wish is noticed at once and nobody polls.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @property
    def cancelled(self) -> bool:
        return self._asked.is_set()

    def cancel(self) -> None:
        if not self._asked.is_set():
            self._asked.set()
            os.write(self._writer, b"x")

    def fileno(self) -> int:
        """Readable from the moment of `cancel` on: the byte is never taken out."""
        return self._reader

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)
