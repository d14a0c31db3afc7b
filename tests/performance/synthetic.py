"""Series of latencies whose true percentiles are known: what `coverage` judges intervals by.

Each gives rows of latencies of about 1 ms, a run a row, and the cumulative distribution of one of
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Share = Callable[[float], float]
Maker = Callable[[np.random.Generator, int, int], tuple[Floats, Share]]

NORMAL = NormalDist().cdf
NOISE = 0.1


def lognormal(centre: float, sigma: float) -> Share:
    return lambda latency: NORMAL(math.log(latency / centre) / sigma)


def mixture(share: float, one: Share, other: Share) -> Share:
    """Of latencies of which `share` are distributed as `one`, the rest as `other`."""
    return lambda latency: share * one(latency) + (1 - share) * other(latency)


def true_percentile(below: Share, percentile: float) -> float:
    """Where `below` reaches `percentile`, by bisection between 0.1 and 1000 ms."""
    low, high = 0.1, 1000.0
    while high - low > 1e-12 * high:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if below(middle) < percentile / 100 else (low, middle)
    return high


def independent(rng: np.random.Generator, runs: int, n: int) -> tuple[Floats, Share]:
    return np.exp(NOISE * rng.standard_normal((runs, n))), lognormal(1.0, NOISE)


def autoregression(rng: np.random.Generator, runs: int, n: int, r: float) -> Floats:
    """Standard normal values of which each keeps the share `r` of the one before."""
    values = rng.standard_normal((n, runs))
    values[1:] *= math.sqrt(1 - r * r)
    for before, now in pairwise(values):
        now += r * before
    return np.ascontiguousarray(values.T)


def autoregressive(r: float) -> Maker:
    def make(rng: np.random.Generator, runs: int, n: int) -> tuple[Floats, Share]:
        return np.exp(NOISE * autoregression(rng, runs, n, r)), lognormal(1.0, NOISE)

    return make


def switching(
    rng: np.random.Generator, runs: int, n: int, share: float, stay: float
) -> NDArray[np.bool_]:
    """Rows of a state that holds for `share` of the time, in stretches of `stay` on average."""
    chance = rng.random((n, runs))
    state = np.empty((n, runs), dtype=bool)
    state[0] = chance[0] < share
    leave, enter = 1 / stay, share / (1 - share) / stay
    for i in range(1, n):
        state[i] = np.where(state[i - 1], chance[i] >= leave, chance[i] < enter)
    return np.ascontiguousarray(state.T)


def two_clocks(rng: np.random.Generator, runs: int, n: int) -> tuple[Floats, Share]:
    """1 % noise, and a clock that is 6 % slower for three tenths of the time, 60 at a time."""
    slow = switching(rng, runs, n, 0.3, 60)
    samples = np.exp(0.01 * rng.standard_normal((runs, n))) * np.where(slow, 1.06, 1.0)
    return samples, mixture(0.3, lognormal(1.06, 0.01), lognormal(1.0, 0.01))


def heavy_tail(rng: np.random.Generator, runs: int, n: int) -> tuple[Floats, Share]:
    """2 % noise, and 2 % of the latencies stretched by a Pareto's law without a variance."""
    body = np.exp(0.02 * rng.standard_normal((runs, n)))
    stretched = rng.random((runs, n)) < 0.02
    samples = body * np.where(stretched, rng.random((runs, n)) ** (-1 / 1.5), 1.0)
    # Of a product: the mean over the noise, which a few hundred of its quantiles stand for.
    noise = np.exp(0.02 * np.array([NormalDist().inv_cdf((i + 0.5) / 400) for i in range(400)]))

    def tail(latency: float) -> float:
        times = np.maximum(latency / noise, 1.0)
        return float(np.mean(1 - times**-1.5))

    return samples, mixture(0.02, tail, lognormal(1.0, 0.02))


def bursts(rng: np.random.Generator, runs: int, n: int) -> tuple[Floats, Share]:
    """2 % noise, and a neighbour that slows eight in a row by a third, 3 % of the time."""
    busy = switching(rng, runs, n, 0.03, 8)
    slow = 1.3 * np.exp(0.15 * rng.standard_normal((runs, n)))
    samples = np.exp(0.02 * rng.standard_normal((runs, n))) * np.where(busy, slow, 1.0)
    within = lognormal(1.3, math.hypot(0.02, 0.15))
    return samples, mixture(0.03, within, lognormal(1.0, 0.02))


def slow_drift(rng: np.random.Generator, runs: int, n: int) -> tuple[Floats, Share]:
    """1.5 % noise, and a drift of 1.5 % that takes a third of the run: no run sees it whole."""
    drift = autoregression(rng, runs, n, math.exp(-3 / n))
    samples = np.exp(0.015 * (rng.standard_normal((runs, n)) + drift))
    return samples, lognormal(1.0, 0.015 * math.sqrt(2))


SERIES: dict[str, Maker] = {
    "independent, lognormal": independent,
    "autoregression, 0.5": autoregressive(0.5),
    "autoregression, 0.9": autoregressive(0.9),
    "two clocks, 60 at a time": two_clocks,
    "heavy tail, independent": heavy_tail,
    "bursts of 8": bursts,
    "drift over a third of the run": slow_drift,
}
# Of these no run sees enough to state an interval: it can only say that it drifts.
BEYOND = ("drift over a third of the run",)
