"""The last seconds of a series: nothing of them is lost, nothing older is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.plan import EngineSpec
from tui.live import LAST_S, LiveEntry
from tui.recent import LatestSeries


@given(
    seconds=st.floats(0.1, 100),
    steps=st.lists(st.floats(0, 20), min_size=1, max_size=80),
    parts=st.integers(1, 6),
)
def test_every_sample_of_the_last_seconds_is_within_what_is_kept(
    seconds: float, steps: list[float], parts: int
) -> None:
    times = np.cumsum(steps)
    values = np.random.default_rng(len(steps)).lognormal(1, 1, len(steps))
    series = LatestSeries(seconds, 64)
    for at in np.array_split(np.arange(len(times)), parts):
        series.add(times[at], values[at])
    starts, low, high = series.points()
    stretch = seconds / 64
    assert (np.diff(starts) > 0).all()
    assert (low <= high).all()
    assert starts[0] > times[-1] - seconds - 2 * stretch
    for time, value in zip(times, values, strict=True):
        if time >= times[-1] - seconds:
            at = int(np.searchsorted(starts, time * (1 + 1e-12) + 1e-12, side="right")) - 1
            assert low[at] <= value <= high[at]


def test_a_long_series_keeps_its_end_alone_in_constant_memory() -> None:
    series = LatestSeries(2.0, 100)
    times = np.arange(400_000) / 1000
    values = np.where(times < 398.5, 5.0, 7.0)
    series.add(times, values)
    starts, low, high = series.points()
    assert 100 <= len(starts) <= 101
    assert starts[0] == pytest.approx(398.0, abs=0.03)
    assert (low[0], high[-1]) == (5.0, 7.0)


def test_nothing_taken_is_nothing_to_show() -> None:
    series = LatestSeries(2.0, 100)
    series.add(np.empty(0), np.empty(0))
    assert [len(one) for one in series.points()] == [0, 0, 0]


def test_an_entry_has_the_end_of_its_run_in_each_of_the_spans() -> None:
    entry = LiveEntry("eager", EngineSpec(engine="eager"), 0)
    entry.add(np.full(500, 10.0), 0.0, measured=False)
    entry.add(np.full(9_500, 10.0), 5.0, measured=True)
    assert entry.points()[0][0] == 0.0
    for span in LAST_S:
        times, low, high = entry.points(span)
        assert times[-1] - times[0] == pytest.approx(span, rel=0.01)
        assert set(low) == set(high) == {10.0}
