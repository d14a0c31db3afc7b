"""One interleaved run as a report: each entry against its baseline."""

from __future__ import annotations

from collections.abc import Sequence

from engines.statistics import limits
from profiles import figures
from profiles.comparison_table import run_title
from profiles.document import Document, Note
from profiles.entry_columns import entry_columns
from profiles.table import Cell, Column
from profiles.verdict_words import (
    BASELINE,
    headline,
    how_measured,
    interval,
    notes_on,
    ratio,
    verdict,
)
from profiles.within import RunVerdicts


def within_document(found: RunVerdicts) -> Document:
    """The table of verdicts within a run, the baseline first, with what they rest on."""
    results = [found.baseline, *(entry.b for entry in found.entries)]
    names = entry_columns(results)
    return Document(
        title=[
            headline(found.entries, found.exit_code),
            run_title(found.profile),
            f"baseline: {found.baseline.label}",
            *filter(None, [names.common]),
        ],
        columns=[*names.columns, *_columns(found)],
        notes=[*map(Note, names.legend), *(n for one in found.entries for n in notes_on(one))],
        sections=_sections(found),
        entries=[entry.label for entry in found.entries],
    )


def _columns(found: RunVerdicts) -> list[Column]:
    entries = found.entries
    results = [found.baseline, *(entry.b for entry in entries)]
    meaning = (
        "ratio: the median of the rounds' ratios of p50 of an image to the baseline's, below 1"
        " where it is faster; it need not be the ratio of the two p50 shown; p50 and p99 in ms, of"
        f" a request; SAME is a change of less than {limits(found.threshold)}"
    )
    blank = Cell("")
    return [
        Column("p50 ms", figures.with_interval(results), 1),
        Column("ratio", [blank, *(Cell(ratio(one)) for one in entries)], notes=[meaning]),
        Column("95 % interval", [blank, *(Cell(interval(one)) for one in entries)], 2),
        Column(
            "verdict",
            [Cell(BASELINE, "faint"), *(verdict(one) for one in entries)],
            numeric=False,
        ),
        Column(
            "p99",
            figures.milliseconds(results, 99),
            3,
            notes=figures.floor_notes(results, 99),
        ),
        Column("images/s", figures.throughputs(results), 4),
        Column("cosine", figures.cosines(results), 5),
    ]


def _sections(found: RunVerdicts) -> list[tuple[str, Sequence[str]]]:
    named = [
        ("Not measured", found.not_measured),
        ("How measured", how_measured(found.profile)),
        ("About the samples", found.notes),
    ]
    return [(heading, lines) for heading, lines in named if lines]
