"""When warm-up has ended and when enough was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from engines.statistics.percentiles import sample_floor
from engines.statistics.samples import Floats, checked
from engines.statistics.summary import MILD, median_known

StopReason = Literal["known", "no longer improving", "time limit"]

# The tolerances of pyperf (psf/pyperf, pyperf/_worker.py, test_calibrate_warmups), as shares of
# the second half's figure. The mean may be half as large, since an outlier in the second half says
# nothing about warm-up, but hardly larger.
MEAN_BELOW, MEAN_ABOVE = 0.50, 0.10
SPREAD_DIFFERENCE = 0.10
QUARTILE_DIFFERENCE = 0.05
# Two standard errors of a difference between two halves of m values with normal noise, in median
# absolute deviations and times sqrt(m): of two such deviations 2 * sqrt(2) * 1.17 (their efficiency
# is 37 %), of two quartiles 2 * sqrt(2) * 1.36 * 1.48, and of two medians a little less. pyperf has
# no such allowance: of its halves of 20, equal ones differ in spread by over 10 % four times in
# five, and it tries again until luck has it.
SPREAD_NOISE = 3.3
QUARTILE_NOISE = 5.7
# What a change may come to in the result before it matters: what the stop rule asks of the median.
NEGLIGIBLE = 0.01
# Two halves of two are the least that can be compared.
MIN_WINDOW = 4


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether warm-up has settled, whether it is over (settled or out of time), and why."""

    settled: bool
    over: bool
    reason: str


@dataclass(frozen=True, slots=True)
class WarmUpRule:
    """Warm-up is over when it has lasted long enough and its latest half no longer changes.

    It settles when there are `min_seconds` and `min_iterations` and the later half of all
    samples, at least `min_iterations` of them, passes the test of `halves_differ`. The window
    grows with the run, so that a change as slow as the run is long still shows in it.
    `max_seconds` wins over everything but one iteration: an engine whose inference takes a second
    is given up after ten iterations as not settled, not kept for twenty.
    """

    min_seconds: float = 0.5
    min_iterations: int = 20
    max_seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.min_iterations < 1:
            raise ValueError(f"expected at least one iteration, found {self.min_iterations}")
        if self.min_seconds < 0 or self.max_seconds <= 0:
            raise ValueError(
                "expected min_seconds >= 0 and max_seconds > 0, "
                f"found {self.min_seconds:g} and {self.max_seconds:g}"
            )

    def decide(self, samples_ms: ArrayLike, elapsed_s: float, waiting_for: str = "") -> Settled:
        """Judge all warm-up samples so far, in order, after `elapsed_s` seconds.

        `waiting_for` says what besides the latencies is not ready yet, empty where all is. Raises
        ValueError for samples that are negative or not finite; there may be none yet.
        """
        samples = checked(samples_ms, allow_empty=True)
        n = len(samples)
        if not n:
            return Settled(False, False, "no iteration yet")
        missing = self._missing(samples, elapsed_s) or waiting_for or None
        if missing is None:
            return Settled(
                True, True, f"settled after {_two_digits(elapsed_s)} s and {n} iterations"
            )
        if elapsed_s >= self.max_seconds:
            text = f"warm-up did not settle in {self.max_seconds:g} s: {missing}"
            return Settled(False, True, text)
        return Settled(False, False, missing)

    def _missing(self, samples: Floats, elapsed_s: float) -> str | None:
        needed = max(self.min_iterations, MIN_WINDOW)
        if len(samples) < needed:
            return f"{len(samples)} of {needed} iterations"
        if elapsed_s < self.min_seconds:
            return f"{_two_digits(elapsed_s)} of {self.min_seconds:g} s"
        return halves_differ(samples[-max(needed, len(samples) // 2) :])


def halves_differ(window_ms: Floats) -> str | None:
    """How the two halves of `window_ms` (4 or more latencies) differ, None where they agree.

    pyperf's test: the first value is no outlier above all others (Tukey, 1.5 interquartile
    ranges), the first half's mean is between 50 % below and 10 % above the second's, its median
    absolute deviation within 10 %, and both its quartiles within 5 %. A difference within its own
    sampling error is no difference here, nor one in spread below 1 % of the median; and one rule
    is added: the median must not fall by more than 1 %, because a decay that takes seconds changes
    little in half a second, and its 5 % would be five times what a result may be wrong by.
    """
    half = len(window_ms) // 2
    first, second = window_ms[:half], window_ms[half:]
    q1, q3 = np.percentile(window_ms[1:], (25, 75))
    if window_ms[0] > q3 + MILD * (q3 - q1):
        return f"the latest half begins with an outlier of {window_ms[0]:.3g} ms"
    mean = float(second.mean())
    by = float(first.mean()) - mean
    if not -MEAN_BELOW * mean <= by <= MEAN_ABOVE * mean:
        return f"the mean still changes by {_percent(-by, mean)}"
    spread = _median_deviation(second)
    noise = QUARTILE_NOISE / math.sqrt(half) * spread
    median = float(np.median(second))
    by = float(np.median(first)) - median
    if by > max(NEGLIGIBLE * median, noise):
        return f"the median still changes by {_percent(-by, median)}"
    for name, q in (("lower", 25), ("upper", 75)):
        quartile = float(np.percentile(second, q))
        by = float(np.percentile(first, q)) - quartile
        if abs(by) > max(QUARTILE_DIFFERENCE * quartile, noise):
            return f"the {name} quartile still changes by {_percent(-by, quartile)}"
    by = _median_deviation(first) - spread
    tolerance = max(SPREAD_DIFFERENCE, SPREAD_NOISE / math.sqrt(half)) * spread
    if abs(by) > max(tolerance, NEGLIGIBLE * median):
        return f"the spread still changes by {_percent(-by, spread)}"
    return None


def _median_deviation(values: Floats) -> float:
    return float(np.median(np.abs(values - np.median(values))))


def _two_digits(value: float, sign: str = "") -> str:
    """`value` in two digits; from 100 on in whole numbers, never as a power of ten."""
    return f"{value:{sign}.0f}" if abs(value) >= 99.5 else f"{value:{sign}.2g}"


def _percent(change: float, base: float) -> str:
    return f"{_two_digits(100 * change / base, '+')} %" if base else "an amount that was 0"


@dataclass(frozen=True, slots=True)
class Stop:
    """Which rule ended the measurement, and the conditions that were not met then."""

    reason: StopReason
    unmet: tuple[str, ...]


@dataclass(slots=True)
class StopRule:
    """Stops when the median is known, when it gets no better, or when time is up.

    Known: `min_seconds` and `min_samples` (by default what p99 needs) are met and half the width
    of the median's 95 % interval is at most `half_width` of it. No better: the first two are met
    and over the latest two windows the half-width shrank by less than 10 %. A window ends when the
    run is half as long again as at the last one's end, so independent samples shrink it by 33 %
    over two, however long the run is. One object serves one run.
    """

    min_seconds: float = 3.0
    min_samples: int = sample_floor(99)
    max_seconds: float = 60.0
    half_width: float = 0.01
    _window_ends_at: float = field(default=0.0, init=False, repr=False)
    _history: list[float | None] = field(default_factory=list, init=False, repr=False)

    WINDOW_GROWTH = 1.5
    MIN_SHRINK = 0.10

    def __post_init__(self) -> None:
        if self.min_seconds < 0 or self.max_seconds <= 0 or self.min_samples < 1:
            raise ValueError(
                "expected min_seconds >= 0, max_seconds > 0 and min_samples >= 1, found "
                f"{self.min_seconds:g}, {self.max_seconds:g} and {self.min_samples}"
            )
        if self.half_width <= 0:
            raise ValueError(f"expected a half-width above 0, found {self.half_width:g}")

    def decide(self, samples_ms: ArrayLike, elapsed_s: float) -> Stop | None:
        """Judge all samples so far, in order, after `elapsed_s` seconds; None means go on.

        Costs one sort of the samples. Raises ValueError for negative or non-finite samples.
        """
        samples = checked(samples_ms, allow_empty=True)
        n = len(samples)
        if elapsed_s < self.max_seconds and self._too_early(n, elapsed_s):
            return None
        known = median_known(samples)
        if elapsed_s >= self._window_ends_at:
            self._window_ends_at = elapsed_s * self.WINDOW_GROWTH
            # What drifts now may come to rest within a longer run.
            self._history.append(None if known.drifts else known.half_width)
        return self.judge(n, elapsed_s, known.half_width, self._history)

    def judge(
        self, n: int, elapsed_s: float, width: float | None, history: Sequence[float | None]
    ) -> Stop | None:
        """The rule itself: `width` is the half-width now, `history` at the ends of the windows."""
        unmet = self._too_early(n, elapsed_s)
        if width is None:
            unmet += (f"the median's interval is not known, wanted ± {self._goal}",)
        elif width > 1:
            unmet += (f"the median is not known, wanted ± {self._goal}",)
        elif width > self.half_width:
            unmet += (
                f"the median is known to ± {_two_digits(100 * width)} %, wanted ± {self._goal}",
            )
        if not unmet:
            return Stop("known", ())
        if elapsed_s >= self.max_seconds:
            return Stop("time limit", unmet)
        if not self._too_early(n, elapsed_s) and self._stuck(history):
            return Stop("no longer improving", unmet)
        return None

    @property
    def _goal(self) -> str:
        return f"{100 * self.half_width:g} %"

    def _too_early(self, n: int, elapsed_s: float) -> tuple[str, ...]:
        phrases = []
        if elapsed_s < self.min_seconds:
            phrases.append(f"{_two_digits(elapsed_s)} of {self.min_seconds:g} s")
        if n < self.min_samples:
            phrases.append(f"{n} of {self.min_samples} samples")
        return tuple(phrases)

    def _stuck(self, history: Sequence[float | None]) -> bool:
        """Whether two windows in a row brought next to nothing; an unknown width may still come."""
        if len(history) < 3:
            return False
        before, after = history[-3], history[-1]
        if before is None or after is None:
            return False
        return after > (1 - self.MIN_SHRINK) * before
