"""The axes of the plots are round, steady and sound whatever the data are."""

from __future__ import annotations

import math

import numpy as np
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


@given(span=st.floats(allow_nan=False), most=st.integers(2, 12))
def test_a_scale_up_to_an_end_is_that_of_a_time_turned_round(span: float, most: int) -> None:
    scale = scales.before_end_scale(span, most)
    whole = scales.time_scale(span, most)
    assert (scale.low, scale.high) == (-whole.high, 0.0)
    assert scale.ticks == tuple(-tick for tick in reversed(whole.ticks))
    assert scale.labels[-1] == "end"
    assert scale.labels[0] == f"-{whole.labels[-1]} {whole.unit}"
    assert len(set(scale.labels)) == len(scale.ticks)


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (60.0, ("-60 s", "-40", "-20", "end")),
        (10.0, ("-10 s", "-8", "-6", "-4", "-2", "end")),
        (2.0, ("-2.0 s", "-1.5", "-1.0", "-0.5", "end")),
    ],
)
def test_under_a_zoom_the_axis_says_seconds_before_the_end(
    span: float, labels: tuple[str, ...]
) -> None:
    assert scales.before_end_scale(span, 6).labels == labels


def test_each_further_nine_of_a_percentile_takes_as_much_room() -> None:
    scale = scales.percentile_scale(3.7)
    assert scale.labels == ("p50", "p90", "p99", "p99.9", "p99.99")
    places = scale.place(scale.ticks)
    assert (places[0], places[-1]) == (0.0, 1.0)
    assert np.diff(places[1:]) == pytest.approx([places[2] - places[1]] * 3)
    assert scales.percentile_scale(0.3).labels == ("p50", "p90")
    assert scales.percentile_scale(6.0).labels[-1] == "p99.9999"


@given(low=ANY_FLOAT, high=ANY_FLOAT, most=st.integers(0, 12), log=st.booleans())
def test_a_scale_of_ratios_holds_one(low: float, high: float, most: int, log: bool) -> None:
    scale = scales.ratio_scale(low, high, most, log=log)
    assert scale.low <= 1.0 <= scale.high
    assert scale.unit == "x"
    assert log or scale.low == 0.0


@given(
    low=st.floats(1e-3, 1e5),
    times=st.floats(1.001, 1e6),
    most=st.integers(2, 12),
)
def test_ticks_of_a_log_axis_are_round_and_in_one_unit(low: float, times: float, most: int) -> None:
    scale = scales.latency_scale(low, low * times, most, log=True)
    assert scale.low <= low * 1.000001
    assert scale.high >= low * times * 0.999999
    assert len(scale.ticks) <= max(most + 1, 2)
    digits = {f"{tick * scale.factor:e}"[:3] for tick in scale.ticks}
    gaps = {f"{one:.1e}"[:3] for one in np.diff(scale.ticks)}
    ends = scale.ticks == (scale.low, scale.high)
    decades = digits <= {"1.0", "2.0", "5.0"} or digits <= {"1.0", "3.0"}
    assert decades or gaps <= {"1.0", "2.0", "5.0"} or ends
    assert [float(one.replace(",", "")) for one in scale.labels] == pytest.approx(
        [tick * scale.factor for tick in scale.ticks], rel=1e-4
    )


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
        (0.25, 3.0, True, ("0.2", "0.5", "1", "2"), "ms"),
        (0.3, 0.8, True, ("400", "600", "800"), "µs"),
        (33.1, 35.9, True, ("33", "34", "35", "36"), "ms"),
        (0.0, 30_000.0, False, ("0", "10", "20", "30"), "s"),
        (0.0, 2_100.0, False, ("0", "1,000", "2,000"), "ms"),
        (30.0, 3_000.0, True, ("100", "1,000"), "ms"),
    ],
)
def test_ticks_are_few_and_round(
    low: float, high: float, log: bool, labels: tuple[str, ...], unit: str
) -> None:
    scale = scales.latency_scale(low, high, 4, log=log)
    assert (scale.labels, scale.unit) == (labels, unit)
