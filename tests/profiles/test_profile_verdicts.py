"""What a verdict on two runs rests on: saved intervals, and what runs of one engine differ by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engines.errors import EXIT_INVALID, UsageError
from engines.plan import EngineSpec
from engines.results import PercentileRecord
from engines.statistics import Verdict
from profiles.comparison import compare_profiles
from profiles.report import to_text
from tests.profiles.support import ONE, replaced


def test_the_interval_from_saved_medians_holds_the_true_ratio_as_often_as_it_says(
    build: Any,
) -> None:
    """Two runs of one engine, 200 times: 95 % intervals miss the true ratio 1 in about 5 %."""
    runs = [build.profile(1.0, specs=ONE, n=200, seed=seed) for seed in range(400)]
    missed = 0
    for a, b in zip(runs[::2], runs[1::2], strict=True):
        low, high = compare_profiles(a, b).entries[0].interval
        missed += not low <= 1 <= high
    # The chance of more than 20 misses of 200 at 5 % is 0.1 %, of none 0.004 %.
    assert 0 < missed <= 20


@pytest.mark.parametrize(
    ("median", "verdict"),
    [
        (1.02, Verdict.UNCLEAR),
        (1.03, Verdict.SLOWER),
        (0.98, Verdict.UNCLEAR),
        (0.97, Verdict.FASTER),
        (1.005, Verdict.UNCLEAR),
    ],
)
def test_saved_intervals_are_put_together(build: Any, median: float, verdict: Verdict) -> None:
    """Both medians are known to 1 %, so their ratio to about the square root of 2 %."""
    a, b = (
        replaced(
            build.profile(1.0, specs=ONE),
            "results.0.latency.percentiles.0",
            PercentileRecord(
                percentile=50,
                needs=11,
                value_ms=value,
                low_ms=value / 1.01,
                high_ms=value * 1.01,
            ),
        )
        for value in (1.0, median)
    )
    entry = compare_profiles(a, b, spread=0.0).entries[0]
    assert entry.verdict is verdict
    expected = 1.01 ** np.sqrt(2)
    assert entry.interval == pytest.approx((median / expected, median * expected))


@pytest.mark.parametrize(
    ("device", "spread", "ratio", "verdict"),
    [
        ("cpu", None, 1.05, Verdict.UNCLEAR),
        ("cpu", None, 0.95, Verdict.UNCLEAR),
        ("cpu", None, 1.08, Verdict.SLOWER),
        ("cpu", None, 0.92, Verdict.FASTER),
        ("cpu", 0.01, 1.03, Verdict.SLOWER),
        ("cpu", 0.05, 1.08, Verdict.UNCLEAR),
        ("cuda", None, 1.015, Verdict.UNCLEAR),
        ("cuda", None, 1.03, Verdict.SLOWER),
        ("cpu", None, 1.0, Verdict.SAME),
    ],
)
def test_a_difference_is_more_than_that_of_two_runs(
    build: Any, device: Any, spread: float | None, ratio: float, verdict: Verdict
) -> None:
    specs = (EngineSpec(engine="eager", device=device),)
    a, b = build.profile(2.0, specs=specs, seed=1), build.profile(2 * ratio, specs=specs, seed=2)
    raw = (build.samples(2.0, n=4000, seed=1), build.samples(2 * ratio, n=4000, seed=2))
    comparison = compare_profiles(a, b, *raw, spread=spread)
    (judgement,) = (entry.judgement for entry in comparison.entries)
    assert judgement.verdict is verdict, judgement
    assert (judgement.reasons[0].code == "runs") is (verdict is Verdict.UNCLEAR)
    assert judgement.ratio == pytest.approx(ratio, rel=0.005), "the figures stay"
    for wrong in (-0.01, 1.0, float("nan")):
        with pytest.raises(UsageError, match="the spread is"):
            compare_profiles(a, b, spread=wrong)


def with_p50(build: Any, value: float, low: float | None, high: float | None, **fields: Any) -> Any:
    record = PercentileRecord(percentile=50, needs=11, value_ms=value, low_ms=low, high_ms=high)
    found = replaced(build.profile(value, specs=ONE), "results.0.latency.percentiles.0", record)
    for name, one in fields.items():
        found = replaced(found, f"results.0.latency.{name}", one)
    return found


@pytest.mark.parametrize(
    ("low", "high", "drift", "why"),
    [
        (11.0, 158.3, None, "its 95 % interval reaches from 11 to 158.3 ms"),
        (5.0, 12.5, None, "its 95 % interval reaches from 5 to 12.5 ms"),
        (None, None, 0.92, "it drifts so much that there is no interval"),
        (None, None, None, "its samples vary together so much that there is no interval"),
        (6.0, 23.8, None, ""),
    ],
)
def test_a_median_that_is_not_known_is_no_figure_to_compare(
    build: Any, low: float | None, high: float | None, drift: float | None, why: str
) -> None:
    a, b = build.profile(2.0, specs=ONE), with_p50(build, 11.93, low, high, drift=drift)
    raw = build.samples(2.0, n=4000), build.samples(11.93, n=4000, seed=1)
    (entry,) = compare_profiles(a, b, *raw).entries
    assert entry.verdict is (Verdict.UNCLEAR if why else Verdict.SLOWER)
    if why:
        assert entry.judgement.reasons[0].code == "median-unknown"
        assert entry.judgement.why.startswith(f"B: its median is not known: {why}; measure longer")
    text = to_text(b, 200)
    assert ("not known" in text) is bool(why)
    assert ("ok, MEDIAN NOT KNOWN" in text) is bool(why)
    assert "±1227" not in text


def test_an_interval_that_hardly_bounds_a_ratio_is_not_printed_as_one(build: Any) -> None:
    """Saved intervals of 70 % each side make one of the ratio beyond a factor of two."""
    a, b = (with_p50(build, value, value / 1.7, value * 1.7) for value in (1.0, 4.0))
    comparison = compare_profiles(a, b)
    (entry,) = comparison.entries
    assert entry.interval is not None
    assert entry.interval[0] > 1.5, "by itself it would be SLOWER"
    assert entry.verdict is Verdict.UNCLEAR
    assert entry.judgement.why == (
        "the ratio is not known: its 95 % interval reaches from +89 % to +747 %; measure longer"
    )
    assert comparison.exit_code == EXIT_INVALID
    table = to_text(comparison, 120)
    assert "not known" in table
    assert "1.889" not in table.split("UNCLEAR")[1], "nor are its ends"


def test_a_direction_may_be_known_where_the_ratio_is_not(build: Any) -> None:
    a, b = (with_p50(build, value, value / 1.7, value * 1.7) for value in (1.0, 9.0))
    (entry,) = compare_profiles(a, b).entries
    assert entry.verdict is Verdict.SLOWER
    codes = [one.code for one in entry.judgement.reasons]
    assert (codes[0], codes[-1]) == ("beyond-threshold", "ratio-unknown")
