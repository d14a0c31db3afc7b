"""The way to the terminal: what is drawn goes out cell by cell, as fast as the line takes it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual import events, messages
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tui.cells import Picture
from tui.pace import LOCAL, Line, Pace
from tui.plain_ascii import in_cells

# DEC private mode 2026: the terminal shows what is between the two at once.
_SYNC_START, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
# Asks for the state of that mode; Textual asks it at the start and takes any answer.
_QUESTION = "\x1b[?2026$p"
# A shorter change is shown in one go by any terminal.
_LEAST_SYNC = 200
# While a line is held up it is looked at again after these; no answer and no event tells of it.
_LOOK_AGAIN_S, _LOOK_AGAIN_SELDOM_S = 0.005, 0.25
_LATER_S = 0.025
# A terminal that takes nothing for so long when the app ends is not waited for.
_GIVE_UP_AFTER_S = 2.0


class LineDriver(LinuxDriver):
    """Textual's driver, with a picture of the terminal between the frames and the line.

    Frames change the picture; what differs from what the terminal shows is sent when `Pace` says
    so. The writing thread never has more than one piece waiting, so that nothing piles up behind a
    terminal that takes nothing, and nobody waits for it.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        line = app.line if isinstance(app, LineApp) else LOCAL
        self.pace = Pace(line)
        self._ascii_only = isinstance(app, LineApp) and app.ascii_only
        self._picture = Picture(*self._get_terminal_size())
        self._again: asyncio.TimerHandle | None = None
        self._look_again_s = _LOOK_AGAIN_S
        self._open = False
        # When a key came last, by the monotonic clock.
        self.pressed_at = time.monotonic()
        # Whether the terminal took nothing more at the end.
        self.gave_up = False

    @property
    def behind(self) -> bool:
        """Whether the terminal does not show yet what was drawn last."""
        return self._picture.changed

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        assert self._writer_thread is not None
        # Without a bound: to put something there never blocks. What is put there is bounded here.
        self._writer_thread._queue.maxsize = 0
        self._picture.forget()
        self._open = True

    def stop_application_mode(self) -> None:
        self._open = False
        if self._again is not None:
            self._again.cancel()
            self._again = None
        super().stop_application_mode()

    def write(self, data: str) -> None:
        if self._ascii_only:
            data = in_cells(data)
        if data not in (_SYNC_START, _SYNC_END) and not self._picture.draw(data):
            super().write(data)

    def flush(self) -> None:
        """Called after each frame: send what may be sent now, and the rest when it may be."""
        if not (self._open and self._picture.changed):
            return
        if self._blocked:
            self._later(self._look_again_s)
            self._look_again_s = min(2 * self._look_again_s, _LOOK_AGAIN_SELDOM_S)
            return
        self._look_again_s = _LOOK_AGAIN_S
        now = time.monotonic()
        most = self.pace.most(now)
        if most != 0:
            self._send(self._picture.changes(most), now)
        if self._picture.changed:
            self._later(_LATER_S)

    def process_message(self, message: Message) -> None:
        # In the thread of the input.
        if isinstance(message, (events.Key, events.Paste, events.MouseDown, events.MouseScrollDown,
                                events.MouseScrollUp)):  # fmt: skip
            self._waited_for()
        super().process_message(message)

    def answered(self) -> None:
        """The terminal has answered a question."""
        self.pace.answer(time.monotonic())
        self.flush()

    def resized(self, width: int, height: int) -> None:
        """The terminal has a new size, and Textual draws all of it anew."""
        self._waited_for()
        self._picture.reset(width, height)

    def repaint(self) -> None:
        """Send everything again, whatever the terminal shows."""
        self._waited_for()
        self._picture.forget()
        self.flush()

    def close(self) -> None:
        """End the writing thread; a terminal that takes nothing is given up."""
        writer = self._writer_thread
        if writer is None:
            return
        writer._queue.put(None)
        left, since = writer._queue.qsize(), time.monotonic()
        while writer.is_alive():
            writer.join(0.05)
            if writer._queue.qsize() != left:
                left, since = writer._queue.qsize(), time.monotonic()
            elif time.monotonic() - since > _GIVE_UP_AFTER_S:
                self.gave_up = True
                return

    @property
    def _blocked(self) -> bool:
        """Whether the writing thread has not begun yet with what it was given last."""
        return self._writer_thread is not None and self._writer_thread._queue.qsize() > 0

    def _send(self, changes: str, now: float) -> None:
        if not changes:
            return
        if self.pace.answers and not self.pace.line.slow and len(changes) >= _LEAST_SYNC:
            changes = f"{_SYNC_START}{changes}{_SYNC_END}"
        if self.pace.asks:
            changes += _QUESTION
        self.pace.sent(len(changes.encode()), now, left=self._picture.changed)
        super().write(changes)

    def _waited_for(self) -> None:
        """What is drawn next goes before all else."""
        self.pressed_at = time.monotonic()
        self.pace.key(self.pressed_at)
        self._picture.next_turn()

    def _later(self, seconds: float) -> None:
        if self._again is None:
            self._again = self._loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self.flush()


class LineApp(App[None]):
    """An app that knows by which line its terminal is reached."""

    line: Line = LOCAL
    ascii_only: bool = False

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        return LineDriver if found is LinuxDriver else found

    @property
    def line_driver(self) -> LineDriver | None:
        """The driver where there is a terminal."""
        return self._driver if isinstance(self._driver, LineDriver) else None

    @property
    def line_behind(self) -> bool:
        """Whether the terminal is behind: what moves by itself should not be drawn then."""
        return self.line_driver is not None and self.line_driver.behind

    def action_repaint(self) -> None:
        """Send the whole screen again, whatever the terminal shows."""
        if (driver := self.line_driver) is not None:
            driver.repaint()

    def on_resize(self, event: events.Resize) -> None:
        if (driver := self.line_driver) is not None:
            driver.resized(event.size.width, event.size.height)

    def on_terminal_supports_synchronized_output(
        self, message: messages.TerminalSupportsSynchronizedOutput
    ) -> None:
        if (driver := self.line_driver) is not None:
            driver.answered()
