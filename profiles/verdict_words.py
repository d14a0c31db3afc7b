"""How verdicts are put into words, for tables of two runs and of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engines.errors import EXIT_INVALID, EXIT_REGRESSION
from engines.plan import Measurement
from engines.results import EngineResult, is_known
from engines.statistics import Verdict
from profiles.comparison import EntryComparison
from profiles.document import Note
from profiles.schema import Profile
from profiles.spelling import NOT_KNOWN
from profiles.table import Cell, Colour

COLOURS: dict[str, Colour] = {"FASTER": "good", "SLOWER": "bad", "SAME": "", "UNCLEAR": "doubt"}
# What stands for a verdict in the row that all others are compared with.
BASELINE = "baseline"
PERCENT = 100.0
# The worst first, as a reader wants it.
SEVERITY = ("SLOWER", "INVALID", "UNCLEAR", "SAME", "FASTER")


def headline(entries: Sequence[EntryComparison], exit_code: int) -> str:
    """The whole comparison in one line: what a gate makes of it, and how many of which verdict."""
    words = {EXIT_REGRESSION: "REGRESSION", EXIT_INVALID: "CAN'T TELL"}
    invalid = Counter(INVALID=sum(one.b.status == "invalid" for one in entries))
    counts = Counter(one.verdict.value for one in entries) + invalid
    parts = [f"{counts[name]} {name}" for name in SEVERITY if counts[name]]
    noun = "entry" if len(entries) == 1 else "entries"
    return f"{words.get(exit_code, 'NO REGRESSION')}: {', '.join(parts)} of {len(entries)} {noun}"


def ratio(entry: EntryComparison) -> str:
    return "" if entry.ratio is None else f"{entry.ratio:.3f}"


def interval(entry: EntryComparison) -> str:
    return ratio_interval(entry.ratio, entry.judgement.low, entry.judgement.high)


def ratio_interval(value: float | None, low: float | None, high: float | None) -> str:
    """The interval of a ratio for a table; of one that it hardly bounds, that it is not known."""
    if value is None or low is None or high is None:
        return ""
    return f"{low:.3f} to {high:.3f}" if is_known(value, low, high) else NOT_KNOWN


def verdict(entry: EntryComparison) -> Cell:
    if entry.b.status == "invalid":
        return Cell(f"{entry.verdict.value}, INVALID", "bad")
    return Cell(entry.verdict.value, COLOURS[entry.verdict.value])


def notes_on(entry: EntryComparison) -> list[Note]:
    """What a reader must know of a verdict; the table itself says why a clear one is what it is."""
    reasons = entry.reasons if entry.verdict is Verdict.UNCLEAR else entry.reasons[1:]
    colour, last = COLOURS[entry.verdict.value], len(reasons) - 1
    return [
        Note(f"{entry.label}: {reason}", _hint(entry.a, entry.b) if at == last else "", colour)
        for at, reason in enumerate(reasons)
    ]


def how_measured(a: Profile, b: Profile | None = None) -> list[str]:
    """How the latencies were measured, in a line for each run, or one where both agree."""
    lines = [measurement_words(one.plan.measurement) for one in (a, b) if one]
    if len(set(lines)) > 1:
        return [f"{side}: {line}" for side, line in zip("AB", lines, strict=True)]
    return lines[:1]


def measurement_words(measurement: Measurement) -> str:
    """How engines are measured by `measurement`, in a sentence for a report."""
    if measurement.interleave:
        return (
            f"by turns, {measurement.blocks} rounds of {measurement.block_seconds:g} s each in"
            " random order, a re-warm before each block"
        )
    if measurement.iterations is not None:
        return f"one after another, {measurement.iterations:,} iterations each"
    if measurement.seconds is not None:
        return f"one after another, {measurement.seconds:g} s each"
    known = PERCENT * measurement.median_half_width
    return f"one after another, each until its median is known to {known:g} %"


def _hint(a: EngineResult, b: EngineResult) -> str:
    return next((one.hint for one in (b, a) if one.latency is None and one.hint), "")
