"""What one run's latencies come to: mean, spread, percentiles with intervals, outliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from engines.statistics.intervals import percentiles_of_run
from engines.statistics.percentiles import PERCENTILES, Percentile, nearest_rank, sample_floor
from engines.statistics.samples import Floats, checked

# Tukey's inner and outer fences (Exploratory Data Analysis, 1977), in interquartile ranges.
MILD = 1.5
SEVERE = 3.0


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

    `rounds` are the numbers of samples of each round, where the engine took turns with others:
    from six of them on intervals go by what differs from round to round.

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
    percentiles, drift = percentiles_of_run(samples, in_order, PERCENTILES, rounds)
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
    it has none: fewer than 11 samples, or a median of 0. `drifts` is whether the run drifts, see
    `Summary`: a longer one may know more.
    """

    half_width: float | None
    drifts: bool


def median_known(samples_ms: ArrayLike) -> Known:
    """How well the median of `samples_ms` is known; ValueError as `summarise`, but for none."""
    samples = checked(samples_ms, allow_empty=True)
    if len(samples) < sample_floor(50):
        return Known(None, False)
    (median,), drift = percentiles_of_run(samples, np.sort(samples), (50,))
    if not median.value or median.low is None or median.high is None:
        return Known(None, drift > 0)
    return Known((median.high - median.low) / (2 * median.value), drift > 0)


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
