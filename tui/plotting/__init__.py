"""Plots as rows of coloured text, each exactly as wide and as high as asked for."""

from tui.plotting.boxes import LEAST_SAMPLES, box_plot
from tui.plotting.figure import Figure, Plot
from tui.plotting.histograms import HistogramSeries, histogram_plot, percentile_marks
from tui.plotting.lines import LineMarks, LineSeries, line_plot
from tui.plotting.percentiles import curve_points, percentile_plot
from tui.plotting.speedups import SpeedUp, speed_up_plot

__all__ = [
    "LEAST_SAMPLES",
    "Figure",
    "HistogramSeries",
    "LineMarks",
    "LineSeries",
    "Plot",
    "SpeedUp",
    "box_plot",
    "curve_points",
    "histogram_plot",
    "line_plot",
    "percentile_marks",
    "percentile_plot",
    "speed_up_plot",
]
