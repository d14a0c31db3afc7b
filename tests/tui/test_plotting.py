"""Plots as rows of text: right, readable, and never the end of the process."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tui
from engines.statistics import DecimatedSeries
from tests.tui.plot_support import BLUE, GREY, RED, Floats, cells_of, counted, line, noisy, text
from tui import plotting
from tui.plotting import (
    LineMarks,
    LineSeries,
    Plot,
    SpeedUp,
    box_plot,
    histogram_plot,
    line_plot,
    percentile_plot,
    speed_up_plot,
)
from tui.plotting.figure import Figure
from tui.rows import cells, plain
from tui.scales import Scale, time_scale

# It never ends the process


ANY_FLOAT = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, 5e-324])
)
ANY_ARRAY = st.lists(ANY_FLOAT, max_size=60).map(lambda values: np.array(values, dtype=np.float64))
ANY_SIZE = st.tuples(st.integers(0, 70), st.integers(0, 20))
ANY_AXIS = st.sampled_from([None, False, True])
DISTRIBUTIONS = (histogram_plot, percentile_plot, box_plot)


@given(
    series=st.lists(st.tuples(ANY_ARRAY, ANY_ARRAY, ANY_ARRAY, st.none() | ANY_FLOAT), max_size=4),
    size=ANY_SIZE,
    plain_ascii=st.booleans(),
    log=ANY_AXIS,
    last_s=st.none() | st.floats(0.1, 1e6),
    percentiles=st.tuples(st.none() | ANY_FLOAT, st.none() | ANY_FLOAT),
)
@settings(max_examples=150, deadline=None)
def test_a_line_plot_of_anything_has_the_size_asked_for(
    series: list[tuple[Floats, Floats, Floats, float | None]],
    size: tuple[int, int],
    plain_ascii: bool,
    log: bool | None,
    last_s: float | None,
    percentiles: tuple[float | None, float | None],
) -> None:
    shaken = ((0.0, 1.0), (math.nan, math.inf))
    lines = [LineSeries("●", RED, GREY, *one, shaken) for one in series]
    marks = LineMarks("●", RED, *percentiles)
    plot = line_plot(lines, *size, frame=GREY, ascii_only=plain_ascii, log=log, last_s=last_s,
                     marks=marks)  # fmt: skip
    assert [cells(row) for row in plot.rows] == [size[0]] * size[1]


@pytest.mark.parametrize("drawing", DISTRIBUTIONS)
@given(
    values=st.lists(st.lists(st.floats(0, 1e300), min_size=1, max_size=40), max_size=4),
    repeated=st.sampled_from([1, 50]),
    size=ANY_SIZE,
    plain_ascii=st.booleans(),
    log=ANY_AXIS,
)
@settings(max_examples=80, deadline=None)
def test_a_distribution_of_anything_has_the_size_asked_for(
    drawing: Callable[..., Plot],
    values: list[list[float]],
    repeated: int,
    size: tuple[int, int],
    plain_ascii: bool,
    log: bool | None,
) -> None:
    series = [counted(np.array(one * repeated)) for one in values]
    plot = drawing(series, *size, frame=GREY, ascii_only=plain_ascii, log=log)
    assert [cells(row) for row in plot.rows] == [size[0]] * size[1]


@given(
    ratios=st.lists(st.none() | ANY_FLOAT, max_size=5),
    label=st.text("ab 界", max_size=30),
    size=ANY_SIZE,
    plain_ascii=st.booleans(),
    log=ANY_AXIS,
)
@settings(max_examples=80, deadline=None)
def test_bars_of_anything_have_the_size_asked_for(
    ratios: list[float | None], label: str, size: tuple[int, int], plain_ascii: bool, log: Any
) -> None:
    bars = [SpeedUp("●", RED, label, one, "baseline") for one in ratios]
    plot = speed_up_plot(bars, *size, frame=GREY, ascii_only=plain_ascii, log=log)
    assert [cells(row) for row in plot.rows] == [size[0]] * size[1]


@given(points=st.lists(st.tuples(ANY_FLOAT, ANY_FLOAT), max_size=30), line=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_figure_draws_any_points_it_is_given(
    points: list[tuple[float, float]], line: bool
) -> None:
    figure = plotting.Figure(30, 8, None, False)
    figure.points(points, "braille", RED, line=line)
    assert [cells(row) for row in figure.rows()] == [30] * 8


@pytest.mark.parametrize("size", itertools.product(range(0, 24, 3), range(0, 9)))
def test_small_sizes_are_drawn_without_axes(size: tuple[int, int]) -> None:
    for plot in (
        line_plot([line(noisy(5.0))], *size),
        *(drawing([counted(noisy(5.0))], *size) for drawing in DISTRIBUTIONS),
        speed_up_plot([SpeedUp("●", RED, "eager", 2.0)], *size),
    ):
        assert [len(row) for row in text(plot)] == [size[0]] * size[1]


def test_nothing_to_draw_is_an_empty_plot() -> None:
    assert line_plot([], 20, 6) == Plot([[(" " * 20, None)]] * 6)
    for drawing in (*DISTRIBUTIONS, speed_up_plot):
        assert drawing([], 20, 6) == Plot([[(" " * 20, None)]] * 6)


def test_plotext_is_imported_by_one_module_and_only_when_something_is_drawn() -> None:
    folder = Path(tui.__file__).parent
    importers = [
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"^\s*(import|from) plotext", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert importers == ["figure.py"]
    code = "import sys, tui.widgets.latency, tui.widgets.histogram; print('plotext' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder.parent,
    )
    assert ran.stdout.strip() == "False"


# Lines over time


def test_a_line_is_drawn_at_the_height_of_its_latency() -> None:
    plot = line_plot([line(np.full(500, 20.0)), line(np.full(500, 10.0), BLUE, "■")], 60, 12)
    assert plot.scale is not None
    assert (plot.scale.low, plot.scale.high) == (0.0, 20.0)
    assert {y for y, _ in cells_of(plot, RED)} == {0}
    assert {y for y, _ in cells_of(plot, BLUE)} <= {4, 5}


def test_units_are_shown_once_and_ticks_are_round() -> None:
    rows = text(line_plot([line(np.linspace(10, 48, 700))], 60, 12))
    assert rows[-1].split() == ["0", "2", "4", "6", "8", "s"], "no zero of milliseconds"
    labels = [row.split("┤")[0].strip() for row in rows if "┤" in row]
    assert labels == ["40", "20", "0"]
    assert [y for y, row in enumerate(rows) if row.split()[:1] == ["ms│"]] == [0], "at the top"


def test_where_every_row_has_a_label_the_unit_takes_the_corner() -> None:
    figure = Figure(20, 5, None, ascii_only=False)
    ticks = (0.0, 1.0, 2.0)
    y = Scale(0.0, 2.0, False, ticks, ("0", "1", "2"), "ms", 1.0)
    figure.axes(time_scale(2.0, 2), y)
    assert [plain(row)[:4].strip() for row in figure.rows()] == ["2", "1", "0", "", "ms"]


def test_short_latencies_are_in_microseconds() -> None:
    plot = line_plot([line(np.full(100, 0.25))], 60, 12)
    assert plot.scale is not None
    assert plot.scale.unit == "µs"
    assert any(row.split()[:1] == ["µs│"] for row in text(plot))


def test_warm_up_is_dots_in_a_faint_colour_and_measuring_a_line() -> None:
    values = np.tile([10.0, 30.0], 40)
    plot = line_plot([line(values, measuring_since=0.4)], 60, 14)
    faint, strong = cells_of(plot, GREY), cells_of(plot, RED)
    assert faint
    assert max(x for _, x in faint) <= min(x for _, x in strong)
    # Dots leave the rows between the two values empty, a line goes through them.
    assert len({y for y, _ in faint}) < len({y for y, _ in strong})


@pytest.mark.parametrize("ascii_only", [False, True])
def test_what_disturbed_an_engine_is_marked_at_its_times(ascii_only: bool) -> None:
    quiet = line(np.full(500, 20.0))  # five seconds in one row, above the lowest
    shaken = replace(quiet, disturbed=((4.0, 4.5), (90.0, 99.0)))
    plot = line_plot([shaken], 60, 12, ascii_only=ascii_only)
    at_work = cells_of(plot, RED)
    marks = sorted(x for y, x in at_work if y == 9)
    drawn = sorted(x for y, x in at_work if y != 9)
    assert {text(plot)[9][x] for x in marks} == {"!"}
    span = drawn[-1] - drawn[0]
    assert marks[0] == pytest.approx(drawn[0] + 0.8 * span, abs=3)
    assert marks[-1] == pytest.approx(drawn[0] + 0.9 * span, abs=3)
    assert "!" not in "".join(text(line_plot([quiet], 60, 12)))


def test_a_hiccup_is_counted_and_does_not_flatten_the_rest() -> None:
    values = noisy(10.0, 500)
    values[[100, 200, 300]] = 900.0
    plot = line_plot([line(values)], 60, 12)
    assert plot.scale is not None
    assert plot.scale.high <= 25
    assert plot.above == 3


def test_engines_far_apart_share_a_logarithmic_axis() -> None:
    lines = [line(np.full(300, 30.0)), line(np.full(300, 0.3), BLUE, "■")]
    plot = line_plot(lines, 60, 12)
    assert plot.scale is not None
    assert plot.scale.log
    assert {y for y, _ in cells_of(plot, RED)} <= {0, 1}
    assert {y for y, _ in cells_of(plot, BLUE)} <= {8, 9}
    linear = line_plot(lines, 60, 12, log=False)
    assert linear.scale is not None
    assert not linear.scale.log


def test_every_line_ends_in_the_glyph_of_its_engine() -> None:
    rows = "".join(text(line_plot([line(noisy(10)), line(noisy(20), BLUE, "■")], 60, 12)))
    assert rows.count("●") == rows.count("■") == 1


def test_plain_ascii_draws_with_the_engines_letter() -> None:
    series = line(np.full(100, 0.25), glyph="A", measuring_since=0.5)
    plot = line_plot([series], 60, 12, ascii_only=True)
    drawn = "".join(text(plot))
    assert drawn.isascii()
    assert "A" in drawn
    assert "." in drawn


def test_the_plot_stays_as_it_is_while_a_steady_run_goes_on() -> None:
    """The axes move in steps, so that a new sample changes the end of the line alone."""
    values = noisy(10.0, 600)
    before = line_plot([line(values[:540])], 60, 12)
    after = line_plot([line(values)], 60, 12)
    changed = sum(
        one != other
        for old, new in zip(text(before), text(after), strict=True)
        for one, other in zip(old, new, strict=True)
    )
    assert 0 < changed < 30


@pytest.mark.parametrize("n", [1_000, 1_000_000])
def test_what_plotext_draws_does_not_grow_with_the_number_of_samples(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0
    points = plotting.Figure.points

    def count(figure: Any, given: Sequence[Any], *rest: Any, **named: Any) -> None:
        nonlocal drawn
        drawn += len(given)
        points(figure, given, *rest, **named)

    monkeypatch.setattr(plotting.Figure, "points", count)
    series = DecimatedSeries(512)
    series.add(np.arange(n) * (10.0 / n), noisy(10.0, n))
    times, low, high = series.points()
    line_plot([LineSeries("●", RED, GREY, times, low, high, 0.0)], 66, 14)
    assert len(times) <= 512
    # The smallest and the largest of each column of dots, and the glyph.
    assert 200 < drawn <= 2 * 2 * 66 + 1
    drawn = 0
    histogram_plot([counted(noisy(10.0, n))], 52, 14)
    assert 10 < drawn <= 2 * 2 * 52


# The end of a run


def test_a_zoom_shows_the_last_seconds_up_to_a_common_end() -> None:
    long, short = line(np.full(3000, 20.0)), line(np.full(600, 10.0), BLUE, "■")
    plot = line_plot([long, short], 60, 12, last_s=10.0)
    assert text(plot)[-1].split() == ["-10", "s", "-8", "-6", "-4", "-2", "end"]
    red, blue = ([x for _, x in cells_of(plot, one)] for one in (RED, BLUE))
    assert max(red) == max(blue) == 59
    assert min(red) <= 6
    assert 0.35 < (min(blue) - 5) / 55 < 0.45


def test_a_zoom_into_a_run_that_is_shorter_shows_all_of_it() -> None:
    plot = line_plot([line(np.full(300, 20.0))], 60, 12, last_s=60.0)
    assert text(plot)[-1].split()[:2] == ["-3", "s"]


def test_a_zoom_has_a_latency_axis_of_its_own_and_its_own_disturbances() -> None:
    values = np.concatenate([np.full(2000, 90.0), np.full(2000, 20.0)])
    whole = line(values, measuring_since=1.0, disturbed=((2.0, 3.0), (35.0, 36.0)))
    plot = line_plot([whole], 60, 12, last_s=10.0)
    assert plot.scale is not None
    assert plot.scale.high < 30
    assert not cells_of(plot, GREY)
    marks = [x for x, char in enumerate(text(plot)[9]) if char == "!"]
    assert marks[0] == pytest.approx(5 + 0.5 * 55, abs=2)
    assert marks[-1] == pytest.approx(5 + 0.6 * 55, abs=2)


def test_a_latency_of_nothing_does_not_stretch_a_log_axis() -> None:
    values = noisy(10.0, 500)
    values[7] = 0.0
    plot = line_plot([line(values)], 60, 12, log=True)
    assert plot.scale is not None
    assert plot.scale.low > 1.0
    assert plot.below == 1


# The percentiles beside a line


@pytest.mark.parametrize(("ascii_only", "arrow"), [(False, "◂"), (True, "<")])
def test_the_p50_and_the_p99_stand_beside_the_line_at_their_heights(
    ascii_only: bool, arrow: str
) -> None:
    values = np.tile(np.linspace(1.0, 2.0, 100), 5)
    marks = LineMarks("*", RED, 1.5, 1.99)
    plot = line_plot([line(values, glyph="*")], 60, 14, ascii_only=ascii_only, marks=marks)
    rows = text(plot)
    assert {len(row) for row in rows} == {60}
    low, high = (
        next(at for at, row in enumerate(rows) if row.endswith(f"{arrow}{name}*"))
        for name in ("p50", "p99")
    )
    drawn = [at for at, row in enumerate(rows[:-2]) if row[6:40].strip()]
    assert abs(high - drawn[0]) <= 1
    assert abs(low - (drawn[0] + drawn[-1]) / 2) <= 1


def test_percentiles_in_one_row_are_both_named() -> None:
    marks = LineMarks("*", RED, 20.0, 20.001)
    rows = text(line_plot([line(np.full(500, 20.0))], 60, 12, marks=marks))
    at = next(at for at, row in enumerate(rows) if row.endswith("◂p50*"))
    assert rows[at - 1].endswith(" p99*")


def test_a_percentile_above_the_axis_points_upwards_and_an_unknown_one_is_not_there() -> None:
    marks = LineMarks("*", RED, None, 500.0)
    rows = text(line_plot([line(noisy(10))], 60, 12, marks=marks))
    assert rows[0].endswith("▴p99*")
    assert not any("p50" in row for row in rows)


def test_a_narrow_plot_keeps_its_room() -> None:
    marks = LineMarks("*", RED, 10.0, 10.1)
    lines = [line(noisy(10))]
    assert line_plot(lines, 39, 12, marks=marks) == line_plot(lines, 39, 12)
    unknown = LineMarks("*", RED, None, None)
    assert line_plot(lines, 60, 12, marks=unknown) == line_plot(lines, 60, 12)
