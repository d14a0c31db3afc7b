"""The median of an engine that took turns, or two of them' ratio, from those of each round."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
LEAST_FREEDOM = 1.5


def log_medians(samples: Floats, rounds: Sequence[int]) -> Floats:
    """The logarithm of each round's median by nearest rank; `rounds` are their sizes, in order."""
    parts = np.split(samples, np.cumsum(rounds)[:-1])
    medians: Floats = np.log([np.sort(one)[(len(one) - 1) // 2] for one in parts])
    return medians


def median_of_rounds(shifts: Floats) -> tuple[float, float, float, float]:
    """The median of `shifts`, the ends of its 95 % interval, and the carry-over that widened it.

    `shifts` are logarithms of the rounds' ratios or medians, six or more. The interval is the sign
    test's: it assumes no distribution, only that a round is as likely to lie above the true one as
    below. Drawing the order of a round at random sees to that, whatever the machine does. Between
    its whole ranks, which hold more than 95 % (96.1 % of nine rounds), it is interpolated after
    Hettmansperger and Sheather (Statistics & Probability Letters 4, 1986).

    Measured on two runs recorded while others used the machine (docs/statistics.md): the median
    of 36 rounds scatters by 0.4 %, their mean by 2 %, and the ratio of the medians of all samples,
    which a stretch of slow rounds decides, by 3.4 %.
    """
    in_order = np.sort(shifts)
    n = len(in_order)
    ranks = interval_ranks(n, 50)
    assert ranks is not None, f"{n} rounds have no interval"
    outer = ranks[0]
    held, less = (1 - 2 * _at_most(n, rank - 1) for rank in (outer, outer + 1))
    share = (held - CONFIDENCE) / (held - less)
    weight = (n - outer) * share / (outer + (n - 2 * outer) * share)
    low = (1 - weight) * in_order[outer - 1] + weight * in_order[outer]
    high = (1 - weight) * in_order[n - outer] + weight * in_order[n - outer - 1]
    centre = float(np.median(in_order))
    carried = carry_over(shifts)
    # What both drifted by is not in a ratio, so one that drifts is rare; and from nine rounds the
    # noise of this figure alone would widen half of all intervals.
    if not beyond_chance(carried, n):
        carried = 0.0
    widening = math.sqrt(drift_factor(carried)) * _of_few(n, carried)
    low, high = (
        centre - widening * (centre - float(low)),
        centre + widening * (float(high) - centre),
    )
    return centre, low, high, carried


def _of_few(rounds: int, carried: float) -> float:
    """How much Student's quantile exceeds that of `rounds` where `carried` passes to the next.

    Rounds that drift are worth fewer independent ones, n (1 - r) / (1 + r) of them, and of few the
    scatter itself is known badly. Of autoregressions with r = 0.8 and 0.9 36 rounds are then called
    FASTER or SLOWER in 3 and 6 % instead of 5 and 10 %; 18 rounds in 8 and 13 instead of 10 and 18.
    """
    freedom = max(rounds / drift_factor(carried) - 1, LEAST_FREEDOM)
    return student_t(Z_95, freedom) / student_t(Z_95, rounds - 1)


def _at_most(n: int, k: int) -> float:
    """The chance of at most `k` heads of `n` coins."""
    return sum(math.comb(n, i) for i in range(k + 1)) / (1 << n)
