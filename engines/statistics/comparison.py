"""Is one run faster than another? A ratio of medians, its interval, and a verdict with reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engines.statistics.dependence import beyond_chance, carry_over, drift_factor, student_t
from engines.statistics.percentiles import CONFIDENCE
from engines.statistics.rounds import MIN_ROUNDS, log_medians, median_of_rounds
from engines.statistics.samples import Floats, checked

# Blocks that a run is cut into where none are given: as many as Schmeiser (1982, see dependence)
# finds worth having, long enough that what is fast averages out within one.
BLOCKS = 32
MIN_BLOCKS = MIN_ROUNDS
# Neighbouring blocks are joined beyond this, to keep the resampling's cost bounded.
MAX_BLOCKS = 128
# Blocks of one sample are a plain bootstrap; of fewer than these it could not show a drift.
MIN_SAMPLES = 20
# With the fewest blocks the tail to cut is 0.24 %, which still holds five resamples.
RESAMPLES = 2000
# The latencies at which a block's samples are counted: steps of 1/100 of the blocks' scatter.
GRID = 512
# What a verdict's reasons call drift: it widens the interval this much, and the carry-over from
# block to block is beyond chance.
NOTABLE_WIDENING = 1.5
# A threshold up to which its inverse is told by the same figure.
SAME_BOTH_WAYS = 0.05
# The median absolute deviation of a normal distribution times this is its standard deviation.
MAD_TO_SIGMA = 1.4826

Code = Literal[
    "beyond-threshold",
    "within-threshold",
    "interval-crosses-threshold",
    "too-few-samples",
    "too-few-blocks",
    "drift",
]


class Verdict(StrEnum):
    """What a comparison says of the candidate, seen from the baseline."""

    FASTER = "FASTER"
    SLOWER = "SLOWER"
    SAME = "SAME"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a verdict: a code for machines and a sentence for people.

    `compare` gives the codes of `Code`; what else makes a comparison unsound has codes of its own.
    """

    code: Code | str
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`ratio` is the candidate's median over the baseline's, `low` to `high` its 95 % interval.

    Of interleaved runs it is the median of the rounds' ratios, which need not be the ratio of the
    medians of all samples: in a slow round both are slow.
    The interval is None where there are too few samples for one; the first reason is the
    verdict's own.
    """

    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, cut into blocks: their sizes, and logarithms of their medians and of all's."""

    name: str
    samples: Floats
    blocks: list[Floats]
    block_medians: Floats
    median: float

    @property
    def scatter(self) -> float:
        """Standard deviation of the blocks' medians, as a share; a burst in a few is ignored."""
        deviation = np.abs(self.block_medians - np.median(self.block_medians))
        return MAD_TO_SIGMA * float(np.median(deviation))


def compare(
    a_ms: ArrayLike,
    b_ms: ArrayLike,
    threshold: float = 0.01,
    *,
    a_blocks: Sequence[int] | None = None,
    b_blocks: Sequence[int] | None = None,
    interleaved: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare candidate `b_ms` with baseline `a_ms`, latencies in ms in the order they were taken.

    `a_blocks` and `b_blocks` are the sizes of the blocks in which they were measured, in order;
    without them a run is cut into 32 equal ones. With `interleaved` the i-th blocks of both were
    measured one after the other, in an order drawn at random: they are compared with each other, so
    that what both drifted by cancels, and the interval is that of `rounds.median_of_rounds`.

    SLOWER when the whole interval lies above 1 + threshold, FASTER when it lies below
    1 / (1 + threshold), SAME when it lies between the two, otherwise UNCLEAR. The limits are each
    other's inverse, so that it matters little which run is called the baseline.

    Otherwise the interval is a block bootstrap's (Carlstein, Annals of Statistics 14, 1986): whole
    blocks are drawn with replacement, so samples keep their neighbours, and each draw's median is
    taken over all its samples. Three things make it wider. Few blocks: Hesterberg's expanded
    percentiles (The American Statistician 69, 2015). Drift that passes from block to block: see
    `dependence.drift_factor`. And the part of the blocks' scatter that passes on is taken to differ
    from run to run as well, since a drift does not begin anew with a process.

    What neither run shows in itself cannot be allowed for. On a machine whose speed differs from
    process to process, two single runs of the same engine do differ: of pairs of recorded processes
    of MobileNetV2 in a virtual machine 15 to 26 in 100 are called FASTER or SLOWER (of 190 pairs in
    a CUDA graph on an H200, none). A term for that would have to be twice what passes on from block
    to block, and where processes do not differ it would hide a change of 3 %. Measure several
    processes of each in such a place and give each process as a block, or interleave: then no pair
    is called.

    Raises ValueError for samples that are empty, not finite or not above 0, a threshold outside
    0 to 1 (exclusive), block sizes that do not add up, and interleaved runs without as many
    blocks each.
    """
    a = _positive(a_ms, "baseline")
    b = _positive(b_ms, "candidate")
    if not 0 < threshold < 1:
        raise ValueError(f"expected a threshold between 0 and 1, found {threshold:g}")
    given = [_check_sizes(a_blocks, a, "baseline"), _check_sizes(b_blocks, b, "candidate")]
    if interleaved and (a_blocks is None or b_blocks is None or len(a_blocks) != len(b_blocks)):
        raise ValueError("interleaved runs need a_blocks and b_blocks of the same length")
    few = [
        Reason(
            "too-few-samples",
            f"the {name} has {len(run)} samples, a comparison needs {MIN_SAMPLES}",
        )
        for name, run in (("baseline", a), ("candidate", b))
        if len(run) < MIN_SAMPLES
    ]
    if few:
        ratio = _median(np.sort(b)) / _median(np.sort(a))
        return Comparison(ratio, None, None, Verdict.UNCLEAR, tuple(few))

    notes: list[Reason] = []
    fewest = min((len(sizes) for sizes in given if sizes is not None), default=MIN_BLOCKS)
    if fewest < MIN_BLOCKS:
        given, interleaved = [None, None], False
        notes.append(
            Reason(
                "too-few-blocks",
                f"{fewest} blocks were given, {MIN_BLOCKS} are needed: "
                "each run is cut into equal ones instead",
            )
        )
    if interleaved and a_blocks and b_blocks:
        ratio, low, high = _of_rounds(a, b, a_blocks, b_blocks, notes)
    else:
        runs = _cut("baseline", a, given[0]), _cut("candidate", b, given[1])
        ratio = math.exp(runs[1].median - runs[0].median)
        low, high = _interval(*runs, np.random.default_rng(seed), notes)
    verdict, reason = judge(ratio, low, high, threshold)
    return Comparison(ratio, low, high, verdict, (reason, *notes))


def _positive(samples_ms: ArrayLike, name: str) -> Floats:
    samples = checked(samples_ms, name=name)
    zeros = int((samples == 0).sum())
    if zeros:
        raise ValueError(f"{name}: {zeros} of {len(samples)} latencies are 0, which has no ratio")
    return samples


def _check_sizes(sizes: Sequence[int] | None, samples: Floats, name: str) -> Sequence[int] | None:
    if sizes is None:
        return None
    if any(size < 1 for size in sizes) or sum(sizes) != len(samples):
        raise ValueError(
            f"{name}: its blocks must be 1 or more samples each and {len(samples)} together, "
            f"found {len(sizes)} blocks of {sum(sizes)} samples"
        )
    return sizes


def _median(in_order: Floats) -> float:
    """By nearest rank, as `percentiles` has it."""
    return float(in_order[(len(in_order) - 1) // 2])


def _cut(name: str, samples: Floats, sizes: Sequence[int] | None) -> _Run:
    if sizes is None:
        edges = np.linspace(0, len(samples), min(BLOCKS, len(samples)) + 1).astype(np.intp)
    else:
        edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        if len(sizes) > MAX_BLOCKS:
            edges = edges[np.linspace(0, len(sizes), MAX_BLOCKS + 1).astype(np.intp)]
    blocks = [np.sort(block) for block in np.split(samples, edges[1:-1])]
    medians = np.log([_median(block) for block in blocks])
    middle = (len(samples) - 1) // 2
    return _Run(name, samples, blocks, medians, math.log(np.partition(samples, middle)[middle]))


def _of_rounds(
    a: Floats, b: Floats, a_blocks: Sequence[int], b_blocks: Sequence[int], notes: list[Reason]
) -> tuple[float, float, float]:
    """The median of the rounds' ratios and its 95 % interval; adds to `notes` what widened it."""
    shifts = log_medians(b, b_blocks) - log_medians(a, a_blocks)
    centre, low, high, carried = median_of_rounds(shifts)
    _note_drift(
        notes, "the ratio of the rounds", len(a_blocks), carried, math.sqrt(drift_factor(carried))
    )
    return math.exp(centre), math.exp(low), math.exp(high)


def _interval(
    a: _Run, b: _Run, rng: np.random.Generator, notes: list[Reason]
) -> tuple[float, float]:
    """The 95 % interval of the ratio of b's median to a's; adds to `notes` what widened it."""
    draws = _draws(rng, len(a.blocks)), _draws(rng, len(b.blocks))
    shift = np.zeros(RESAMPLES)
    for run, counts, sign in zip((a, b), draws, (-1, 1), strict=True):
        resampled = _resampled(run, counts)
        carried = carry_over(run.block_medians)
        lasting = math.sqrt(carried) * run.scatter
        wide = math.sqrt(drift_factor(carried)) * resampled
        wide += lasting * rng.standard_normal(RESAMPLES)
        shift += sign * wide
        before = float(resampled.std())
        widening = float(wide.std()) / before if before else 1.0
        _note_drift(notes, f"the {run.name}", len(run.blocks), carried, widening)
    tail = _expanded_tail(min(len(a.blocks), len(b.blocks)))
    low, high = np.quantile(shift, [tail, 1 - tail])
    centre = b.median - a.median
    return math.exp(centre + float(low)), math.exp(centre + float(high))


def _note_drift(
    notes: list[Reason], what: str, blocks: int, carried: float, widening: float
) -> None:
    if beyond_chance(carried, blocks) and widening >= NOTABLE_WIDENING:
        notes.append(
            Reason(
                "drift",
                f"{what} drifts: {100 * carried:.0f} % of a block's deviation passes on to the "
                f"next, which makes its part of the interval {widening:.1f} times as wide",
            )
        )


def _draws(rng: np.random.Generator, blocks: int) -> Floats:
    """How often each block is in each of the resamples, each of as many blocks as there are."""
    drawn = rng.integers(blocks, size=(RESAMPLES, blocks))
    # Each resample counts in a range of its own, so that one pass counts them all.
    drawn += blocks * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=RESAMPLES * blocks)
    return counts.reshape(RESAMPLES, blocks).astype(np.float64)


def _resampled(run: _Run, counts: Floats) -> Floats:
    """The logarithm of each resample's median over that of the run.

    A union's median lies between its parts' medians. So it is enough to count each block's
    samples once, up to each latency of a grid between the smallest and the largest of them; how
    many a resample has up to there is a weighted sum of the counts, and bisection finds the first
    latency at which they are half.
    """
    lowest, highest = np.exp(run.block_medians.min()), np.exp(run.block_medians.max())
    # A logarithm and back may move the ends past the very samples they stand for.
    between = (run.samples >= lowest * (1 - 1e-12)) & (run.samples <= highest * (1 + 1e-12))
    candidates = np.sort(run.samples[between])
    picked = np.linspace(0, len(candidates) - 1, min(GRID, len(candidates))).astype(np.intp)
    grid: Floats = np.unique(candidates[picked])
    up_to = np.array([np.searchsorted(block, grid, side="right") for block in run.blocks]).T
    half = counts @ np.array([len(block) for block in run.blocks]) / 2
    first: NDArray[np.intp] = np.zeros(len(counts), dtype=np.intp)
    last = np.full(len(counts), len(grid) - 1)
    while (first < last).any():
        middle = (first + last) // 2
        enough = (counts * up_to[middle]).sum(axis=1) >= half
        first, last = np.where(enough, first, middle + 1), np.where(enough, middle, last)
    medians: Floats = np.log(grid[last]) - run.median
    return medians


def _expanded_tail(blocks: int) -> float:
    """The tail to cut from a bootstrap of so few blocks, for a 95 % interval.

    A bootstrap's spread lacks the factor sqrt(n / (n - 1)) and Student's longer tails; cutting
    this much less makes up for both (Hesterberg 2015: expanded percentile intervals).
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    t = student_t(z, blocks - 1)
    return NormalDist().cdf(-math.sqrt(blocks / (blocks - 1)) * t)


def judge(ratio: float, low: float, high: float, threshold: float) -> tuple[Verdict, Reason]:
    """The verdict on a ratio of medians with its 95 % interval `low` to `high`, and its reason."""
    above, below = 1 + threshold, 1 / (1 + threshold)
    limit = limits(threshold)
    interval = f"{_change(low)} to {_change(high)}"
    if low > above or high < below:
        verdict = Verdict.SLOWER if low > above else Verdict.FASTER
        text = f"the median changes by {_change(ratio)} ({interval}), beyond {limit}"
        return verdict, Reason("beyond-threshold", text)
    if below <= low and high <= above:
        text = f"the median changes by {_change(ratio)} ({interval}), within {limit}"
        return Verdict.SAME, Reason("within-threshold", text)
    text = f"the median's change, {interval}, is on both sides of a threshold of {limit}"
    return Verdict.UNCLEAR, Reason("interval-crosses-threshold", text)


def limits(threshold: float) -> str:
    """The changes beyond which a ratio is SLOWER or FASTER, in words: each other's inverse.

    Up to 5 % the two are the same for a reader, 4.8 % at that.
    """
    if threshold <= SAME_BOTH_WAYS:
        return f"{100 * threshold:g} %"
    return f"+{100 * threshold:g} or -{100 * threshold / (1 + threshold):.1f} %"


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.2f} %"
