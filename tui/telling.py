"""The part of the app that speaks to the terminal beside the screen: title, bell and clipboard."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.notifications import SeverityLevel

from tui import terminal
from tui.background import Copied, copy
from tui.formats import byte_size
from tui.leaving import LeavingApp

if TYPE_CHECKING:
    from tui.drives import EventDrive

# What is over sooner is waited for with open eyes.
BELL_AFTER_S = 10.0

# The rows of a long toast with the blank ones around it.
TOAST_ROWS = 9


class TellingApp(LeavingApp):
    """An app that says in the terminal's title how far its work is, rings at its end, and copies.

    While nothing was done yet the title is the terminal's own, and idle nothing is sent.
    """

    waiting_to_run: bool

    def __init__(self) -> None:
        super().__init__()
        self.ring = False
        self._title = ""
        # How the last work ended.
        self._outcome = ""

    def in_thread(self, name: str, function: Callable[..., object], *arguments: object) -> None:
        """Call `function` in a thread of its own; it answers by messages."""
        raise NotImplementedError

    def tell(self, sequence: str) -> None:
        """Write `sequence` to the terminal between two frames; nothing where there is none."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    # Title and bell

    def tell_terminal(self) -> None:
        """Set the terminal's title to what is done by now, where that is something new."""
        words = self._work_words() or self._outcome
        title = terminal.printable(f"infer-tui: {words}") if words else ""
        if not title or title == self._title or not terminal.takes_title(os.environ):
            return
        keep = "" if self._title else terminal.KEEP_TITLE
        self._title = title
        self.tell(keep + terminal.title_sequence(title))

    async def on_unmount(self) -> None:
        if self._title:
            self.tell(terminal.GIVE_TITLE_BACK)

    def work_ended(self, drive: EventDrive, *, failed: bool) -> None:
        """A run, a build or the timing of layers is over: say so, aloud where that was asked."""
        stopped = drive.control.cancelled
        self._outcome = "stopped" if stopped else "failed" if failed else "done"
        if self.ring and not self.leaving and drive.elapsed_s > BELL_AFTER_S:
            self.bell()

    def _work_words(self) -> str:
        """What goes on, in a few words; empty while nothing does."""
        controller, live = self.controller, self.controller.live
        if controller.running and live is not None:
            current = live.current
            if current is None:
                return "running"
            if live.round:
                # Turns are short: a title for each would be a stream of them.
                return f"running round {live.round}/{live.rounds}"
            return f"running {current.place}/{len(live.entries)} {current.label}"
        if self.builds.drive is not None:
            return f"building {self.builds.drive.order.title}"
        if self.layer_times.drive is not None:
            return f"timing {self.layer_times.drive.order.title}"
        return ""

    # Clipboard

    def copy_to_clipboard(self, text: str) -> None:
        """Textual's own copying, such as of a field's text, goes the same way."""
        self._clipboard = text
        self.copy(text, "the selected text")

    def copy(self, text: str, what: str, *, ending: str = ".txt") -> None:
        """Put `text` on the clipboard and in a file, and say so; `what` names it."""
        self.in_thread("copy", copy, text, what, ending, self.line.largest_copy, self.post_message)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """As Textual does; the toasts before it go where the screen has no room for all.

        More than it has room for would stay beyond their time (Textual 8.2).
        """
        if (len(self._notifications) + 1) * TOAST_ROWS > self.size.height:
            self.clear_notifications()
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def on_copied(self, message: Copied) -> None:
        if message.sequence:
            self.tell(message.sequence)
        size = byte_size(message.size)
        words = {
            "tmux": f"{size} given to tmux, for its buffer and the clipboard.",
            "terminal": f"{size} sent to the terminal's clipboard.",
            "": f"{size} are too much for a clipboard over this line.",
        }[message.taker]
        where = f" Also in {message.path}" if message.path else f" No file: {message.problem}"
        self.notify(words + where, title=f"Copied {message.what}", markup=False, timeout=8,
                    severity="information" if message.taker else "warning")  # fmt: skip
