"""The verdict on one entry of two runs, from their samples or else from saved intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engines.results import EngineResult, PercentileRecord
from engines.statistics import Verdict, compare
from profiles.samples import FloatArray

MEDIAN = 50


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what it rests on.

    `ratio` is the candidate's median latency over the baseline's and `low` to `high` its 95 %
    interval, None where they can't be told. `why` explains the verdict in one sentence; `caveats`
    are what else a reader must know.
    """

    verdict: Verdict
    why: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    caveats: tuple[str, ...] = ()


def unclear(why: str) -> Judgement:
    """No verdict, because of `why`."""
    return Judgement(Verdict.UNCLEAR, why)


def from_samples(a_ms: FloatArray, b_ms: FloatArray, threshold: float) -> Judgement:
    """The verdict of `engines.statistics.compare` on two runs' latencies in ms."""
    try:
        found = compare(a_ms, b_ms, threshold)
    except ValueError as error:
        return unclear(str(error))
    why, *caveats = (reason.text for reason in found.reasons)
    return Judgement(found.verdict, why, found.ratio, found.low, found.high, tuple(caveats))


def from_intervals(a: EngineResult, b: EngineResult, threshold: float) -> Judgement:
    """The verdict from the two saved medians and their 95 % intervals.

    The ratio's interval is put together from theirs on a logarithmic scale by the method of
    variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008). Unlike that of
    `from_samples` it does not allow for drift from one run to the next. The limits are those of
    `engines.statistics.compare`.
    """
    medians = [_median(result) for result in (a, b)]
    for side, median in zip("AB", medians, strict=True):
        if median is None:
            return unclear(f"{side} has no saved interval of its median")
    (a_low, a_mid, a_high), (b_low, b_mid, b_high) = (one for one in medians if one)
    ratio = b_mid / a_mid
    low = ratio * math.exp(-math.hypot(math.log(b_mid / b_low), math.log(a_high / a_mid)))
    high = ratio * math.exp(math.hypot(math.log(b_high / b_mid), math.log(a_mid / a_low)))
    above, below = 1 + threshold, 1 / (1 + threshold)
    verdict = Verdict.UNCLEAR
    if low > above:
        verdict = Verdict.SLOWER
    elif high < below:
        verdict = Verdict.FASTER
    elif below <= low and high <= above:
        verdict = Verdict.SAME
    why = (
        f"the saved medians differ by {_change(ratio)} ({_change(low)} to {_change(high)}),"
        f" with a threshold of {100 * threshold:g} %"
    )
    caveat = "compared by the saved intervals, which do not allow for drift between the runs"
    return Judgement(verdict, why, ratio, low, high, (caveat,))


def _median(result: EngineResult) -> tuple[float, float, float] | None:
    record = result.latency.percentile(MEDIAN) if result.latency else None
    return _bounds(record) if record else None


def _bounds(record: PercentileRecord) -> tuple[float, float, float] | None:
    """Lower end, value and upper end of a percentile, None where a ratio of them has no sense."""
    low, value, high = record.low_ms, record.value_ms, record.high_ms
    if low is None or value is None or high is None or low <= 0:
        return None
    return low, value, high


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.2f} %"
