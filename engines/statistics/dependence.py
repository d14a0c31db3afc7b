"""How much the samples of one run depend on each other.

Latencies taken one after another are alike: clocks drift, neighbours come and go, caches warm. An
interval that takes them for independent is too narrow. Measured on an H200 (MobileNetV2 fp16 in a
CUDA graph, 20 processes of 3 s each, all 190 pairs): 10 % of the pairs differed by more than 1 %
beyond doubt if only the blocks' spread was counted, none with the correction for drift below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Batches needed to judge a variance. Schmeiser (Operations Research 30(3), 1982) finds little gain
# beyond 30 batches, and fewer make the estimate itself uncertain.
MIN_BATCHES = 30
# So many batches show a dependence as long as a tenth of the run; with more of them the noise of
# each hides it.
MAX_BATCHES = 256
# Sokal's window, in correlation times.
WINDOW = 5
# Standard errors of independent values by which a pair of autocovariances must stand out. Geyer's
# own 0 adds up noise: intervals then hold in up to 97.3 % of the draws from recorded runs.
NOISE = 0.5
# A run is said to drift where more than this carries over from one 40th of it to the next: it
# remembers for longer than a 25th of itself, and there the intervals begin to hold too rarely. By
# chance independent samples reach 0.43 in 1 of 100 runs, and hardly ever this.
DRIFT = 0.6
# A series that does not come to rest within itself says only that its variance is large: neither
# correction of a short series is carried further than this.
LEAST_SHARE = 0.05
LEAST_FREEDOM = 5
# The two-sided 95 % point of the normal.
Z_95 = 1.959964
# One-sided 1 % point of the normal: independent samples are then called dependent, at any of the
# levels together, in 2 to 7 % of the runs (n = 700 to 100,000; p50, p90 and p99).
_Z_99 = 2.326
# Andrews and Monahan (Econometrica 60(4), 1992) cap an estimated autoregression at 0.97, lest a
# series that wanders without end claims an endless variance.
MAX_CARRY_OVER = 0.97


def carry_over(values: NDArray[np.generic]) -> float:
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


def beyond_chance(carried: float, values: int) -> bool:
    """Whether so many independent values show that carry-over in fewer than 1 of 100 series."""
    return carried > _Z_99 / math.sqrt(values)


def drift_factor(carried: float) -> float:
    """How much larger a mean's variance is than of independent values with this carry-over.

    (1 + r) / (1 - r): the long-run variance of a first-order autoregression. Batches remove what
    is faster than themselves; this adds what is slower (prewhitening, Andrews and Monahan 1992).
    """
    return (1 + carried) / (1 - carried)


class Dependence(NamedTuple):
    """What flags, one a sample, show of how much samples depend on each other.

    `evident` is whether they do beyond chance; `inflation` is how many times the variance of their
    mean would then exceed that of independent flags, at least 1. `drift` is the share of a
    deviation that still carries over between the largest batches, a 30th to a 60th of the run
    each, or between rounds, and 0 up to `DRIFT`.
    """

    evident: bool
    inflation: float
    drift: float


INDEPENDENT = Dependence(False, 1.0, 0.0)


def dependence(flags: NDArray[np.bool_]) -> Dependence:
    """Judge `flags`, which say for each sample in turn whether it is at or below some latency.

    Evidence is by blocking (Flyvbjerg and Petersen, J. Chem. Phys. 91, 1989): neighbours are
    joined into batches of 2, 4, 8 ... as long as there are 30 batches, and the variance of their
    sums is compared with the binomial's. A level counts only where chance alone would exceed it in
    1 of 100 runs, so independent samples keep their exact ranks. Fewer than 60 samples are taken
    for independent: they cannot show that they are not.

    How much is estimated from 128 to 256 batches (or all samples where there are fewer), which is
    coarse enough that a slow drift stands out of the noise of single samples.
    """
    share = float(flags.mean()) if len(flags) else 0.0
    if not 0 < share < 1:
        return INDEPENDENT
    found = _batched(flags, share)
    of_independent = found.coarse_size * share * (1 - share)
    inflation = max(1.0, _long_run_variance(found.coarse) / of_independent)
    carried = carry_over(found.largest) if len(found.largest) < len(flags) else 0.0
    drift = carried if found.evident and carried > DRIFT else 0.0
    return Dependence(found.evident, inflation, drift)


def dependence_of_rounds(
    flags: NDArray[np.bool_], rounds: Sequence[int], carried: float
) -> Dependence:
    """Judge the `flags` of an engine that took turns: so many of each of `rounds`, in order.

    What the machine is like in a round is common to its samples, and others were measured in
    between. So the rounds are what was drawn: the variance of the mean is that of the rounds' sums,
    as for any sample of clusters (Kish, Survey Sampling, 1965, section 5.4: the design effect). So
    few of them know it with few degrees of freedom, which widens it by Student's quantile; but at
    most to where each round is all or nothing, which makes every round one flag. Batches as small
    as a run of its own would have are its floor, since few rounds may be alike by chance. It counts
    whether it is evident or not: to ask few rounds first whether they differ would let those that
    do by chance not show it have intervals that held in 89 % (six and nine rounds).

    `carried` is the share of a deviation that passes on from one round to the next. It is a drift
    where the rounds differ beyond chance.
    """
    n = len(flags)
    share = float(flags.mean()) if n else 0.0
    if not 0 < share < 1:
        return INDEPENDENT
    found, of_one = _batched(flags, share), share * (1 - share)
    sizes = np.asarray(rounds)
    sums = np.add.reduceat(flags.astype(np.int64), np.cumsum(sizes) - sizes)
    deviation = sums - share * sizes
    ratio = len(sizes) / (len(sizes) - 1) * float(deviation @ deviation) / (n * of_one)
    differ = found.evident or ratio > _chance_limit(len(sizes) - 1)
    all_or_nothing = float(sizes @ sizes) / n
    worth = len(sizes) / drift_factor(carried)
    widened = ratio * (student_t(Z_95, max(worth - 1, LEAST_FREEDOM)) / Z_95) ** 2
    inflation = max(1.0, found.ratio, min(widened, all_or_nothing) * drift_factor(carried))
    return Dependence(True, inflation, carried if differ and carried > DRIFT else 0.0)


class _Batches(NamedTuple):
    """The sums of flags in batches, and whether they vary together.

    `coarse` are 128 to 256 batches of `coarse_size` flags, `largest` 30 to 59, whose variance is
    `ratio` times that of independent flags; of fewer flags than that both are the flags.
    """

    evident: bool
    coarse: NDArray[np.int64]
    coarse_size: int
    largest: NDArray[np.int64]
    ratio: float


def _batched(flags: NDArray[np.bool_], share: float) -> _Batches:
    """Join `flags`, of which `share` are set, for as long as there are MIN_BATCHES batches."""
    sums = coarse = flags.astype(np.int64)
    size, coarse_size, ratio, evident = 1, 1, 1.0, False
    while len(sums) // 2 >= MIN_BATCHES:
        even = len(sums) - len(sums) % 2
        sums = sums[0:even:2] + sums[1:even:2]
        size *= 2
        if len(coarse) > MAX_BATCHES:
            coarse, coarse_size = sums, size
        ratio = float(sums.var(ddof=1)) / (size * share * (1 - share))
        evident |= ratio > _chance_limit(len(sums) - 1)
    return _Batches(evident, coarse, coarse_size, sums, ratio)


def _long_run_variance(values: NDArray[np.generic]) -> float:
    """The variance of the mean of `values` times their number, as if from many more of them.

    Geyer's initial monotone sequence (Statistical Science 7(4), 1992): autocovariances are summed
    in pairs until one is not above the noise, none counted larger than the one before; Stan judges
    its quantiles in this way (Vehtari et al., Bayesian Analysis 16(2), 2021, section 4.3). It also
    ends at five times the correlation time that it has found so far (Sokal, Monte Carlo Methods in
    Statistical Mechanics, 1997, section 3), so that noise cannot lead it on.

    Two corrections are for short series. Each autocovariance about the series' own mean is too
    small by the variance of that mean (Priestley, Spectral Analysis and Time Series, 1981, 5.3.2).
    And a sum of M of n autocovariances is known no better than a variance with n / M degrees of
    freedom (Sokal again), so it is widened by as much as Student's quantile exceeds the normal.
    """
    n = len(values)
    deviation = values - values.mean()
    # Zeros behind it keep the end of the series from being multiplied with its beginning.
    spectrum = np.fft.rfft(deviation, 1 << (2 * n - 1).bit_length())
    covariance = np.fft.irfft(spectrum * spectrum.conj())[:n] / n
    pairs = covariance[0 : n - 1 : 2] + covariance[1:n:2]
    spent = np.flatnonzero(pairs <= NOISE * math.sqrt(2 / n) * covariance[0])
    kept = np.minimum.accumulate(pairs[: spent[0] if len(spent) else None])
    if not len(kept):
        return 0.0
    summed = 2 * np.cumsum(kept) - covariance[0]
    lag = 2 * np.arange(1, len(kept) + 1) - 1
    enough = np.flatnonzero(lag >= WINDOW * summed / covariance[0])
    last = int(enough[0]) if len(enough) else len(kept) - 1
    terms = 2 * int(lag[last]) + 1  # as many lags before 0 as behind it
    variance = float(summed[last]) / max(1 - terms / n, LEAST_SHARE)
    return variance * (student_t(Z_95, max(n / terms, LEAST_FREEDOM)) / Z_95) ** 2


def student_t(z: float, freedom: float) -> float:
    """Student's t quantile from the normal one: within 0.2 % from 5 degrees of freedom on; of the
    two-sided 95 % point 0.7 % too small at 3 and 8 % at 1.5.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _chance_limit(freedom: int) -> float:
    """What a variance ratio with `freedom` degrees of freedom exceeds by chance 1 time in 100.

    The chi-squared quantile over its mean, after Wilson and Hilferty (PNAS 17, 1931).
    """
    spread = 2 / (9 * freedom)
    return float((1 - spread + _Z_99 * math.sqrt(spread)) ** 3)
