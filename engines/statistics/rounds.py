"""The median of an engine that took turns, or the ratio of two, from those of each round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engines.statistics.dependence import (
    Z_95,
    beyond_chance,
    carry_over,
    drift_factor,
    student_t,
)
from engines.statistics.percentiles import CONFIDENCE, interval_ranks
from engines.statistics.samples import Floats

# Rounds are used from here on; Student's t of five degrees of freedom is 2.57 already.
MIN_ROUNDS = 6
# Of rounds that drift so much that they are worth hardly one, the correction goes no further.
LEAST_ROUNDS = 2.5
# An interval that reaches so many times beyond its ends knows nothing, however much further.
FURTHEST = 10.0
# Of a carry-over that chance could show in one engine's rounds so much counts.
IN_DOUBT = 0.5


class Spread(NamedTuple):
    """The interval `low` to `high` in ms of a median, by the medians of parts of its run.

    `carried` is the share of a part's deviation that counts as passed on to the next.
    """

    low: float
    high: float
    carried: float


def log_medians(samples: Floats, rounds: Sequence[int]) -> Floats:
    """The logarithm of each round's median by nearest rank; `rounds` are their sizes, in order."""
    parts = np.split(samples, np.cumsum(rounds)[:-1])
    with np.errstate(divide="ignore"):
        medians: Floats = np.log([np.sort(one)[(len(one) - 1) // 2] for one in parts])
    return medians


def median_of_rounds(shifts: Floats) -> tuple[float, float, float, float]:
    """The median of `shifts`, the ends of its 95 % interval, and the carry-over that widened it.

    `shifts` are the logarithms of the rounds' ratios, six or more. The interval is the sign test's
    (`_by_signs`): drawing the order of a round at random sees to it that a round is as likely to
    lie above the true ratio as below, whatever else the machine does.

    Measured on two runs recorded while others used the machine (docs/statistics.md): the median
    of 36 rounds scatters by 0.4 %, their mean by 2 %, and the ratio of the medians of all samples,
    which a stretch of slow rounds decides, by 3.4 %.
    """
    centre, low, high = _by_signs(shifts)
    carried = carry_over(shifts)
    # What both drifted by is not in a ratio, so one that drifts is rare; and from nine rounds the
    # noise of this figure alone would widen half of all intervals.
    if not beyond_chance(carried, len(shifts)):
        carried = 0.0
    widening = _widening(len(shifts), carried)
    return centre, centre - widening * (centre - low), centre + widening * (high - centre), carried


def spread_of(samples: Floats, parts: Sequence[int]) -> Spread | None:
    """How far the medians of `parts`, six or more, bound that of a longer run of the same.

    `parts` are the sizes of rounds, or of equal parts of a run, in order. None where one has a
    median of 0.

    Unlike in a ratio, what the machine drifts by is all in these. So a carry-over that chance could
    show counts by half: with independent rounds that widens the interval by 3 to 12 %, and of nine
    and 18 rounds of an autoregression of 0.5 those that hold go from 90 and 88 to 94 and 96 %. A
    drift is as likely to go on as to return: both sides are as wide as the wider one.
    """
    medians = log_medians(samples, parts)
    if not np.isfinite(medians).all():
        return None
    centre, low, high = _by_signs(medians)
    carried = carry_over(medians)
    if not beyond_chance(carried, len(medians)):
        carried *= IN_DOUBT
    if carried:
        half = _widening(len(medians), carried) * max(centre - low, high - centre)
        beyond = math.log(FURTHEST)
        low, high = max(centre - half, low - beyond), min(centre + half, high + beyond)
    return Spread(math.exp(low), math.exp(high), carried)


def _by_signs(values: Floats) -> tuple[float, float, float]:
    """The median of six or more `values`, and its 95 % interval by the sign test.

    It assumes no distribution, only that each is as likely to lie above the true one as below.
    Between its whole ranks, which hold more than 95 % (96.1 % of nine values), it is interpolated
    after Hettmansperger and Sheather (Statistics & Probability Letters 4, 1986).
    """
    in_order = np.sort(values)
    n = len(in_order)
    ranks = interval_ranks(n, 50)
    assert ranks is not None, f"{n} values have no interval"
    outer = ranks[0]
    held, less = (1 - 2 * _at_most(n, rank - 1) for rank in (outer, outer + 1))
    share = (held - CONFIDENCE) / (held - less)
    weight = (n - outer) * share / (outer + (n - 2 * outer) * share)
    low = (1 - weight) * in_order[outer - 1] + weight * in_order[outer]
    high = (1 - weight) * in_order[n - outer] + weight * in_order[n - outer - 1]
    return float(np.median(in_order)), float(low), float(high)


def _widening(rounds: int, carried: float) -> float:
    """How much wider than of independent rounds an interval is where `carried` passes on."""
    return math.sqrt(drift_factor(carried)) * _of_few(rounds, carried)


def _of_few(rounds: int, carried: float) -> float:
    """How much Student's quantile exceeds that of `rounds` where `carried` passes to the next.

    Rounds that drift are worth fewer independent ones, n (1 - r) / (1 + r) of them, and of few the
    scatter itself is known badly. Of autoregressions with r = 0.8 and 0.9 36 rounds are then called
    FASTER or SLOWER in 3 and 6 % instead of 5 and 10 %; 18 rounds in 8 and 13 instead of 10 and 18.
    """
    worth = max(rounds / drift_factor(carried), LEAST_ROUNDS)
    return student_t(Z_95, worth - 1) / student_t(Z_95, rounds - 1)


def _at_most(n: int, k: int) -> float:
    """The chance of at most `k` heads of `n` coins."""
    return sum(math.comb(n, i) for i in range(k + 1)) / (1 << n)
