"""Verdicts: how often they are right on runs whose truth is known, and what they refuse."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from engines.statistics import Comparison, Verdict, compare, judge
from engines.statistics.comparison import _cut, _expanded_tail
from engines.statistics.dependence import student_t

N = 5000
PAIRS = 100
# Makes runs of the same engine: an array of latencies a row.
Maker = Callable[[np.random.Generator, int], np.ndarray]


def autoregression(rng: np.random.Generator, rows: int, r: float) -> np.ndarray:
    """Rows of standard normal values of which each keeps the share `r` of the one before."""
    noise = rng.standard_normal((N, rows))
    noise[1:] *= math.sqrt(1 - r * r)
    for before, now in pairwise(noise):
        now += r * before
    return np.ascontiguousarray(noise.T)


def independent(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    return np.exp(0.02 * rng.standard_normal((rows, N)))


def independent_few(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    return np.exp(0.02 * rng.standard_normal((rows, 300)))


def autocorrelated(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    return np.exp(0.02 * autoregression(rng, rows, 0.9))


def drifting(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    """1.5 % noise, and a drift of 0.5 % that takes a twentieth of the run."""
    drift = autoregression(rng, rows, math.exp(-20 / N))
    return np.exp(0.015 * rng.standard_normal((rows, N)) + 0.005 * drift)


def wandering(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    """1 % noise, and a drift of 2 % that takes a fifth of the run: a busy machine."""
    drift = autoregression(rng, rows, math.exp(-5 / N))
    return np.exp(0.01 * rng.standard_normal((rows, N)) + 0.02 * drift)


def bursting(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    """1 % noise, and a neighbour that slows a fifth of the run by 30 %, in stretches."""
    busy = autoregression(rng, rows, math.exp(-20 / N)) > 0.84
    return np.exp(0.01 * rng.standard_normal((rows, N))) * np.where(busy, 1.3, 1.0)


def shuffled(rng: np.random.Generator, rows: int = 1) -> np.ndarray:
    """The busy machine's latencies without their order."""
    return rng.permuted(wandering(rng, rows), axis=1)


@cache
def runs(make: Maker) -> np.ndarray:
    return make(np.random.default_rng(42), 2 * PAIRS)


@cache
def comparisons(make: Maker, slow_down: float, pairs: int) -> list[Comparison]:
    """Pairs of runs of the same engine compared, the second of each slowed down."""
    of_all = runs(make)
    return [compare(of_all[2 * i], of_all[2 * i + 1] * slow_down) for i in range(pairs)]


def verdicts(make: Maker, slow_down: float = 1.0, pairs: int = PAIRS) -> Counter[Verdict]:
    return Counter(found.verdict for found in comparisons(make, slow_down, pairs))


def codes(comparison: Comparison) -> list[str]:
    return [reason.code for reason in comparison.reasons]


class TestSameEngine:
    @pytest.mark.parametrize(
        "make",
        [independent, autocorrelated, drifting, wandering, bursting],
        ids=lambda f: f.__name__,
    )
    def test_is_rarely_called_faster_or_slower(self, make: Maker) -> None:
        found = verdicts(make)
        assert found[Verdict.FASTER] + found[Verdict.SLOWER] <= 5

    def test_is_called_the_same_where_the_noise_allows_it(self) -> None:
        assert verdicts(independent)[Verdict.SAME] >= 95

    def test_would_be_called_different_without_regard_to_drift(self) -> None:
        """The runs above are hard ones: their samples shuffled, verdicts go wrong."""
        found = verdicts(shuffled, pairs=40)
        assert found[Verdict.FASTER] + found[Verdict.SLOWER] > 8


class TestThreePercentSlower:
    @pytest.mark.parametrize(
        "make", [independent, autocorrelated, drifting], ids=lambda f: f.__name__
    )
    def test_is_found(self, make: Maker) -> None:
        found = verdicts(make, 1.03)
        assert found[Verdict.SLOWER] >= 90
        assert found[Verdict.FASTER] == 0

    def test_is_found_as_faster_the_other_way_round(self) -> None:
        assert verdicts(independent, 1 / 1.03, pairs=20)[Verdict.FASTER] >= 18

    def test_is_never_taken_for_faster_on_a_busy_machine(self) -> None:
        found = verdicts(wandering, 1.03)
        assert found[Verdict.FASTER] == 0
        assert found[Verdict.UNCLEAR] > 50


class TestInterval:
    @pytest.mark.parametrize(
        ("make", "worth"),
        [(independent, N), (independent_few, 300), (autocorrelated, N / 19)],
        ids=lambda f: getattr(f, "__name__", ""),
    )
    def test_covers_the_true_ratio_and_is_not_needlessly_wide(
        self, make: Maker, worth: float
    ) -> None:
        held, widths = 0, []
        for found in comparisons(make, 1.0, PAIRS):
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 1 <= found.high
            widths.append(found.high - found.low)
        assert held >= 93
        # A median's standard error is sqrt(pi / 2 / n) of the noise, here in both runs, of
        # `worth` independent samples each.
        least = 2 * 1.96 * math.sqrt(2 * math.pi / 2 / worth) * 0.02
        assert least < float(np.median(widths)) * 1.15
        assert float(np.median(widths)) < 2.5 * least

    def test_covers_it_on_a_busy_machine_too(self) -> None:
        """Without what passes from block to block it would in 90 of 100."""
        held = 0
        for found in comparisons(wandering, 1.0, PAIRS):
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 1 <= found.high
        assert held >= 97

    def test_of_a_run_that_ramps_is_as_wide_as_the_ramp(self) -> None:
        """Its blocks as they come would make it 0.2 %, and what lasts of them alone 0.7 %."""
        found = compare(np.ones(N), np.linspace(0.995, 1.005, N))
        assert found.low is not None
        assert found.high is not None
        assert 0.010 < (found.high - found.low) / 2 < 0.020

    def test_against_a_baseline_without_noise(self) -> None:
        held = 0
        for run in runs(independent)[:50]:
            found = compare(np.ones(N), run)
            assert found.low is not None
            assert found.high is not None
            assert found.low <= found.ratio <= found.high
            assert found.high / found.ratio == pytest.approx(found.ratio / found.low, rel=0.002)
            held += found.low <= 1 <= found.high
        assert held >= 45

    def test_reaches_where_the_medians_may_be(self) -> None:
        """A baseline with slow stretches has a median that may be higher, not lower."""
        rng = np.random.default_rng(8)
        states = np.where(rng.permutation(32) < 13, 1.3, 1.0).repeat(100)
        steady = np.exp(0.001 * rng.standard_normal(3200))
        found = compare(states * steady, steady)
        assert found.low is not None
        assert found.high is not None
        assert found.ratio == pytest.approx(1, abs=0.003)
        assert found.low < 0.8
        assert found.high < 1.1
        the_other_way = compare(steady, states * steady)
        assert the_other_way.low is not None
        assert the_other_way.high is not None
        assert the_other_way.low > 0.9
        assert the_other_way.high > 1.25

    def test_holds_the_ratio_of_the_medians_as_a_table_prints_them(self) -> None:
        a = np.arange(1.0, 101)
        found = compare(a, a + 50)
        assert found.ratio == pytest.approx(100 / 50)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.ratio <= found.high

    def test_of_constant_runs_is_a_point(self) -> None:
        found = compare([2.0] * 50, [2.1] * 50)
        assert (found.low, found.high) == pytest.approx((1.05, 1.05))
        assert found.verdict is Verdict.SLOWER
        assert compare([2.0] * 50, [2.0] * 50).verdict is Verdict.SAME

    def test_is_the_same_each_time(self) -> None:
        rng = np.random.default_rng(1)
        a, b = independent(rng)[0], independent(rng)[0]
        assert compare(a, b) == compare(a, b)
        assert compare(a, b, seed=1) != compare(a, b, seed=2)

    def test_the_threshold_decides(self) -> None:
        rng = np.random.default_rng(2)
        a, b = independent(rng)[0], independent(rng)[0] * 1.03
        assert compare(a, b, 0.01).verdict is Verdict.SLOWER
        assert compare(a, b, 0.05).verdict is Verdict.SAME
        unclear = compare(a, b, 0.03)
        assert unclear.verdict is Verdict.UNCLEAR
        assert codes(unclear)[0] == "interval-crosses-threshold"

    def test_outliers_do_not_move_it(self) -> None:
        rng = np.random.default_rng(3)
        a, b = independent(rng)[0], independent(rng)[0]
        b[::50] *= 100
        assert compare(a, b).verdict is Verdict.SAME


class TestReasons:
    def test_say_what_was_found(self) -> None:
        rng = np.random.default_rng(4)
        slower = compare(independent(rng)[0], independent(rng)[0] * 1.1)
        assert codes(slower) == ["beyond-threshold"]
        assert "+10." in slower.reasons[0].text or "+9." in slower.reasons[0].text
        assert "beyond 1 %" in slower.reasons[0].text
        _, said = judge(0.82, 0.815, 0.825, 0.2)
        assert said.text.endswith("beyond +20 or -16.7 %"), "each other's inverse"
        same = compare(independent(rng)[0], independent(rng)[0])
        assert codes(same) == ["within-threshold"]

    def test_name_the_run_that_drifts(self) -> None:
        rng = np.random.default_rng(5)
        ramp = np.linspace(1.0, 1.1, N)
        found = compare(independent(rng)[0], independent(rng)[0] * ramp)
        assert "drift" in codes(found)
        drift = next(reason for reason in found.reasons if reason.code == "drift")
        assert drift.text.startswith("the candidate drifts")

    def test_independent_runs_are_hardly_ever_said_to_drift(self) -> None:
        assert sum("drift" in codes(found) for found in comparisons(independent, 1.0, PAIRS)) <= 8
        assert sum("drift" in codes(found) for found in comparisons(wandering, 1.0, PAIRS)) >= 90

    @pytest.mark.parametrize(("n", "enough"), [(1, False), (19, False), (20, True)])
    def test_too_few_samples(self, n: int, enough: bool) -> None:
        found = compare([1.0] * n, [2.0] * 500)
        assert found.ratio == 2.0
        assert (found.low is not None) is enough
        assert found.verdict is (Verdict.SLOWER if enough else Verdict.UNCLEAR)
        if not enough:
            assert found.reasons[0].code == "too-few-samples"
            assert found.reasons[0].text == f"the baseline has {n} samples, a comparison needs 20"

    def test_both_runs_may_be_too_short(self) -> None:
        found = compare([1.0], [1.0])
        assert codes(found) == ["too-few-samples", "too-few-samples"]
        assert "candidate" in found.reasons[1].text


class TestBlocks:
    def test_processes_as_blocks_show_how_they_differ(self) -> None:
        """Eight processes a side, each with a speed of its own that no single run shows."""
        found: Counter[Verdict] = Counter()
        single: Counter[Verdict] = Counter()
        sizes = [300] * 8
        for pair in range(50):
            rng = np.random.default_rng([46, pair])

            def run(rng: np.random.Generator = rng) -> np.ndarray:
                speed = np.exp(0.03 * rng.standard_normal(8)).repeat(300)
                return speed * np.exp(0.01 * rng.standard_normal(2400))

            a, b = run(), run()
            found[compare(a, b, a_blocks=sizes, b_blocks=sizes).verdict] += 1
            single[compare(a[:300], b[:300]).verdict] += 1
        assert found[Verdict.FASTER] + found[Verdict.SLOWER] <= 3
        assert single[Verdict.FASTER] + single[Verdict.SLOWER] > 15

    def test_too_few_are_said_and_not_used(self) -> None:
        rng = np.random.default_rng(6)
        a, b = independent(rng)[0], independent(rng)[0]
        found = compare(a, b, a_blocks=[N // 2] * 2, b_blocks=[N // 2] * 2, interleaved=True)
        assert codes(found) == ["within-threshold", "too-few-blocks"]
        plain = compare(a, b)
        assert (found.low, found.high) == (plain.low, plain.high)

    def test_thousands_are_joined(self) -> None:
        rng = np.random.default_rng(7)
        a, b = independent(rng)[0], independent(rng)[0] * 1.03
        found = compare(a, b, a_blocks=[2] * 2500, b_blocks=[2] * 2500)
        assert found.verdict is Verdict.SLOWER
        joined = _cut("baseline", a, [2] * 2500)
        assert len(joined.blocks) == 128
        assert {len(block) for block in joined.blocks} == {38, 40}
        assert np.concatenate(joined.blocks).sum() == pytest.approx(a.sum())

    def test_of_unequal_length_weigh_by_their_samples(self) -> None:
        # One long block of 1.0 and many short ones of 2.0: the median is the long one's.
        a = np.concatenate([np.full(900, 1.0), np.full(70, 2.0)])
        found = compare(a, a, a_blocks=[900, *[10] * 7], b_blocks=[900, *[10] * 7])
        assert found.ratio == 1.0


class TestHostileInput:
    @pytest.mark.parametrize(
        ("a", "b", "found"),
        [
            ([], [1.0], "baseline: expected at least one latency, found none"),
            ([1.0], [], "candidate: expected at least one latency"),
            ([1.0], [math.nan], "candidate: 1 of 1 latencies are not finite"),
            ([math.inf], [1.0], "baseline: 1 of 1 latencies are not finite"),
            ([-1.0], [1.0], "baseline: 1 of 1 latencies are negative"),
            ([0.0, 1.0], [1.0], "baseline: 1 of 2 latencies are 0"),
        ],
    )
    def test_is_refused(self, a: list[float], b: list[float], found: str) -> None:
        with pytest.raises(ValueError, match=found):
            compare(a, b)

    @pytest.mark.parametrize("threshold", [0, -0.01, 1, math.nan])
    def test_a_threshold_is_a_share(self, threshold: float) -> None:
        with pytest.raises(ValueError, match="threshold between 0 and 1"):
            compare([1.0] * 20, [1.0] * 20, threshold)

    @pytest.mark.parametrize("sizes", [[10, 11], [10, 9], [20, 0], [-5, 25], []])
    def test_blocks_must_add_up(self, sizes: list[int]) -> None:
        with pytest.raises(ValueError, match="baseline: its blocks must be 1 or more"):
            compare([1.0] * 20, [1.0] * 20, a_blocks=sizes)

    def test_interleaved_runs_need_as_many_blocks(self) -> None:
        with pytest.raises(ValueError, match="a_blocks and b_blocks of the same length"):
            compare([1.0] * 20, [1.0] * 20, interleaved=True)
        with pytest.raises(ValueError, match="a_blocks and b_blocks of the same length"):
            compare([1.0] * 20, [1.0] * 20, a_blocks=[10, 10], b_blocks=[20], interleaved=True)


class TestFewBlocks:
    @pytest.mark.parametrize(
        ("freedom", "quantile"), [(5, 2.570582), (8, 2.306004), (11, 2.200985), (31, 2.039513)]
    )
    def test_students_t(self, freedom: int, quantile: float) -> None:
        assert student_t(1.959964, freedom) == pytest.approx(quantile, rel=2e-3)

    def test_the_tail_widens_to_the_normal_one(self) -> None:
        assert _expanded_tail(6) == pytest.approx(0.00243, rel=0.02)
        assert _expanded_tail(9) == pytest.approx(0.0072, rel=0.02)
        assert _expanded_tail(100_000) == pytest.approx(0.025, rel=0.001)

    def test_six_blocks_still_cover(self) -> None:
        held = 0
        for pair in range(100):
            rng = np.random.default_rng([47, pair])
            runs = [
                np.exp(0.02 * rng.standard_normal(6)).repeat(20)
                * np.exp(0.01 * rng.standard_normal(120))
                for _ in range(2)
            ]
            found = compare(*runs, a_blocks=[20] * 6, b_blocks=[20] * 6)
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 1 <= found.high
        assert held >= 91
