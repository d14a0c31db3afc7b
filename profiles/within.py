"""The verdicts within one interleaved run: each entry against the first that took turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.errors import UsageError
from engines.results import EngineResult, VersusRecord
from engines.versus import judged_again, verdicts
from profiles.comparison import Basis, EntryComparison, exit_code_of, samples_or_note
from profiles.reading import read_profile
from profiles.samples import RawSamples
from profiles.schema import Profile
from profiles.verdicts import from_record, unclear


@dataclass(frozen=True, slots=True)
class RunVerdicts:
    """What the entries of one run are against its `baseline`.

    Each of `entries` has the baseline as its `a`. `not_measured` says of those that could not run
    here why.
    """

    profile: Profile
    threshold: float
    baseline: EngineResult
    entries: tuple[EntryComparison, ...]
    not_measured: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 if any entry is slower or outside its tolerance, else 3 if any can't be told, else 0.

        A baseline that no verdict can rest on leaves all of them UNCLEAR.
        """
        return exit_code_of(self.entries)


def judge_file(path: Path | str, threshold: float | None = None) -> RunVerdicts:
    """The verdicts within the profile in a file; FileError or UsageError as for its parts.

    A profile whose samples are missing or damaged is judged by its saved intervals, and the
    result's `notes` say so. `threshold` is a share, by default what the run was made with.
    """
    profile = read_profile(path)
    notes: list[str] = []
    samples = samples_or_note(profile, path, notes) if profile.plan.measurement.interleave else {}
    return judge_run(profile, samples, threshold, notes)


def judge_run(
    profile: Profile,
    samples: RawSamples | None = None,
    threshold: float | None = None,
    notes: Sequence[str] = (),
) -> RunVerdicts:
    """The verdicts within `profile`, from its samples where there are some.

    Raises UsageError where its engines did not take turns: to compare blocks that were not measured
    side by side would count the machine's drift as the engines'.
    """
    plan = profile.plan.measurement
    threshold = plan.threshold if threshold is None else threshold
    if not 0 < threshold < 1:
        raise UsageError(f"the threshold is {threshold:g}, expected a share between 0 and 1")
    if not plan.interleave:
        raise UsageError(
            f"{profile.heading}: its engines were measured one after another",
            hint="run it with --interleave for verdicts within one run, or name a second profile",
        )
    results = profile.results
    turns = [
        samples[index, "measuring"].by_round()
        if samples and (index, "measuring") in samples
        else {}
        for index in range(len(results))
    ]
    basis: Basis = "samples"
    found = [
        one.versus if one.versus and not one.versus.blocks else again
        for one, again in zip(results, verdicts(results, turns, threshold), strict=True)
    ]
    first = next((index for index, one in enumerate(turns) if one), None)
    if first is None:
        basis = "saved intervals"
        found = [
            one.versus and judged_again(one.versus, threshold, one.spec.device) for one in results
        ]
        first = _saved_baseline(results)
    if first is None or len(results) < 2:
        raise UsageError(
            f"{profile.heading}: no two of its engines were measured in turn",
            hint="run it again where more of its engines are available",
        )
    baseline = results[first]
    pairs = [(found[index], one) for index, one in enumerate(results) if index != first]
    return RunVerdicts(
        profile=profile,
        threshold=threshold,
        baseline=baseline,
        entries=tuple(
            _entry(baseline, one, record, basis)
            for record, one in pairs
            if one.status != "unavailable"
        ),
        not_measured=tuple(
            f"{one.label}: {one.reason}" for _, one in pairs if one.status == "unavailable"
        ),
        notes=tuple(notes),
    )


def _entry(
    baseline: EngineResult, result: EngineResult, record: VersusRecord | None, basis: Basis
) -> EntryComparison:
    if record is None:
        why = f"{result.status}: {result.reason}" if result.reason else result.status
        judgement = unclear("not-measured", f"it has no measurement: {why}")
        return EntryComparison(result.label, baseline, result, judgement, "nothing")
    return EntryComparison(result.label, baseline, result, from_record(record), basis)


def _saved_baseline(results: Sequence[EngineResult]) -> int | None:
    """The index of the entry that the saved verdicts are against."""
    labels = {one.versus.baseline for one in results if one.versus}
    return next((index for index, one in enumerate(results) if one.label in labels), None)
