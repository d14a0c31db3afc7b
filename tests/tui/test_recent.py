"""The window of the sparkline: the last of a run, in columns that stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tui.recent import RECENT_COLUMN_MS, RECENT_COLUMNS, RecentWindow


def test_a_short_run_is_shown_sample_by_sample() -> None:
    window = RecentWindow()
    window.add(np.array([3.0, 1.0, 2.0]))
    assert window.values().tolist() == [3.0, 1.0, 2.0]


def test_a_column_of_a_long_run_stands_for_a_quarter_of_a_second() -> None:
    window = RecentWindow()
    for _ in range(400):
        window.add(np.full(400, 0.5))
    samples_per_column = window._per_column
    assert RECENT_COLUMN_MS <= samples_per_column * 0.5 < 2 * RECENT_COLUMN_MS
    assert len(window.values()) == RECENT_COLUMNS


def test_the_window_forgets_what_is_long_past() -> None:
    window = RecentWindow()
    window.add(np.full(50, 900.0))
    window.add(np.full(5000, 300.0))
    assert set(window.values().tolist()) == {300.0}


def test_the_picture_moves_with_the_window_and_does_not_shimmer() -> None:
    window = RecentWindow()
    rng = np.random.default_rng(2)
    window.add(rng.uniform(300, 400, 500))
    before = window.values(20)
    window.add(rng.uniform(300, 400, 1))
    after = window.values(20)
    kept = set(np.round(before, 9)) & set(np.round(after, 9))
    assert len(kept) >= len(before) - 2


@given(
    blocks=st.lists(st.lists(st.floats(0, 1e6, allow_subnormal=False), max_size=40), max_size=30),
    width=st.integers(0, 300),
)
def test_a_window_stays_within_its_data_and_its_size(blocks: list[list[float]], width: int) -> None:
    window = RecentWindow(16)
    for block in blocks:
        window.add(np.array(block))
    every = [one for block in blocks for one in block]
    shown = window.values(width)
    assert len(shown) <= min(max(width, 1), 16)
    assert bool(len(shown)) == bool(every)
    if every:
        slack = 1e-9 * max(every)
        assert min(every) - slack <= shown.min() <= shown.max() <= max(every) + slack
