"""The tables below a run's main one: where the time of a request goes, and throughput."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engines.results import DeviceRecord, EngineResult, ThroughputRecord
from engines.statistics import sample_floor
from profiles import figures
from profiles.document import Note, Table
from profiles.hints import HOW_IT_ADDS_UP, WHAT_HOST_INCLUDES, no_split, split_hints
from profiles.table import Cell, Column

IN_FLIGHT_MEANING = (
    "in flight: requests under way at any time, each on an engine of its own in one process, for"
    " about 2 s; its latency is from handing a request over to its answer"
)


def more_tables(results: Sequence[EngineResult], names: Sequence[Column]) -> list[Table]:
    """The tables that `results` have figures for; `names` are the columns that name each result."""
    return [table for make in (_split, _throughput) if (table := make(results, names)) is not None]


def more_notes(result: EngineResult, results: Sequence[EngineResult]) -> list[Note]:
    """What a reader must know of the figures of `result` in those tables."""
    notes = [Note(f"{result.label}: {hint}", "", "doubt") for hint in split_hints(result)]
    if result.measured and any(one.device for one in results) and (why := no_split(result)):
        notes.append(Note(f"{result.label}: {why}"))
    notes += [
        Note(f"{result.label}: {one.in_flight} in flight: {one.reason}", "", "doubt")
        for one in result.throughputs
        if one.reason
    ]
    return notes


def _split(results: Sequence[EngineResult], names: Sequence[Column]) -> Table | None:
    rows = [(index, one.device) for index, one in enumerate(results) if one.device is not None]
    if not rows:
        return None
    devices = [device for _, device in rows]
    counts = sorted({device.n for device in devices})
    n = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if len(counts) > 1 else "")
    columns = [
        Column("host", _parts(devices, "host_ms"), notes=[WHAT_HOST_INCLUDES]),
        Column("copy in", _parts(devices, "copy_in_ms"), 2),
        Column(
            "compute",
            _parts(devices, "compute_ms"),
            notes=[HOW_IT_ADDS_UP, f"measured apart, by {n} extra requests that are no samples"],
        ),
        Column("copy out", _parts(devices, "copy_out_ms"), 3),
        Column("unaccounted", _parts(devices, "unaccounted_ms"), 1),
        Column("enqueue", _parts(devices, "enqueue_ms"), 4),
    ]
    heading = "Where the time of a request goes, ms"
    return Table(heading, [*_of(names, [index for index, _ in rows]), *columns])


def _parts(devices: Sequence[DeviceRecord], name: str) -> list[Cell]:
    # One number of decimals for all parts, so that a reader sees them add up.
    places = figures.decimals(one.compute_ms for one in devices)
    return [Cell(figures.number(getattr(one, name), places)) for one in devices]


def _throughput(results: Sequence[EngineResult], names: Sequence[Column]) -> Table | None:
    rows = [(index, one) for index, result in enumerate(results) for one in result.throughputs]
    if not rows:
        return None
    records = [one for _, one in rows]
    alone = {index: one.per_second for index, one in rows if one.in_flight == 1}
    columns = [
        Column(
            "in flight",
            [Cell(str(one.in_flight)) for one in records],
            notes=[IN_FLIGHT_MEANING, *_how(results)],
        ),
        Column("images/s", [Cell(figures.rate(one.per_second)) for one in records]),
        Column("of 1", [Cell(_gain(one, alone.get(index))) for index, one in rows], 2),
        Column("p50 ms", _percentiles(records, 50), 1),
        Column("p99 ms", _percentiles(records, 99), 1),
        Column("n", [Cell(figures.number(one.n or None, 0)) for one in records], 3),
    ]
    heading = "Throughput with several requests in flight"
    return Table(heading, [*_of(names, [index for index, _ in rows]), *columns])


def _how(results: Sequence[EngineResult]) -> list[str]:
    """How each kind of engine was kept busy, in the workers' words."""
    told = dict.fromkeys(str(one.facts.get("requests_in_flight", "")) for one in results)
    return [f"each request has {words}" for words in told if words]


def _gain(record: ThroughputRecord, alone: float | None) -> str:
    """How many times the throughput of one request in flight this one is."""
    return f"{record.per_second / alone:.2f}x" if record.per_second and alone else ""


def _percentiles(records: Sequence[ThroughputRecord], percentile: int) -> list[Cell]:
    values = [getattr(one, f"p{percentile}_ms") for one in records]
    places = figures.decimals(values)
    floor = sample_floor(percentile)
    return [
        Cell(f"needs {floor:,}" if one.n else "", "faint")
        if value is None
        else Cell(figures.number(value, places))
        for value, one in zip(values, records, strict=True)
    ]


def _of(columns: Sequence[Column], indices: Sequence[int]) -> list[Column]:
    """`columns` with the rows at `indices` alone."""
    return [replace(one, cells=[one.cells[index] for index in indices]) for one in columns]
