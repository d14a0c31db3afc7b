"""The rules by which readings of a machine become verdicts on the samples taken beside them.

Nothing is read here: recorded readings come in, so that every rule can be tried without a GPU.
Times are nanoseconds of the driver's `time.monotonic_ns`.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines import clock_reasons
from engines.gpu import GpuSample
from engines.results import Condition, ConditionsRecord, DisturbanceRecord

# A share of throttled time above which the measurement is one of the heat, not of the engine.
MOST_DISTURBED = 0.10
# A power cap reason at full boost is everyday regulation (benchmarks of kernels draw the line
# here): only below this share of the highest clock does it cost speed.
FULL_CLOCK = 0.985
# A power violation counter steps in its own granularity: below this share of a block it is noise.
LEAST_POWER_SHARE = 0.01
# What suspends a machine for less than this is not a lid that was closed.
LEAST_SLEEP_S = 0.5
# A thread that waits for a processor for more of a block than this shared it: where nothing else
# runs it waits for 0.1 % to 1 % of its time, and for half of it beside one other that is as busy.
MOST_WAITED = 0.05
# Pauses between disturbed blocks that are shorter are one disturbance to a reader, and a profile
# holds the longest of them.
MERGED_S = 1.0
MOST_DISTURBANCES = 50
NS_PER_S = 1e9

# What may have caused an outlier, the graver first.
THROTTLED, SHARED, CAPPED = "throttled", "shared-gpu", "power-capped"
CROWDED = "shared-cpu"
PREEMPTED, PAGED = "preempted", "page-fault"
VERDICT_OF: dict[str, Condition] = {
    THROTTLED: "THROTTLED",
    SHARED: "SHARED GPU",
    CROWDED: "SHARED CPU",
    CAPPED: "POWER-CAPPED",
}


@dataclass(frozen=True, slots=True)
class Block:
    """When a block of `n` samples was taken, and what its process went through meanwhile.

    `preempted` counts involuntary context switches of all its threads, `page_faults` those that
    had to wait for a disk. `waited_ns` is for how long the thread that did so longest was ready and
    had no processor, None where the kernel does not count that.
    """

    start_ns: int
    end_ns: int
    n: int
    preempted: int = 0
    page_faults: int = 0
    waited_ns: int | None = None

    @property
    def crowded(self) -> bool:
        """Whether it had to share its processors."""
        return (self.waited_ns or 0) > MOST_WAITED * (self.end_ns - self.start_ns)


@dataclass(frozen=True, slots=True)
class Edge:
    """The cumulative throttle counters at one moment, None where the driver has none.

    Two edges in a row enclose a stretch of a second, or a turn of an interleaved run: each stretch
    is judged as one.
    """

    time_ns: int
    power_ns: int | None = None
    thermal_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Who else had a context on the GPU, and who of them `computed` since the look before."""

    time_ns: int
    others: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GpuLog:
    """What was read of one GPU, each list in order of time.

    `clock_limit_mhz` is the highest SM clock that it can reach as it is set.
    """

    readings: Sequence[GpuSample] = ()
    edges: Sequence[Edge] = ()
    looks: Sequence[Look] = ()
    clock_limit_mhz: float | None = None


@dataclass(slots=True)
class _Stretch:
    """A time that is judged as one: what was read in it, and what disturbed it."""

    start_ns: int
    end_ns: int
    tags: frozenset[str]
    readings: Sequence[GpuSample] = ()
    measured: bool = False


def judge(
    blocks: Sequence[Block], log: GpuLog, origin_ns: int = 0, asleep_s: float = 0.0
) -> tuple[ConditionsRecord, list[str]]:
    """What the machine was like while `blocks` were taken; and the cause that each may have been
    disturbed by, one of VERDICT_OF or empty. Of an engine on the CPU the `log` is empty.

    `origin_ns` is where the seconds of the entry's samples count from; `asleep_s` is how long the
    machine was suspended meanwhile.
    """
    asleep_s = asleep_s if asleep_s >= LEAST_SLEEP_S else 0.0
    stretches = _stretches(log)
    shared = [
        _Stretch(before.time_ns, look.time_ns, frozenset((SHARED,)))
        for before, look in pairwise(log.looks)
        if look.computed
    ]
    found = [
        _tags_of(block, stretches) | _tags_of(block, shared) | _tags_of_processors(block)
        for block in blocks
    ]
    shares = _shares(blocks, found)
    gravest = [next((tag for tag in VERDICT_OF if tag in tags), "") for tags in found]
    record = msgspec.structs.replace(
        _figures([reading for one in stretches if one.measured for reading in one.readings]),
        verdicts=tuple(_verdicts(shares, asleep_s)),
        throttled_share=shares[THROTTLED],
        power_capped_share=shares[CAPPED],
        shared_share=shares[SHARED],
        crowded_share=shares[CROWDED],
        processor_wait_share=_waited_share(blocks),
        asleep_s=asleep_s,
        disturbances=_disturbances(blocks, gravest, origin_ns),
        others=_others(blocks, log.looks),
    )
    return record, gravest


def outlier_causes(
    latencies_ms: NDArray[np.float64], blocks: Sequence[Block], tags: Sequence[str], fence_ms: float
) -> dict[str, int]:
    """How many latencies above `fence_ms` lie in a block with each known disturbance.

    `latencies_ms` are those of `blocks`, in order. A disturbance of the GPU may have caused every
    outlier of its block; one involuntary switch or one page fault can have delayed one inference,
    so no more outliers than there were of them are put down to them. The rest has no known cause
    and is in no count.
    """
    causes: Counter[str] = Counter()
    above = latencies_ms > fence_ms
    first = 0
    for block, tag in zip(blocks, tags, strict=True):
        outliers = int(np.count_nonzero(above[first : first + block.n]))
        first += block.n
        if not outliers:
            continue
        # Of a crowded block's outliers the switches say how many may be its own.
        if tag and tag != CROWDED:
            causes[tag] += outliers
            continue
        causes[PREEMPTED] += min(outliers, block.preempted)
        causes[PAGED] += min(max(0, outliers - block.preempted), block.page_faults)
    return {cause: count for cause, count in causes.items() if count}


def _stretches(log: GpuLog) -> list[_Stretch]:
    """The time from each edge to the next, with what held the clock down in it."""
    found = []
    for start, end in pairwise(log.edges):
        first = bisect_left(log.readings, start.time_ns, key=_time)
        readings = log.readings[first : bisect_right(log.readings, end.time_ns, key=_time)]
        tags = frozenset(_held_down(start, end, readings, log.clock_limit_mhz))
        found.append(_Stretch(start.time_ns, end.time_ns, tags, readings))
    return found


def _time(reading: GpuSample) -> int:
    return reading.time_ns


def _held_down(
    start: Edge, end: Edge, readings: Sequence[GpuSample], limit_mhz: float | None
) -> Iterator[str]:
    hot = any((one.throttle_reasons or 0) & clock_reasons.THROTTLING for one in readings)
    if hot or _growth(start.thermal_ns, end.thermal_ns) > 0:
        yield THROTTLED
    held = _growth(start.power_ns, end.power_ns) / max(1, end.time_ns - start.time_ns)
    if held > LEAST_POWER_SHARE or any(_capped(one, limit_mhz) for one in readings):
        yield CAPPED


def _capped(reading: GpuSample, limit_mhz: float | None) -> bool:
    if not (reading.throttle_reasons or 0) & clock_reasons.POWER:
        return False
    clock = reading.sm_clock_mhz
    return clock is not None and limit_mhz is not None and clock < FULL_CLOCK * limit_mhz


def _growth(before: int | None, after: int | None) -> int:
    """By how much a counter grew; one that is not there, or that went back, says nothing."""
    return max(0, after - before) if before is not None and after is not None else 0


def _tags_of(block: Block, stretches: list[_Stretch]) -> frozenset[str]:
    """What disturbed the stretches that `block` was taken in; they are marked as measured."""
    return frozenset().union(*(one.tags for one in _around(block, stretches)))


def _tags_of_processors(block: Block) -> frozenset[str]:
    return frozenset((CROWDED,)) if block.crowded else frozenset()


def _waited_share(blocks: Sequence[Block]) -> float | None:
    """The share of the time measured that was spent waiting for a processor; None if unknown."""
    known = [one for one in blocks if one.waited_ns is not None]
    total_ns = sum(one.end_ns - one.start_ns for one in known)
    return sum(one.waited_ns or 0 for one in known) / total_ns if total_ns else None


def _around(block: Block, stretches: list[_Stretch]) -> Iterator[_Stretch]:
    """The stretches that share with `block` at least half of it, or half of themselves."""
    for at in range(bisect_right(stretches, block.start_ns, key=_end), len(stretches)):
        one = stretches[at]
        if one.start_ns >= block.end_ns:
            return
        shared = min(block.end_ns, one.end_ns) - max(block.start_ns, one.start_ns)
        shorter = min(block.end_ns - block.start_ns, one.end_ns - one.start_ns)
        if 2 * shared >= shorter:
            one.measured = True
            yield one


def _end(stretch: _Stretch) -> int:
    return stretch.end_ns


def _shares(blocks: Sequence[Block], found: Sequence[frozenset[str]]) -> dict[str, float]:
    """The share of the time measured that each disturbance held."""
    total = sum(block.end_ns - block.start_ns for block in blocks)
    held = dict.fromkeys(VERDICT_OF, 0)
    for block, tags in zip(blocks, found, strict=True):
        for tag in tags:
            held[tag] += block.end_ns - block.start_ns
    return {tag: time_ns / total if total else 0.0 for tag, time_ns in held.items()}


def _verdicts(shares: dict[str, float], asleep_s: float) -> Iterator[Condition]:
    for tag, verdict in VERDICT_OF.items():
        share = shares[tag]
        if share > (0.0 if tag == SHARED else MOST_DISTURBED):
            yield verdict
    if asleep_s:
        yield "SUSPENDED"


def _others(blocks: Sequence[Block], looks: Iterable[Look]) -> tuple[str, ...]:
    """Every other process that was seen beside the blocks; a look tells of the time before it."""
    if not blocks:
        return ()
    seen: dict[str, None] = {}
    looks = list(looks)
    for before, look in pairwise(looks[:1] + looks):
        if look.time_ns > blocks[0].start_ns and before.time_ns < blocks[-1].end_ns:
            seen |= dict.fromkeys((*look.computed, *look.others))
    return tuple(seen)


def _disturbances(
    blocks: Sequence[Block], tags: Sequence[str], origin_ns: int
) -> tuple[DisturbanceRecord, ...]:
    merged: list[tuple[float, float, Condition]] = []
    for block, tag in zip(blocks, tags, strict=True):
        if not tag:
            continue
        start, end = ((time - origin_ns) / NS_PER_S for time in (block.start_ns, block.end_ns))
        last = merged[-1] if merged else None
        if last and last[2] == VERDICT_OF[tag] and start - last[1] <= MERGED_S:
            merged[-1] = (last[0], end, last[2])
        else:
            merged.append((start, end, VERDICT_OF[tag]))
    longest = sorted(merged, key=lambda one: one[0] - one[1])[:MOST_DISTURBANCES]
    return tuple(
        DisturbanceRecord(condition=condition, start_s=start, end_s=end)
        for start, end, condition in sorted(longest)
    )


def _figures(readings: Sequence[GpuSample]) -> ConditionsRecord:
    """Medians and extremes of what was read, None where nothing was."""

    def known(name: str) -> list[float]:
        return [value for one in readings if (value := getattr(one, name)) is not None]

    sm, power = known("sm_clock_mhz"), known("power_w")
    masks = [int(mask) for mask in known("throttle_reasons")]
    seen = Counter(name for mask in masks for name in clock_reasons.names(mask))
    return ConditionsRecord(
        readings=len(readings),
        sm_clock_min_mhz=min(sm, default=None),
        sm_clock_median_mhz=_median(sm),
        sm_clock_max_mhz=max(sm, default=None),
        memory_clock_median_mhz=_median(known("memory_clock_mhz")),
        power_median_w=_median(power),
        power_max_w=max(power, default=None),
        temperature_max_c=max(known("temperature_c"), default=None),
        utilisation_median_percent=_median(known("utilisation_percent")),
        reasons={name: round(count / len(masks), 4) for name, count in seen.items()},
    )


def _median(values: list[float]) -> float | None:
    return float(statistics.median(values)) if values else None
