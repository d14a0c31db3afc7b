"""The axes of the plots: round limits, few round ticks, one unit for all of them.

Limits are rounded outward to multiples of a round step, so that an axis stays where it is while
the data under it moves a little: a steady axis is easier to read and costs no bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from engines.statistics import Box

Floats = NDArray[np.float64]
# For each unit from the largest on: from what value on, its name, and the factor into it.
Units = Sequence[tuple[float, str, float]]

# Engines whose typical latencies differ by more than this factor share an axis only if it is
# logarithmic: on a linear one the fastest of them would be a line on the floor. Both plots have
# the same rule, so that they never disagree side by side.
LOG_SPREAD = 8.0

# No latency is shorter than a picosecond or longer than thirty years; what claims to be is drawn
# at these limits.
SHORTEST_MS = 1e-9
LONGEST_MS = 1e12

# A logarithmic axis whose ends differ by less than this factor has the limits and ticks of a
# linear one, from which it hardly differs: powers of ten are too coarse for it.
_NARROW = 2.0

# How many nines the p50 has on a scale of percentiles.
NINES_OF_P50 = math.log10(2.0)

_ROUND = (1.0, 2.0, 5.0)
_ROUND_LIMITS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LATENCY_UNITS = ((1e4, "s", 1e-3), (1.0, "ms", 1.0), (0.0, "µs", 1e3))
_RATE_UNITS = ((1e7, "M/s", 1e-6), (1e4, "k/s", 1e-3), (0.0, "/s", 1.0))
_RATIO_UNITS = ((0.0, "x", 1.0),)
_TIME_UNITS = ((7200.0, "h", 1 / 3600), (180.0, "min", 1 / 60), (2.0, "s", 1.0), (0.0, "ms", 1e3))


class Distribution(Protocol):
    """What is drawn of an engine's latencies; `engines.statistics` has it as LatencyHistogram."""

    @property
    def n(self) -> int: ...
    def quantiles(self, shares: ArrayLike, /) -> Floats: ...
    def box(self) -> Box: ...
    def counts_between(self, low: float, high: float, bins: int, /) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis: its limits and labelled ticks. `unit` is what the labels are in: a value of the
    data times `factor`.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    unit: str
    factor: float

    def place(self, values: ArrayLike) -> Floats:
        """Where `values` lie on the axis, 0 at its low and 1 at its high end, clamped to both."""
        clamped = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        if self.log:
            span = math.log(self.high / self.low)
            return np.asarray(np.log(clamped / self.low) / span, dtype=np.float64)
        return np.asarray((clamped - self.low) / (self.high - self.low), dtype=np.float64)

    def values(self, places: ArrayLike) -> Floats:
        """The values at `places` of 0..1: the inverse of `place`."""
        places = np.asarray(places, dtype=np.float64)
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** places, dtype=np.float64)
        return np.asarray(self.low + (self.high - self.low) * places, dtype=np.float64)


def latency_scale(low: float, high: float, most_ticks: int, *, log: bool = False) -> Scale:
    """A scale of latencies in milliseconds that holds `low`..`high`, in s, ms or µs."""
    return _scale(low, high, most_ticks, _LATENCY_UNITS, log=log)


def rate_scale(low: float, high: float, most_ticks: int, *, log: bool = False) -> Scale:
    """A scale of images a second that holds `low`..`high`, in single ones, thousands or millions.

    A linear one begins at zero, so that twice as high is twice as many.
    """
    return _scale(low if log else 0.0, high, most_ticks, _RATE_UNITS, log=log)


def _scale(low: float, high: float, most_ticks: int, units: Units, *, log: bool) -> Scale:
    low, high = _ordered(low, high)
    if log:
        low = max(low, SHORTEST_MS)
        high = max(high, low * 1.001)
    if log and high >= _NARROW * low:
        low, high = _round_down(low), _round_up(high)
        ticks = _log_ticks(low, high, most_ticks)
    else:
        step = round_step(high - low, max(most_ticks, 1) * 2)
        bottom = math.floor(low / step) * step
        low, high = low if log and not bottom else bottom, math.ceil(high / step - 1e-9) * step
        ticks = _linear_ticks(low, high, most_ticks)
    unit, factor = _unit(high, units)
    return Scale(low, high, log, ticks, _labels(ticks, factor), unit, factor)


def ratio_scale(low: float, high: float, most_ticks: int, *, log: bool = False) -> Scale:
    """A scale of ratios that holds 1 and `low`..`high`; a linear one begins at zero."""
    low, high = min(low, 1.0), max(high, 1.0)
    return _scale(low if log else 0.0, high, most_ticks, _RATIO_UNITS, log=log)


def time_scale(end_s: float, most_ticks: int) -> Scale:
    """A scale of time from 0 to a round end at or after `end_s`, in ms, s, min or h."""
    end_s = min(max(end_s, 1e-3), 1e9)
    unit, factor = _unit(end_s, _TIME_UNITS)
    high = _round_up(end_s * factor) / factor
    ticks = tuple(tick / factor for tick in _linear_ticks(0.0, high * factor, most_ticks))
    return Scale(0.0, high, False, ticks, _labels(ticks, factor), unit, factor)


def before_end_scale(span_s: float, most_ticks: int) -> Scale:
    """A scale of time from `span_s` or a little more before an end, which is zero, to that end.

    The unit stands at its beginning, in the labels themselves.
    """
    whole = time_scale(span_s, most_ticks)
    before = [f"-{label}" for label in whole.labels[:0:-1]]
    labels = (f"{before[0]} {whole.unit}", *before[1:], "end")
    ticks = tuple(-tick for tick in reversed(whole.ticks))
    return Scale(-whole.high, 0.0, False, ticks, labels, "", whole.factor)


def percentile_scale(nines: float) -> Scale:
    """A scale from the p50 up, on which each further nine takes as much room as the one before.

    A percentile's place is how many nines it has, -log10(1 - share), so that the tail opens up: 1
    for the p90, 2 for the p99, 3 for the p99.9. It ends at or half a nine after `nines`, and never
    before the p90.
    """
    high = max(math.ceil(2 * nines - 1e-9) / 2, 1.0)
    marked = (NINES_OF_P50, *(float(count) for count in range(1, math.floor(high) + 1)))
    labels = ("p50", "p90", *(f"p{100 - 100 * 10.0**-one:.10g}" for one in marked[2:]))
    return Scale(NINES_OF_P50, high, False, marked, labels, "", 1.0)


def line_scale(
    bands: Sequence[tuple[Floats, Floats]], most_ticks: int, *, log: bool | None = None
) -> Scale:
    """The latency axis for `bands`, the smallest and largest latencies (ms) of each engine.

    An engine is shown up to its largest latency unless that is far above its usual ones: a single
    hiccup must not flatten everything else. The axis begins at zero unless all lies in its upper
    part, and is logarithmic where the engines' medians differ by more than LOG_SPREAD.
    """
    bottoms, tops, middles = [], [], []
    for low, high in bands:
        middles.append(float(np.median(high)))
        usual = max(2 * middles[-1], float(np.quantile(high, 0.95)))
        tops.append(min(float(high.max()), usual))
        least = min(middles[-1] / 2, float(np.quantile(low, 0.05)))
        bottoms.append((float(low.min()), least))
    if log is None:
        log = max(middles) > LOG_SPREAD * min(middles)
    # To a logarithmic axis a latency of nearly nothing is as far away as a hiccup.
    top, bottom = max(tops), min(max(pair) if log else pair[0] for pair in bottoms)
    return level_scale(bottom, top, most_ticks, log=log)


def level_scale(low: float, high: float, most_ticks: int, *, log: bool) -> Scale:
    """An upright latency axis; a linear one begins at zero unless all lies in its upper part."""
    if log:
        return latency_scale(low, high, most_ticks, log=True)
    if low < 0.6 * high:
        return latency_scale(0.0, high, most_ticks)
    margin = max(0.0, 0.1 * high - (high - low)) / 2
    return latency_scale(low - margin, high + margin, most_ticks)


# Asked for at once: each question is a pass over all buckets.
_OF_A_SCALE = (0.001, 0.25, 0.5, 0.75, 0.95, 0.99, 0.995)


def histogram_scale(
    engines: Sequence[Distribution], most_ticks: int, *, log: bool | None = None
) -> Scale:
    """The latency axis that holds all but the rarest latencies of each of `engines`.

    It is logarithmic where the engines' medians differ by more than LOG_SPREAD.
    """
    found = [one.quantiles(_OF_A_SCALE).tolist() for one in engines]
    low = min(lowest for lowest, *_ in found)
    high = max(_usual_end(*others) for _, *others in found)
    middles = [middle for _, _, middle, *_ in found]
    if log is None:
        log = max(middles) > LOG_SPREAD * min(middles)
    margin = 0.0 if log else (high - low) * 0.02
    return latency_scale(low - margin, high + margin, most_ticks, log=log)


def round_step(span: float, most: int) -> float:
    """The smallest 1, 2 or 5 times a power of ten that cuts `span` into at most `most` parts."""
    least = max(span, 1e-300) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(least))
    return next((one * power for one in _ROUND if one * power >= least * 0.999999), 10 * power)


def _usual_end(
    first: float, middle: float, third: float, p95: float, p99: float, p99_5: float
) -> float:
    """Where the axis may end: the p99.5, but severe outliers (3 IQR) only as far as the p99 and
    twice the median, so that a long tail doesn't squeeze everything else into a column.
    """
    severe = third + 3 * (third - first)
    bulk = min(p99_5, max(severe, p95))
    return max(bulk, min(p99, 2 * middle))


def _ordered(low: float, high: float) -> tuple[float, float]:
    """Both within what a latency can be, and far enough apart to draw between them."""
    low = min(max(low, 0.0), LONGEST_MS) if math.isfinite(low) else 0.0
    high = min(max(high, SHORTEST_MS), LONGEST_MS) if math.isfinite(high) else LONGEST_MS
    low, high = min(low, high), max(low, high)
    return low, max(high, low * 1.001, SHORTEST_MS)


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(one * power for one in _ROUND_LIMITS if one * power >= value * 0.999999)


def _round_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(one * power for one in reversed(_ROUND_LIMITS) if one * power <= value * 1.000001)


def _linear_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    step = round_step(high - low, max(most - 1, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    return ticks if len(ticks) > 1 else (low, high)


def _log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """1, 2 and 5 of every decade where they fit, or 1 and 3, or 1, or the two ends.

    Within a decade, where there may be one of them or none, the ticks are those of a linear axis.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    within: tuple[float, ...] = ()
    for digits in (_ROUND, (1.0, 3.0), (1.0,)):
        ticks = (digit * 10.0**power for power in powers for digit in digits)
        within = tuple(tick for tick in ticks if low * 0.999999 <= tick <= high * 1.000001)
        if len(within) <= max(most, 2):
            break
    if len(within) > most:
        within = within[:: math.ceil(len(within) / max(most, 1))]
    if len(within) < 3 and high < 10 * low:
        return max(within, _linear_ticks(low, high, most), key=len)
    return within if len(within) > 1 else (low, high)


def _unit(value: float, units: Units) -> tuple[str, float]:
    """The unit's name and the factor into it, by the size of `value`."""
    return next((name, factor) for least, name, factor in units if value >= least)


def _labels(ticks: tuple[float, ...], factor: float) -> tuple[str, ...]:
    """The ticks in their unit with as many decimals as tell them apart, and no more."""
    values = [tick * factor for tick in ticks]
    gaps = [later - earlier for earlier, later in pairwise(values)]
    if max(gaps) > 1.01 * min(gaps):
        return tuple(f"{value:,.6g}" for value in values)
    decimals = next(
        (
            digits
            for digits in range(9)
            if all(abs(round(value, digits) - value) < 1e-4 * gaps[0] for value in values)
        ),
        None,
    )
    if decimals is None:
        return tuple(f"{value:,.10g}" for value in values)
    return tuple(f"{value:,.{decimals}f}" for value in values)
