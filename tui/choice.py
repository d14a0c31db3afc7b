"""One engine that can be chosen, and as what it is run: its precisions, batch sizes and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from engines.plan import Device, EngineSpec, OptionValue, Precision
from engines.registry import Availability, Engine

if TYPE_CHECKING:
    from engines.building import BuildState
    from tui.last_answers import Answer
    from tui.memory import RowMemory

Values = Mapping[str, OptionValue]


@dataclass(slots=True)
class Choice:
    """One engine on one device: whether it is selected, in which precisions and batch sizes.

    `given` holds the entries of a plan exactly as they were written, until the user changes one.
    `files` says of each entry's engine file whether it is kept; None until that is known, and for
    engines that need none. `recalled` is what the user left the row as in an earlier session,
    `expected` what it answered at the last start, which says nothing of now.
    """

    engine: Engine
    availability: Availability
    selected: bool = False
    touched: bool = False
    precisions: tuple[Precision, ...] = ("fp32",)
    batches: tuple[int, ...] = (1,)
    options: dict[str, OptionValue] = field(default_factory=dict)
    given: tuple[EngineSpec, ...] = ()
    files: tuple[BuildState, ...] | None = None
    recalled: RowMemory | None = None
    expected: Answer | None = None

    @property
    def device(self) -> Device:
        return self.availability.device

    @property
    def key(self) -> tuple[str, Device, str]:
        return (self.engine.name, self.device, self.availability.environment)

    @property
    def possible_precisions(self) -> tuple[Precision, ...]:
        return self.availability.known_precisions

    @property
    def buildable(self) -> bool:
        """Whether engine files can be built: where it runs, or for GPUs that are named."""
        able = self.availability.ready or self.availability.able_to_build
        return self.engine.needs_build and able

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

    def specs_with(self, values: Values) -> tuple[EngineSpec, ...]:
        """The entries as they would be with these options; what is not changed stays as it is."""
        changed = self._changed(values)
        return tuple(
            msgspec.structs.replace(spec, options=self._merged(spec.options, changed))
            for spec in self.specs()
        )

    def set_options(self, values: Values) -> None:
        """Take these options for every entry; entries of a plan stay what they are otherwise."""
        changed = self._changed(values)
        if changed:
            self.given = self.specs_with(values) if self.given else ()
            self.options = self._merged(self.options, changed)
            self.touched = True

    def _changed(self, values: Values) -> dict[str, OptionValue]:
        defaults = {option.name: option.default for option in self.engine.options}
        now = defaults | self.options
        return {name: value for name, value in values.items() if value != now[name]}

    def _merged(self, options: Values, changed: Values) -> dict[str, OptionValue]:
        """`options` with what was changed, without what is the default anyway."""
        defaults = {option.name: option.default for option in self.engine.options}
        both = {**options, **changed}
        return {
            name: value
            for name, value in both.items()
            if name not in changed or value != defaults[name]
        }

    def recall(self, row: RowMemory) -> None:
        """Be as the user left this row in an earlier session; selected only once it can run."""
        self.recalled = row
        self.precisions, self.batches = row.precisions, row.batches
        self.options = dict(row.options)

    def use_batch(self, batch: int) -> None:
        """Measure at this batch size alone, in place of what was set or remembered."""
        self.batches, self.given = (batch,), ()
        self.touched = self.touched or self.recalled is not None

    def to_remember(self) -> RowMemory | None:
        """What the next session is to know of this row; None where the user left it alone.

        A row that can't run just now stays selected in memory if it was.
        """
        from tui.memory import RowMemory

        if not self.touched:
            return self.recalled
        was_selected = self.recalled.selected if self.recalled else self.selected
        return RowMemory(
            engine=self.engine.name,
            device=self.device,
            environment=self.availability.environment,
            selected=self.selected if self.availability.ready else was_selected,
            precisions=self.precisions,
            batches=self.batches,
            options=dict(self.options),
        )

    def correct_precisions(self) -> None:
        """Leave out the precisions that this interpreter lacks; a plan stays as it was written."""
        possible = self.possible_precisions
        if possible and not self.given:
            kept = tuple(one for one in self.precisions if one in possible)
            first = "fp32" if "fp32" in possible else possible[0]
            self.precisions = kept or (first,)

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
