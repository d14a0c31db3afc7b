"""The columns that say which entry a row is: only what tells the entries of a table apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engines.results import EngineResult
from profiles.table import Cell, Column

# Options make long names; a longer one gets a number here and its own line below the table.
LONGEST_DETAIL = 12


class EntryColumns(NamedTuple):
    """`common` says in a line what all entries share; `legend` explains numbered rows."""

    columns: list[Column]
    common: str
    legend: list[str]


def entry_columns(results: Sequence[EngineResult]) -> EntryColumns:
    """Name the rows of `results` by engine, and by device, precision and batch where they vary."""
    legend: list[str] = []
    columns = [Column("engine", [Cell(_name(one, legend)) for one in results], numeric=False)]
    common: list[str] = []
    _place("device", [one.spec.device for one in results], columns, common)
    _place("prec", [one.spec.precision for one in results], columns, common)
    batches = [one.spec.batch for one in results]
    if len(set(batches)) > 1:
        columns.append(Column("batch", [Cell(str(batch)) for batch in batches]))
    else:
        common += [f"batch {batch}" for batch in batches[:1]]
    return EntryColumns(columns, ", ".join(common), legend)


def _place(heading: str, texts: Sequence[str], columns: list[Column], common: list[str]) -> None:
    if len(set(texts)) > 1:
        columns.append(Column(heading, [Cell(text) for text in texts], numeric=False))
    else:
        common += texts[:1]


def _name(result: EngineResult, legend: list[str]) -> str:
    """The engine, with whatever else its label needs to be told from the others."""
    detail = f"[{result.spec.environment}]" if result.spec.environment else ""
    plain = result.spec.label
    if result.label.startswith(plain):
        detail = f"{detail} {result.label.removeprefix(plain).strip()}".strip()
    if len(detail) > LONGEST_DETAIL:
        legend.append(f"({len(legend) + 1}) {result.label}")
        detail = f"({len(legend)})"
    return f"{result.spec.engine} {detail}".strip()
