"""When something may be sent to the terminal, so that a slow line is never behind.

What a program writes lies in buffers on its way, of the kernel, of sshd, of TCP: no system call
tells how much has arrived. So the terminal is asked something behind what is sent, and its answer
says that all before has been shown. Until then little more is sent; what would have been is left
out, and the next that goes shows the latest state.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """How the terminal is reached, and what is drawn for it at which rate.

    `bytes_per_s` is the most that is sent of what moves by itself, None for no limit; what a key
    asked for is not held back by it. `numbers_s` and `plots_s` are seconds between two drawings of
    the figures and of one plot, `telemetry_s` between two readings. On a `slow` one nothing
    is shaded under a dialog, and a panel's lines don't tell whether it has the keys: to send them
    again takes seconds. `largest_copy` is the longest text for the clipboard, in bytes: nothing
    else is drawn while one is sent.
    """

    bytes_per_s: int | None
    numbers_s: float
    plots_s: float
    telemetry_s: float
    slow: bool
    largest_copy: int


# Terminals take OSC 52 up to limits of their own; 100,000 bytes of sequence, of which base64 is
# four bytes for three, is what the scripts that are spread for it (hterm's osc52.sh) hold to.
LARGEST_COPY = 74_994
LOCAL = Line(None, 0.25, 0.5, 1.0, False, LARGEST_COPY)
SSH = Line(8_000, 0.25, 1.0, 2.0, False, LARGEST_COPY)
# 7 s for a copy on a line of 1,200 bytes a second.
SLOW = Line(1_000, 1.0, 4.0, 5.0, True, 6_000)

# How much is sent before the line is known: what it takes 0.5 s for.
_FIRST_PIECE_S = 0.5
_LEAST_PIECE, _LARGEST_PIECE = 400, 16_000
# A piece that was shown sooner may be followed by a larger one, one that came later by a smaller.
_SOON_S, _LATE_S = 0.25, 0.8
# What follows a key is the key's answer.
_ANSWER_S = 0.5
# However much was sent for keys, what moves by itself goes on after so long.
_LONGEST_REST_S = 3.0
# The terminal was asked and is silent: another one may have taken its place, that does not answer.
_LOST_AFTER_S = 10.0


class Pace:
    """Says how much may be sent now; told what was sent, what was answered and when keys came.

    All times are of one monotonic clock, in seconds. `answers` is whether the terminal answers.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self.answers = False
        self._piece = _LARGEST_PIECE
        if line.bytes_per_s is not None:
            self._piece = max(_LEAST_PIECE, round(line.bytes_per_s * _FIRST_PIECE_S))
        # Bytes on their way and when they were sent, the oldest first.
        self._flight: deque[tuple[int, float]] = deque()
        self._rest_until = 0.0
        # What is shown first is waited for, as the answer to a key is.
        self._urgent, self._urgent_until = True, 0.0

    @property
    def asks(self) -> bool:
        """Whether what is sent should end in a question."""
        return self.answers and self.line.bytes_per_s is not None

    def key(self, now: float) -> None:
        """A key has come, or the terminal has a new size: what is drawn next is waited for."""
        self._urgent, self._urgent_until = True, now + _ANSWER_S

    def answer(self, now: float) -> None:
        """The terminal has answered the oldest question."""
        self.answers = True
        if not self._flight:
            return
        size, since = self._flight.popleft()
        took = now - since
        if took > _LATE_S:
            self._piece = max(_LEAST_PIECE, self._piece // 2)
        elif took < _SOON_S and size * 2 > self._piece:
            self._piece = min(_LARGEST_PIECE, self._piece * 2)
        # The line rests as long as it was busy: then a key finds it free every other time.
        self._rest_until = max(self._rest_until, now + min(took, _LONGEST_REST_S))

    def most(self, now: float) -> int | None:
        """How many bytes may be sent at once; None for all there are, 0 for none yet."""
        rate = self.line.bytes_per_s
        if rate is None:
            return None
        self._land(now, rate)
        flying = sum(size for size, _ in self._flight)
        if self._urgent:
            if not self.answers and not self.line.slow:
                return None
            # Two pieces are on their way, so that the line does not wait for the answer to one.
            return self._piece if flying <= self._piece else 0
        return self._piece if not flying and now >= self._rest_until else 0

    def sent(self, size: int, now: float, *, left: bool = False) -> None:
        """So many bytes were sent, with a question where `asks` says so.

        With `left` there was more: where that was waited for, the rest is waited for as well.
        """
        rate = self.line.bytes_per_s
        if rate is None:
            return
        self._flight.append((size, now))
        urgent = self._urgent
        if now >= self._urgent_until and not left:
            self._urgent = False
        self._rest_until = max(self._rest_until, now) + size / rate
        if urgent:
            self._rest_until = min(self._rest_until, now + _LONGEST_REST_S)

    def _land(self, now: float, rate: int) -> None:
        """Take as arrived what must have, by the clock, where no answer tells."""
        if self.answers:
            if self._flight and now - self._flight[0][1] > _LOST_AFTER_S:
                self._flight.clear()
                self.answers = False
            return
        while self._flight and now - self._flight[0][1] >= self._flight[0][0] / rate:
            self._flight.popleft()
