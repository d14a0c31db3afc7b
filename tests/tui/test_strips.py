"""What was drawn goes by itself: nothing of it waits for a full collection of garbage."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import plotext
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.cache import FIFOCache
from textual.strip import Strip

from tests.tui.app_support import EAGER, ORT, ScriptedRun, Wide, opened, plan_of, until
from tui import strips
from tui.plotting.figure import Figure
from tui.widgets.plot_view import PlotView

STYLES = st.sampled_from([None, Style(bold=True), Style(color="red", bgcolor="blue")])
SEGMENTS = st.tuples(st.text("ab ─字", max_size=6), STYLES).map(lambda one: Segment(*one))
EDGES = st.integers(0, 30)


@contextmanager
def garbage() -> Iterator[Counter[type]]:
    """Counts, by their types, what only a full collection would have freed."""
    found: Counter[type] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(map(type, gc.garbage))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_frames_of_the_app_leave_neither_strips_nor_figures(scripted: ScriptedRun) -> None:
    scripted.block = 3000
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries[0].n)
        await pilot.press("2")
        await pilot.resize_terminal(Wide[0] - 1, Wide[1])
        await pilot.pause()
        with garbage() as found:
            for width in (Wide[0], Wide[0] - 1) * 3:
                await pilot.resize_terminal(width, Wide[1])
                await pilot.press("j", "k")
                await pilot.pause()
        # What else is left is small: parts of figures that refer to themselves.
        for kind in (Strip, FIFOCache, Segment, plotext.matrix, type(plotext.figure)):
            assert not found[kind], f"{found[kind]} of {kind}"


async def test_regions_that_changed_are_forgotten_when_they_are_drawn(
    scripted: ScriptedRun,
) -> None:
    scripted.block = 3000
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries[0].n)
        await pilot.press("2", "j", "k")
        await pilot.pause()
        assert not app.bench.engines._dirty_regions
        for view in app.bench.query(PlotView):
            assert not (view.visible_now and view._dirty_regions), view


def test_a_figure_is_gone_when_its_rows_are_there() -> None:
    with garbage() as found:
        figure = Figure(60, 12, 8, ascii_only=False)
        figure.points([(0.1 * at, 0.5) for at in range(10)], "braille", 3, line=True)
        assert len(figure.rows()) == 12
        del figure
    assert not found[plotext.matrix]
    assert not found[type(plotext.figure)]


@pytest.mark.parametrize("name", ["adjust_cell_length", "crop_extend", "divide"])
@given(st.lists(SEGMENTS, max_size=5), EDGES, EDGES, STYLES)
def test_a_strip_is_cut_and_stretched_as_by_textual(
    name: str, segments: list[Segment], one: int, other: int, style: Style | None
) -> None:
    low, high = sorted((one, other))
    arguments: dict[str, tuple[object, ...]] = {
        "adjust_cell_length": (one, style),
        "crop_extend": (low, high, style),
        "divide": ([low, high],),
    }
    ours, theirs = getattr(strips, name), getattr(strips, f"_{name}")
    found = ours(Strip(segments), *arguments[name])
    assert found == theirs(Strip(segments), *arguments[name])
    whole = Strip(segments)
    size = whole.cell_length
    same: dict[str, tuple[object, ...]] = {
        "adjust_cell_length": (size, style),
        "crop_extend": (0, size, style),
        "divide": ([size],),
    }
    assert ours(whole, *same[name]) == theirs(Strip(segments), *same[name])
