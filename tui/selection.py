"""Which engines the user has chosen to run, and as what: the state behind the engines panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from engines.plan import Device, EngineSpec, OptionValue, Precision
from engines.registry import Availability, Engine, find, pending


@dataclass(slots=True)
class Choice:
    """One engine on one device: whether it is selected, in which precisions and batch sizes.

    `given` holds the entries of a plan exactly as they were written, until the user changes one.
    """

    engine: Engine
    availability: Availability
    selected: bool = False
    touched: bool = False
    precisions: tuple[Precision, ...] = ("fp32",)
    batches: tuple[int, ...] = (1,)
    options: dict[str, OptionValue] = field(default_factory=dict)
    given: tuple[EngineSpec, ...] = ()

    @property
    def device(self) -> Device:
        return self.availability.device

    @property
    def key(self) -> tuple[str, Device, str]:
        return (self.engine.name, self.device, self.availability.environment)

    @property
    def possible_precisions(self) -> tuple[Precision, ...]:
        return self.engine.precisions[self.device]

    def matches(self, spec: EngineSpec) -> bool:
        """Whether an entry of a plan is one that this row stands for."""
        return (spec.engine, spec.device, spec.environment) == self.key

    def specs(self) -> tuple[EngineSpec, ...]:
        """The plan's entries that this row stands for: every precision at every batch size."""
        if self.given:
            return self.given
        return tuple(
            EngineSpec(
                engine=self.engine.name,
                device=self.device,
                precision=precision,
                batch=batch,
                environment=self.availability.environment,
                options=dict(self.options),
            )
            for precision in self.precisions
            for batch in self.batches
        )

    def take(self, specs: Sequence[EngineSpec]) -> None:
        """Stand for exactly these entries of a plan from now on; for none, be left out."""
        self.given = tuple(specs)
        self.selected = bool(specs)
        if specs:
            self.precisions = tuple(dict.fromkeys(spec.precision for spec in specs))
            self.batches = tuple(sorted({spec.batch for spec in specs}))
            self.options = dict(specs[0].options)

    def change(
        self,
        *,
        precisions: tuple[Precision, ...] | None = None,
        batches: tuple[int, ...] | None = None,
        options: dict[str, OptionValue] | None = None,
    ) -> None:
        """What the user set in a dialog; a row that is set up is meant to run."""
        self.precisions = self.precisions if precisions is None else precisions
        self.batches = self.batches if batches is None else batches
        self.options = self.options if options is None else options
        self.given = ()
        self.touched = True
        self.selected = self.selected or self.availability.ready


class Selection:
    """Every engine there is, with what the user chose for it.

    Until the user touches a row, engines that can run are selected as their answers come in,
    on the GPU rather than the CPU, so that the first `r` compares what this machine has.
    """

    def __init__(self, given: Sequence[EngineSpec] = ()) -> None:
        self.choices = [Choice(find(one.engine), one) for one in pending()]
        self._given = tuple(given)
        for choice in self.choices:
            self._deal_given(choice)

    @property
    def checking(self) -> bool:
        """Whether some engines have not answered yet."""
        return any(one.availability.readiness == "checking" for one in self.choices)

    @property
    def selected(self) -> list[Choice]:
        """The rows that will run: selected, and able to."""
        return [one for one in self.choices if one.selected and one.availability.ready]

    def specs(self) -> tuple[EngineSpec, ...]:
        return tuple(spec for choice in self.selected for spec in choice.specs())

    def index_of(self, spec: EngineSpec) -> int | None:
        """The row that an entry of a plan belongs to."""
        return next((i for i, one in enumerate(self.choices) if one.matches(spec)), None)

    def answer(self, availability: Availability) -> None:
        """Take in whether an engine can run; a row for an environment not seen yet is added."""
        choice = self._row_for(availability)
        choice.availability = availability
        if self._given:
            self._deal_given(choice)
        elif availability.ready and not choice.touched:
            choice.selected = not self._better_than(choice)
            self._leave_cpu_for(choice)

    def give_up(self, reason: str) -> None:
        """Those that have not answered never will."""
        for choice in self.choices:
            if choice.availability.readiness == "checking":
                choice.availability = replace(
                    choice.availability, readiness="unavailable", reason=reason
                )

    def toggle(self, index: int) -> bool:
        """Select a row or leave it out; False where it can't run."""
        choice = self.choices[index]
        if not choice.availability.ready:
            return False
        choice.selected, choice.touched = not choice.selected, True
        return True

    def toggle_all(self) -> None:
        """Select every row that can run; leave all out where all are selected already."""
        able = [one for one in self.choices if one.availability.ready]
        wanted = not all(one.selected for one in able)
        for choice in able:
            choice.selected, choice.touched = wanted, True

    def _row_for(self, availability: Availability) -> Choice:
        key = (availability.engine, availability.device, availability.environment)
        for choice in self.choices:
            if choice.key == key:
                return choice
        choice = Choice(find(availability.engine), availability)
        after = [i for i, one in enumerate(self.choices) if one.engine is choice.engine]
        self.choices.insert(after[-1] + 1, choice)
        return choice

    def _siblings(self, choice: Choice) -> Iterator[Choice]:
        """The same engine on its other devices, where it can run and the user chose nothing."""
        for other in self.choices:
            same = other.engine is choice.engine and other is not choice
            if same and other.availability.ready and not other.touched:
                yield other

    def _better_than(self, choice: Choice) -> bool:
        """Whether this engine runs on the GPU as well, which makes the CPU a bystander."""
        return choice.device == "cpu" and any(
            other.device == "cuda" for other in self._siblings(choice)
        )

    def _leave_cpu_for(self, choice: Choice) -> None:
        if choice.device == "cuda":
            for other in self._siblings(choice):
                other.selected = False

    def _deal_given(self, answered: Choice) -> None:
        """Deal the entries of the given plan to the rows of this engine.

        An entry for device "auto" belongs to the GPU once that is known to run the engine. Rows
        that the user has changed since stay as they are.
        """
        rows = [one for one in self.choices if one.engine is answered.engine and not one.touched]
        for choice in rows:
            choice.take([spec for spec in self._given if self._home_of(spec, rows) is choice])

    @staticmethod
    def _home_of(spec: EngineSpec, rows: Sequence[Choice]) -> Choice | None:
        for choice in rows:
            if choice.matches(spec):
                return choice
        able = [
            one
            for one in rows
            if spec.device == "auto"
            and one.availability.environment == spec.environment
            and one.engine.name == spec.engine
            and spec.precision in one.possible_precisions
            and one.availability.ready
        ]
        return max(able, key=lambda one: one.device == "cuda", default=None)
