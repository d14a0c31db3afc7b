"""Histograms as ridges: each peaks where it should, loses nothing, and is named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tui.plot_support import BLUE, GREY, RED, cells_of, counted, noisy, text
from tui.palette import engine_glyph
from tui.plotting import (
    HistogramSeries,
    histogram_plot,
)


def test_each_ridge_peaks_at_its_median_under_its_mark() -> None:
    series = [counted(noisy(20.0)), counted(noisy(12.0), BLUE, "■")]
    plot = histogram_plot(series, 60, 12, frame=GREY)
    assert plot.scale is not None
    assert plot.marked
    for one, color, caption in ((20.0, RED, 0), (12.0, BLUE, 5)):
        column = int(float(plot.scale.place(one)) * 60)
        marks = [x for x, char in enumerate(text(plot)[caption]) if char == "▾"]
        assert any(abs(x - column) <= 1 for x in marks)
        bars = [x for y, x in cells_of(plot, color) if y == caption + 1]
        assert bars
        assert all(abs(x - column) <= 3 for x in bars)


def test_ridges_share_one_axis_with_its_unit() -> None:
    plot = histogram_plot([counted(noisy(20.0)), counted(noisy(12.0), BLUE)], 60, 12)
    assert text(plot)[-1].split() == ["10", "15", "20", "ms"]


def test_the_legend_names_the_engine_and_its_percentiles() -> None:
    series = [counted(noisy(20.0, 5000)), counted(noisy(12.0, 5000, seed=1), BLUE, "■")]
    rows = text(histogram_plot(series, 70, 12))
    assert "● eager  ▾ 20.0" in rows[0]
    assert "■ eager  ▾ 11.99" in rows[5]
    assert "▿ 20.9" in rows[0]


def test_percentiles_without_enough_samples_are_not_marked() -> None:
    bare = HistogramSeries("●", RED, "eager", counted(noisy(20.0, 50)).latencies)
    assert not {"▾", "▿"} & set("".join(text(histogram_plot([bare], 60, 12))))


def test_a_single_sample_is_seen_beside_a_million() -> None:
    values = np.concatenate([noisy(10.0, 100_000), np.full(200, 10.9)])
    plot = histogram_plot([counted(values)], 60, 12)
    assert plot.scale is not None
    column = int(float(plot.scale.place(10.9)) * 60)
    assert any(abs(x - column) <= 1 for _, x in cells_of(plot, RED))


def test_a_long_tail_is_counted_and_does_not_squeeze_the_rest() -> None:
    values = np.concatenate([noisy(10.0, 5000), np.full(12, 700.0)])
    plot = histogram_plot([counted(values)], 60, 12)
    assert plot.scale is not None
    assert plot.scale.high < 20
    assert plot.above == pytest.approx(12, abs=25)


def test_a_histogram_of_engines_far_apart_is_logarithmic_and_loses_nothing() -> None:
    series = [counted(noisy(30.0)), counted(noisy(0.3), BLUE, "■")]
    plot = histogram_plot(series, 60, 12)
    assert plot.scale is not None
    assert plot.scale.log
    assert plot.above + plot.below <= 20
    assert cells_of(plot, RED)
    assert cells_of(plot, BLUE)


def test_many_engines_get_a_row_each_and_no_caption() -> None:
    series = [counted(noisy(5.0 + at), at, engine_glyph(at)) for at in range(8)]
    plot = histogram_plot(series, 60, 12)
    assert not plot.marked
    drawn = "".join(text(plot))
    assert all(engine_glyph(at) in drawn for at in range(8))
    assert len(text(histogram_plot(series, 60, 5))) == 5
