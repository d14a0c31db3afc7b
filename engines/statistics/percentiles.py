"""Percentiles by nearest rank, how many samples each needs, and their intervals by binomial ranks.

Whatever the distribution of latency is, the number of samples below its true p-quantile is
binomial. So the two ranks that cut that binomial's tails hold the quantile between them, and no
shape has to be assumed (David and Nagaraja, Order Statistics, 3rd edition, section 7.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engines.statistics.samples import Floats

PERCENTILES: tuple[float, ...] = (50, 90, 95, 99, 99.9)
CONFIDENCE = 0.95
# The confidence that MLPerf asks of a percentile before it counts.
FLOOR_CONFIDENCE = 0.99
# Samples beyond a percentile of the tail that its interval needs. Of ten nothing can be told about
# whether slow ones come together: where they come in eights, 1,000 samples may have one such burst
# above p99 or none, look independent either way, and hold it in 3 of 10 intervals.
BEYOND = 20
# As many times the samples that an interval needs, allowing for the dependence of its neighbours,
# show a percentile's own dependence well enough to go by that alone (see `_widened`).
AMPLE = 3


@dataclass(frozen=True, slots=True)
class Percentile:
    """One percentile of latency in ms, with its two-sided 95 % interval.

    `value` is None where `n` is below `floor`. `low` and `high` are None together: where `value`
    is, where `n` is below `interval_floor`, and where no pair of ranks reaches 95 %.
    `effective_n` is the number of independent samples that `n` are worth to it; it equals `n`
    unless the samples depend on each other.
    """

    percentile: float
    value: float | None
    low: float | None
    high: float | None
    floor: int
    n: int
    effective_n: int

    @property
    def note(self) -> str | None:
        """Why the value or its interval is missing, None where neither is."""
        if self.value is None:
            return f"p{self.percentile:g} needs {self.floor} samples (have {self.n})"
        if self.low is None and self.n < (needed := interval_floor(self.percentile)):
            return f"p{self.percentile:g} has no interval: that needs {needed} samples"
        if self.low is None:
            return (
                f"p{self.percentile:g} has no interval: its {self.n} samples vary together "
                f"and are worth {self.effective_n}"
            )
        return None


def _share(percentile: float) -> Fraction:
    """`percentile` as an exact share of one: 99.9 is no binary fraction, 999/1000 is exact."""
    share = Fraction(str(percentile)) / 100
    if not 0 < share < 1:
        raise ValueError(f"expected a percentile between 0 and 100, found {percentile:g}")
    return share


def nearest_rank(n: int, percentile: float) -> int:
    """The 1-based rank of `percentile` among `n` sorted samples: ceil(n * percentile / 100)."""
    if n < 1:
        raise ValueError(f"expected at least one sample, found {n}")
    return math.ceil(n * _share(percentile))


def sample_floor(percentile: float, confidence: float = FLOOR_CONFIDENCE) -> int:
    """How many samples `percentile` (50 or higher) needs before it may be printed.

    MLPerf LoadGen's early-stopping rule (mlcommons/inference, loadgen/early_stopping.cc and
    results.cc): the fewest samples of which at most one lies above a latency with a probability
    of no more than 1 - `confidence`, were that latency not yet the percentile. At 99 % this is
    11 for p50, 64 for p90, 130 for p95, 662 for p99 and 6636 for p99.9.
    """
    if not 50 <= percentile < 100:
        raise ValueError(f"expected a percentile from 50 to below 100, found {percentile:g}")
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, found {confidence:g}")
    above = float(1 - _share(percentile))

    def at_most_one_above(n: int) -> float:
        none_above = n * math.log1p(-above)
        return math.exp(none_above) * (1 + n * above / (1 - above))

    enough = 2
    while at_most_one_above(enough) > 1 - confidence:
        enough *= 2
    too_few = 1
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if at_most_one_above(middle) > 1 - confidence:
            too_few = middle
        else:
            enough = middle
    return enough


def interval_ranks(
    n: int, percentile: float, confidence: float = CONFIDENCE
) -> tuple[int, int] | None:
    """The 1-based ranks that hold the true percentile between them, None where `n` is too small.

    Each tail has at most half of 1 - `confidence`, by exact binomial sums, so the interval is
    never too narrow for independent samples; for others give their effective number.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, found {confidence:g}")
    share = _share(percentile)
    tail = (1 - confidence) / 2
    # The samples above the quantile are binomial too, so the upper rank is a lower one from
    # the other end.
    low = _low_rank(n, float(share), tail)
    from_top = _low_rank(n, float(1 - share), tail)
    if low < 1 or from_top < 1:
        return None
    return low, n + 1 - from_top


def _low_rank(n: int, share: float, tail: float) -> int:
    """The largest rank whose sample exceeds the quantile `share` with probability <= `tail`.

    0 where there is none. The rank r exceeds it when fewer than r of `n` samples are below.
    """
    if n < 1:
        return 0
    mode = int((n + 1) * share)
    # Ten standard deviations and 40 leave out less than 1e-15 even of a Poisson's long tail, and
    # a few thousand terms suffice for ten million samples.
    reach = int(10 * math.sqrt(n * share * (1 - share))) + 40
    first, last = max(0, mode - reach), min(n, mode + reach)
    k = np.arange(first + 1, last + 1, dtype=np.float64)
    # Neighbouring terms differ by a simple factor: no factorials, and the sum gives the scale.
    log_ratio = np.log((n - k + 1) / k) + math.log(share / (1 - share))
    log_term = np.concatenate([[0.0], np.cumsum(log_ratio)])
    term = np.exp(log_term - log_term.max())
    cumulative = np.cumsum(term) / term.sum()
    unlikely = int(np.searchsorted(cumulative, tail, side="right"))
    return first + unlikely if unlikely else 0


def interval_floor(percentile: float) -> int:
    """How many independent samples the interval of `percentile` needs.

    As many as have ranks on either side of it: 6 for p50. Above the median `BEYOND` of them must
    lie beyond it as well: 200 for p90, 400 for p95, 2,000 for p99 and 20,000 for p99.9.
    """
    share = _share(percentile)
    beyond = math.ceil(BEYOND / (1 - share)) if share > Fraction(1, 2) else 0
    return max(_ranks_floor(percentile), beyond)


def _ranks_floor(percentile: float) -> int:
    """The fewest samples with a rank on either side of `percentile`: 6 for p50, 368 for p99."""
    share = _share(percentile)
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(float(max(share, 1 - share))))


def percentile_of(
    sorted_ms: Floats, percentile: float, inflation: float = 1.0, doubt: float = 1.0
) -> Percentile:
    """`percentile` of samples sorted in ascending order.

    `inflation` is how many times too small the independent samples' variance is (see
    `dependence.Dependence`): the ranks are those of n / inflation samples, spread over n. `doubt`
    is what it may be as well, as other percentiles of the same run show (see `_widened`).
    """
    n = len(sorted_ms)
    floor = sample_floor(percentile)
    if n < floor:
        return Percentile(percentile, None, None, None, floor, n, max(1, int(n / inflation)))
    value = float(sorted_ms[nearest_rank(n, percentile) - 1])
    doubted_n = max(1, int(n / max(inflation, doubt)))
    if n < interval_floor(percentile) or doubted_n < _ranks_floor(percentile):
        return Percentile(percentile, value, None, None, floor, n, doubted_n)
    effective_n = int(n / _widened(percentile, n, inflation, doubt))
    ranks = interval_ranks(effective_n, percentile)
    assert ranks is not None, "fewer samples have ranks"
    low_rank, high_rank = ranks
    below = int(low_rank * n / effective_n)
    above = int((effective_n + 1 - high_rank) * n / effective_n)
    # Rounding of a coarse interval must not leave the value outside of it.
    low = min(float(sorted_ms[below - 1]), value)
    high = max(float(sorted_ms[n - above]), value)
    return Percentile(percentile, value, low, high, floor, n, effective_n)


def _widened(percentile: float, n: int, inflation: float, doubt: float) -> float:
    """`inflation`, moved towards a larger `doubt` the fewer samples there are to know it by.

    With no more samples than would just have ranks by the doubt, it is the doubt: such a run has
    an interval only where it happens to look the less dependent, and would be sure of it too
    often. With AMPLE times as many the percentile's own inflation stands.
    """
    if doubt <= inflation:
        return inflation
    ample = n / doubt / _ranks_floor(percentile)
    borrowed = min(max((AMPLE - ample) / (AMPLE - 1), 0.0), 1.0)
    return inflation + (doubt - inflation) * borrowed
