"""Percentile curves, boxes and speed-ups: their numbers, and where they are drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engines.statistics import nearest_rank, sample_floor
from tests.tui.plot_support import BLUE, GREY, RED, cells_of, counted, noisy, text
from tui.plotting import (
    LEAST_SAMPLES,
    Plot,
    SpeedUp,
    box_plot,
    curve_points,
    percentile_plot,
    speed_up_plot,
)

# Percentile curves


@pytest.mark.parametrize(("n", "last"), [(11, 50), (64, 90), (662, 99), (6636, 99.9)])
def test_a_curve_ends_where_there_are_too_few_samples(n: int, last: float) -> None:
    assert sample_floor(last) == n
    nines, _ = curve_points(counted(noisy(10.0, n)).latencies)
    assert nines[-1] == pytest.approx(-math.log10(1 - last / 100), abs=1 / 32)
    fewer, _ = curve_points(counted(noisy(10.0, n - 1)).latencies)
    assert fewer.size < nines.size


def test_a_curve_has_the_percentiles_by_nearest_rank() -> None:
    values = np.sort(np.random.default_rng(5).lognormal(1, 0.5, 70_000))
    nines, found = curve_points(counted(values).latencies)
    for percentile in (50, 90, 99, 99.9, 99.99):
        at = int(np.argmin(np.abs(nines + math.log10(1 - percentile / 100))))
        exact = values[nearest_rank(len(values), percentile) - 1]
        assert nines[at] == pytest.approx(-math.log10(1 - percentile / 100))
        assert found[at] == pytest.approx(exact, rel=0.0006)
    assert (np.diff(found) >= 0).all()


def test_a_percentile_plot_marks_p50_and_p99_on_the_curve() -> None:
    plot = percentile_plot([counted(noisy(20.0, 7000))], 60, 12)
    rows = text(plot)
    assert rows[0].startswith("● eager")
    assert rows[-1].split() == ["p50", "p90", "p99", "p99.9"]
    places = {char: x for row in rows for x, char in enumerate(row) if char in "▾▿"}
    assert places["▾"] <= 6
    assert places["▿"] == pytest.approx(rows[-1].index("p99") + 1, abs=1)
    assert sum(row.count("●") for row in rows) == 2  # its legend and the end of its curve


def test_an_engine_with_too_few_samples_has_no_curve() -> None:
    few, many = counted(noisy(5.0, 10), BLUE, "■"), counted(noisy(20.0))
    plot = percentile_plot([few, many], 60, 12)
    assert not cells_of(plot, BLUE)
    assert percentile_plot([few], 60, 12).scale is None


def test_curves_with_a_long_tail_are_drawn_on_a_log_axis_unless_asked_not_to() -> None:
    values = np.concatenate([noisy(10.0, 980), np.full(20, 400.0)])
    plots = [percentile_plot([counted(values)], 60, 12, log=log) for log in (None, False)]
    assert [plot.scale.log for plot in plots if plot.scale] == [True, False]


# Box plots


def test_a_box_lies_between_its_quartiles_on_the_axis() -> None:
    series = counted(noisy(20.0, 4000))
    for height, framed in ((12, True), (5, False)):
        plot = box_plot([series], 80, height)
        assert plot.scale is not None
        box = series.latencies.box()
        rows = text(plot)
        middle = rows[2 if framed else 1]
        values = (box.whisker_low, box.first_quartile, box.median, box.third_quartile)
        columns = [int(float(plot.scale.place(one)) * 80) for one in values]
        assert [middle[x] for x in columns] == ["├", "┤", "┃", "├"]
        assert middle[int(float(plot.scale.place(box.whisker_high)) * 80)] == "┤"
        assert ("┌" in rows[1]) == framed


def test_outliers_are_counted_as_the_result_has_them() -> None:
    series = counted(noisy(20.0, 4000))
    box = series.latencies.box()
    assert box.mild + box.severe > 5
    assert f"{box.mild + box.severe} outliers" in text(box_plot([series], 80, 12))[0]
    exact = replace(series, outliers=1)
    assert text(box_plot([exact], 80, 12))[0].endswith("1 outlier")


def test_an_engine_with_too_few_samples_has_no_box() -> None:
    few = counted(noisy(5.0, LEAST_SAMPLES - 1), BLUE, "■")
    assert box_plot([few], 60, 12).scale is None
    enough = counted(noisy(5.0, LEAST_SAMPLES), BLUE, "■")
    assert box_plot([enough], 60, 12).scale is not None


@pytest.mark.parametrize("drawing", [percentile_plot, box_plot])
def test_distributions_in_plain_ascii_name_their_engine(drawing: Callable[..., Plot]) -> None:
    drawn = "".join(text(drawing([counted(noisy(0.25), glyph="A")], 60, 12, ascii_only=True)))
    assert drawn.isascii()
    assert "A eager" in drawn


# Speed-ups


def bars(*ratios: float | None, log: bool | None = None, width: int = 70) -> Plot:
    glyphs = "●■▲◆"
    speed_ups = [
        SpeedUp(glyphs[at], at + 1, f"engine {at}", one, "" if at else "baseline")
        for at, one in enumerate(ratios)
    ]
    return speed_up_plot(speed_ups, width, 14, frame=GREY, log=log)


def test_a_bar_is_as_long_as_its_speed_up_and_has_its_number() -> None:
    plot = bars(1.0, 2.0, 4.0)
    lengths = [len(re.findall("[█▌]", text(plot)[y])) for y in (0, 4, 8)]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=1)
    assert lengths[2] == pytest.approx(4 * lengths[0], abs=2)
    assert "1.00x baseline" in text(plot)[0]
    assert "4.00x" in text(plot)[8]
    assert text(plot)[-1].split() == ["0", "1", "2", "3", "4", "x"]


def test_on_a_log_axis_what_is_slower_reaches_to_the_left() -> None:
    plot = bars(1.0, 0.25, 4.0, log=True)
    slower, faster = ([text(plot)[y].index("█"), text(plot)[y].rindex("█")] for y in (4, 8))
    assert slower[1] <= faster[0]
    assert slower[1] - slower[0] == pytest.approx(faster[1] - faster[0], abs=1)


def test_what_has_no_speed_up_has_a_row_but_no_bar() -> None:
    speed_ups = [SpeedUp("●", RED, "eager", 1.0), SpeedUp("■", BLUE, "compile", None, "✗ failed")]
    rows = text(speed_up_plot(speed_ups, 70, 12, frame=GREY))
    assert rows[5].startswith("■ compile")
    assert "✗ failed" in rows[5]
    assert "█" not in rows[5]


@pytest.mark.parametrize("width", [16, 24, 30, 44])
def test_in_a_narrow_plot_the_numbers_outlive_the_bars(width: int) -> None:
    rows = text(bars(1.0, 2.5, width=width))
    assert "1.00x" in "".join(rows)
    assert "2.50x" in "".join(rows)


@pytest.mark.parametrize("log", [False, True])
def test_short_bars_have_their_axis(log: bool) -> None:
    for width in range(40, 90):
        bars = [
            SpeedUp("●", RED, "eager cpu fp32 b1", 1.0, "baseline"),
            SpeedUp("■", GREY, "onnxruntime cpu fp32 b1", 2.06, "▲ FASTER ! shared CPU"),
        ]
        rows = text(speed_up_plot(bars, width, 9, frame=GREY, log=log))
        drawn = any("█" in row for row in rows)
        assert bool(rows[-1].strip()) == drawn, width
        assert ("┬" in rows[-2]) == drawn, width
