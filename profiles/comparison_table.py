"""Two runs side by side as a report: what `infer-tui compare` prints."""

from __future__ import annotations

from collections.abc import Sequence

from engines.results import EngineResult
from engines.statistics import Verdict
from profiles import figures
from profiles.comparison import EntryComparison, ProfileComparison
from profiles.document import Document, Note
from profiles.entry_columns import entry_columns
from profiles.schema import Profile
from profiles.table import Cell, Colour, Column

_COLOURS: dict[Verdict, Colour] = {
    Verdict.FASTER: "good",
    Verdict.SLOWER: "bad",
    Verdict.SAME: "",
    Verdict.UNCLEAR: "doubt",
}


def comparison_document(comparison: ProfileComparison) -> Document:
    """The table of verdicts, with what they rest on and what else differs."""
    entries = comparison.entries
    names = entry_columns([entry.a for entry in entries])
    return Document(
        title=[
            f"A: {_title(comparison.a)}",
            f"B: {_title(comparison.b)}",
            *filter(None, [names.common]),
        ],
        warnings=_warnings(comparison),
        columns=[*names.columns, *_columns(entries, comparison.threshold)],
        notes=[*map(Note, names.legend), *(note for entry in entries for note in _notes(entry))],
        sections=_sections(comparison),
    )


def _title(profile: Profile) -> str:
    run = profile.run
    return f"{profile.heading} on {profile.machine.hostname}, {run.started:%Y-%m-%d %H:%M:%S} UTC"


def _warnings(comparison: ProfileComparison) -> list[str]:
    if not comparison.other_machine:
        return []
    a, b = comparison.a.machine, comparison.b.machine
    names = [
        f"{one.hostname} ({', '.join([one.cpu, *(gpu.name for gpu in one.gpus)])})"
        for one in (a, b)
    ]
    return [
        f"OTHER MACHINE: A ran on {names[0]}, B on {names[1]}."
        " A verdict compares machines as much as engines."
    ]


def _columns(entries: Sequence[EntryComparison], threshold: float) -> list[Column]:
    a, b = [entry.a for entry in entries], [entry.b for entry in entries]
    meaning = (
        "ratio: p50 of B over that of A, below 1 where B is faster; p50 and p99 in ms; SAME is a"
        f" change of less than {100 * threshold:g} %"
    )
    return [
        _percentile("A p50", a, 50, 1),
        _percentile("B p50", b, 50, 1),
        Column("ratio", [Cell(_ratio(entry)) for entry in entries], notes=[meaning]),
        Column("95 % interval", [Cell(_interval(entry)) for entry in entries], 2),
        Column("verdict", [_verdict(entry) for entry in entries], numeric=False),
        _percentile("A p99", a, 99, 3),
        _percentile("B p99", b, 99, 3),
        Column("A inf/s", figures.throughputs(a), 4),
        Column("B inf/s", figures.throughputs(b), 4),
        Column("A cosine", figures.cosines(a), 5),
        Column("B cosine", figures.cosines(b), 5),
    ]


def _percentile(
    heading: str, results: Sequence[EngineResult], percentile: float, priority: int
) -> Column:
    cells = figures.milliseconds(results, percentile)
    notes = [f"{heading[0]}: {note}" for note in figures.floor_notes(results, percentile)]
    return Column(heading, cells, priority, notes=notes)


def _ratio(entry: EntryComparison) -> str:
    return "" if entry.ratio is None else f"{entry.ratio:.3f}"


def _interval(entry: EntryComparison) -> str:
    return "" if entry.interval is None else "{:.3f} to {:.3f}".format(*entry.interval)


def _verdict(entry: EntryComparison) -> Cell:
    if entry.b.status == "invalid":
        return Cell(f"{entry.verdict.name}, INVALID", "bad")
    return Cell(entry.verdict.name, _COLOURS[entry.verdict])


def _notes(entry: EntryComparison) -> list[Note]:
    colour = _COLOURS[entry.verdict]
    # The table itself says why a clear verdict is what it is.
    reasons = entry.reasons if entry.verdict is Verdict.UNCLEAR else entry.judgement.caveats
    if not reasons:
        return []
    return [Note(f"{entry.label}: {'; '.join(reasons)}", _hint(entry.a, entry.b), colour)]


def _hint(a: EngineResult, b: EngineResult) -> str:
    return next((one.hint for one in (b, a) if one.latency is None and one.hint), "")


def _sections(comparison: ProfileComparison) -> list[tuple[str, Sequence[str]]]:
    named = [
        ("Only in A", comparison.only_in_a),
        ("Only in B", comparison.only_in_b),
        ("Measured in neither", comparison.not_measured),
        ("What differs besides", comparison.differences),
        ("About the samples", comparison.notes),
    ]
    return [(heading, lines) for heading, lines in named if lines]
