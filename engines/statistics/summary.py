"""What one run's latencies come to: mean, spread, percentiles with intervals, outliers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from operator import or_
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engines.statistics.dependence import (
    INDEPENDENT,
    Dependence,
    dependence,
    dependence_of_rounds,
)
from engines.statistics.percentiles import (
    PERCENTILES,
    Percentile,
    nearest_rank,
    percentile_of,
    sample_floor,
)
from engines.statistics.rounds import MIN_ROUNDS, log_medians, median_of_rounds
from engines.statistics.samples import Floats, checked

# Tukey's inner and outer fences (Exploratory Data Analysis, 1977), in interquartile ranges.
MILD = 1.5
SEVERE = 3.0
# The parts of a run whose medians bound that of a drift: about as many as show it (see `DRIFT`).
PARTS = 40


@dataclass(frozen=True, slots=True)
class Outliers:
    """Samples outside Tukey's fences: counted, never dropped.

    Mild ones lie beyond 1.5 interquartile ranges of the quartiles and within 3, severe ones
    beyond 3. `fences_ms` are severe low, mild low, mild high and severe high; a low one may be
    negative. Where half of the samples are equal, every other sample is severe.
    """

    low_severe: int
    low_mild: int
    high_mild: int
    high_severe: int
    fences_ms: tuple[float, float, float, float]

    @property
    def mild(self) -> int:
        return self.low_mild + self.high_mild

    @property
    def severe(self) -> int:
        return self.low_severe + self.high_severe


@dataclass(frozen=True, slots=True)
class Summary:
    """One run, in ms. `stdev` (of the sample, n - 1) is None for one sample: it shows no spread.

    `drift` is the share of a part's deviation from the median that passes on to the next part, of
    30 to 60 of the run, or of a round's to the next round; None where chance could do it. A run
    that drifts was too short to say where it would have settled: the median's interval is by how
    far its parts lie apart, and a tail has mostly none.
    """

    n: int
    mean: float
    stdev: float | None
    minimum: float
    maximum: float
    percentiles: tuple[Percentile, ...]
    outliers: Outliers
    drift: float | None

    def percentile(self, percentile: float) -> Percentile:
        """The entry of `percentile`; raises KeyError where it is not one of `PERCENTILES`."""
        for entry in self.percentiles:
            if entry.percentile == percentile:
                return entry
        raise KeyError(percentile)


def summarise(samples_ms: ArrayLike, rounds: Sequence[int] = ()) -> Summary:
    """Everything about one run's latencies in ms, given in the order they were taken.

    `rounds` are the numbers of samples of each round, where the engine took turns with others.
    From MIN_ROUNDS of them on intervals go by what differs from round to round.

    Raises ValueError for no samples, for samples that are negative or not finite, and for rounds
    that do not add up to them.
    """
    samples = checked(samples_ms)
    if rounds and (sum(rounds) != len(samples) or min(rounds) < 1):
        raise ValueError(
            f"expected rounds of 1 or more samples each and {len(samples)} together, "
            f"found {len(rounds)} of {sum(rounds)}"
        )
    in_order = np.sort(samples)
    percentiles, drift = _percentiles(samples, in_order, PERCENTILES, rounds)
    return Summary(
        n=len(samples),
        mean=float(samples.mean()),
        stdev=float(samples.std(ddof=1)) if len(samples) > 1 else None,
        minimum=float(in_order[0]),
        maximum=float(in_order[-1]),
        percentiles=percentiles,
        outliers=_outliers(in_order),
        drift=drift or None,
    )


class Known(NamedTuple):
    """How well a run knows its median.

    `half_width` is half the width of its 95 % interval as a share of it, 0.01 for 1 %; None where
    it has none: fewer than 11 samples, some that are worth fewer than 6 independent ones, or a
    median of 0. `drifts` is whether the run drifts, see `Summary`: a longer one may know more.
    """

    half_width: float | None
    drifts: bool


def median_known(samples_ms: ArrayLike) -> Known:
    """How well the median of `samples_ms` is known; ValueError as `summarise`, but for none."""
    samples = checked(samples_ms, allow_empty=True)
    if len(samples) < sample_floor(50):
        return Known(None, False)
    (median,), drift = _percentiles(samples, np.sort(samples), (50,))
    if not median.value or median.low is None or median.high is None:
        return Known(None, drift > 0)
    return Known((median.high - median.low) / (2 * median.value), drift > 0)


def _percentiles(
    samples: Floats,
    in_order: Floats,
    percentiles: tuple[float, ...],
    rounds: Sequence[int] = (),
) -> tuple[tuple[Percentile, ...], float]:
    """The `percentiles`, lowest first, with intervals that allow for dependence; the first's drift.

    A tail tells little about its own dependence: 2,000 samples have 20 above p99, which may lie
    apart by chance although slow ones come together. So it borrows from the percentiles below.
    Where a lower one has shown that samples depend on each other, it needs no evidence of its own;
    and the inflation of the two below it, as their geometric mean, is its doubt: where the samples
    would not be worth enough for it by that, it has no interval, and where they would hardly, its
    interval is by that one (see `percentile_of`). Each by itself, the interval of p99 from 2,000
    samples held its value in as few as 75 % of the draws from a recorded run.
    """
    judge, parts = _judge(samples, rounds)
    judged = [
        judge(samples <= in_order[nearest_rank(len(samples), one) - 1])
        if len(samples) >= sample_floor(one)
        else INDEPENDENT
        for one in percentiles
    ]
    evident = accumulate((one.evident for one in judged), or_)
    inflations = [
        one.inflation if known else 1.0 for one, known in zip(judged, evident, strict=True)
    ]
    found = [
        percentile_of(in_order, *one)
        for one in zip(percentiles, inflations, _doubts(inflations), strict=True)
    ]
    drift = judged[0].drift
    if drift and parts:
        found[0] = _of_a_drift(found[0], samples, parts)
    return tuple(found), drift


def _judge(
    samples: Floats, rounds: Sequence[int]
) -> tuple[Callable[[NDArray[np.bool_]], Dependence], Sequence[int]]:
    """What judges flags of `samples`, and the sizes of the parts that tell how far a drift goes.

    These are the rounds, where there are enough, or PARTS equal ones. There are none for latencies
    of 0, as a clock too coarse for them has, which have no logarithm.
    """
    n = len(samples)
    if not samples.min() > 0:
        return dependence, ()
    if len(rounds) < MIN_ROUNDS:
        edges = [n * part // PARTS for part in range(PARTS + 1)]
        return dependence, [last - first for first, last in pairwise(edges)]
    *_, carried = median_of_rounds(log_medians(samples, rounds))
    return partial(dependence_of_rounds, rounds=rounds, carried=carried), rounds


def _of_a_drift(median: Percentile, samples: Floats, parts: Sequence[int]) -> Percentile:
    """`median` with an interval as wide as the medians of `parts`, which drift, make it.

    Of samples that vary together so much too few are left to rank, or none; and where the drift
    would still go is not among them. How far the parts lie apart bounds it all the same: of a
    drift over a third of 5,000 samples ranks alone held the median in 78 % of the two runs in three
    that had any, these hold it in 95 % of all.
    """
    assert median.value is not None, "too few samples for a median are too few for a drift"
    _, log_low, log_high, _ = median_of_rounds(log_medians(samples, parts))
    low, high = math.exp(log_low), math.exp(log_high)
    if median.low is not None and median.high is not None:
        low, high = min(low, median.low), max(high, median.high)
    return replace(median, low=min(low, median.value), high=max(high, median.value))


def _doubts(inflations: list[float]) -> list[float]:
    """For each percentile the geometric mean of the inflations of the two below it, or the one."""
    below = [inflations[max(0, at - 2) : at] for at in range(len(inflations))]
    return [math.prod(one) ** (1 / max(1, len(one))) for one in below]


def _outliers(in_order: Floats) -> Outliers:
    n = len(in_order)
    q1 = float(in_order[nearest_rank(n, 25) - 1])
    q3 = float(in_order[nearest_rank(n, 75) - 1])
    iqr = q3 - q1
    fences = (q1 - SEVERE * iqr, q1 - MILD * iqr, q3 + MILD * iqr, q3 + SEVERE * iqr)
    low_severe, low = (int(np.searchsorted(in_order, fence, side="left")) for fence in fences[:2])
    high, high_severe = (
        n - int(np.searchsorted(in_order, fence, side="right")) for fence in fences[2:]
    )
    return Outliers(low_severe, low - low_severe, high - high_severe, high_severe, fences)
