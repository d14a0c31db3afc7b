"""Two runs side by side as a report: what `infer-tui compare` prints."""

from __future__ import annotations

from collections.abc import Sequence

from engines.results import EngineResult
from engines.statistics import limits
from profiles import figures
from profiles.comparison import EntryComparison, ProfileComparison
from profiles.document import Document, Note
from profiles.entry_columns import entry_columns
from profiles.schema import Profile
from profiles.table import Cell, Column
from profiles.verdict_words import headline, how_measured, interval, notes_on, ratio, verdict


def comparison_document(comparison: ProfileComparison) -> Document:
    """The table of verdicts, with what they rest on and what else differs."""
    entries = comparison.entries
    names = entry_columns([entry.a for entry in entries])
    return Document(
        title=[
            headline(entries, comparison.exit_code),
            f"A: {run_title(comparison.a)}",
            f"B: {run_title(comparison.b)}",
            *filter(None, [names.common]),
        ],
        warnings=_warnings(comparison),
        columns=[*names.columns, *_columns(entries, comparison.threshold)],
        notes=[*map(Note, names.legend), *(note for entry in entries for note in notes_on(entry))],
        sections=_sections(comparison),
        entries=[entry.label for entry in entries],
    )


def run_title(profile: Profile) -> str:
    """Which run it is: its title, machine and time."""
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
        f" change of less than {limits(threshold)}"
    )
    return [
        _percentile("A p50", a, 50, 1),
        _percentile("B p50", b, 50, 1),
        Column("ratio", [Cell(ratio(entry)) for entry in entries], notes=[meaning]),
        Column("95 % interval", [Cell(interval(entry)) for entry in entries], 2),
        Column("verdict", [verdict(entry) for entry in entries], numeric=False),
        _percentile("A p99", a, 99, 3),
        _percentile("B p99", b, 99, 3),
        Column("A images/s", figures.throughputs(a), 4),
        Column("B images/s", figures.throughputs(b), 4),
        Column("A cosine", figures.cosines(a), 5),
        Column("B cosine", figures.cosines(b), 5),
    ]


def _percentile(
    heading: str, results: Sequence[EngineResult], percentile: float, priority: int
) -> Column:
    cells = figures.milliseconds(results, percentile)
    notes = [f"{heading[0]}: {note}" for note in figures.floor_notes(results, percentile)]
    return Column(heading, cells, priority, notes=notes)


def _sections(comparison: ProfileComparison) -> list[tuple[str, Sequence[str]]]:
    named = [
        ("Only in A", comparison.only_in_a),
        ("Only in B", comparison.only_in_b),
        ("Measured in neither", comparison.not_measured),
        ("What differs besides", comparison.differences),
        ("How measured", how_measured(comparison.a, comparison.b)),
        ("About the samples", comparison.notes),
    ]
    return [(heading, lines) for heading, lines in named if lines]
