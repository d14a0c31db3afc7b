"""Compares two profiles of one model, entry by entry, and says what the comparison is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engines import registry
from engines.errors import (
    EXIT_INVALID,
    EXIT_OK,
    EXIT_REGRESSION,
    FileError,
    MeasurementInvalid,
    UsageError,
)
from engines.results import EngineResult
from engines.soundness import caveats, of_runs, unfit
from engines.statistics import Verdict
from profiles import differences
from profiles.reading import read_profile
from profiles.samples import RawSamples, Series
from profiles.schema import Profile
from profiles.verdicts import Judgement, from_intervals, from_samples, unclear
from profiles.writing import read_samples

THRESHOLD = 0.01

Basis = Literal["samples", "saved intervals", "nothing"]


@dataclass(frozen=True, slots=True)
class EntryComparison:
    """One entry of both runs: `a` is the baseline, `b` the candidate.

    `ratio` is the median latency of `b` over that of `a`, with its 95 % interval; None where it
    can't be told. `basis` says what the verdict rests on.
    """

    label: str
    a: EngineResult
    b: EngineResult
    judgement: Judgement
    basis: Basis

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict

    @property
    def ratio(self) -> float | None:
        return self.judgement.ratio

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of `ratio`."""
        low, high = self.judgement.low, self.judgement.high
        return None if low is None or high is None else (low, high)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The verdict's own reason first, then what else a reader must know."""
        return tuple(one.text for one in self.judgement.reasons)

    @property
    def regressed(self) -> bool:
        """Whether the candidate is slower, or its outputs are outside their tolerance."""
        return self.verdict is Verdict.SLOWER or self.b.status == "invalid"


@dataclass(frozen=True, slots=True)
class ProfileComparison:
    """Two runs side by side. `threshold` is the share by which a median must move to matter.

    `entries` were measured in the baseline and asked for in both; `not_measured` says of the
    others that both asked for why they were measured in neither.
    """

    a: Profile
    b: Profile
    threshold: float
    entries: tuple[EntryComparison, ...]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    not_measured: tuple[str, ...]
    other_machine: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 if any entry regressed, otherwise 3 if any can't be told, otherwise 0."""
        return exit_code_of(self.entries)


def exit_code_of(entries: Sequence[EntryComparison]) -> int:
    """1 if any of `entries` regressed, otherwise 3 if any can't be told, otherwise 0."""
    if any(entry.regressed for entry in entries):
        return EXIT_REGRESSION
    if any(entry.verdict is Verdict.UNCLEAR for entry in entries):
        return EXIT_INVALID
    return EXIT_OK


def compare_files(
    a: Path | str,
    b: Path | str,
    threshold: float = THRESHOLD,
    spread: float | None = None,
) -> ProfileComparison:
    """Compare the profiles in two files; FileError or UsageError as for their parts.

    A profile whose samples are missing or damaged is compared by its saved intervals, and the
    result's `notes` say so.
    """
    first, second = read_profile(a), read_profile(b)
    notes: list[str] = []
    samples_a = samples_or_note(first, a, notes)
    samples_b = samples_or_note(second, b, notes)
    return compare_profiles(first, second, samples_a, samples_b, threshold, notes, spread)


def compare_profiles(
    a: Profile,
    b: Profile,
    samples_a: RawSamples | None = None,
    samples_b: RawSamples | None = None,
    threshold: float = THRESHOLD,
    notes: Sequence[str] = (),
    spread: float | None = None,
    candidate: str = "B",
) -> ProfileComparison:
    """Compare candidate `b` with baseline `a`; the sentences call them `candidate` and A.

    `spread` is what two runs of one engine differ by where these were measured, as a share, the
    standard deviation of their ratio; by default that of `engines.soundness.of_runs`.

    Raises UsageError, naming the difference, where they are not runs of one model or have no entry
    in common, and MeasurementInvalid where the baseline measured none of those. Another machine,
    plan or version is allowed and stated.
    """
    if not 0 < threshold < 1:
        raise UsageError(f"the threshold is {threshold:g}, expected a share between 0 and 1")
    if spread is not None and not 0 <= spread < 1:
        raise UsageError(f"the spread is {spread:g}, expected a share from 0 to below 1")
    if problems := differences.unlike(a, b):
        raise UsageError(
            "these are runs of different things: " + ", ".join(problems),
            hint="compare two runs of one model with one input size",
        )
    pairs = match(a.results, b.results)
    if not pairs:
        raise UsageError(_nothing_in_common(a, b), hint="run the same engines in both")
    entries = tuple(
        _compare(
            a.results[i],
            b.results[j],
            _measured(samples_a, i),
            _measured(samples_b, j),
            threshold,
            spread,
            candidate,
        )
        for i, j in pairs
        if a.results[i].measured
    )
    if not entries:
        raise MeasurementInvalid(
            "the baseline measured none of the entries that both runs have",
            hint="run it again where its engines are available",
        )
    found = differences.between_runs(a, b)
    for entry in entries:
        found += differences.between_results(entry.a, entry.b)
    in_neither, new = _without_baseline(a, b, pairs)
    in_a, in_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return ProfileComparison(
        a=a,
        b=b,
        threshold=threshold,
        entries=entries,
        only_in_a=tuple(one.label for i, one in enumerate(a.results) if i not in in_a),
        only_in_b=(*(one.label for j, one in enumerate(b.results) if j not in in_b), *new),
        not_measured=in_neither,
        other_machine=differences.is_other_machine(a.machine, b.machine),
        differences=tuple(one.told(candidate) for one in found),
        notes=tuple(notes),
    )


def match(a: Sequence[EngineResult], b: Sequence[EngineResult]) -> list[tuple[int, int]]:
    """Which result of `b` belongs to which of `a`, as pairs of indices.

    First those that asked for exactly the same, defaults spelled out; then those that share a
    label, which may differ in options (the differences then say in which).
    """
    pairs: list[tuple[int, int]] = []
    keys: tuple[Callable[[EngineResult], object], ...] = (_key, lambda result: result.label)
    for key in keys:
        taken_a, taken_b = {i for i, _ in pairs}, {j for _, j in pairs}
        free = [j for j in range(len(b)) if j not in taken_b]
        for i in (i for i in range(len(a)) if i not in taken_a):
            found = next((j for j in free if key(b[j]) == key(a[i])), None)
            if found is not None:
                free.remove(found)
                pairs.append((i, found))
    return sorted(pairs)


def _key(result: EngineResult) -> tuple[object, ...]:
    spec = result.spec
    try:
        options = registry.find(spec.engine).settings(spec)
    except UsageError:
        options = spec.options
    return (
        spec.engine,
        spec.device,
        spec.precision,
        spec.batch,
        spec.environment,
        sorted(options.items()),
    )


def _compare(
    a: EngineResult,
    b: EngineResult,
    samples_a: Series | None,
    samples_b: Series | None,
    threshold: float,
    spread: float | None,
    candidate: str,
) -> EntryComparison:
    basis: Basis = "nothing"
    if b.latency is None:
        judgement = unclear("not-measured", f"{candidate} has no measurement: {_why_not(b)}")
    elif samples_a is not None and samples_b is not None:
        judgement, basis = from_samples(samples_a, samples_b, threshold), "samples"
    else:
        judgement, basis = from_intervals(a, b, threshold, candidate), "saved intervals"
    sides = ((a, "A"), (b, candidate))
    judgement = judgement.beyond(of_runs(b.spec.device, spread)).known(
        [doubt for one, side in sides for doubt in unfit(one, side)],
        [caveat for one, side in sides for caveat in caveats(one, side)],
        threshold,
    )
    return EntryComparison(a.label, a, b, judgement, basis)


def _why_not(result: EngineResult) -> str:
    return f"{result.status}: {result.reason}" if result.reason else result.status


def _without_baseline(
    a: Profile, b: Profile, pairs: Sequence[tuple[int, int]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the entries that the baseline did not measure: those in neither run, and those in B."""
    missing = [(a.results[i], b.results[j]) for i, j in pairs if not a.results[i].measured]
    neither = [f"{x.label}: {_why_not(y)}" for x, y in missing if not y.measured]
    new = [f"{x.label} (A: {_why_not(x)})" for x, y in missing if y.measured]
    return tuple(neither), tuple(new)


def _measured(samples: RawSamples | None, entry: int) -> Series | None:
    found = samples.get((entry, "measuring")) if samples else None
    return found if found is not None and len(found.latencies_ms) else None


def samples_or_note(profile: Profile, path: Path | str, notes: list[str]) -> RawSamples:
    """The samples of `profile`; where they can't be read none, and `notes` says why."""
    try:
        return read_samples(profile, path)
    except FileError as error:
        notes.append(error.message)
        return {}


def _nothing_in_common(a: Profile, b: Profile) -> str:
    labels = [", ".join(one.label for one in run.results) for run in (a, b)]
    message = f"the runs have no entry in common: {labels[0]} against {labels[1]}"
    batches = [sorted({one.spec.batch for one in run.results}) for run in (a, b)]
    if not set(batches[0]) & set(batches[1]):
        shown = [", ".join(map(str, sizes)) for sizes in batches]
        message += f" (batch {shown[0]} against {shown[1]})"
    return message
