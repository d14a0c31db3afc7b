"""Times by layer in the app: taken one engine at a time, never beside a run or a build.

`LayersDrive` belongs to the thread that iterates the work; `LayerDesk` to the UI. Between them go
events through a queue and one message that says there are some. Nothing here touches a widget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from engines.plan import EngineSpec, ModelSpec, RunPlan
from tui.drives import Desk, EventDrive

if TYPE_CHECKING:
    # NumPy comes with the events: the first frame does not wait for it.
    from engines.events import Event
    from engines.layers import LayerProfile
    from engines.registry import Availability

# Its workers are asked, given 2 s, then killed; a build is killed where it stands.
END_WITHIN_S = 5.0


class LayersArrived(Message):
    """The work has said something: `LayerDesk.take_events` folds it in."""


@dataclass(frozen=True, slots=True, eq=False)
class LayersOrder:
    """The layers of one engine to be timed."""

    model: ModelSpec
    spec: EngineSpec
    known: tuple[Availability, ...] = ()
    input_seed: int = 0

    @property
    def title(self) -> str:
        return f"layers of {self.spec.label}"

    def is_of(self, model: ModelSpec, spec: EngineSpec) -> bool:
        return self.model == model and self.spec == spec


class LayersDrive(EventDrive):
    """The work of one order in its own thread; `profile` is what it came to."""

    def __init__(self, order: LayersOrder, announce: Callable[[], object]) -> None:
        super().__init__(announce)
        self.order = order
        self.profile: LayerProfile | None = None

    def work(self) -> Iterator[Event]:
        from engines.layers import profile_layers

        order = self.order
        plan = RunPlan(model=order.model, input_seed=order.input_seed, engines=(order.spec,))
        self.profile = yield from profile_layers(plan, self.control, order.known)


class LayerDesk(Desk[LayersDrive]):
    """What is timed by layer in a session: what was, what is, and the one that waits.

    Its jobs are those of the latest order that was begun. The caller gives the drive that
    `start_next` returns a thread, and decides when.
    """

    def __init__(self, announce: Callable[[], object]) -> None:
        super().__init__(announce, END_WITHIN_S)
        self._ended: list[LayersDrive] = []
        self.waiting: LayersOrder | None = None

    @property
    def busy(self) -> bool:
        """Whether an order is worked on or waits."""
        return self.going or self.waiting is not None

    def last(self, model: ModelSpec, spec: EngineSpec) -> LayersDrive | None:
        """The latest work that ended for this engine and model, well or badly."""
        return next((one for one in self._ended if one.order.is_of(model, spec)), None)

    def kept(self, model: ModelSpec, spec: EngineSpec) -> LayerProfile | None:
        """The latest times of this engine and model, whatever a later try came to."""
        done = (one for one in self._ended if one.order.is_of(model, spec) and one.profile)
        return next((one.profile for one in done), None)

    def ask(self, order: LayersOrder) -> None:
        """Put `order` up; it takes the place of one that waits."""
        self.waiting = order

    def start_next(self) -> LayersDrive | None:
        """Begin what waits, unless something goes; the caller gives it a thread."""
        if self.going or self.waiting is None:
            return None
        self._work = None
        self.drive, self.waiting = LayersDrive(self.waiting, self._announce), None
        return self.drive

    def take_events(self) -> LayersDrive | None:
        drive = super().take_events()
        if drive is not None:
            self._ended.insert(0, drive)
        return drive

    def stop(self) -> None:
        """End the work that goes, and begin nothing that waits; what was timed before stays."""
        self.waiting = None
        super().stop()

    def close(self) -> None:
        """End the work and its children. May be called twice, and in any thread."""
        self.stop()
        self.wait()
