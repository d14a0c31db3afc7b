"""What a signal does to work that a command drives."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engines.control import Control

if TYPE_CHECKING:
    from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopped_by_signals(control: Control) -> Iterator[None]:
    """A signal asks the run to stop and keep what it has; a second Ctrl-C leaves at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        if control.cancelled and number == signal.SIGINT:
            raise KeyboardInterrupt
        control.cancel()

    # `nohup` and a shell's background jobs have some of them ignored, which is to stay so.
    heeded = [one for one in STOPPING if signal.getsignal(one) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
