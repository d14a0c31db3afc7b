"""A comparison as its screen shows it: of two runs, of more, or within one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engines.results import is_known
from profiles.spelling import NOT_KNOWN, percent
from tui.formats import milliseconds
from tui.widgets.profiles import LETTERS

if TYPE_CHECKING:
    from engines.results import EngineResult
    from profiles.comparison import EntryComparison, ProfileComparison
    from profiles.schema import Profile
    from profiles.several import SeveralComparison
    from profiles.within import RunVerdicts

    Comparison = SeveralComparison | ProfileComparison | RunVerdicts

OTHER_MACHINE = "the verdicts compare machines as well"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that is compared with the baseline; `refused` says why it can't be."""

    letter: str
    profile: Profile
    comparison: ProfileComparison | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """An entry of the baseline, or within a run one that is compared with the baseline's.

    `against` has what each candidate came to, None where it has no such entry.
    """

    label: str
    baseline: EngineResult
    against: tuple[EntryComparison | None, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared with what. Within one run there are no `candidates`."""

    baseline: Profile
    threshold: float
    entries: tuple[Judged, ...]
    candidates: tuple[Candidate, ...] = ()
    within: RunVerdicts | None = None

    @property
    def sides(self) -> tuple[tuple[str, str, Profile], ...]:
        """Each run with its letter and what it is."""
        if self.within is not None:
            return (("", "run", self.baseline),)
        return (
            ("A", "baseline", self.baseline),
            *((one.letter, "candidate", one.profile) for one in self.candidates),
        )

    @property
    def warnings(self) -> list[str]:
        """What must be known before any verdict is read."""
        others = [one.letter for one in self.candidates
                  if one.comparison is not None and one.comparison.other_machine]  # fmt: skip
        found = []
        if others and len(self.candidates) == 1:
            found.append(f"These runs are of two machines: {OTHER_MACHINE}.")
        elif others:
            found.append(f"Of another machine than A: {', '.join(others)}; {OTHER_MACHINE}.")
        return found + [f"{one.letter} can't be compared: {one.refused}"
                        for one in self.candidates if one.refused]  # fmt: skip

    def runs_of(self, entry: Judged) -> list[tuple[int, EngineResult]]:
        """The results that belong to `entry`, each with the place of its run, the baseline's 0."""
        found = [(0, entry.baseline)]
        for place, one in enumerate(entry.against, 1):
            if one is not None:
                found.append((0 if self.within else place, one.b))
        return found

    def place_of(self, run: int, result: EngineResult) -> int | None:
        """Where `result` stands among the results of its run."""
        profile = self.baseline if run == 0 else self.candidates[run - 1].profile
        places = (place for place, one in enumerate(profile.results) if one is result)
        return next(places, None)

    def sections(self) -> list[tuple[str, tuple[str, ...]]]:
        """What else there is to say, under headings; those without a line are left out."""
        from profiles.gathering import told_once

        if self.within is not None:
            found = [("Not measured", self.within.not_measured), ("Notes", self.within.notes)]
            return [one for one in found if one[1]]
        labels = [entry.label for entry in self.entries]
        found = []
        for one in self.candidates:
            pair, name = one.comparison, one.letter
            if pair is not None:
                differences = tuple(told_once(pair.differences, labels))
                found += [
                    (f"What differs between A and {name} besides", differences),
                    ("Only in A", pair.only_in_a)
                    if len(self.candidates) == 1
                    else (f"In A and not in {name}", pair.only_in_a),
                    (f"Only in {name}", pair.only_in_b)
                    if len(self.candidates) == 1
                    else (f"In {name} and not in A", pair.only_in_b),
                    (f"Measured neither in A nor in {name}", pair.not_measured),
                    (f"Notes on A and {name}", pair.notes),
                ]
        return [one for one in found if one[1]]


def compared(found: Comparison) -> Compared:
    """`found` in the one shape that the screen shows."""
    from profiles.comparison import ProfileComparison
    from profiles.within import RunVerdicts

    if isinstance(found, RunVerdicts):
        entries = tuple(Judged(one.label, one.a, (one,)) for one in found.entries)
        return Compared(found.profile, found.threshold, entries, within=found)
    baseline = found.a if isinstance(found, ProfileComparison) else found.baseline
    outcomes = (found,) if isinstance(found, ProfileComparison) else found.outcomes
    candidates = tuple(
        Candidate(letter, one.b, one)
        if isinstance(one, ProfileComparison)
        else Candidate(letter, one.profile, None, one.reason)
        for letter, one in zip(LETTERS[1:], outcomes, strict=False)
    )
    entries = tuple(
        Judged(result.label, result, against)
        for result in baseline.results
        if any(against := tuple(_of(one.comparison, result) for one in candidates))
    )
    return Compared(baseline, found.threshold, entries, candidates)


def _of(comparison: ProfileComparison | None, result: EngineResult) -> EntryComparison | None:
    """What a comparison says of the baseline's `result`."""
    entries = comparison.entries if comparison else ()
    return next((one for one in entries if one.a is result), None)


def change(ratio: float | None) -> str:
    """A ratio of medians as a change, -3.1 %."""
    return "-" if ratio is None else percent(ratio - 1, 1, signed=True)


def interval(one: EntryComparison) -> str:
    """The interval of a ratio as changes, -3.3 to -0.9 %; of one that it hardly bounds, so."""
    if one.ratio is None or one.interval is None:
        return "-"
    if not is_known(one.ratio, *one.interval):
        return NOT_KNOWN
    return "{} to {}".format(change(one.interval[0]).removesuffix(" %"), change(one.interval[1]))


def median(result: EngineResult) -> str:
    """The p50 of a result in ms, without its unit."""
    return milliseconds(result.latency.p50_ms if result.latency else None)
