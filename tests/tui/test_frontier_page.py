"""The frontier page: what it plots and lists, its limit, and a run that goes on beneath it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from textual.pilot import Pilot

from engines.events import EngineFinished
from tests.tui.app_support import EAGER, ORT, ScriptedRun, Small, Wide, opened, plan_of, until
from tests.tui.frontier_support import LABELS, sweep, sweep_results
from tui.app import InferTuiApp
from tui.dialogs.base import Field
from tui.screens.frontier import FrontierScreen
from tui.widgets.bars import KeyBar
from tui.widgets.frontier import FrontierPlot, FrontierRows


@asynccontextmanager
async def frontier(
    size: tuple[int, int] = Wide, max_latency_ms: float | None = None, **options: object
) -> AsyncIterator[tuple[InferTuiApp, Pilot[None]]]:
    """The page over an opened profile of the sweep."""
    async with opened(size=size, **options) as (app, pilot):
        app.controller.live = sweep(max_latency_ms)
        app.bench.draw()
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FrontierScreen), "the page")
        await pilot.pause()
        yield app, pilot


def listed(app: InferTuiApp) -> list[str]:
    """The rows of the list, without what stands above them."""
    rows = app.screen.query_one(FrontierRows)
    return ["".join(text for text, _ in row) for row in rows.rows]


def above(app: InferTuiApp) -> str:
    """What the limit comes to."""
    return " ".join(app.screen.query_one(FrontierRows).text().split("entry")[0].split())


def plotted(app: InferTuiApp) -> str:
    view = app.screen.query_one(FrontierPlot)
    return "\n".join(view.render_line(y).text for y in range(view.size.height))


@pytest.mark.parametrize("size", [Wide, Small])
async def test_points_stand_in_order_of_latency_with_their_state(
    replayed: None, size: tuple[int, int]
) -> None:
    async with frontier(size) as (app, _):
        rows = listed(app)
        assert len(rows) == 15
        assert "tensorrt cuda fp16 b1" in rows[0]
        assert "on it" in rows[0]
        assert sum("on it" in row for row in rows) == 6
        assert sum("✗ INVALID" in row for row in rows) == 1
        assert sum("✗ THROTTLED" in row for row in rows) == 1
        assert [row for row in rows if "p50" in row] == [row for row in rows if "14,5" in row], (
            "the entry with 300 samples has no p99"
        )
        assert "no limit" in above(app)
        shown = plotted(app)
        assert "images a second" in shown
        assert {"●", "■", "▲", "×"} - set(shown) == {"▲"}, (
            "the invalid one has a cross for its sign"
        )
        assert "[" in shown
        assert "best" not in shown


@pytest.mark.parametrize("size", [Wide, Small])
async def test_a_limit_is_typed_and_names_the_best(replayed: None, size: tuple[int, int]) -> None:
    async with frontier(size) as (app, pilot):
        await pilot.press("l", *"500us", "enter")
        await pilot.pause()
        assert app.controller.live.limit_ms == 0.5
        assert above(app).startswith("within 500 µs: tensorrt cuda fp16 b8: 20,0")
        assert [row for row in listed(app) if "▶ best" in row]
        assert "limit" in plotted(app)
        assert app.focused is app.screen.query_one(FrontierRows)
        await pilot.press("backspace")
        await pilot.pause()
        assert app.controller.live.limit_ms is None
        assert "no limit" in above(app)
        await pilot.press("l", *"0.01ms", "enter")
        await pilot.pause()
        assert above(app) == "within 10 µs: nothing that is valid"


async def test_what_is_no_latency_is_told_and_the_field_stays(replayed: None) -> None:
    async with frontier() as (app, pilot):
        await pilot.press("l", *"fast", "enter")
        await pilot.pause()
        assert app.screen.query_one("#search", Field).has_focus
        assert [one.message for one in app._notifications if "'fast' is no latency" in one.message]
        await pilot.press("escape")
        assert isinstance(app.screen, FrontierScreen)
        assert app.controller.live.limit_ms is None
        await pilot.press("escape")
        assert app.screen is app.bench


async def test_an_empty_line_takes_the_limit_away(replayed: None) -> None:
    async with frontier(max_latency_ms=2.0) as (app, pilot):
        assert above(app).startswith("within 2 ms: ")
        await pilot.press("l", "enter")
        await pilot.pause()
        assert app.controller.live.limit_ms is None


async def test_arrows_step_the_limit_from_point_to_point(replayed: None) -> None:
    async with frontier() as (app, pilot):
        await pilot.press("right")
        first = app.controller.live.limit_ms
        assert first is not None
        await pilot.pause()
        assert "▶ best" in listed(app)[0]
        await pilot.press("right", "plus", "left", "minus")
        assert app.controller.live.limit_ms == first
        await pilot.press("left")
        assert app.controller.live.limit_ms == first, (
            "below the fastest there is nothing to step to"
        )
        await pilot.press("backspace", "left")
        last = app.controller.live.limit_ms
        assert last is not None
        assert last > first
        await pilot.press("right")
        assert app.controller.live.limit_ms == last
        await pilot.pause()
        assert "tensorrt cuda fp16 b32, 4 in flight" in above(app)


async def test_the_point_under_the_cursor_is_marked_in_the_plot(replayed: None) -> None:
    async with frontier() as (app, pilot):
        before = plotted(app)
        assert "[◉]" in before
        await pilot.press("down")
        await pilot.pause()
        assert plotted(app) != before
        assert "[◆]" in plotted(app)


@pytest.mark.parametrize("size", [Wide, Small])
async def test_plain_ascii_is_ascii(replayed: None, size: tuple[int, int]) -> None:
    async with frontier(size, max_latency_ms=0.5, ascii_only=True) as (app, _):
        rows = app.screen.query_one(FrontierRows)
        shown = [rows.render_line(y).text for y in range(rows.size.height)]
        assert "within 500 us: " in shown[0]
        assert ("".join(shown) + plotted(app)).isascii()


@pytest.mark.parametrize("own_ms", [None, 3.0])
async def test_a_limit_that_was_looked_at_goes_into_no_plan(
    scripted: ScriptedRun, own_ms: float | None
) -> None:
    scripted.wait = False
    plan = msgspec.structs.replace(plan_of(EAGER), max_latency_ms=own_ms)
    async with opened(plan) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: scripted.plans and not app.controller.running, "a run")
        looked_at = app.controller.live
        looked_at.entries[0].result = sweep_results()[0]
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FrontierScreen), "the page")
        await pilot.press("l", *"520us", "enter", "escape")
        profile, _ = app.controller.drive.snapshot(None, "")
        assert profile.plan.max_latency_ms == own_ms, "looking changes no profile"
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FrontierScreen), "the page")
        assert looked_at.limit_ms == 0.52, "it stays while this run is looked at"
        await pilot.press("escape", "r")
        await until(pilot, lambda: len(scripted.plans) == 2 and not app.controller.running)
        assert [one.max_latency_ms for one in scripted.plans] == [own_ms, own_ms]
        assert app.controller.live.limit_ms == own_ms


async def test_before_anything_was_measured_f_says_what_is_missing(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("f")
        await pilot.pause()
        assert app.screen is app.bench
        said = [one.message for one in app._notifications]
        assert said == [
            "No entry is measured yet; the frontier is drawn from their results:"
            " r runs the selected engines, o opens a saved profile"
        ]
        assert "frontier" not in app.bench.query_one(KeyBar).text()


async def test_a_run_that_goes_on_adds_its_points(scripted: ScriptedRun) -> None:
    first, second = sweep_results()[:2]
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries)
        app.controller.live.apply(EngineFinished(0, first))
        app.bench.refresh_bindings()
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FrontierScreen), "the page")
        await until(pilot, lambda: len(listed(app)) == 1, "one point")
        assert LABELS[0] in listed(app)[0]
        app.controller.live.apply(EngineFinished(1, second))
        await until(pilot, lambda: len(listed(app)) == 2, "a second one")
        scripted.go_on.set()
        await until(pilot, lambda: not app.controller.running, "the end")
