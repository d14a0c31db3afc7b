"""Numbers as tables print them: few digits, one unit a column, nothing that looks better known."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engines.results import EngineResult, LatencyRecord, PercentileRecord
from engines.wording import cosine
from profiles.spelling import NOT_KNOWN, percent
from profiles.table import Cell, Colour

SIGNIFICANT = 4
MOST_DECIMALS = 6
MIB = 2**20
MEDIAN_UNKNOWN = "MEDIAN NOT KNOWN"
MILLISECONDS = MILLI = 1000.0

STATUS_COLOURS: dict[str, Colour] = {
    "ok": "good",
    "invalid": "bad",
    "failed": "bad",
    "stopped": "doubt",
    "unavailable": "faint",
}


def decimals(values: Iterable[float | None]) -> int:
    """Decimals that show the smallest of `values` with SIGNIFICANT digits, and fit the others."""
    known = [abs(value) for value in values if value]
    if not known:
        return 0
    return min(MOST_DECIMALS, max(0, SIGNIFICANT - 1 - math.floor(math.log10(min(known)))))


def number(value: float | None, places: int) -> str:
    """`value` with a fixed number of decimals and thousands marked; empty where there is none."""
    return "" if value is None else f"{value:,.{places}f}"


def percentile_of(latency: LatencyRecord | None, percentile: float) -> PercentileRecord | None:
    return latency.percentile(percentile) if latency else None


def milliseconds(results: Iterable[EngineResult], percentile: float) -> list[Cell]:
    """A column of one percentile, in milliseconds; `needs 662` where samples are too few."""
    found = [percentile_of(result.latency, percentile) for result in results]
    places = decimals(one.value_ms for one in found if one)
    return [_milliseconds(one, places) for one in found]


def with_interval(results: Iterable[EngineResult]) -> list[Cell]:
    """The column of p50 in milliseconds, with half its 95 % interval; or that it is not known."""
    results = list(results)
    cells = milliseconds(results, 50)
    return [
        Cell(f"{cell.text} {_half_width(result.latency)}".strip(), cell.colour)
        for cell, result in zip(cells, results, strict=True)
    ]


def computing(results: Iterable[EngineResult]) -> list[Cell]:
    """The column of the GPU's own time for one request, in milliseconds, copies left out."""
    found = [one.device.compute_ms if one.device else None for one in results]
    places = decimals(found)
    return [Cell(number(value, places)) for value in found]


def seconds(values_ms: Iterable[float | None]) -> list[Cell]:
    """A column of durations in seconds from milliseconds."""
    return [Cell("" if value is None else f"{value / MILLISECONDS:,.2f}") for value in values_ms]


def throughputs(results: Iterable[EngineResult]) -> list[Cell]:
    """A column of inferences per second."""
    return [Cell(rate(one.throughput)) for one in results]


def rate(per_second: float | None) -> str:
    """Inferences per second in at least three digits; empty where there are none."""
    return number(per_second, 0 if (per_second or 0) >= 100 else 1)


def mebibytes(values: Iterable[int | None]) -> list[Cell]:
    """A column of memory in MiB from bytes."""
    return [Cell("" if value is None else f"{value / MIB:,.0f}") for value in values]


def cosines(results: Iterable[EngineResult]) -> list[Cell]:
    """A column of the cosine to the reference."""
    return [
        Cell("")
        if one.accuracy is None
        else Cell(cosine(one.accuracy.cosine), "" if one.accuracy.within_tolerance else "bad")
        for one in results
    ]


def device_memory(results: Iterable[EngineResult]) -> list[Cell]:
    """A column of what the whole GPU had less of, in MiB; of older profiles what they have."""
    return mebibytes(one.memory.device_delta if one.memory else one.device_bytes for one in results)


def millijoules(results: Iterable[EngineResult]) -> list[Cell]:
    """A column of the energy of one image in mJ, where it is known."""
    found = [one.energy.joules_per_inference if one.energy else None for one in results]
    found = [None if one is None else one * MILLI for one in found]
    places = decimals(found)
    return [Cell(number(value, places)) for value in found]


def statuses(results: Iterable[EngineResult]) -> list[Cell]:
    return [_status(one) for one in results]


def _status(result: EngineResult) -> Cell:
    """How it ended; and what disturbed it, which is no failure but must not be overlooked."""
    verdicts: tuple[str, ...] = result.conditions.verdicts if result.conditions else ()
    if result.latency and result.latency.median_unknown:
        verdicts = (MEDIAN_UNKNOWN, *verdicts)
    if result.status != "ok" or not verdicts:
        return Cell(result.status, STATUS_COLOURS[result.status])
    return Cell(f"ok, {' and '.join(verdicts)}", "doubt")


def outlier_causes(latency: LatencyRecord) -> str:
    """What is known to have disturbed the blocks that the outliers lie in; empty for nothing."""
    known = latency.outlier_causes
    total = latency.outliers_mild + latency.outliers_severe
    if not known:
        return ""
    noun = "outlier" if total == 1 else "outliers"
    if list(known.values()) == [total]:
        return f"{total:,} {noun}, {'all ' if total > 1 else ''}{next(iter(known))}"
    words = [f"{count:,} {cause}" for cause, count in known.items()]
    return f"{total:,} {noun}, of which {', '.join(words)}"


def floor_notes(results: Iterable[EngineResult], percentile: float) -> list[str]:
    """One line if some result has too few samples for `percentile`, otherwise none."""
    short = [
        (record.needs, result.latency.n)
        for result in results
        if result.latency is not None
        and (record := result.latency.percentile(percentile)) is not None
        and record.value_ms is None
    ]
    if not short:
        return []
    counts = sorted({n for _, n in short})
    have = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if len(counts) > 1 else "")
    return [f"p{percentile:g} needs {short[0][0]:,} samples (have {have})"]


def drifting(drift: float, *, by_turns: bool) -> str:
    """That a run drifted so slowly that its intervals hold less often than they say."""
    part = "round" if by_turns else "40th of the run"
    return (
        f"it drifts: {100 * drift:.0f} % of a deviation passes on from one {part} to the next, so"
        " its intervals say too little; measure longer"
    )


def _milliseconds(record: PercentileRecord | None, places: int) -> Cell:
    if record is None:
        return Cell("")
    if record.value_ms is None:
        return Cell(f"needs {record.needs:,}", "faint")
    return Cell(number(record.value_ms, places))


def _half_width(latency: LatencyRecord | None) -> str:
    """Half the width of the median's 95 % interval in per cent; empty where there is none."""
    if latency and latency.median_unknown:
        return NOT_KNOWN
    half = latency.half_width if latency else None
    return "" if half is None else f"±{percent(half, 1)}"
