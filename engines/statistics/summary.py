"""What one run's latencies come to: mean, spread, percentiles with intervals, outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engines.statistics.dependence import inflation
from engines.statistics.percentiles import (
    PERCENTILES,
    Percentile,
    nearest_rank,
    percentile_of,
    sample_floor,
)
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
    """One run, in ms. `stdev` (of the sample, n - 1) is None for one sample: it shows no spread."""

    n: int
    mean: float
    stdev: float | None
    minimum: float
    maximum: float
    percentiles: tuple[Percentile, ...]
    outliers: Outliers

    def percentile(self, percentile: float) -> Percentile:
        """The entry of `percentile`; raises KeyError where it is not one of `PERCENTILES`."""
        for entry in self.percentiles:
            if entry.percentile == percentile:
                return entry
        raise KeyError(percentile)


def summarise(samples_ms: ArrayLike) -> Summary:
    """Everything about one run's latencies in ms, given in the order they were taken.

    Raises ValueError for no samples and for samples that are negative or not finite.
    """
    samples = checked(samples_ms)
    in_order = np.sort(samples)
    return Summary(
        n=len(samples),
        mean=float(samples.mean()),
        stdev=float(samples.std(ddof=1)) if len(samples) > 1 else None,
        minimum=float(in_order[0]),
        maximum=float(in_order[-1]),
        percentiles=tuple(_percentile(samples, in_order, one) for one in PERCENTILES),
        outliers=_outliers(in_order),
    )


def median_half_width(samples_ms: ArrayLike) -> float | None:
    """Half the width of the median's 95 % interval as a share of the median; 0.01 is 1 %.

    Allows for samples that depend on each other. None where there is no interval: fewer than 11
    samples, samples that are worth fewer than 6 independent ones, or a median of 0.
    """
    samples = checked(samples_ms, allow_empty=True)
    if len(samples) < sample_floor(50):
        return None
    median = _percentile(samples, np.sort(samples), 50)
    if not median.value or median.low is None or median.high is None:
        return None
    return (median.high - median.low) / (2 * median.value)


def _percentile(samples: Floats, in_order: Floats, percentile: float) -> Percentile:
    if len(samples) < sample_floor(percentile):
        return percentile_of(in_order, percentile)
    value = in_order[nearest_rank(len(samples), percentile) - 1]
    return percentile_of(in_order, percentile, inflation(samples <= value))


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
