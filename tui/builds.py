"""Engine files that the user asked for: built one after the other, never beside a run.

`BuildDrive` belongs to the thread that iterates one build; `BuildQueue` to the UI. Between them go
events through a queue and one message that says there are some. Nothing here touches a widget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from engines import registry
from engines.errors import Cancelled
from engines.plan import EngineSpec, ModelSpec
from tui.drives import Desk, EventDrive

if TYPE_CHECKING:
    # NumPy comes with the events: the first frame does not wait for it.
    from engines.events import Event
    from engines.registry import Availability

# A build is killed where it stands; what it was made from is asked first and given 2 s.
END_WITHIN_S = 5.0


class BuildsArrived(Message):
    """A build has said something: `BuildQueue.take_events` folds it in."""


@dataclass(frozen=True, slots=True, eq=False)
class BuildOrder:
    """One engine file to be built: for which entry, and whether anew although one is kept."""

    model: ModelSpec
    spec: EngineSpec
    answer: Availability
    input_seed: int = 0
    anew: bool = False

    @property
    def title(self) -> str:
        """What the panels call it."""
        return registry.build_title(self.spec)

    def makes_the_file_of(self, other: BuildOrder) -> bool:
        """Whether both come to one engine file."""
        return self._file() == other._file()

    def _file(self) -> tuple[object, ...]:
        from engines.building import BATCH_OPTIONS

        engine = registry.find(self.spec.engine)
        settings = engine.settings(self.spec)
        names = [one.name for one in engine.options if one.builds and one.name not in BATCH_OPTIONS]
        return (
            self.model,
            self.spec.engine,
            self.spec.environment,
            self.spec.precision,
            registry.profiles_of(self.spec),
            [settings[name] for name in names],
            self.input_seed,
        )


class BuildDrive(EventDrive):
    """One build in its own thread."""

    def __init__(self, order: BuildOrder, announce: Callable[[], object]) -> None:
        super().__init__(announce)
        self.order = order

    def work(self) -> Iterator[Event]:
        from engines.building import build

        order = self.order
        # A build that was stopped is no failure: its job says so.
        with contextlib.suppress(Cancelled):
            yield from build(
                order.model,
                order.spec,
                order.answer,
                self.control,
                input_seed=order.input_seed,
                anew=order.anew,
            )


class BuildQueue(Desk[BuildDrive]):
    """The builds of a session: what was done, what goes, what waits.

    The caller gives each drive that `start_next` returns a thread, and decides when: no build may
    go beside a run.
    """

    def __init__(self, announce: Callable[[], object]) -> None:
        super().__init__(announce, END_WITHIN_S)
        self.waiting: list[BuildOrder] = []

    @property
    def busy(self) -> bool:
        """Whether a build goes or waits."""
        return self.going or bool(self.waiting)

    @property
    def left(self) -> int:
        """How many builds go or wait."""
        return len(self.waiting) + int(self.going)

    def add(self, orders: Iterable[BuildOrder]) -> None:
        """Put `orders` at the end; of those that come to one engine file, one waits."""
        for order in orders:
            same = [one for one in self.waiting if one.makes_the_file_of(order)]
            if not same:
                self.waiting.append(order)
            elif order.anew and not same[0].anew:
                self.waiting[self.waiting.index(same[0])] = order

    def start_next(self) -> BuildDrive | None:
        """Begin the next build, unless one goes or none waits; the caller gives it a thread."""
        if self.going or not self.waiting:
            return None
        self.drive = BuildDrive(self.waiting.pop(0), self._announce)
        return self.drive

    def take_events(self) -> BuildDrive | None:
        drive = super().take_events()
        if drive is not None and self._work is not None:
            self._work.keep_one_of_each()
        return drive

    def drop(self, order: BuildOrder) -> None:
        """Take `order` out again; nothing happens where it does not wait any more."""
        self.waiting = [one for one in self.waiting if one is not order]

    def stop_all(self) -> None:
        self.waiting.clear()
        self.stop()

    def close(self) -> None:
        """End every build and its children. May be called twice, and in any thread."""
        self.stop_all()
        self.wait()
