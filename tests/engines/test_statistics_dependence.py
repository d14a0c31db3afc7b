"""How much samples depend on each other, and what a summary makes of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engines.statistics import interval_ranks, summarise
from engines.statistics.dependence import carry_over, dependence
from tests.engines.statistics_support import autoregression


class TestDependence:
    def test_independent_samples_keep_their_number(self) -> None:
        rng = np.random.default_rng(1)
        found = [dependence(rng.random(5000) < 0.5) for _ in range(100)]
        assert sum(one.evident for one in found) <= 10

    @pytest.mark.parametrize("r", [0.3, 0.6, 0.9])
    def test_autoregression_inflates_by_its_known_factor(self, r: float) -> None:
        # P(x > 0 and y > 0) of two normals with correlation c is 1/4 + asin(c) / 2 pi, so the
        # flags' autocorrelations are 2 asin(r^k) / pi, and the factor their two-sided sum.
        true = 1 + 2 * sum(2 / math.pi * math.asin(r**lag) for lag in range(1, 400))
        rng = np.random.default_rng(2)
        found = [dependence(autoregression(rng, 20_000, r) <= 0).inflation for _ in range(40)]
        # Student's allowance for what it is estimated from makes it a little larger.
        assert true * 0.95 < float(np.median(found)) < true * 1.25

    def test_a_drift_slower_than_any_batch_is_worth_next_to_nothing(self) -> None:
        flags = np.arange(10_000) < 5000
        assert dependence(flags).evident
        assert dependence(flags).inflation > 1000

    def test_a_slow_part_is_found_below_the_noise_of_single_samples(self) -> None:
        """A tenth of the variance lasts for a fortieth of the run: 1 + 2 * 250 * 0.1 or so."""
        rng = np.random.default_rng(23)
        found = []
        for _ in range(40):
            slow = autoregression(rng, 10_000, math.exp(-1 / 250)) / 3
            found.append(dependence(slow + rng.standard_normal(10_000) <= 0))
        assert all(one.evident for one in found)
        assert 15 < float(np.median([one.inflation for one in found])) < 60

    def test_what_evens_out_within_the_run_widens_nothing(self) -> None:
        # Eight alike in turn: batches of eight vary eight times too much, those of 16 not at all.
        flags = np.tile([True] * 8 + [False] * 8, 100)
        assert dependence(flags).evident
        assert dependence(flags).inflation == 1

    @pytest.mark.parametrize("flags", [[], [True], [False] * 500, [True] * 500])
    def test_flags_that_never_change_say_nothing(self, flags: list[bool]) -> None:
        assert dependence(np.array(flags, dtype=bool)) == (False, 1, 0)

    def test_a_tail_need_not_show_by_itself_what_the_middle_shows(self) -> None:
        """Twenty samples above p99 hide by chance what a thousand above p50 make plain."""
        rng = np.random.default_rng(24)
        by_itself = widened = 0
        for _ in range(60):
            samples = np.exp(0.1 * autoregression(rng, 2000, 0.5))
            entry = summarise(samples).percentile(99)
            assert entry.value is not None
            by_itself += dependence(samples <= entry.value).evident
            widened += entry.effective_n < 2000
        assert by_itself < 50
        assert widened > by_itself + 5

    def test_a_tail_has_no_interval_where_the_percentile_below_is_worth_too_little(self) -> None:
        # 150 slow samples in five stretches, 20 of them above p99 that happen to lie apart.
        samples = np.exp(0.001 * np.random.default_rng(26).standard_normal(2000))
        slow = np.arange(2000) % 400 < 30
        samples[slow] += 1
        samples[slow.nonzero()[0][::7]] += 1
        p95, p99 = (summarise(samples).percentile(one) for one in (95, 99))
        alone = dependence(samples <= p99.value).inflation
        assert interval_ranks(int(2000 / alone), 99) is not None
        assert p99.low is None
        assert p99.effective_n == pytest.approx(
            2000 / dependence(samples <= p95.value).inflation, 1
        )

    def test_carry_over_finds_the_autocorrelation_without_bias(self) -> None:
        rng = np.random.default_rng(3)
        found = [carry_over(autoregression(rng, 32, 0.6)) for _ in range(400)]
        assert float(np.mean(found)) == pytest.approx(0.6, abs=0.05)

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [0.1] * 32, [1.0, 2.0] * 16])
    def test_carry_over_is_zero_where_nothing_carries_over(self, values: list[float]) -> None:
        assert carry_over(np.array(values)) == 0

    def test_carry_over_is_capped_for_a_ramp(self) -> None:
        assert carry_over(np.arange(1000.0)) == 0.97
