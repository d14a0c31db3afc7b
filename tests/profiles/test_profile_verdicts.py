"""What a verdict on two runs rests on: saved intervals, and what runs of one engine differ by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engines.errors import UsageError
from engines.plan import EngineSpec
from engines.results import PercentileRecord
from engines.statistics import Verdict
from profiles.comparison import compare_profiles
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
