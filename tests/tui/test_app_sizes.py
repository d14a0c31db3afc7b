"""Terminals from one cell up, and a resize in mid-run."""

from __future__ import annotations

import pytest
from textual.widgets._toast import Toast

from tests.tui.app_support import EAGER, ORT, ScriptedRun, opened, plan_of, text_of, until
from tui.screens import layout
from tui.widgets.panel import RowsView


@pytest.mark.parametrize("size", [(200, 60), (120, 40), (110, 36), (100, 30), (80, 24), (60, 15)])
async def test_every_panel_can_be_read(scripted: ScriptedRun, size: tuple[int, int]) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER, ORT), size=size) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        for number, words in enumerate(
            ("408,938", "✓ ready", "ONNX fp32", "p50", "p50", "eager cpu fp32", "CPU"), 1
        ):
            await pilot.press(str(number))
            await until(pilot, lambda words=words: words in text_of(app), f"{number} at {size}")
        everything = size[0] >= layout.WIDE and size[1] >= layout.TALL
        shown = [panel.display for panel in app.bench.frame.panels]
        assert all(shown) if everything else sum(shown) == 1


async def test_at_120x40_nothing_has_to_be_scrolled_or_is_cut_off(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        text = text_of(app)
        for column in ("p50 ms", "± 95 %", "p90 ms", "p99 ms", "images/s", "speed-up", "cosine",
                       "top-1", "memory", "state"):  # fmt: skip
            assert column in text
        assert "onnxruntime cpu fp32 b1" in app.bench.results.text()
        assert not any(panel.show_vertical_scrollbar for panel in app.bench.frame.panels)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            (40, 10),
            ("This terminal has 40x10", "needs 60x15: make it larger", "q leaves"),
        ),
        ((59, 40), ("This terminal has 59x40", "q leaves")),
        ((120, 14), ("This terminal has 120x14", "q leaves")),
        ((20, 5), ("20x5, needs 60x15", "q leaves")),
        ((1, 1), ()),
    ],
)
async def test_too_small_a_terminal_says_so_and_takes_no_key_for_what_is_not_seen(
    replayed: None, size: tuple[int, int], said: tuple[str, ...]
) -> None:
    async with opened(size=size) as (app, pilot):
        shown = text_of(app)
        assert all(one in shown for one in said)
        assert not any(key in shown for key in ("space select", "r run", "p precision"))
        await pilot.press("r", "n", "i")
        assert app.screen is app.bench
        assert not app.controller.running
        await pilot.press("q")
        assert app._exit


@pytest.mark.parametrize("key", ["i", "n", "enter"])
async def test_the_keys_of_a_dialog_are_seen_on_the_smallest_screen(
    replayed: None, key: str
) -> None:
    async with opened(size=(60, 15)) as (app, pilot):
        await pilot.press(key)
        dialog = app.screen
        assert dialog is not app.bench
        assert "enter accept  esc cancel" in text_of(app)
        rows = dialog.query_one(".choices", RowsView)
        await pilot.press("end")
        assert rows.cursor == len(rows.rows) - 1
        assert "▸" in text_of(app), "the cursor is in view"


async def test_a_resize_in_mid_run_breaks_nothing(scripted: ScriptedRun) -> None:
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries
                    and app.controller.live.entries[0].n)  # fmt: skip
        await pilot.press("7")
        for size in ((80, 24), (1, 1), (40, 10), (300, 80), (60, 15), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert app.controller.running
        assert all(panel.display for panel in app.bench.frame.panels)
        assert app.bench.focused is app.bench.telemetry
        scripted.go_on.set()
        await until(pilot, lambda: app.controller.live.ending == "complete")
        assert "1.00x" in text_of(app)


@pytest.mark.parametrize(("size", "most"), [((80, 24), 2), ((120, 40), 4)], ids=str)
async def test_no_more_toasts_than_the_screen_has_room_for(size, most) -> None:
    """One that lies beyond the screen never goes away again."""
    async with opened(plan_of(EAGER), size=size) as (app, pilot):
        for number in range(6):
            app.notify("many words " * 12, title=f"Copied {number}", timeout=600)
            await pilot.pause()
        shown = app.screen.query(Toast)
        assert 0 < len(shown) <= most
        assert shown.last()._notification.title == "Copied 5", "the latest is there"
        assert all(app.screen.region.contains_region(one.region) for one in shown)
