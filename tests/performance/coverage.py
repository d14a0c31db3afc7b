"""Does the 95 % interval of p50 and p99 hold the long-run value as often as it says?

Of 1,000 draws each: from series whose truth is known, and from recordings of real engines on a
CPU (`recordings` says how, and `data/README.md` what they are).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import numpy as np

from engines.statistics import PERCENTILES as ALL
from engines.statistics import Summary, nearest_rank, summarise
from tests.performance.recordings import Floats, draw, load
from tests.performance.synthetic import BEYOND, SERIES, true_percentile

DRAWS = 1000
SIZES = (1_000, 2_000, 5_000, 20_000)
PERCENTILES = (50.0, 99.0)
# Held by so many of the stated intervals, where nearly every draw states one.
LIMITS = (0.93, 0.97)
NEARLY_EVERY = 0.95
# Elsewhere a draw that says "not known" is not wrong: so many may be.
MOST_WRONG = 0.07
# In how many stretches a draw is taken from a recording. No run can learn of a dependence that is
# as long as itself. Stretches of a fiftieth keep what a run can see, and are held to the limits;
# those of a tenth show what becomes of the intervals beyond, and how often the run says "drifts".
STRETCHES = {50: True, 10: False}
# By turns a draw is so many rounds, each from anywhere, as long as so many typical samples take:
# so a run has them, and a slow round has fewer.
ROUNDS = ((6, 300), (9, 300), (36, 300), (36, 1_500))
MANY = 20_000  # rounds whose percentile is the long-run one
RECORDINGS = ("eager", "onnxruntime", "small", "eager_shared", "onnxruntime_shared")
ROWS = 250  # runs made at a time

Drawn = Iterator[tuple[Floats, Sequence[int], dict[float, float]]]


@dataclass
class Tally:
    """What the intervals of one percentile came to."""

    stated: int = 0
    held: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, summary: Summary, percentile: float, truth: float) -> None:
        entry = summary.percentile(percentile)
        if entry.low is None or entry.high is None or entry.value is None:
            return
        self.stated += 1
        self.held += entry.low <= truth <= entry.high
        self.widths.append((entry.high - entry.low) / entry.value)

    def row(self, draws: int, limited: bool) -> str:
        stated, held = self.stated / draws, self.held / max(1, self.stated)
        wrong = (self.stated - self.held) / draws
        width = f"{100 * np.median(self.widths):6.2f} %" if self.widths else "       –"
        if stated >= NEARLY_EVERY:
            kept = LIMITS[0] <= held <= LIMITS[1]
            limit = f"held {100 * LIMITS[0]:.0f} to {100 * LIMITS[1]:.0f} %"
        else:
            kept = wrong <= MOST_WRONG
            limit = f"wrong at most {100 * MOST_WRONG:.0f} %"
        figures = f"{100 * held:5.1f} % {100 * stated:6.1f} % {100 * wrong:5.1f} % {width}"
        return f"{figures}   {limit}{'' if kept else '   OUTSIDE'}" if limited else figures


def synthetic(name: str, n: int, draws: int, percentiles: Sequence[float]) -> Drawn:
    rng = np.random.default_rng([n, len(name)])
    for first in range(0, draws, ROWS):
        runs, below = SERIES[name](rng, min(ROWS, draws - first), n)
        truth = {one: true_percentile(below, one) for one in percentiles}
        for samples in runs:
            yield samples, (), truth


def recorded(name: str, n: int, draws: int, percentiles: Sequence[float], stretches: int) -> Drawn:
    rng = np.random.default_rng([n, len(name), stretches])
    samples = load(name).samples
    truth = percentiles_of(samples, percentiles)
    for _ in range(draws):
        yield draw(rng, samples, n, n / stretches), (), truth


def by_turns(name: str, rounds: int, each: int, draws: int, percentiles: Sequence[float]) -> Drawn:
    rng = np.random.default_rng([rounds, each, len(name)])
    samples = load(name).samples
    ends = np.cumsum(np.tile(samples, 2))
    length_ms = each * float(np.median(samples))

    def some(count: int) -> list[Floats]:
        found = []
        for first in rng.integers(len(samples), size=count):
            began = ends[first] - samples[first]
            last = max(first + 1, int(np.searchsorted(ends, began + length_ms)))
            found.append(samples[np.arange(first, last) % len(samples)])
        return found

    truth = percentiles_of(np.concatenate(some(MANY)), percentiles)
    for _ in range(draws):
        drawn = some(rounds)
        yield np.concatenate(drawn), [len(one) for one in drawn], truth


def percentiles_of(samples: Floats, percentiles: Sequence[float]) -> dict[float, float]:
    in_order = np.sort(samples)
    return {one: float(in_order[nearest_rank(len(samples), one) - 1]) for one in percentiles}


class Counted(NamedTuple):
    """Of so many draws: how many say that they drift, and what each percentile's intervals did."""

    draws: int
    drifting: int
    tallies: dict[float, Tally]

    def print(self, name: str, n: int, *, limited: bool) -> None:
        said = f"{100 * self.drifting / self.draws:5.1f} %"
        for percentile, tally in self.tallies.items():
            figures = tally.row(self.draws, limited)
            print(f"  {name:<36} {n:>6,} p{percentile:<4g} {said:7}  {figures}", flush=True)
            name = said = ""


def count(drawn: Drawn) -> Counted:
    tallies: dict[float, Tally] = {}
    draws = drifting = 0
    for samples, rounds, truth in drawn:
        summary = summarise(samples, rounds)
        draws += 1
        drifting += summary.drift is not None
        for percentile, one in truth.items():
            tallies.setdefault(percentile, Tally()).add(summary, percentile, one)
    return Counted(draws, drifting, tallies)


def together(parts: Sequence[Counted]) -> Counted:
    """All of them as if they were draws of one series."""
    tallies: dict[float, Tally] = {}
    for part in parts:
        for percentile, one in part.tallies.items():
            whole = tallies.setdefault(percentile, Tally())
            whole.stated += one.stated
            whole.held += one.held
            whole.widths += one.widths
    return Counted(sum(one.draws for one in parts), sum(one.drifting for one in parts), tallies)


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="coverage", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--percentiles", type=float, nargs="+", default=PERCENTILES,
                        choices=ALL)  # fmt: skip
    chosen = parser.parse_args(arguments)
    asked = (chosen.draws, chosen.percentiles)
    print(f"  {'series':<36} {'n':>6}     {'drifts':>7}  {'held':>7} {'stated':>8} {'wrong':>7}"
          f" {'width':>8}")  # fmt: skip
    for name in SERIES:
        for n in chosen.sizes:
            counted = count(synthetic(name, n, *asked))
            counted.print(name, n, limited=name not in BEYOND)
    for stretches, limited in STRETCHES.items():
        of_size: dict[int, list[Counted]] = {n: [] for n in chosen.sizes}
        for name, n in product(RECORDINGS, chosen.sizes):
            counted = count(recorded(name, n, *asked, stretches))
            counted.print(f"{name}, in {stretches} stretches", n, limited=limited)
            of_size[n].append(counted)
        for n, parts in of_size.items():
            together(parts).print(f"all five, in {stretches} stretches", n, limited=limited)
    for rounds, each in ROUNDS:
        for name in RECORDINGS:
            counted = count(by_turns(name, rounds, each, *asked))
            counted.print(f"{name}, {rounds} rounds", rounds * each, limited=True)
