"""Views of a run that goes on: constant memory, and a cost that depends on new samples alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engines.statistics.samples import Floats, checked
from engines.statistics.summary import MILD, SEVERE

_FLOOR_MS = 1e-3  # one microsecond: no inference is faster
_CEILING_MS = 1e6  # one thousand seconds


@dataclass(frozen=True, slots=True)
class Box:
    """What a box plot shows, in ms: quartiles by nearest rank, whiskers, and counts beyond them.

    The whiskers end at the smallest and the largest sample within Tukey's inner fences, 1.5
    interquartile ranges beyond the quartiles. Outliers are counted as `Outliers` counts them:
    `mild` ones lie beyond the inner fences, `severe` ones beyond 3 interquartile ranges.
    """

    whisker_low: float
    first_quartile: float
    median: float
    third_quartile: float
    whisker_high: float
    mild: int
    severe: int


class LatencyHistogram:
    """A histogram of latencies in logarithmic buckets, from 1 microsecond to 1000 seconds.

    A bucket is at most `relative_width` wider than it is long, so a quantile is within that share
    of the exact one; `n`, `minimum`, `maximum` and `total` are exact. Latencies outside the range
    are counted too, but their quantiles are only the minimum or the maximum. The default of 0.1 %
    takes 170 kB: a GPU's latencies often lie within 1 % of each other and need that.
    """

    def __init__(self, relative_width: float = 0.001) -> None:
        if not 0 < relative_width <= 0.005:
            raise ValueError(
                f"expected a relative width above 0, at most 0.005, found {relative_width:g}"
            )
        decades = math.log(_CEILING_MS / _FLOOR_MS)
        inside = math.ceil(decades / math.log1p(relative_width))
        self._log_width = decades / inside
        # One bucket before the range and one after it take what is outside.
        self._counts: NDArray[np.int64] = np.zeros(inside + 2, dtype=np.int64)
        self._edges: Floats = _FLOOR_MS * np.exp(self._log_width * np.arange(inside + 1))
        self.n = 0
        self.total = 0.0
        self._minimum = math.inf
        self._maximum = -math.inf

    @property
    def minimum(self) -> float | None:
        """The smallest latency in ms, None while there is none."""
        return self._minimum if self.n else None

    @property
    def maximum(self) -> float | None:
        """The largest latency in ms, None while there is none."""
        return self._maximum if self.n else None

    @property
    def mean(self) -> float | None:
        """The mean latency in ms, None while there is none."""
        return self.total / self.n if self.n else None

    def add(self, samples_ms: ArrayLike) -> None:
        """Count a block of latencies in ms; it may be empty. Raises ValueError as `summarise`."""
        samples = checked(samples_ms, allow_empty=True)
        if not len(samples):
            return
        inside = np.clip(samples, _FLOOR_MS / 2, 2 * _CEILING_MS)
        index = np.floor(np.log(inside / _FLOOR_MS) / self._log_width).astype(np.int64) + 1
        index = np.clip(index, 0, len(self._counts) - 1)
        # A block covers few buckets: count those alone, not the twenty thousand.
        first, last = int(index.min()), int(index.max())
        self._counts[first : last + 1] += np.bincount(index - first)
        self.n += len(samples)
        self.total += float(samples.sum())
        self._minimum = min(self._minimum, float(samples.min()))
        self._maximum = max(self._maximum, float(samples.max()))

    def quantile(self, q: float) -> float:
        """The latency in ms at nearest rank ceil(q * n), 0 <= q <= 1.

        Raises ValueError while there are no samples.
        """
        return float(self.quantiles((q,))[0])

    def quantiles(self, shares: ArrayLike) -> Floats:
        """The latencies in ms at each of `shares` of 0..1, as `quantile` has them, in one pass."""
        asked = np.asarray(shares, dtype=np.float64)
        outside = ~((asked >= 0) & (asked <= 1))
        if outside.any():
            raise ValueError(f"expected a quantile from 0 to 1, found {asked[outside][0]:g}")
        if not self.n:
            raise ValueError("a histogram without samples has no quantiles")
        # A billionth less, because 0.999 * 1000 comes out above 999.
        ranks = np.maximum(1, np.ceil(asked * self.n * (1 - 1e-12)))
        return self._values(np.searchsorted(np.cumsum(self._counts), ranks))

    def box(self) -> Box:
        """Quartiles, whiskers and outliers, each sample taken for the middle of its bucket.

        Raises ValueError while there are no samples.
        """
        first, median, third = self.quantiles((0.25, 0.5, 0.75)).tolist()
        used = np.flatnonzero(self._counts)
        values, counts = self._values(used), self._counts[used]
        beyond, spread = np.maximum(first - values, values - third), third - first
        inside = values[beyond <= MILD * spread]
        severe = int(counts[beyond > SEVERE * spread].sum())
        return Box(
            whisker_low=float(inside[0]),
            first_quartile=first,
            median=median,
            third_quartile=third,
            whisker_high=float(inside[-1]),
            mild=int(counts[beyond > MILD * spread].sum()) - severe,
            severe=severe,
        )

    def _values(self, buckets: NDArray[np.intp]) -> Floats:
        """What the samples of `buckets` are taken for: middles, within the smallest and largest."""
        last = len(self._counts) - 1
        inside = np.clip(buckets, 1, last - 1)
        values = np.sqrt(self._edges[inside - 1] * self._edges[inside])
        values[buckets == 0] = self._minimum
        values[buckets == last] = self._maximum
        return np.clip(values, self._minimum, self._maximum)

    def counts_between(self, low_ms: float, high_ms: float, bins: int) -> Floats:
        """How many samples are in each of `bins` equal bins from `low_ms` to `high_ms`.

        A bucket that a bin's edge cuts is shared by length, so counts are fractions, but no bin
        has twice its neighbour's for holding one bucket more. Latencies outside 1 microsecond to
        1000 seconds are in no bin.
        """
        if bins < 1:
            raise ValueError(f"expected at least one bin, found {bins}")
        if not (0 <= low_ms < high_ms < math.inf):
            raise ValueError(f"expected 0 <= low < high, found {low_ms:g} and {high_ms:g}")
        up_to_edge = np.concatenate([[0], np.cumsum(self._counts[1:-1])])
        edges = np.linspace(low_ms, high_ms, bins + 1)
        return np.diff(np.interp(edges, self._edges, up_to_edge))


class DecimatedSeries:
    """The smallest and largest value of each stretch of time, at most `columns` stretches.

    The first sample sets the origin. Whenever a sample falls beyond the last stretch, stretches
    are joined in pairs and become twice as long, so memory never grows and every peak stays.
    """

    # The first stretches: shorter than what any plot of a whole run shows.
    _FIRST_STRETCH_S = 1e-3

    def __init__(self, columns: int) -> None:
        if columns < 2:
            raise ValueError(f"expected at least 2 columns, found {columns}")
        # An even number, so that joining in pairs leaves none over.
        self._columns = columns - columns % 2
        self._stretch_s = self._FIRST_STRETCH_S
        self._origin_s: float | None = None
        self._time = np.full(self._columns, math.inf)
        self._low = np.full(self._columns, math.inf)
        self._high = np.full(self._columns, -math.inf)

    @property
    def stretch_s(self) -> float:
        """How long one stretch is now, in seconds."""
        return self._stretch_s

    def add(self, times_s: ArrayLike, values_ms: ArrayLike) -> None:
        """Add values with their times in seconds, in any order but none before the first ever.

        Both may be empty. Raises ValueError where lengths differ, where a time is not finite or
        before the origin, and for values as `summarise`.
        """
        times = np.asarray(times_s, dtype=np.float64)
        values = checked(values_ms, name="values", allow_empty=True)
        if times.shape != values.shape:
            raise ValueError(f"found {times.size} times for {values.size} values")
        if not len(values):
            return
        if not np.isfinite(times).all():
            raise ValueError("times: expected finite seconds")
        if self._origin_s is None:
            self._origin_s = float(times[0])
        since = times - self._origin_s
        if since.min() < 0:
            raise ValueError(
                f"times: {float(times.min()):g} s is before the first, {self._origin_s:g} s"
            )
        latest = float(since.max())
        while latest >= self._stretch_s * self._columns:
            self._join_pairs()
        column = np.minimum(since / self._stretch_s, self._columns - 1).astype(np.intp)
        np.minimum.at(self._time, column, times)
        np.minimum.at(self._low, column, values)
        np.maximum.at(self._high, column, values)

    def _join_pairs(self) -> None:
        half = self._columns // 2
        for array, empty in ((self._time, math.inf), (self._low, math.inf)):
            array[:half] = np.minimum(array[0::2], array[1::2])
            array[half:] = empty
        self._high[:half] = np.maximum(self._high[0::2], self._high[1::2])
        self._high[half:] = -math.inf
        self._stretch_s *= 2

    def points(self) -> tuple[Floats, Floats, Floats]:
        """Time of the first sample (s), smallest and largest value (ms) of each stretch that has
        any, in order of time.
        """
        used = np.isfinite(self._time)
        return self._time[used], self._low[used], self._high[used]
