"""Rows of coloured text keep their width and their colours; sparklines fit in one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tui.palette import Color
from tui.rows import Row, cells, centred, fitted, in_ascii, merged, overlaid, parsed, plain
from tui.widgets.sparkline import spark_text

Floats = NDArray[np.float64]

ANY_FLOAT = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, 5e-324])
)
ANY_ARRAY = st.lists(ANY_FLOAT, max_size=60).map(lambda values: np.array(values, dtype=np.float64))


def test_sgr_text_becomes_runs_and_blanks_cost_none() -> None:
    sgr = "\x1b[0m\x1b[38;5;3mab\x1b[0m  \x1b[38;2;1;2;3mc\x1b[0m \nd\n"
    assert parsed(sgr) == [[("ab  ", 3), ("c ", (1, 2, 3))], [("d", None)]]


RUNS = st.lists(st.tuples(st.text("ab ●⣿界", max_size=6), st.sampled_from([None, 1, (1, 2, 3)])))


@given(row=RUNS, width=st.integers(-2, 40))
def test_a_row_is_fitted_to_any_width(row: Row, width: int) -> None:
    assert cells(fitted(row, width)) == max(width, 0)


@given(row=RUNS, over=RUNS, at=st.integers(-3, 40))
def test_writing_over_a_row_keeps_its_width(row: Row, over: Row, at: int) -> None:
    assert cells(overlaid(row, at, over)) == cells(row)


def test_writing_over_a_row_leaves_the_rest() -> None:
    assert overlaid([("abcdef", 1)], 2, [("XY", 4)]) == [("ab", 1), ("XY", 4), ("ef", 1)]


@given(row=RUNS)
def test_merging_keeps_every_visible_cell_and_its_colour(row: Row) -> None:
    def seen(one: Row) -> list[tuple[str, Color]]:
        return [(char, None if char == " " else color) for text, color in one for char in text]

    assert seen(merged(row)) == seen(row)


def test_words_are_centred_in_any_size() -> None:
    words = "Nothing measured yet. Press r to run the selected engines."
    for width, height in itertools.product((0, 1, 5, 30, 80), (0, 1, 4, 9)):
        rows = centred(words, width, height, None)
        assert [cells(row) for row in rows] == [width] * height
    assert plain(centred(words, 80, 3, None)[1]).strip() == words


def test_plain_ascii_keeps_the_width() -> None:
    assert in_ascii([("│ 5 µs…", 1)]) == [("| 5 us~", 1)]
    assert plain(in_ascii([("é●", None)])) == "??"


# Sparklines


def test_a_sparkline_runs_from_its_smallest_to_its_usual_largest_value() -> None:
    assert spark_text([10, 11, 12, 13], 10) == "▁▃▆█"
    assert spark_text([10, 11, 12, 13], 2) == "▁▇"
    assert spark_text([10, 13], 10, ascii_only=True) == "_#"
    assert spark_text([25, 50, 100], 10, low=0, high=100) == "▃▅█"


def test_a_steady_series_is_low_and_a_cold_start_does_not_flatten_it() -> None:
    assert set(spark_text(np.full(9, 7.0), 9)) == {"▁"}
    assert set(spark_text(np.tile([7.0, 7.1], 25), 50)) == {"▁", "▂"}
    assert len(set(spark_text([900.0, *np.linspace(10, 12, 20)], 21))) > 4


@pytest.mark.filterwarnings("error")
@given(values=ANY_ARRAY, width=st.integers(-1, 50))
@example(values=np.array([0.0, 0.0, *[5e-324] * 5, 1.0]), width=8)
def test_a_sparkline_of_anything_fits(values: Floats, width: int) -> None:
    assert len(spark_text(values, width)) <= max(width, 0)


@pytest.mark.filterwarnings("error")
def test_a_span_below_the_normal_numbers_is_one_like_any_other() -> None:
    assert spark_text([0.0, 5e-324, 1.0], 3, low=0.0, high=5e-324) == "▁██"
