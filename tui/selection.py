"""Which engines the user has chosen to run: the rows behind the engines panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from engines.plan import EngineSpec, OptionValue
from engines.registry import Availability, Engine, Readiness, find, pending
from tui.choice import Choice

if TYPE_CHECKING:
    from tui.last_answers import Answer
    from tui.memory import RowKey, RowMemory

NOT_CONFIGURED = "its environment is not configured here"


class Selection:
    """Every engine there is, with what the user chose for it.

    Until the user touches a row, engines that can run are selected as their answers come in,
    on the GPU rather than the CPU and in the app's own interpreter rather than another, so that
    the first `r` compares what this machine has. `choices` are the rows that are shown. Rows of
    `recalled` are as an earlier session left them, where no plan is given.
    """

    def __init__(
        self, given: Sequence[EngineSpec] = (), recalled: Sequence[RowMemory] = ()
    ) -> None:
        self._given = tuple(given)
        self._recalled: dict[RowKey, RowMemory] = {} if given else {r.key: r for r in recalled}
        self._remembered: dict[str, dict[str, OptionValue]] = {}
        self._rows = [Choice(find(one.engine), one) for one in pending()]
        self._add_rows("checking")
        for choice in self._rows:
            self._deal_given(choice)
            self._recall(choice)
        self.choices = list(self._rows)

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

    def remember(self, options: Mapping[str, dict[str, OptionValue]]) -> None:
        """Begin with the options that were accepted last, by engine; those of a plan stay."""
        self._remembered = dict(options)
        for choice in self._rows:
            self._recall(choice)

    def to_remember(self) -> tuple[RowMemory, ...]:
        """The rows that the next session is to know, those included that are not here now."""
        rows = {one.key: one.to_remember() for one in self._rows}
        kept = {**self._recalled, **{key: row for key, row in rows.items() if row is not None}}
        return tuple(kept[key] for key in sorted(kept))

    def load(self, specs: Sequence[EngineSpec], *, checking: bool) -> None:
        """Choose exactly the entries of a plan, in place of all that was chosen before.

        `checking` says whether engines still answer whether they can run.
        """
        # Rows that only said that the environment of an earlier plan is missing go with that plan.
        self._rows = [
            one
            for one in self._rows
            if one.availability.reason != NOT_CONFIGURED or any(map(one.matches, specs))
        ]
        self._given = tuple(specs)
        self._add_rows("checking" if checking else "unavailable", NOT_CONFIGURED)
        for choice in self._rows:
            choice.touched = False
        for choice in self._rows:
            self._deal_given(choice)
            choice.files = None
        self.choices = [one for one in self._rows if not self._stands_back(one)]

    def why_not(self, spec: EngineSpec) -> str:
        """Why an entry of a plan can't run here; empty where it can, or may be able to."""
        rows = [one for one in self._rows if one.engine.name == spec.engine]
        home = self._home_of(spec, rows)
        if home is None:
            if spec.environment and not any(
                one.availability.environment == spec.environment for one in rows
            ):
                return NOT_CONFIGURED
            reasons = (one.availability.reason for one in rows if one.availability.reason)
            return next(reasons, "no device here can run it")
        found = home.availability
        if found.readiness == "unavailable":
            return found.reason or "not available"
        if home.possible_precisions and spec.precision not in home.possible_precisions:
            return f"{spec.precision} can't be had here"
        return ""

    def answer(self, availability: Availability) -> None:
        """Take in whether an engine can run; a row for an environment not seen yet is added.

        An environment that simply has not this engine's framework adds none.
        """
        known = any(one.key == availability.question for one in self._rows)
        if not known and _is_noise(availability):
            return
        choice = self._row_for(availability)
        choice.availability = availability
        choice.correct_precisions()
        if choice.recalled is not None and not choice.touched:
            choice.selected = choice.recalled.selected and availability.ready
        if self._given:
            self._deal_given(choice)
        else:
            self._select_best(choice.engine)
        self.choices = [one for one in self._rows if not self._stands_back(one)]

    def expect(self, answers: Sequence[Answer]) -> None:
        """Take in what was answered at the last start, for rows that have not answered yet."""
        by_key = {(one.engine, one.device, one.environment): one for one in answers}
        for choice in self._rows:
            choice.expected = by_key.get(choice.key)

    def give_up(self, reason: str) -> None:
        """Those that have not answered never will."""
        for choice in self._rows:
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

    def _add_rows(self, readiness: Readiness, reason: str = "") -> None:
        """A row for each environment that the plan names.

        Its answer may never come: the environment of another's plan may be missing here.
        """
        for spec in self._given:
            if spec.environment:
                for device in find(spec.engine).devices:
                    self._row_for(
                        Availability(
                            spec.engine, device, readiness, reason, environment=spec.environment
                        )
                    )

    def _row_for(self, availability: Availability) -> Choice:
        for choice in self._rows:
            if choice.key == availability.question:
                return choice
        choice = Choice(find(availability.engine), availability)
        self._recall(choice)
        after = [i for i, one in enumerate(self._rows) if one.engine is choice.engine]
        self._rows.insert(after[-1] + 1, choice)
        return choice

    def _recall(self, choice: Choice) -> None:
        if choice.given or choice.touched:
            return
        row = self._recalled.get(choice.key)
        if row is not None:
            choice.recall(row)
        else:
            choice.options = dict(self._remembered.get(choice.engine.name, {}))

    def _stands_back(self, choice: Choice) -> bool:
        """Whether a row only says that its framework is elsewhere: where it is, and is ready."""
        return (
            not choice.availability.environment
            and not choice.given
            and _is_noise(choice.availability)
            and any(
                other.availability.ready and other.availability.environment
                for other in self._rows
                if other.engine is choice.engine and other.device == choice.device
            )
        )

    def _select_best(self, engine: Engine) -> None:
        """Of one engine's rows that the user left alone, select those that this machine is for.

        A GPU makes the CPU a bystander, and the app's own interpreter makes others ones.
        """
        able = [
            one
            for one in self._rows
            if one.engine is engine and one.availability.ready
            if not one.touched and one.recalled is None
        ]
        device = "cuda" if any(one.device == "cuda" for one in able) else "cpu"
        there = [one for one in able if one.device == device]
        own_ready = any(not one.availability.environment for one in there)
        for choice in able:
            bystander = own_ready and bool(choice.availability.environment)
            choice.selected = choice.device == device and not bystander

    def _deal_given(self, answered: Choice) -> None:
        """Deal the entries of the given plan to the rows of this engine.

        An entry for device "auto" belongs to the GPU once that is known to run the engine. Rows
        that the user has changed since stay as they are.
        """
        rows = [one for one in self._rows if one.engine is answered.engine and not one.touched]
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
            and one.availability.ready
        ]
        # Where none has its precision, the run says so: it is not dropped in silence.
        able = [one for one in able if spec.precision in one.possible_precisions] or able
        return max(able, key=lambda one: one.device == "cuda", default=None)


def _is_noise(availability: Availability) -> bool:
    """Whether an answer says no more than that a framework is not installed."""
    return (
        availability.readiness == "unavailable"
        and not availability.versions
        and not availability.able_to_build
    )
