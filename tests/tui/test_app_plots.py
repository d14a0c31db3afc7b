"""The keys of panels 4 and 5: views, time spans and axes, while a run goes and after it."""

from __future__ import annotations

import re

import pytest
from textual.command import CommandList

from tests.tui.app_support import (
    EAGER,
    ORT,
    ScriptedRun,
    Small,
    Wide,
    opened,
    plan_of,
    text_of,
    until,
)
from tui.app import InferTuiApp
from tui.widgets.histogram import VIEWS, HistogramPanel
from tui.widgets.latency import LatencyPanel
from tui.widgets.plot_view import PlotView


def panels(app: InferTuiApp) -> tuple[LatencyPanel, HistogramPanel]:
    return app.bench.query_one(LatencyPanel), app.bench.query_one(HistogramPanel)


def text(view: PlotView) -> str:
    return "\n".join(view.render_line(y).text.rstrip() for y in range(view.size.height))


@pytest.mark.parametrize("size", [Wide, Small])
async def test_v_goes_through_the_views_while_a_run_goes(
    scripted: ScriptedRun, size: tuple[int, int]
) -> None:
    scripted.block = 3000
    async with opened(plan_of(EAGER, ORT), size) as (app, pilot):
        _, histogram = panels(app)
        slot = app.bench.frame.histogram_slot
        assert slot.border_title == "5 Histogram"
        assert not slot.border_subtitle
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries[0].n)
        await pilot.press("5")
        seen = []
        for at, view in enumerate(VIEWS):
            following = VIEWS[(at + 1) % len(VIEWS)]
            assert histogram.view is view
            assert slot.border_title == f"5 {view.title}"
            assert slot.border_subtitle == f"v: {following.title.lower()}"
            seen.append(text(histogram))
            await pilot.press("v")
        assert histogram.view is VIEWS[0]
        assert "p99.9" not in seen[0]
        assert "p90" in seen[1]
        assert "IQR" in seen[2]
        assert "1.00x" in seen[3]
        await pilot.press("left", "V")
        assert histogram.view is VIEWS[2]
        scripted.go_on.set()
        await until(pilot, lambda: app.controller.live.ending)
        assert histogram.view is VIEWS[2]


async def test_keys_of_a_plot_are_on_the_bar_while_it_has_the_focus(
    scripted: ScriptedRun,
) -> None:
    async with opened(plan_of(ORT)) as (app, pilot):
        bar = app.bench.query_one("#keys")
        await pilot.press("5")
        await pilot.pause()
        assert "v view" not in bar.text()  # there is nothing to view yet
        await pilot.press("r")
        await until(pilot, lambda: "v view" in bar.text() and "L log axis" in bar.text())
        assert "time span" not in bar.text()
        await pilot.press("4")
        await until(pilot, lambda: "- + time span" in bar.text())
        assert "v view" not in bar.text()
        await pilot.press("6")
        await until(pilot, lambda: "space plot" in bar.text())
        assert "time span" not in bar.text()
        assert "log axis" not in bar.text()
        scripted.go_on.set()
        await until(pilot, lambda: app.controller.live.ending)


async def test_plus_and_minus_step_through_the_last_seconds(scripted: ScriptedRun) -> None:
    scripted.wait, scripted.block = False, 20_000  # 30 seconds of an engine
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("4")
        latency, _ = panels(app)
        slot = app.bench.frame.latency_slot
        whole = text(latency)
        titles, axes = [], []
        for _ in range(4):
            await pilot.press("plus")
            titles.append(slot.border_title)
            axes.append(text(latency).splitlines()[-1].split()[0])
        assert titles == [f"4 Latency, last {one} s" for one in (60, 10, 2, 2)]
        assert axes == ["-30", "-10", "-2.0", "-2.0"]
        await pilot.press("minus", "left")
        assert slot.border_title == "4 Latency, last 60 s"
        await pilot.press("minus", "minus")
        assert slot.border_title == "4 Latency"
        assert text(latency) == whole


async def test_a_zoom_follows_a_run_that_goes(scripted: ScriptedRun) -> None:
    scripted.block = 2000
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r", "4", "plus", "plus", "plus")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries[0].n)
        latency, _ = panels(app)
        await until(pilot, lambda: "end" in text(latency).splitlines()[-1])
        # Its row and the end of its line; beside the plot its percentiles are marked as well.
        lines = [re.sub("p[59][09]●", "", line) for line in text(latency).splitlines()]
        assert sum("●" in line for line in lines) == 2
        scripted.go_on.set()
        await until(pilot, lambda: app.controller.live.ending)
        await until(pilot, lambda: sum("■" in one for one in text(latency).splitlines()) >= 2)


async def test_l_changes_the_axis_of_the_panel_with_the_focus_alone(scripted: ScriptedRun) -> None:
    scripted.wait, scripted.block = False, 3000
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        latency, histogram = panels(app)
        linear = text(latency), text(histogram)
        assert "log scale" not in "".join(linear)
        await pilot.press("4", "L")
        assert "log scale" in text(latency)
        assert text(histogram) == linear[1]
        await pilot.press("L", "5", "L")
        assert text(latency) == linear[0]
        assert "log scale" in text(histogram)
        for _ in VIEWS[1:]:
            await pilot.press("v")
            assert "log scale" in text(histogram)
        await pilot.press("L", "v")
        assert text(histogram) == linear[1]


async def test_every_view_is_reached_by_the_palette(scripted: ScriptedRun) -> None:
    scripted.wait, scripted.block = False, 3000
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        latency, histogram = panels(app)
        for words, met in (
            ("next of histogram", lambda: histogram.view is VIEWS[1]),
            ("only the last seconds", lambda: "end" in text(latency).splitlines()[-1]),
            ("axis of panel 4", lambda: "log scale" in text(latency)),
        ):
            await pilot.press("ctrl+p")
            await until(pilot, lambda: "Run the selected engines" in text_of(app), "palette")
            await pilot.press(*words)
            found = app.screen.query_one(CommandList)
            await until(
                pilot, lambda found=found: found.highlighted == 0 and found.option_count == 1, words
            )
            await pilot.press("enter")
            await until(pilot, met, words)
