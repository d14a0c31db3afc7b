"""Rows of the details dialog on what an entry's measurement was disturbed by, and what it took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from profiles.spelling import percent
from tui.formats import byte_size, plural
from tui.widgets.panel import Row, row

if TYPE_CHECKING:
    from engines.results import ConditionsRecord, EnergyRecord, LatencyRecord, MemoryRecord

NAME_WIDTH = 22


def pair(name: str, value: str, note: str = "", *, width: int = NAME_WIDTH) -> Row:
    """A name in `width` cells, what it has, and what to make of that."""
    return row(
        (f"{name.ljust(width - 2)}  ", "muted"), value, (f"  {note}" if note else "", "muted")
    )


def outlier_rows(latency: LatencyRecord) -> Iterator[Row]:
    """How many there are, and what is known to have disturbed the blocks that they lie in."""
    counts = f"{latency.outliers_mild:,} mild, {latency.outliers_severe:,} severe"
    yield pair("outliers", counts, "none is dropped")
    known = latency.outlier_causes
    if known:
        unknown = latency.outliers_mild + latency.outliers_severe - sum(known.values())
        words = [f"{count:,} {cause}" for cause, count in known.items()]
        yield pair("in blocks that were", ", ".join(words), f"{unknown:,} without a known cause")


def conditions_rows(found: ConditionsRecord) -> Iterator[Row | str]:
    yield row(("The machine while it was measured", "heading"))
    yield from (f"! {sentence}" for sentence in found.sentences)
    if not found.verdicts and not found.problem:
        yield pair("verdict", "clean")
    if found.processor_wait_share is not None:
        yield pair("waited for processor", f"{percent(found.processor_wait_share, 1)} of the time")
    if found.problem:
        yield f"Nothing could be read of its GPU: {found.problem}"
    if not found.readings:
        return
    for name, share in (
        ("throttled", found.throttled_share),
        ("power-capped", found.power_capped_share),
        ("shared", found.shared_share),
    ):
        if share:
            yield pair(name, f"{percent(share)} of the time")
    if found.sm_clock_median_mhz is not None:
        extremes = f"{found.sm_clock_min_mhz:,.0f} to {found.sm_clock_max_mhz:,.0f} MHz"
        yield pair("SM clock, median", f"{found.sm_clock_median_mhz:,.0f} MHz", extremes)
    if found.memory_clock_median_mhz is not None:
        yield pair("memory clock", f"{found.memory_clock_median_mhz:,.0f} MHz")
    if found.power_median_w is not None:
        yield pair(
            "power, median", f"{found.power_median_w:.0f} W", f"{found.power_max_w:.0f} W most"
        )
    if found.temperature_max_c is not None:
        yield pair("temperature, most", f"{found.temperature_max_c:.0f} °C")
    if found.utilisation_median_percent is not None:
        yield pair("utilisation, median", f"{found.utilisation_median_percent:.0f} %")
    yield pair("readings", f"{found.readings:,}")
    name = "clock event reasons"
    for reason, share in found.reasons.items():
        yield pair(name, reason, f"in {percent(share)} of the readings")
        name = ""
    for other in found.others:
        yield pair("also on the GPU", other)


def memory_rows(found: MemoryRecord) -> Iterator[Row]:
    yield row(("GPU memory, by who says so", "heading"))
    for name, value, note in (
        ("device", found.device_delta, "what the GPU had less of, at most"),
        ("process", found.process, "what the driver counts for the worker"),
        ("allocator, peak", found.allocator_peak, "what the framework's allocator held"),
        ("engine's weights", found.weights, "as TensorRT states them"),
        ("engine's activations", found.activations, "as TensorRT states them"),
    ):
        if value is not None:
            yield pair(name, byte_size(value), note)


def energy_rows(found: EnergyRecord) -> Iterator[Row | str]:
    source = f": {found.source}" if found.source else ""
    yield row((f"Energy{source}", "heading"))
    if found.joules_per_inference is not None:
        yield pair(
            "one inference", f"{1000 * found.joules_per_inference:.4g} mJ", "idle power included"
        )
    if found.mean_w is not None:
        idle = "" if found.idle_w is None else f"{found.idle_w:.0f} W before"
        yield pair("power, mean", f"{found.mean_w:.0f} W", idle)
        steps = f"{plural(found.steps, 'step')} of the counter"
        yield pair("measured over", f"{found.seconds:.1f} s", f"{found.n:,} requests, {steps}")
    if found.reason:
        yield found.reason
