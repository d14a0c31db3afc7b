"""How much the samples of one run depend on each other.

Latencies taken one after another are alike: clocks drift, neighbours come and go, caches warm. An
interval that takes them for independent is too narrow. Measured on an H200 (MobileNetV2 fp16 in a
CUDA graph, 20 processes of 3 s each, all 190 pairs): 10 % of the pairs differed by more than 1 %
beyond doubt if only the blocks' spread was counted, none with the correction for drift below.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engines.statistics.samples import Floats

# Batches needed to judge a variance. Schmeiser (Operations Research 30(3), 1982) finds little gain
# beyond 30 batches, and fewer make the estimate itself uncertain.
MIN_BATCHES = 30
# One-sided 1 % point of the normal: independent samples are then called dependent, at any of the
# levels together, in 2 to 7 % of the runs (n = 700 to 100,000; p50, p90 and p99).
_Z_99 = 2.326
# Andrews and Monahan (Econometrica 60(4), 1992) cap an estimated autoregression at 0.97, lest a
# series that wanders without end claims an endless variance.
MAX_CARRY_OVER = 0.97


def carry_over(values: Floats) -> float:
    """The share of the deviation from the mean that passes from one value to the next, 0 to 0.97.

    The lag-1 autocorrelation, corrected for its bias in short series, -(1 + 3 r) / n (Kendall,
    Biometrika 41, 1954). 0 for constant values, for fewer than three, and where it is negative.
    """
    if len(values) < 3:
        return 0.0
    deviation = values - values.mean()
    total = float(deviation @ deviation)
    # Rounding of the mean leaves a speck of variance in a constant series.
    if total <= len(values) * (1e-14 * float(np.abs(values).max())) ** 2:
        return 0.0
    r = float(deviation[1:] @ deviation[:-1]) / total
    return min(max(r + (1 + 3 * r) / len(values), 0.0), MAX_CARRY_OVER)


def drift_factor(carried: float) -> float:
    """How much larger a mean's variance is than of independent values with this carry-over.

    (1 + r) / (1 - r): the long-run variance of a first-order autoregression. Batches remove what
    is faster than themselves; this adds what is slower (prewhitening, Andrews and Monahan 1992).
    """
    return (1 + carried) / (1 - carried)


def inflation(flags: NDArray[np.bool_]) -> float:
    """How many times the variance of `flags`' mean exceeds that of independent flags, at least 1.

    The flags say for each sample in turn whether it is at or below some latency. Blocking after
    Flyvbjerg and Petersen (J. Chem. Phys. 91, 1989): join neighbours into batches of 2, 4, 8 ...
    as long as there are 30 batches, and compare the variance of their sums with the binomial's.
    A level counts only when chance alone would exceed it in 1 of 100 runs, so independent samples
    keep their exact ranks. What still carries over between the largest batches multiplies it.

    Measured on first-order autoregressions with r = 0.3, 0.6 and 0.95: 95 % intervals of the
    median cover 93 to 96 % (n = 700) and 97 to 98 % (n = 5000), where those for independent
    samples cover 86 to 90 %, 70 % and 31 %. With a drift as slow as a fifth of the run it is 86 to
    88 %, where those cover 4 to 15 %. Fewer than 60 samples are taken for independent: they cannot
    show that they are not.
    """
    share = float(flags.mean()) if len(flags) else 0.0
    if not 0 < share < 1:
        return 1.0
    sums = flags.astype(np.float64)
    size = 1
    ratio = worst = 1.0
    while len(sums) // 2 >= MIN_BATCHES:
        even = len(sums) - len(sums) % 2
        sums = sums[0:even:2] + sums[1:even:2]
        size *= 2
        ratio = float(sums.var(ddof=1)) / (size * share * (1 - share))
        if ratio > _chance_limit(len(sums) - 1):
            worst = max(worst, ratio)
    if worst > 1:
        worst = max(worst, ratio * drift_factor(carry_over(sums)))
    return worst


def _chance_limit(freedom: int) -> float:
    """What a variance ratio with `freedom` degrees of freedom exceeds by chance 1 time in 100.

    The chi-squared quantile over its mean, after Wilson and Hilferty (PNAS 17, 1931).
    """
    spread = 2 / (9 * freedom)
    return float((1 - spread + _Z_99 * math.sqrt(spread)) ** 3)
