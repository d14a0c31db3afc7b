"""When garbage is collected: often, in small portions, and rather not while a key is answered.

What is there after the start is not looked at again. What comes later takes 5 ms to walk through,
and what a screen that was opened and closed leaves takes 1.5 ms more for each collection of the
second generation in which it grew old: seldom collected, it would be seconds at once. So a full
collection waits a little for a pause of the keys, but not long. What is drawn again and again
should leave nothing at all: see `tui.strips` and `tui.plotting.figure`.
"""

from __future__ import annotations

import gc
import math
import time

from tui.line import LineApp
from tui.strips import free_strips_at_once

# Of collections of the second generation. Python's own is 10, whatever anybody is doing.
FULL_COLLECTION_AFTER, AT_THE_LATEST_AFTER = 5, 20
# The frame of the last key is out by then.
PAUSE_S = 0.5
LOOK_EVERY_S = 1.0
_USUAL = gc.get_threshold()


class CollectingApp(LineApp):
    """An app whose full collections come in pauses of the keys."""

    def on_load(self) -> None:
        """Before anything is drawn: let what is drawn go by itself."""
        free_strips_at_once()

    def rest_collector(self) -> None:
        """Collect nothing until `settle`: what the start allocates stays anyway, and walking
        through it is a sixth of the time to the first frame."""
        gc.disable()

    def settle(self) -> None:
        """What is here now stays to the end: later collections need not look at it."""
        gc.freeze()
        gc.enable()

    def begin_pauses(self) -> None:
        """Have full collections wait for pauses, from now on."""
        gc.set_threshold(*_USUAL[:2], AT_THE_LATEST_AFTER)
        self.set_interval(LOOK_EVERY_S, self.collect_in_a_pause)

    def collect_in_a_pause(self) -> None:
        """A full collection, where one is due and no key has come for a while."""
        pressed = self.line_driver.pressed_at if self.line_driver is not None else -math.inf
        if gc.get_count()[2] >= FULL_COLLECTION_AFTER and time.monotonic() - pressed > PAUSE_S:
            gc.collect()

    async def on_unmount(self) -> None:
        gc.enable()
        gc.set_threshold(*_USUAL)
