"""When garbage is collected: not while somebody waits for what a key does.

A full collection walks through every object in use, which takes 30 to 130 ms: longer than a key's
answer may. Python begins one in the midst of whatever allocates. Here it waits for a pause of the
keys; the two younger generations, of which none takes longer than some milliseconds, are Python's.
"""

from __future__ import annotations

import gc
import math
import time

from tui.line import LineApp

# Of collections of the second generation, ten times Python's own; and where no pause comes, as by
# a key that is held down.
FULL_COLLECTION_AFTER, AT_THE_LATEST_AFTER = 100, 2000
PAUSE_S = 2.0
LOOK_EVERY_S = 1.0
_USUAL = gc.get_threshold()


class CollectingApp(LineApp):
    """An app whose full collections come in pauses of the keys."""

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
