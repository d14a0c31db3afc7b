"""Latency against throughput as rows of text: right, readable, and never the end of the process."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.plotting import Plot
from tui.rows import blank, cells, plain
from tui.scales import rate_scale
from tui.scatter import Mark, scatter_plot, staircase

RED, BLUE, GREY = 1, 4, 8
ANY_FLOAT = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, 5e-324])
)
ANY_MARK = st.builds(
    Mark, ANY_FLOAT, ANY_FLOAT, st.sampled_from("●■×"), st.sampled_from([RED, BLUE, None]),
    st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip


def text(plot: Plot) -> list[str]:
    return [plain(row) for row in plot.rows]


def cell_of(plot: Plot, sign: str) -> tuple[int, int]:
    """Column and row of the only `sign` in the plot."""
    (found,) = [
        (column, row)
        for row, line in enumerate(text(plot))
        for column, char in enumerate(line)
        if char == sign
    ]
    return found


@given(
    marks=st.lists(ANY_MARK, max_size=12),
    size=st.tuples(st.integers(0, 70), st.integers(0, 20)),
    limit=st.none() | ANY_FLOAT,
    plain_ascii=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_plot_of_anything_has_the_size_asked_for(
    marks: list[Mark], size: tuple[int, int], limit: float | None, plain_ascii: bool
) -> None:
    plot = scatter_plot(marks, *size, limit_ms=limit, frame=GREY, ascii_only=plain_ascii)
    assert [cells(row) for row in plot.rows] == [size[0]] * size[1]


@pytest.mark.parametrize("size", itertools.product(range(0, 24, 3), range(0, 9)))
def test_small_sizes_are_drawn_without_axes(size: tuple[int, int]) -> None:
    plot = scatter_plot([Mark(1.0, 2.0, "●", RED, True, True, True)], *size, limit_ms=1.0)
    assert [len(row) for row in text(plot)] == [size[0]] * size[1]


def test_nothing_to_draw_is_an_empty_plot() -> None:
    assert scatter_plot([], 20, 6) == Plot(blank(20, 6))
    assert scatter_plot([Mark(math.nan, 1.0, "●", RED)], 20, 6) == Plot(blank(20, 6))


def test_slower_is_right_and_more_is_above() -> None:
    marks = [Mark(1.0, 1000.0, "a", RED), Mark(2.0, 500.0, "b", RED), Mark(3.0, 1500.0, "c", BLUE)]
    plot = scatter_plot(marks, 80, 20)
    a, b, c = (cell_of(plot, sign) for sign in "abc")
    assert a[0] < b[0] < c[0]
    assert c[1] < a[1] < b[1], "rows count from the top"
    # Both axes begin at zero: 1, 2 and 3 ms are as far apart.
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=1)
    assert plot.scale is not None
    assert plot.scale.low == 0.0
    assert not plot.scale.log


def test_the_axes_are_logarithmic_where_the_points_are_far_apart() -> None:
    marks = [Mark(10.0**at, 10.0**at, sign, RED) for at, sign in enumerate("abc")]
    plot = scatter_plot(marks, 80, 20)
    assert plot.scale is not None
    assert plot.scale.log
    a, b, c = (cell_of(plot, sign) for sign in "abc")
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=1)
    assert a[1] - b[1] == pytest.approx(b[1] - c[1], abs=1)


@pytest.mark.parametrize("plain_ascii", [True, False])
def test_the_frontier_climbs_in_steps(plain_ascii: bool) -> None:
    marks = [
        Mark(1.0, 100.0, "a", RED, on_frontier=True), Mark(3.0, 400.0, "b", RED, on_frontier=True),
        Mark(2.0, 50.0, "c", RED),
    ]  # fmt: skip
    plot = scatter_plot(marks, 60, 20, ascii_only=plain_ascii)
    (ax, ay), (bx, by) = cell_of(plot, "a"), cell_of(plot, "b")
    lines = text(plot)
    assert not lines[ay][ax + 1 : bx].count(" "), "level until the next one"
    assert all(lines[row][bx] != " " for row in range(by, ay)), "and up there"
    assert all(lines[row][(ax + bx) // 2] == " " for row in range(by, ay))
    assert plain_ascii is ("".join(lines).isascii())


def test_steps_of_one_or_no_point_are_none() -> None:
    assert staircase([]) == staircase([(0.1, 0.2)]) == []
    assert staircase([(0, 1), (2, 3)]) == [(0, 1), (2, 1), (2, 3)]


@pytest.mark.parametrize("plain_ascii", [True, False])
def test_the_best_is_named_and_the_current_one_in_brackets(plain_ascii: bool) -> None:
    marks = [
        Mark(1.0, 100.0, "a", RED, is_current=True), Mark(3.0, 400.0, "b", RED, is_best=True)
    ]  # fmt: skip
    lines = text(scatter_plot(marks, 60, 20, limit_ms=2.0, ascii_only=plain_ascii))
    assert any("[a]" in line for line in lines)
    assert any("b  best" in line or "best  b" in line for line in lines)
    assert any("limit" in line for line in lines)


def test_of_marks_in_one_cell_the_current_one_is_seen() -> None:
    marks = [Mark(1.0, 1.0, "a", RED, is_current=True), Mark(1.0, 1.0, "b", RED, is_best=True)]
    assert "[a]" in "".join(text(scatter_plot(marks, 40, 12)))
    marks = [Mark(1.0, 1.0, "B", RED, is_best=True), Mark(1.0, 1.0, "a", RED)]
    assert cell_of(scatter_plot(marks, 40, 12), "B")


def test_a_limit_that_is_far_off_does_not_squeeze_the_points() -> None:
    marks = [Mark(1.0, 100.0, "a", RED), Mark(3.0, 400.0, "b", RED)]
    near = scatter_plot(marks, 60, 20, limit_ms=5.0)
    far = scatter_plot(marks, 60, 20, limit_ms=5000.0)
    assert any("limit" in line for line in text(near))
    assert not any("limit" in line for line in text(far))
    assert far.scale is not None
    assert far.scale.high < 5.0


def test_rates_are_in_single_ones_thousands_or_millions() -> None:
    assert [rate_scale(0, one, 5).unit for one in (500, 5e4, 5e7)] == ["/s", "k/s", "M/s"]
    assert rate_scale(300, 500, 5).low == 0.0
    assert rate_scale(300, 50_000, 5, log=True).labels == ("0.3", "1", "3", "10", "30")
