"""The percentiles of one run with intervals that allow for how much its samples depend on each
other, whether it was measured in one piece or by turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from operator import or_

import numpy as np
from numpy.typing import NDArray

from engines.statistics.dependence import (
    INDEPENDENT,
    Dependence,
    dependence,
    dependence_of_rounds,
)
from engines.statistics.percentiles import (
    Percentile,
    nearest_rank,
    percentile_of,
    sample_floor,
)
from engines.statistics.rounds import MIN_ROUNDS, Spread, spread_of
from engines.statistics.samples import Floats

# The parts of a run whose medians bound that of a drift: about as many as show it (see `DRIFT`),
# of three samples or more, of which the median is the middle one.
PARTS, LEAST_PART = 40, 3
# Where samples are worth fewer than so many for each round, the rounds lie further apart than the
# samples of one. The rank of a round is then that of all its samples, and a rank that falls into
# the next round by a few of them, because rounds are cut by time, is a whole round wrong.
NEAR_ROUNDS = 2
# Rounds that a tail asks for. If slow samples come in some of them only, six and nine rounds may
# have none of these: their intervals of p90 held it in 80 and 87 %, those of 18 in 92 %.
TAIL_ROUNDS = 18


def percentiles_of_run(
    samples: Floats,
    in_order: Floats,
    percentiles: tuple[float, ...],
    rounds: Sequence[int] = (),
) -> tuple[tuple[Percentile, ...], float]:
    """The `percentiles`, p50 first and the rest in order, and how much the run drifts (`Summary`).

    `in_order` are the samples sorted, `rounds` how many are of each round; fewer than MIN_ROUNDS
    are no rounds, nor are any where one has a median of 0, as from a clock too coarse for it.

    A tail tells little about its own dependence: 2,000 samples have 20 above p99, which may lie
    apart by chance although slow ones come together. So it borrows from the percentiles below.
    Where a lower one has shown that samples depend on each other, it needs no evidence of its own;
    and the inflation of the two below it, as their geometric mean, is its doubt: where the samples
    would not be worth enough for it by that, it has no interval, and where they would hardly, its
    interval is by that one (see `percentile_of`). Each by itself, the interval of p99 from 2,000
    samples held its value in as few as 75 % of the draws from a recorded run.
    """
    by_rounds = spread_of(samples, rounds) if len(rounds) >= MIN_ROUNDS else None
    judge: Callable[[NDArray[np.bool_]], Dependence] = dependence
    if by_rounds is not None:
        judge = partial(dependence_of_rounds, rounds=rounds, carried=by_rounds.carried)
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
    median, *tail = (
        percentile_of(in_order, *one)
        for one in zip(percentiles, inflations, _doubts(inflations), strict=True)
    )
    drift = judged[0].drift
    if by_rounds is None:
        if median.value is not None and (drift or median.low is None):
            median = _united(median, spread_of(samples, _equal_parts(len(samples))))
        return (median, *tail), drift
    if drift or len(samples) < NEAR_ROUNDS * len(rounds) * inflations[0]:
        median = _united(median, by_rounds)
    if len(rounds) < TAIL_ROUNDS:
        tail = [_worth_its_rounds(one, len(rounds)) for one in tail]
    return (median, *tail), drift


def _equal_parts(n: int) -> list[int]:
    """The sizes of PARTS parts of `n` samples, or of fewer that are large enough."""
    parts = min(PARTS, n // LEAST_PART)
    edges = [n * part // parts for part in range(parts + 1)]
    return [last - first for first, last in pairwise(edges)]


def _united(median: Percentile, spread: Spread | None) -> Percentile:
    """`median` with an interval that reaches as far as `spread`, if there is one, as well.

    Of samples that vary together so much too few are left to rank, or none; and where a drift
    would still go is not among them. How far the parts of a run lie apart bounds it all the same.
    Of a drift over a third of 5,000 samples ranks alone hold the median in 78 % of the two runs in
    three that have any, these intervals in 94 % of all (docs/statistics.md).
    """
    if median.value is None or spread is None:
        return median
    low, high = spread.low, spread.high
    if median.low is not None and median.high is not None:
        low, high = min(low, median.low), max(high, median.high)
    return replace(median, low=min(low, median.value), high=max(high, median.value))


def _worth_its_rounds(one: Percentile, rounds: int) -> Percentile:
    """`one` without an interval: so few rounds can't tell whether slow samples keep to some."""
    return replace(one, low=None, high=None, effective_n=min(one.effective_n, rounds))


def _doubts(inflations: list[float]) -> list[float]:
    """For each percentile the geometric mean of the inflations of the two below it, or the one."""
    below = [inflations[max(0, at - 2) : at] for at in range(len(inflations))]
    return [math.prod(one) ** (1 / max(1, len(one))) for one in below]
