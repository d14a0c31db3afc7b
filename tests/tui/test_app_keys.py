"""Every key of the bench and what it opens, at both sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

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
from tui.dialogs.base import Field
from tui.dialogs.choose import BatchDialog, Checklist, PrecisionDialog
from tui.dialogs.form import FormRows, OptionsDialog
from tui.dialogs.measurement import MeasurementDialog
from tui.dialogs.message import MessageDialog
from tui.dialogs.path import PathDialog
from tui.screens.help import HelpRows, HelpScreen
from tui.screens.history import HistoryScreen
from tui.screens.log import LogRows, LogScreen
from tui.screens.model import LayerRows, ModelScreen

OPENS = {
    "p": PrecisionDialog,
    "n": BatchDialog,
    "i": MeasurementDialog,
    "enter": OptionsDialog,
    "o": HistoryScreen,
    "c": HistoryScreen,
    "m": ModelScreen,
    "g": PathDialog,
    "question_mark": HelpScreen,
}


@pytest.mark.parametrize("size", [Wide, Small])
async def test_every_key_opens_its_screen_and_escape_comes_back(
    replayed: None, size: tuple[int, int]
) -> None:
    async with opened(size=size) as (app, pilot):
        for key, screen in OPENS.items():
            await pilot.press(key)
            await until(pilot, lambda screen=screen: isinstance(app.screen, screen), key)
            await pilot.press("escape")
            assert app.screen is app.bench, key
            assert app.bench.focused is app.bench.engines


@pytest.mark.parametrize("size", [Wide, Small])
async def test_numbers_and_tab_go_to_the_panels(replayed: None, size: tuple[int, int]) -> None:
    async with opened(size=size) as (app, pilot):
        for number in (1, 2, 3, 4, 5, 6, 7):
            await pilot.press(str(number))
            assert app.bench.frame.panel_number(app.bench.focused) == number
            assert app.bench.frame.panels[number - 1].display
        await pilot.press("tab")
        assert app.bench.frame.current == 1
        await pilot.press("shift+tab", "shift+tab")
        assert app.bench.frame.current == 6
        shown = [panel.display for panel in app.bench.frame.panels]
        assert sum(shown) == (7 if size == Wide else 1)


async def test_keys_may_come_faster_than_the_screen_follows(replayed: None) -> None:
    async with opened(size=Small) as (app, pilot):
        for key in "1345676":
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: app.bench.frame.current == 6)
        await pilot.pause()
        assert app.bench.frame.current == 6
        assert app.bench.focused is app.bench.results


async def test_z_gives_one_panel_the_screen_and_takes_it_back(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("4", "z")
        assert [panel.display for panel in app.bench.frame.panels].count(True) == 1
        await pilot.press("z")
        assert all(panel.display for panel in app.bench.frame.panels)


async def test_arrows_and_vim_keys_move_the_cursor(replayed: None) -> None:
    async with opened() as (app, pilot):
        engines = app.bench.engines
        await pilot.press("j", "j", "down", "k")
        assert engines.cursor == 2
        await pilot.press("end")
        assert engines.cursor == len(engines.rows) - 1
        await pilot.press("j", "home", "k", "up")
        assert engines.cursor == 0
        for first, last in (("home", "G"), ("less_than_sign", "greater_than_sign")):
            await pilot.press(last)
            assert engines.cursor == len(engines.rows) - 1
            await pilot.press(first)
            assert engines.cursor == 0


async def test_half_pages_and_g_on_pages(replayed: None) -> None:
    async with opened(size=Small) as (app, pilot):
        await pilot.press("question_mark")
        rows = app.screen.query_one(HelpRows)
        page = rows.size.height
        await pilot.press("ctrl+d", "ctrl+d")
        assert rows.scroll_offset.y == 2 * (page // 2)
        await pilot.press("ctrl+u")
        assert rows.scroll_offset.y == page // 2
        await pilot.press("G")
        assert rows.scroll_offset.y == len(rows.rows) - page
        await pilot.press("g")
        assert rows.scroll_offset.y == 0


async def test_an_unavailable_engine_says_why_and_what_to_install(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        shown = app.bench.engines.text()
        assert "tensorrt is not installed" in shown
        assert "pip install 'infer-tui[tensorrt]'" in shown
        await pilot.press("b")
        assert isinstance(app.screen, MessageDialog)
        assert "tensorrt is not installed" in text_of(app)


async def test_several_precisions_and_batches_are_several_entries(replayed: None) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("p", "down", "space", "enter")
        await pilot.press("n", "down", "down", "space", "tab", *"3, 100", "enter")
        assert app.screen is app.bench
        found = {(spec.precision, spec.batch) for spec in app.selection.specs()}
        assert found == {(one, size) for one in ("fp32", "bf16") for size in (1, 3, 4, 100)}
        assert "8 to run" in text_of(app)


async def test_letters_in_a_field_are_text_and_wrong_ones_are_told(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("n", "tab", *"qrx?")
        assert isinstance(app.screen, BatchDialog)
        assert app.screen.query_one(Field).value == "qrx?"
        await pilot.press("enter")
        assert "'qrx?' is no batch size" in text_of(app)
        await pilot.press("escape", "n", "space", "enter")
        assert "Tick at least one" in text_of(app)
        assert app.screen.query_one(Checklist).ticked == ()


async def test_options_are_changed_by_arrows_and_digits(replayed: None) -> None:
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("down", "down", "down", "down", "enter")
        form = app.screen.query_one(FormRows)
        assert form.values["intra_op_threads"] == 1
        await pilot.press("right")
        assert form.values["graph_optimization_level"] == "disable"
        await pilot.press("j", "2", "backspace", "left", "left", "4", "enter")
        (spec,) = app.selection.specs()
        assert spec.options == {"graph_optimization_level": "disable", "intra_op_threads": 4}
        assert "intra_op_threads=4" in app.bench.engines.text()


async def test_how_long_to_measure(replayed: None) -> None:
    async with opened() as (app, pilot):
        assert "until the median is known to 1 %" in text_of(app)
        await pilot.press("i", "right", "down", "backspace", "backspace", "backspace", "5", "enter")
        assert app.measurement.iterations == 5
        await pilot.pause()
        assert "measured for 5 iterations" in text_of(app)
        await pilot.press("i", "down", "backspace", "enter")
        assert "expected a whole number from 1" in text_of(app)


async def test_the_key_bar_shows_what_works_now(scripted: ScriptedRun) -> None:
    async with opened(plan_of(ORT)) as (app, pilot):
        bar = app.bench.query_one("#keys")
        assert "r run" in bar.text()
        assert "x stop" not in bar.text()
        assert "s save" not in bar.text()
        await pilot.press("r")
        await until(pilot, lambda: "x stop" in bar.text() and "r run" not in bar.text())
        scripted.go_on.set()
        await until(pilot, lambda: "s save" in bar.text() and "r run" in bar.text())
        await pilot.press("6")
        await until(pilot, lambda: "space plot" in bar.text() and "enter details" in bar.text())


async def test_details_and_plotted_entries(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("6", "space")
        assert app.bench.results.plotted == [1]
        await pilot.press("space", "enter")
        assert isinstance(app.screen, MessageDialog)
        assert "eager cpu fp32 b1" in text_of(app)


async def test_the_blocks_of_the_model_fold(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("m")
        rows = app.screen.query_one(LayerRows)
        assert [(one.block.name, one.layer) for one in rows.nodes] == [("features", None)]
        assert "▶ features" in rows.text()
        assert "1,296" in rows.text(), "the sum of its layers' parameters"
        await pilot.press("space")
        assert len(rows.rows) == 4
        assert "▼ features" in rows.text()
        await pilot.press("right", "j", "l")
        assert rows.current.layer.name == "features.0.0", "right goes into what is open"
        await pilot.press("left")
        assert rows.cursor == 0
        assert len(rows.rows) == 1
        await pilot.press("a", "G", "a")
        assert len(rows.rows) == 1
        await pilot.press("g")
        assert isinstance(app.screen, PathDialog), "the graph"


async def test_the_layers_are_searched(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("m")
        rows = app.screen.query_one(LayerRows)
        await pilot.press("slash", *"conv")
        assert [one.name for one in rows.listed] == ["features.0.0"]
        assert len(rows.rows) == 2, "it stands under its block"
        await pilot.press("enter", "j", "space", "escape")
        assert len(rows.rows) == 1
        await pilot.press("slash", *"zzz")
        assert "No layer has 'zzz'" in text_of(app)


async def test_the_log_is_shown_followed_and_searched(
    scripted: ScriptedRun, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    log.write_text("begin\n\x1b[31mError: out of memory\x1b[0m\nmiddle\nan error again\n")
    async with opened() as (app, pilot):
        app.push_screen(LogScreen(log, "eager cpu"))
        await until(pilot, lambda: app.screen.query(LogRows) and app.screen.query_one(LogRows).rows)
        rows = app.screen.query_one(LogRows)
        assert "\x1b" not in rows.text()
        assert rows.cursor == 3
        await pilot.press("slash", *"error", "enter", "n")
        assert rows.matches == [1, 3]
        assert rows.cursor == 1
        with log.open("a") as file:
            file.write("one more\n")
        app.screen.read()
        assert "one more" in rows.text()
        for part in ("half of", " an error line\n", ""):
            with log.open("a") as file:
                file.write(part)
            app.screen.read()
        assert rows.lines[-2:] == ["one more", "half of an error line"]
        assert rows.matches == [1, 3, 5]
        log.write_text("anew\n")
        app.screen.read()
        assert rows.lines == ["anew"]


async def test_the_graph_is_drawn_by_a_worker(
    replayed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("g")
        app.screen.query_one(Field).value = str(tmp_path / "graph.dot")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.bench, "the graph")
        assert (tmp_path / "graph.dot").read_text().startswith("digraph")
        await until(pilot, lambda: "Graph written" in text_of(app))


async def test_a_picture_of_the_screen(
    replayed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened() as (app, pilot):
        app.action_picture()
        await pilot.pause()
        (picture,) = tmp_path.glob("*.svg")
        assert "infer-tui" in picture.read_text()
