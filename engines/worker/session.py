"""The worker's conversation: takes requests one at a time and answers each with done or failed."""

from __future__ import annotations

import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engines.worker import protocol
from engines.worker.failure import explain
from engines.worker.protocol import Message

if TYPE_CHECKING:
    from engines.backends.base import Backend


class Session:
    """One conversation with the driver, from hello to the end of the request stream.

    A thread reads the requests, so that `stop` is heard while the main thread measures; it sleeps
    in a system call and takes no part in the GIL's traffic. When the driver is gone the stream
    ends, and the whole process group (compilers included) ends with it.

    `backend` is the one engine that this process holds, once `load` has been answered;
    `origin_ns` is when its first warm-up began.
    """

    backend: Backend | None = None
    origin_ns: int | None = None

    def __init__(self, requests: BinaryIO, events: BinaryIO) -> None:
        self._requests = requests
        self._events = events
        self._waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stop_up_to = -1
        self._current = 0

    def serve(self) -> None:
        """Answer requests until `close` or the end of the stream."""
        _be_first_out_of_memory()
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        self.say("hello", python=platform.python_version(), executable=sys.executable)
        while True:
            request = self._waiting.get()
            if request["do"] == "close":
                self._release()
                # Frameworks' exit handlers can hang or print; nothing of ours waits for them.
                os._exit(0)
            self._current = request["id"]
            self._answer(request)

    def say(self, event: str, payload: bytes = b"", **fields: Any) -> None:
        """Send one event about the current request."""
        message = {"event": event, "id": self._current, **fields}
        data = memoryview(protocol.encode(message, payload))
        while data:
            data = data[self._events.write(data) :]

    def stopped(self) -> bool:
        """Whether the driver has asked the current request to stop."""
        return self._stop_up_to >= self._current

    def _answer(self, request: Message) -> None:
        began = time.perf_counter()
        try:
            # NumPy comes with this import: an interpreter that lacks it says so in an answer.
            from engines.worker.jobs import HANDLERS

            result = HANDLERS[request["do"]](request, self)
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            self.say("failed", **explain(error))
        else:
            self.say("done", result=result, seconds=time.perf_counter() - began)

    def _release(self) -> None:
        """Let the engine go in order, so that no library complains about what is left."""
        if self.backend is not None:
            try:
                self.backend.close()
            except Exception:
                traceback.print_exc()
                sys.stderr.flush()

    def _listen(self) -> None:
        try:
            while True:
                request, _ = protocol.read(self._requests)
                if request["do"] == "stop":
                    self._stop_up_to = request["id"]
                else:
                    self._waiting.put(request)
        except (EOFError, OSError, protocol.ProtocolError):
            os.killpg(os.getpgrp(), signal.SIGKILL)


def _be_first_out_of_memory() -> None:
    """Offer this process to the kernel's out-of-memory killer before the app and the shell."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return
