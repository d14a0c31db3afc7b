"""The end of a series of latencies, thinned out to what a sparkline or a plot can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RECENT_COLUMNS = 200
# A column of the sparkline stands for at least this long, so that it moves on at most as often
# as the numbers beside it.
RECENT_COLUMN_MS = 250.0


class RecentWindow:
    """The mean latency of each of the latest stretches of time, at most `columns` of them.

    A stretch begins as one sample. Whenever the window is full and a stretch is still shorter
    than RECENT_COLUMN_MS, neighbours are joined: a short run is shown whole and sample by sample,
    in a long one the window moves on.
    """

    def __init__(self, columns: int = RECENT_COLUMNS) -> None:
        self._columns = columns
        self._means: Floats = np.empty(0)
        self._rest: Floats = np.empty(0)
        self._per_column = 1
        # How many columns were forgotten: groups of columns are counted from the first ever.
        self._first = 0

    def add(self, latencies_ms: Floats) -> None:
        """Append a block of latencies in milliseconds."""
        pending = np.concatenate([self._rest, latencies_ms])
        whole = len(pending) - len(pending) % self._per_column
        fresh = pending[:whole].reshape(-1, self._per_column).mean(axis=1)
        self._rest = pending[whole:].copy()
        self._means = np.concatenate([self._means, fresh])
        while len(self._means) > self._columns:
            if self._per_column * float(np.median(self._means)) < RECENT_COLUMN_MS:
                self._join_pairs()
            else:
                self._forget(len(self._means) - self._columns)

    def _forget(self, count: int) -> None:
        self._means = self._means[count:].copy()
        self._first += count

    def _join_pairs(self) -> None:
        if len(self._means) % 2:
            # The youngest has no neighbour yet: it goes back to what is no whole column.
            alone = np.full(self._per_column, self._means[-1])
            self._rest = np.concatenate([alone, self._rest])
            self._means = self._means[:-1]
        self._means = self._means.reshape(-1, 2).mean(axis=1)
        self._per_column *= 2
        self._first = 0

    def values(self, width: int = RECENT_COLUMNS) -> Floats:
        """The window in at most `width` means in milliseconds, oldest first.

        A group of columns keeps its members while the window moves, so that the picture moves
        with it and doesn't shimmer.
        """
        group = max(1, -(-len(self._means) // max(width, 1)))
        if group == 1:
            return self._means
        means = self._means[-self._first % group :]
        starts = np.arange(0, len(means), group)
        return np.asarray(np.add.reduceat(means, starts) / np.diff([*starts, len(means)]))


class LatestSeries:
    """The smallest and largest latency of each stretch of the last `seconds`.

    There are `columns` stretches in that time, at whole multiples of their length, so that what
    was drawn of one stays as it was while time goes on. Memory never grows.
    """

    def __init__(self, seconds: float, columns: int) -> None:
        self.seconds = seconds
        self._stretch_s = seconds / columns
        # One more than fit: the first and the last are parts of a stretch.
        slots = columns + 1
        # Which stretch, counted from time zero, each slot of the ring holds.
        self._held: NDArray[np.int64] = np.full(slots, -1, dtype=np.int64)
        self._low: Floats = np.full(slots, np.inf)
        self._high: Floats = np.full(slots, -np.inf)

    def add(self, times_s: Floats, latencies_ms: Floats) -> None:
        """Take latencies in ms with their times in seconds, from zero on, both finite."""
        stretches = np.floor(times_s / self._stretch_s).astype(np.int64)
        recent = stretches > stretches.max(initial=-1) - len(self._held)
        stretches, latencies_ms = stretches[recent], latencies_ms[recent]
        slots = stretches % len(self._held)
        over = self._held[slots] < stretches
        self._held[slots[over]] = stretches[over]
        self._low[slots[over]], self._high[slots[over]] = np.inf, -np.inf
        current = self._held[slots] == stretches
        np.minimum.at(self._low, slots[current], latencies_ms[current])
        np.maximum.at(self._high, slots[current], latencies_ms[current])

    def points(self) -> tuple[Floats, Floats, Floats]:
        """Start (s), smallest and largest latency (ms) of each stretch that has any, in order."""
        newest = int(self._held.max())
        used = np.flatnonzero((self._held >= 0) & (self._held > newest - len(self._held)))
        used = used[np.argsort(self._held[used])]
        starts = np.asarray(self._held[used] * self._stretch_s, dtype=np.float64)
        return starts, self._low[used], self._high[used]
