"""The live views against the exact figures of the same samples."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.statistics import DecimatedSeries, LatencyHistogram, nearest_rank, summarise

in_range = st.lists(st.floats(min_value=1e-3, max_value=9.9e5), min_size=1, max_size=200)


class TestLatencyHistogram:
    @settings(deadline=None, max_examples=100)
    @given(in_range, st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0]))
    def test_a_quantile_is_within_a_bucket_of_the_exact_one(
        self, samples: list[float], q: float
    ) -> None:
        histogram = LatencyHistogram(0.005)
        histogram.add(samples)
        exact = sorted(samples)[max(1, math.ceil(round(q * len(samples), 9))) - 1]
        assert histogram.quantile(q) == pytest.approx(exact, rel=0.0026)

    @settings(deadline=None, max_examples=50)
    @given(in_range, st.integers(1, 7))
    def test_blocks_add_up_to_the_whole(self, samples: list[float], parts: int) -> None:
        whole, by_parts = LatencyHistogram(), LatencyHistogram()
        whole.add(samples)
        for part in np.array_split(np.array(samples), parts):
            by_parts.add(part)
        assert by_parts.n == whole.n == len(samples)
        assert by_parts.minimum == whole.minimum == min(samples)
        assert by_parts.maximum == whole.maximum == max(samples)
        assert by_parts.total == pytest.approx(math.fsum(samples))
        assert by_parts.mean == pytest.approx(math.fsum(samples) / len(samples))
        for q in (0.1, 0.5, 0.9):
            assert by_parts.quantile(q) == whole.quantile(q)

    def test_percentiles_have_the_same_rank_as_the_summarys(self) -> None:
        samples = np.arange(1.0, 1001)
        histogram = LatencyHistogram()
        histogram.add(samples)
        for percentile in (50, 90, 99, 99.9):
            exact = samples[nearest_rank(1000, percentile) - 1]
            assert histogram.quantile(percentile / 100) == pytest.approx(exact, rel=0.0006)

    def test_a_gpus_narrow_latencies_stay_apart(self) -> None:
        histogram = LatencyHistogram()
        histogram.add([0.599, 0.601, 0.603, 0.607])
        found = [histogram.quantile(q) for q in (0.25, 0.5, 0.75, 1)]
        assert found == sorted(set(found))

    def test_what_is_out_of_range_is_counted_and_gives_the_extremes(self) -> None:
        histogram = LatencyHistogram()
        histogram.add([0.0, 1e-4, 1.0, 1e6, 5e9])
        assert (histogram.n, histogram.minimum, histogram.maximum) == (5, 0.0, 5e9)
        assert histogram.quantile(0.2) == 0.0
        assert histogram.quantile(0.5) == pytest.approx(1.0, rel=0.001)
        assert histogram.quantile(1) == 5e9

    def test_many_quantiles_in_one_pass_are_each_the_same(self) -> None:
        histogram = LatencyHistogram()
        histogram.add(np.random.default_rng(3).lognormal(1, 1, 999))
        shares = [0.0, 0.5, 0.001, 0.999, 1.0]
        one_by_one = [histogram.quantile(one) for one in shares]
        assert histogram.quantiles(shares).tolist() == one_by_one

    def test_a_box_is_that_of_the_exact_samples(self) -> None:
        samples = np.random.default_rng(4).lognormal(1, 0.3, 5001)
        histogram = LatencyHistogram()
        histogram.add(samples)
        box, outliers = histogram.box(), summarise(samples).outliers
        exact = sorted(samples)
        quartiles = [exact[nearest_rank(5001, one) - 1] for one in (25, 50, 75)]
        found = [box.first_quartile, box.median, box.third_quartile]
        assert found == pytest.approx(quartiles, rel=0.0006)
        _, low, high, _ = outliers.fences_ms
        assert box.whisker_low == pytest.approx(samples[samples >= low].min(), rel=0.003)
        assert box.whisker_high == pytest.approx(samples[samples <= high].max(), rel=0.003)
        # A bucket of 0.1 % lies on one side of a fence as a whole.
        assert outliers.mild > 50
        assert outliers.severe > 5
        assert box.mild == pytest.approx(outliers.mild, abs=3)
        assert box.severe == pytest.approx(outliers.severe, abs=3)

    @settings(deadline=None, max_examples=50)
    @given(in_range)
    def test_the_parts_of_a_box_are_in_order(self, samples: list[float]) -> None:
        histogram = LatencyHistogram()
        histogram.add(samples)
        box = histogram.box()
        parts = [box.whisker_low, box.first_quartile, box.median, box.third_quartile]
        parts = [min(samples), *parts, box.whisker_high, max(samples)]
        assert parts == sorted(parts)
        assert 0 <= box.mild + box.severe <= len(samples) / 2

    def test_samples_that_are_all_equal_are_a_box_without_outliers(self) -> None:
        histogram = LatencyHistogram()
        histogram.add(np.full(40, 5.0))
        box = histogram.box()
        assert (box.whisker_low, box.whisker_high) == (5.0, 5.0)
        assert (box.mild, box.severe) == (0, 0)

    def test_counts_for_drawing_are_shared_out_by_length(self) -> None:
        rng = np.random.default_rng(1)
        samples = rng.uniform(1.0, 2.0, 100_000)
        histogram = LatencyHistogram()
        histogram.add(samples)
        counts = histogram.counts_between(0.5, 2.5, 20)
        exact, _ = np.histogram(samples, 20, (0.5, 2.5))
        assert counts.sum() == pytest.approx(100_000)
        assert np.abs(counts - exact).max() < 300
        # Bins narrower than a bucket show no comb: no bin is empty beside a full one.
        fine = histogram.counts_between(1.5, 1.51, 50)
        assert fine.min() > 0.5 * fine.max()

    def test_counts_are_where_the_samples_are(self) -> None:
        histogram = LatencyHistogram()
        histogram.add([5.0])
        assert histogram.counts_between(4.995, 5.005, 1) == pytest.approx([1])
        assert histogram.counts_between(5.0051, 5.02, 1) == pytest.approx([0])
        assert histogram.counts_between(4.98, 4.9949, 1) == pytest.approx([0])

    def test_counts_outside_of_the_samples_are_zero(self) -> None:
        histogram = LatencyHistogram()
        assert histogram.counts_between(0, 1, 3).tolist() == [0, 0, 0]
        histogram.add([5.0])
        assert histogram.counts_between(0, 1, 3).tolist() == [0, 0, 0]
        assert histogram.counts_between(0, 10, 1).tolist() == [1]

    def test_memory_does_not_grow(self) -> None:
        histogram = LatencyHistogram()
        rng = np.random.default_rng(2)
        histogram.add(rng.lognormal(0, 3, 1000))
        tracemalloc.start()
        for _ in range(200):
            histogram.add(rng.lognormal(0, 3, 1000))
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert histogram.n == 201_000
        assert grown < 10_000

    def test_an_empty_block_changes_nothing(self) -> None:
        histogram = LatencyHistogram()
        histogram.add([])
        assert (histogram.n, histogram.minimum, histogram.maximum) == (0, None, None)
        assert histogram.mean is None
        with pytest.raises(ValueError, match="without samples"):
            histogram.quantile(0.5)
        with pytest.raises(ValueError, match="without samples"):
            histogram.box()

    @pytest.mark.parametrize("sample", [math.nan, math.inf, -1.0])
    def test_a_hostile_block_is_refused_whole(self, sample: float) -> None:
        histogram = LatencyHistogram()
        with pytest.raises(ValueError, match="1 of 2 latencies"):
            histogram.add([1.0, sample])
        assert histogram.n == 0

    @pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
    def test_refuses_what_is_no_quantile(self, q: float) -> None:
        with pytest.raises(ValueError, match="quantile from 0 to 1"):
            LatencyHistogram().quantile(q)

    @pytest.mark.parametrize("width", [0, -1, 0.006, math.nan])
    def test_refuses_buckets_wider_than_half_a_percent(self, width: float) -> None:
        with pytest.raises(ValueError, match="relative width"):
            LatencyHistogram(width)

    @pytest.mark.parametrize(
        ("low", "high", "bins"), [(1, 1, 5), (2, 1, 5), (-1, 1, 5), (0, math.inf, 5), (0, 1, 0)]
    )
    def test_refuses_a_scale_without_width(self, low: float, high: float, bins: int) -> None:
        with pytest.raises(ValueError, match="expected"):
            LatencyHistogram().counts_between(low, high, bins)


class TestDecimatedSeries:
    @settings(deadline=None, max_examples=100)
    @given(
        values=in_range,
        gap_s=st.floats(1e-6, 1e4),
        columns=st.integers(2, 40),
        parts=st.integers(1, 5),
        start_s=st.floats(-1e6, 1e6),
    )
    def test_is_bounded_and_keeps_the_extremes(
        self, values: list[float], gap_s: float, columns: int, parts: int, start_s: float
    ) -> None:
        times = start_s + gap_s * np.arange(len(values))
        series = DecimatedSeries(columns)
        for when, what in zip(
            np.array_split(times, parts), np.array_split(np.array(values), parts), strict=True
        ):
            series.add(when, what)
        t, low, high = series.points()
        assert 1 <= len(t) == len(low) == len(high) <= columns
        assert low.min() == min(values)
        assert high.max() == max(values)
        assert (low <= high).all()
        assert (np.diff(t) > 0).all()
        assert set(t.tolist()) <= set(times.tolist())
        assert t[0] == times[0]

    def test_every_stretch_has_its_own_extremes(self) -> None:
        series = DecimatedSeries(4)
        series.add([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [5, 1, 2, 9, 4, 4, 3, 8])
        t, low, high = series.points()
        # 1 ms doubles until four stretches hold 7 s: 2.048 s each.
        assert series.stretch_s == pytest.approx(2.048)
        assert t.tolist() == [0.0, 3.0, 5.0, 7.0]
        assert low.tolist() == [1.0, 4.0, 3.0, 8.0]
        assert high.tolist() == [5.0, 9.0, 4.0, 8.0]

    def test_resolution_is_halved_only_when_it_is_full(self) -> None:
        series = DecimatedSeries(10)
        series.add([0.0, 0.00999], [1, 1])
        assert series.stretch_s == 0.001
        series.add([0.01], [1])
        assert series.stretch_s == 0.002

    def test_blocks_or_single_samples_make_the_same_series(self) -> None:
        rng = np.random.default_rng(3)
        values = rng.lognormal(0, 0.2, 5000)
        times = 7.0 + np.cumsum(values) / 1000
        at_once, one_by_one = DecimatedSeries(64), DecimatedSeries(64)
        at_once.add(times, values)
        for block in range(0, 5000, 7):
            one_by_one.add(times[block : block + 7], values[block : block + 7])
        for one, other in zip(at_once.points(), one_by_one.points(), strict=True):
            assert one.tolist() == other.tolist()

    def test_a_long_run_uses_at_least_half_of_its_columns(self) -> None:
        series = DecimatedSeries(100)
        for second in range(60):
            times = second + np.arange(1000) / 1000
            series.add(times, np.ones(1000))
        assert 50 <= len(series.points()[0]) <= 100

    def test_later_samples_may_come_out_of_order(self) -> None:
        series = DecimatedSeries(8)
        series.add([0.0, 5.0, 2.0], [1, 2, 3])
        assert series.points()[0].tolist() == [0.0, 2.0, 5.0]

    def test_points_are_copies(self) -> None:
        series = DecimatedSeries(8)
        series.add([0.0], [1.0])
        series.points()[2][0] = 99
        assert series.points()[2].tolist() == [1.0]

    def test_nothing_yet(self) -> None:
        series = DecimatedSeries(8)
        series.add([], [])
        assert [len(part) for part in series.points()] == [0, 0, 0]

    @pytest.mark.parametrize(
        ("times", "values", "found"),
        [
            ([1.0], [1.0, 2.0], "found 1 times for 2 values"),
            ([math.nan], [1.0], "times: expected finite seconds"),
            ([math.inf], [1.0], "times: expected finite seconds"),
            ([1.0], [math.nan], "values: 1 of 1 latencies are not finite"),
            ([1.0], [-1.0], "values: 1 of 1 latencies are negative"),
            ([4.0], [1.0], "times: 4 s is before the first, 5 s"),
        ],
    )
    def test_refuses_hostile_blocks_and_stays_as_it_was(
        self, times: list[float], values: list[float], found: str
    ) -> None:
        series = DecimatedSeries(8)
        series.add([5.0], [2.0])
        with pytest.raises(ValueError, match=found):
            series.add(times, values)
        assert [part.tolist() for part in series.points()] == [[5.0], [2.0], [2.0]]

    @pytest.mark.parametrize("columns", [-1, 0, 1])
    def test_refuses_fewer_than_two_columns(self, columns: int) -> None:
        with pytest.raises(ValueError, match="at least 2 columns"):
            DecimatedSeries(columns)
