"""Percentiles, their floors and intervals, and the summary of a run."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import accumulate
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.statistics import (
    PERCENTILES,
    interval_floor,
    interval_ranks,
    median_known,
    nearest_rank,
    sample_floor,
    summarise,
)
from engines.statistics.percentiles import percentile_of
from tests.engines.statistics_support import autoregression

Z_99 = 2.3263478740408408  # the normal's 99th percentile

latencies = st.lists(
    st.floats(min_value=0, max_value=1e6, allow_nan=False), min_size=1, max_size=300
)


def binomial_at_most(n: int, share: Fraction) -> list[Fraction]:
    """P(Bin(n, share) <= k) for k = 0 ... n, without any rounding."""
    one, other, whole = share.numerator, (1 - share).numerator, share.denominator**n
    # 1 - share has share's denominator once both are written over it.
    other *= share.denominator // (1 - share).denominator
    terms = (comb(n, i) * one**i * other ** (n - i) for i in range(n + 1))
    return [Fraction(up_to, whole) for up_to in accumulate(terms)]


class TestSampleFloor:
    @pytest.mark.parametrize(
        ("percentile", "floor"),
        [(50, 11), (75, 24), (90, 64), (95, 130), (99, 662), (99.9, 6636), (99.99, 66381)],
    )
    def test_is_what_mlperf_asks_for(self, percentile: float, floor: int) -> None:
        assert sample_floor(percentile) == floor

    @pytest.mark.parametrize(("percentile", "floor"), [(90, 46), (95, 93), (99, 473), (99.9, 4742)])
    def test_at_another_confidence(self, percentile: float, floor: int) -> None:
        assert sample_floor(percentile, confidence=0.95) == floor

    @pytest.mark.parametrize("percentile", [50, 75, 90, 95])
    def test_one_sample_fewer_would_not_do(self, percentile: int) -> None:
        floor, above = sample_floor(percentile), Fraction(100 - percentile, 100)
        assert binomial_at_most(floor, above)[1] <= Fraction(1, 100)
        assert binomial_at_most(floor - 1, above)[1] > Fraction(1, 100)

    @pytest.mark.parametrize("percentile", [-1, 0, 49.9, 100, 101])
    def test_refuses_what_has_no_upper_tail(self, percentile: float) -> None:
        with pytest.raises(ValueError, match="from 50 to below 100"):
            sample_floor(percentile)

    @pytest.mark.parametrize("confidence", [0, 1, 1.5])
    def test_refuses_a_confidence_outside_0_to_1(self, confidence: float) -> None:
        with pytest.raises(ValueError, match="confidence between 0 and 1"):
            sample_floor(99, confidence)


class TestIntervalRanks:
    @pytest.mark.parametrize(
        ("n", "percentile", "ranks"),
        [
            (1000, 50, (469, 532)),
            (1000, 95, (936, 964)),
            (1000, 99, (983, 997)),
            (1000, 99.9, None),
            (2000, 99, (1971, 1989)),
            (10_000, 99, (9880, 9920)),
            (10_000, 99.9, (9983, 9997)),
            (5, 50, None),
            (6, 50, (1, 6)),
            (35, 90, None),
            (367, 99, None),
            (3687, 99.9, None),
            (0, 50, None),
        ],
    )
    def test_reference_values(
        self, n: int, percentile: float, ranks: tuple[int, int] | None
    ) -> None:
        assert interval_ranks(n, percentile) == ranks

    @pytest.mark.parametrize(("n", "percentile"), [(36, 90), (72, 95), (368, 99), (3688, 99.9)])
    def test_the_first_interval_reaches_up_to_the_maximum(self, n: int, percentile: float) -> None:
        ranks = interval_ranks(n, percentile)
        assert ranks is not None
        assert ranks[1] == n

    @settings(deadline=None, max_examples=60)
    @given(n=st.integers(1, 120), percent=st.integers(1, 99))
    def test_are_the_tightest_that_exact_sums_allow(self, n: int, percent: int) -> None:
        share, tail = Fraction(percent, 100), Fraction(25, 1000)
        below = binomial_at_most(n, share)
        ranks = range(1, n + 1)
        low = max((r for r in ranks if below[r - 1] <= tail), default=None)
        high = min((r for r in ranks if 1 - below[r - 1] <= tail), default=None)
        expected = None if low is None or high is None else (low, high)
        assert interval_ranks(n, percent) == expected

    def test_ten_million_samples_agree_with_the_normal_limit(self) -> None:
        n = 10_000_000
        for percentile in PERCENTILES:
            share = percentile / 100
            reach = 1.959964 * math.sqrt(n * share * (1 - share))
            ranks = interval_ranks(n, percentile)
            assert ranks is not None
            assert ranks[0] == pytest.approx(n * share - reach, abs=3)
            assert ranks[1] == pytest.approx(n * share + reach, abs=3)

    def test_more_confidence_is_wider(self) -> None:
        assert interval_ranks(1000, 50, 0.99) == (459, 542)

    @pytest.mark.parametrize("percentile", [0, 100, -5])
    def test_refuses_what_is_no_percentile(self, percentile: float) -> None:
        with pytest.raises(ValueError, match="between 0 and 100"):
            interval_ranks(10, percentile)


class TestNearestRank:
    @pytest.mark.parametrize(
        ("n", "percentile", "rank"),
        [(1000, 99.9, 999), (1000, 50, 500), (1001, 50, 501), (1, 99, 1), (10_000, 99.9, 9990)],
    )
    def test_is_exact_where_the_percentile_is_no_binary_fraction(
        self, n: int, percentile: float, rank: int
    ) -> None:
        assert nearest_rank(n, percentile) == rank

    def test_refuses_no_samples(self) -> None:
        with pytest.raises(ValueError, match="at least one sample, found 0"):
            nearest_rank(0, 50)


class TestCoverage:
    """An interval is right when it holds the true value as often as it says."""

    @pytest.mark.parametrize(("percentile", "z"), [(50, 0.0), (90, 1.2815515655), (99, Z_99)])
    def test_independent_lognormal_latencies(self, percentile: float, z: float) -> None:
        rng = np.random.default_rng(20)
        true = math.exp(0.3 * z)
        draws, held = 400, 0
        for _ in range(draws):
            ranks = interval_ranks(1000, percentile)
            assert ranks is not None
            samples = np.sort(np.exp(0.3 * rng.standard_normal(1000)))
            held += bool(samples[ranks[0] - 1] <= true <= samples[ranks[1] - 1])
        # 95 to 97 % by construction, and one standard error of 400 draws is 1.1 %.
        assert 0.93 <= held / draws <= 0.985

    def test_the_summary_keeps_the_coverage_of_independent_samples(self) -> None:
        rng = np.random.default_rng(21)
        held = {50: 0, 99: 0}
        for _ in range(400):
            summary = summarise(np.exp(0.3 * rng.standard_normal(2000)))
            for percentile, true in ((50, 1.0), (99, math.exp(0.3 * Z_99))):
                entry = summary.percentile(percentile)
                assert entry.low is not None
                assert entry.high is not None
                held[percentile] += entry.low <= true <= entry.high
        assert 0.93 <= held[50] / 400 <= 0.98
        assert 0.93 <= held[99] / 400 <= 0.98

    def test_dependent_samples_get_an_interval_that_still_covers(self) -> None:
        rng = np.random.default_rng(22)
        held = held_if_independent = 0
        for _ in range(200):
            samples = np.exp(0.1 * autoregression(rng, 2000, 0.9))
            entry = summarise(samples).percentile(50)
            assert entry.low is not None
            assert entry.high is not None
            held += entry.low <= 1 <= entry.high
            ranks = interval_ranks(2000, 50)
            assert ranks is not None
            in_order = np.sort(samples)
            held_if_independent += bool(in_order[ranks[0] - 1] <= 1 <= in_order[ranks[1] - 1])
        assert held_if_independent / 200 < 0.55
        assert 0.92 <= held / 200 <= 0.99


class TestSummary:
    def test_of_known_samples(self) -> None:
        summary = summarise([3.0, 1.0, 2.0, 5.0, 4.0])
        assert (summary.n, summary.mean, summary.minimum, summary.maximum) == (5, 3.0, 1.0, 5.0)
        assert summary.stdev == pytest.approx(math.sqrt(2.5))
        assert [one.percentile for one in summary.percentiles] == [50, 90, 95, 99, 99.9]
        assert all(one.value is None for one in summary.percentiles)

    def test_says_that_a_run_drifts(self) -> None:
        rng = np.random.default_rng(25)
        ramp = np.linspace(1.0, 1.02, 3000)
        steady = np.exp(0.01 * rng.standard_normal((100, 3000)))
        found = [summarise(samples * ramp).drift for samples in steady[:20]]
        assert all(one is not None and 0.5 < one < 1 for one in found)
        assert sum(summarise(samples).drift is not None for samples in steady) <= 3

    def test_of_one_sample_has_no_spread(self) -> None:
        summary = summarise([2.5])
        assert (summary.mean, summary.minimum, summary.maximum) == (2.5, 2.5, 2.5)
        assert summary.stdev is None
        assert summary.outliers.mild + summary.outliers.severe == 0

    @pytest.mark.parametrize("percentile", PERCENTILES)
    def test_a_percentile_needs_its_floor(self, percentile: float) -> None:
        floor = sample_floor(percentile)
        rng = np.random.default_rng(4)
        samples = rng.permutation(np.arange(1.0, floor + 1))
        enough = summarise(samples).percentile(percentile)
        assert enough.value == math.ceil(Fraction(str(percentile)) / 100 * floor)
        too_few = summarise(samples[:-1]).percentile(percentile)
        assert (too_few.value, too_few.low, too_few.high) == (None, None, None)
        assert too_few.note == f"p{percentile:g} needs {floor} samples (have {floor - 1})"

    @pytest.mark.parametrize(
        ("percentile", "floor"), [(90, 200), (95, 400), (99, 2000), (99.9, 20000)]
    )
    def test_an_interval_of_the_tail_needs_twenty_beyond_it(
        self, percentile: float, floor: int
    ) -> None:
        assert interval_floor(percentile) == floor
        samples = np.random.default_rng(4).permutation(np.arange(1.0, floor + 1))
        enough = summarise(samples).percentile(percentile)
        assert enough.note is None
        assert enough.low is not None
        too_few = summarise(samples[:-1]).percentile(percentile)
        assert too_few.value is not None
        assert (too_few.low, too_few.high) == (None, None)
        assert too_few.note == f"p{percentile:g} has no interval: that needs {floor} samples"

    def test_the_median_s_interval_needs_six(self) -> None:
        assert interval_floor(50) == 6

    def test_an_interval_borrows_the_more_of_a_doubt_the_fewer_samples_there_are(self) -> None:
        """p99 has ranks from 368 independent samples on; three times as many are ample."""
        widths = []
        for n in (368 * 10 - 10, 368 * 10, 368 * 20, 368 * 30, 368 * 40):
            entry = percentile_of(np.arange(1.0, n + 1), 99, inflation=2.0, doubt=10.0)
            widths.append(n / entry.effective_n if entry.low is not None else None)
        assert widths == [None, *(pytest.approx(one, rel=0.01) for one in (10.0, 6.0, 2.0, 2.0))]

    def test_a_doubt_smaller_than_what_is_known_changes_nothing(self) -> None:
        samples = np.arange(1.0, 5001)
        assert percentile_of(samples, 99, 3.0, doubt=2.0) == percentile_of(samples, 99, 3.0)

    def test_an_interval_is_the_samples_at_the_exact_ranks(self) -> None:
        samples = np.random.default_rng(5).permutation(np.arange(1.0, 1001))
        entry = summarise(samples).percentile(50)
        assert (entry.low, entry.value, entry.high) == (469, 500, 532)
        assert entry.effective_n == 1000
        assert summarise(samples).percentile(99.9).note == "p99.9 needs 6636 samples (have 1000)"

    def test_a_run_in_two_states_says_that_its_median_is_not_known(self) -> None:
        samples = np.repeat([1.0, 1.3, 1.0, 1.3], 500)
        entry = summarise(samples).percentile(50)
        assert entry.value == 1.0
        assert entry.effective_n < 6
        assert entry.low is not None
        assert entry.high is not None
        assert entry.low < 0.5, "which is no knowledge"
        assert entry.high > 2

    def test_a_tail_that_comes_together_says_that_it_has_no_interval(self) -> None:
        samples = np.repeat([1.0, 1.3, 1.0, 1.3], 500) + np.random.default_rng(6).random(2000) / 99
        entry = summarise(samples).percentile(90)
        assert (entry.low, entry.high) == (None, None)
        assert entry.note is not None
        assert entry.note.startswith("p90 has no interval: its 2000 samples vary together")

    def test_a_drift_has_an_interval_by_how_far_its_parts_lie_apart(self) -> None:
        rng = np.random.default_rng(27)
        held = 0
        for _ in range(200):
            slow = np.repeat(autoregression(rng, 200, math.exp(-3 / 200)), 10)
            found = summarise(np.exp(0.01 * slow + 0.002 * rng.standard_normal(2000)))
            entry = found.percentile(50)
            assert entry.low is not None
            assert entry.high is not None
            held += entry.low <= 1 <= entry.high
        assert held / 200 > 0.85, "by ranks alone 24 of the 58 that have any"

    def test_a_percentile_it_has_not_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            summarise([1.0]).percentile(42)

    def test_outliers_are_counted_on_both_sides_and_kept(self) -> None:
        # Quartiles 25 and 75: fences at -125, -50, 150 and 225.
        samples = [float(one) for one in range(1, 100)] + [150.0]
        assert summarise(samples).outliers.mild == 0
        samples = [float(one) for one in range(1, 98)] + [151.0, 225.0, 226.0]
        outliers = summarise(samples).outliers
        assert outliers.fences_ms == (-125.0, -50.0, 150.0, 225.0)
        assert (outliers.low_severe, outliers.low_mild) == (0, 0)
        assert (outliers.high_mild, outliers.high_severe) == (2, 1)
        assert summarise(samples).maximum == 226.0

    def test_outliers_below(self) -> None:
        # Quartiles 125 and 175: fences at -25, 50, 250 and 325.
        samples = [1.0, 49.0, *(float(one) for one in range(103, 201))]
        outliers = summarise(samples).outliers
        assert outliers.fences_ms == (-25.0, 50.0, 250.0, 325.0)
        assert (outliers.low_severe, outliers.low_mild, outliers.mild) == (0, 2, 2)
        spread = [0.0, *(float(one) for one in range(1001, 1100))]
        assert summarise(spread).outliers.low_severe == 1
        assert summarise(spread).outliers.severe == 1

    @settings(deadline=None, max_examples=60)
    @given(latencies)
    def test_order_and_scale(self, samples: list[float]) -> None:
        summary = summarise(samples)
        assert summary.minimum <= summary.maximum
        assert summary.minimum * (1 - 1e-12) <= summary.mean <= summary.maximum * (1 + 1e-12)
        known = [one for one in summary.percentiles if one.value is not None]
        values = [one.value for one in known]
        assert values == sorted(values)
        for one in known:
            assert summary.minimum <= one.value <= summary.maximum
            assert one.low is None or one.low <= one.value <= one.high
        fences = summary.outliers.fences_ms
        assert list(fences) == sorted(fences)
        doubled = summarise([2 * one for one in samples])
        assert [one.value for one in doubled.percentiles] == [
            None if one.value is None else 2 * one.value for one in summary.percentiles
        ]
        assert doubled.outliers.severe == summary.outliers.severe

    @settings(deadline=None, max_examples=30)
    @given(latencies, st.randoms(use_true_random=False))
    def test_values_do_not_depend_on_the_order(self, samples: list[float], random: object) -> None:
        shuffled = list(samples)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        one, other = summarise(samples), summarise(shuffled)
        assert [p.value for p in one.percentiles] == [p.value for p in other.percentiles]
        assert one.outliers == other.outliers

    def test_the_callers_array_is_left_as_it_was(self) -> None:
        samples = np.array([3.0, 1.0, 2.0])
        samples.flags.writeable = False
        summarise(samples)
        assert samples.tolist() == [3.0, 1.0, 2.0]


class TestMedianHalfWidth:
    def test_is_half_the_interval_over_the_median(self) -> None:
        samples = np.random.default_rng(6).permutation(np.arange(1.0, 1001))
        assert median_known(samples).half_width == pytest.approx((532 - 469) / (2 * 500))

    @pytest.mark.parametrize("n", [0, 1, 10])
    def test_is_not_known_from_too_few(self, n: int) -> None:
        assert median_known(np.ones(n)).half_width is None

    def test_is_zero_for_equal_samples_and_not_known_for_zeros(self) -> None:
        assert median_known([0.5] * 11).half_width == 0
        assert median_known([0.0] * 11).half_width is None

    def test_drift_makes_it_wider_than_the_same_samples_shuffled(self) -> None:
        rng = np.random.default_rng(7)
        drifting = np.exp(0.1 * autoregression(rng, 3000, 0.9))
        wide, narrow = (
            median_known(drifting).half_width,
            median_known(rng.permutation(drifting)).half_width,
        )
        assert wide is not None
        assert narrow is not None
        assert wide > 2.5 * narrow


class TestHostileSamples:
    @pytest.mark.parametrize(
        ("samples", "found"),
        [
            ([], "expected at least one latency, found none"),
            ([1.0, math.nan], "1 of 2 latencies are not finite, the first is nan at index 1"),
            ([math.inf, 1.0, -math.inf], "2 of 3 latencies are not finite, the first is inf at in"),
            ([1.0, -0.5, -2.0], "2 of 3 latencies are negative, the first is -0.5 at index 1"),
            ([[1.0, 2.0]], r"expected one dimension, found shape \(1, 2\)"),
            (3.0, r"expected one dimension, found shape \(\)"),
            ([None, 1.0], "1 of 2 latencies are not finite"),
        ],
    )
    def test_are_refused_with_what_was_found(self, samples: object, found: str) -> None:
        with pytest.raises(ValueError, match=found):
            summarise(samples)  # type: ignore[arg-type]

    def test_the_stop_rules_figure_refuses_them_too(self) -> None:
        with pytest.raises(ValueError, match="not finite"):
            median_known([math.nan] * 20)
