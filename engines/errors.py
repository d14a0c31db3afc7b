"""The one tree of errors that a user may see, each mapped to an exit code.

Commands raise these; only `tui.cli.main` turns one into a line on stderr and an exit status.
Every message says what was found, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_INTERRUPTED = 130

# Twice the letters in common over the letters of both, as difflib counts.
NEAR = 0.6


class InferTuiError(Exception):
    """Base of all expected failures: one line for the user, never a traceback.

    `hint` says what to do and is printed after the message.
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(InferTuiError):
    """A wrong argument, option, name or value."""


class FileError(InferTuiError):
    """A file or folder that can't be read or written, or whose content is not what it should be."""


class EngineUnavailable(InferTuiError):
    """An engine that was asked for by name and can't run on this machine."""


class WorkerFailed(InferTuiError):
    """A worker process that answered with an error, died, or spoke nonsense.

    `log_tail` holds the last lines of its log, `kind` what sort of failure it was, see
    `engines.worker.failure`.
    """

    exit_code = EXIT_INVALID

    def __init__(
        self, message: str, *, hint: str = "", log_tail: str = "", kind: str = "error"
    ) -> None:
        super().__init__(message, hint=hint)
        self.log_tail = log_tail
        self.kind = kind


class MeasurementInvalid(InferTuiError):
    """A measurement that can't support the conclusion asked of it."""

    exit_code = EXIT_INVALID


class Cancelled(InferTuiError):
    """The user stopped the work."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self, message: str = "stopped by the user") -> None:
        super().__init__(message)


def nearest(name: str, known: Iterable[str]) -> str:
    """A `did you mean 'X'?` for `name`, or the list of what is known where nothing is near.

    Near is what `name` begins, and what shares six letters in ten with it.
    """
    names, given = list(known), name.lower()
    close = [one for one in names if given and one.startswith(given)]
    close = close or difflib.get_close_matches(given, names, n=1, cutoff=NEAR)
    if close:
        return f"did you mean '{min(close, key=len)}'?"
    return "expected one of " + ", ".join(names)
