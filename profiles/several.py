"""Compares several profiles with one: each by itself, as two are compared."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from engines.errors import InferTuiError, UsageError
from profiles.comparison import THRESHOLD, ProfileComparison, compare_profiles
from profiles.samples import RawSamples
from profiles.schema import Profile


@dataclass(frozen=True, slots=True)
class Side:
    """One run to be compared. `notes` say what is amiss with its samples, if anything is."""

    profile: Profile
    samples: RawSamples
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A run that can't be compared with the baseline, and why."""

    profile: Profile
    reason: str


@dataclass(frozen=True, slots=True)
class SeveralComparison:
    """Two or more runs, each compared with `baseline`, in the order they were given in."""

    baseline: Profile
    threshold: float
    outcomes: tuple[ProfileComparison | Refusal, ...]

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The baseline, then the others."""
        others = (one.profile if isinstance(one, Refusal) else one.b for one in self.outcomes)
        return (self.baseline, *others)


def compare_several(
    baseline: Side, candidates: Sequence[Side], threshold: float = THRESHOLD
) -> SeveralComparison:
    """Compare each of `candidates` with `baseline`.

    One that can't be compared leaves the others as they are. Raises what `compare_profiles` raises
    where none can, and UsageError where there is none.
    """
    outcomes: list[ProfileComparison | Refusal] = []
    refused: list[InferTuiError] = []
    for letter, one in zip(string.ascii_uppercase[1:], candidates, strict=False):
        try:
            outcomes.append(
                compare_profiles(
                    baseline.profile,
                    one.profile,
                    baseline.samples,
                    one.samples,
                    threshold,
                    (*baseline.notes, *one.notes),
                    candidate=letter,
                )
            )
        except InferTuiError as error:
            refused.append(error)
            outcomes.append(Refusal(one.profile, str(error)))
    if not candidates:
        raise UsageError("a comparison takes two runs or more")
    if len(refused) == len(outcomes):
        raise refused[0]
    return SeveralComparison(baseline.profile, threshold, tuple(outcomes))
