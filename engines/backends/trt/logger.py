"""TensorRT's log: written to standard error, which is the job's log file, and kept in part.

Nearly every call of TensorRT answers None or False when it fails; the reason is only here.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

KEPT = 100  # lines of errors: the first is the cause, a storm of others follows from it
DETAIL_LENGTH = 80
DETAIL_SECONDS = 0.5
LETTERS = "FEWIV"  # by severity: internal error, error, warning, info, verbose
ERROR, WARNING, INFO = 1, 2, 3
NODE = re.compile(r"While parsing node number (\d+) \[(\S+)(?: -> \"([^\"]*)\")?")
ACTIVATION = re.compile(r"Total Activation Memory: (\d+)")
# Words before an error's own: "4: [file.cpp::function::12] Error Code 4: Internal Error (" or
# "IBuilder::buildSerializedNetwork: Error Code 4: ". 8.6 also logs the number alone.
PREFIX = re.compile(r"^(?:\d+:(?: |$))?(?:\[[^\]]*\] |\w+::\w+: )?(?:Error Code \d+: )?")
LONGEST = 200


class Record:
    """What has been logged since `start`: errors, warnings by number, and the newest line."""

    def __init__(self) -> None:
        self.verbose = False
        self._lock = threading.Lock()
        self.start()

    def start(self, tell: Callable[[str], object] | None = None) -> None:
        """Forget what was logged; `tell` gets the newest line of information at times."""
        self.errors: list[str] = []
        self.warnings = 0
        self.activation_bytes: int | None = None
        self._tell, self._told = tell, 0.0

    def add(self, severity: int, text: str) -> None:
        """Take one message; TensorRT's own threads may call this at once."""
        if severity > INFO and not self.verbose:
            return
        with self._lock:
            sys.stderr.write(f"[{LETTERS[severity]}] {text}\n")
            if severity <= ERROR:
                self.errors += [text] if len(self.errors) < KEPT else []
            elif severity == WARNING:
                self.warnings += 1
            elif severity == INFO:
                self._inform(text)

    def _inform(self, text: str) -> None:
        if found := ACTIVATION.search(text):
            self.activation_bytes = int(found[1])
        line = text.strip().partition("\n")[0]
        now = time.monotonic()
        if self._tell and any(map(str.isalnum, line)) and now - self._told >= DETAIL_SECONDS:
            self._told = now
            self._tell(line[:DETAIL_LENGTH])

    def reason(self) -> str:
        """The first error, in one line; empty where nothing was logged."""
        for text in self.errors:
            line = PREFIX.sub("", " ".join(text.split()))
            if line:
                return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
        return ""


RECORD = Record()
_loggers: dict[str, Any] = {}


def logger_of(trt: Any, verbose: bool = False) -> Any:
    """The process's one logger for the module `trt`, which TensorRT wants to outlive all else."""
    RECORD.verbose = verbose
    if trt.__name__ not in _loggers:

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, text: str) -> None:
                RECORD.add(int(severity), text)

        _loggers[trt.__name__] = Logger()
    return _loggers[trt.__name__]


def node_in_log(lines: Sequence[str], number: int) -> tuple[str, str]:
    """The operator of node `number`, and the output it makes for a name, as parsers log them."""
    for line in lines:
        if (found := NODE.search(line)) and int(found[1]) == number:
            return found[2], found[3] or ""
    return "", ""
