"""The axes of the plots are round, steady and sound whatever the data are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import scales

ANY_FLOAT = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, 5e-324])
)


@given(low=ANY_FLOAT, high=ANY_FLOAT, most=st.integers(0, 12), log=st.booleans())
def test_a_latency_scale_is_sound_whatever_it_is_given(
    low: float, high: float, most: int, log: bool
) -> None:
    scale = scales.latency_scale(low, high, most, log=log)
    assert 0 <= scale.low < scale.high < math.inf
    assert len(scale.ticks) == len(scale.labels) >= 2
    assert len(set(scale.labels)) == len(scale.labels)
    places = scale.place(scale.ticks)
    assert places.min() >= -1e-9
    assert places.max() <= 1 + 1e-9


@given(end=st.floats(allow_nan=False), most=st.integers(2, 12))
def test_a_time_scale_reaches_its_end_with_few_ticks(end: float, most: int) -> None:
    scale = scales.time_scale(end, most)
    assert scale.low == 0
    assert scale.high >= min(max(end, 1e-3), 1e9) * 0.99999
    assert 2 <= len(scale.ticks) <= most


@given(value=st.floats(0.01, 1e5), log=st.booleans())
def test_a_place_and_its_value_are_each_others_inverse(value: float, log: bool) -> None:
    scale = scales.latency_scale(0.01, 1e5, 5, log=log)
    assert scale.values(scale.place(value)) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "log", "labels", "unit"),
    [
        (0.0, 38.0, False, ("0", "20", "40"), "ms"),
        (0.0, 0.42, False, ("0", "200", "400"), "µs"),
        (33.1, 35.9, False, ("33", "34", "35", "36"), "ms"),
        (0.25, 40.0, True, ("1", "10"), "ms"),
        (0.0, 30_000.0, False, ("0", "10", "20", "30"), "s"),
    ],
)
def test_ticks_are_few_and_round(
    low: float, high: float, log: bool, labels: tuple[str, ...], unit: str
) -> None:
    scale = scales.latency_scale(low, high, 4, log=log)
    assert (scale.labels, scale.unit) == (labels, unit)
