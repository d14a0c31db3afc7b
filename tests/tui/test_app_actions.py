"""The registry of actions: complete, free of clashes, and a keymap that is checked against it."""

from __future__ import annotations

import itertools
import re

import pytest
from textual.command import CommandList

from engines.errors import UsageError
from tests.tui.app_support import opened, text_of, until
from tui import actions
from tui.app import InferTuiApp
from tui.dialogs import again, choose, confirm, form, measurement, message
from tui.keys import shown_key
from tui.screens import bench, compare, frontier, graph, help, history, layers, model  # noqa: A004
from tui.widgets import panel

HOMES = {
    "app": InferTuiApp,
    "bench": bench.BenchScreen,
    "engines": bench.BenchScreen,
    "latency": bench.BenchScreen,
    "histogram": bench.BenchScreen,
    "results": bench.BenchScreen,
    "list": panel.RowsView,
    "page": model.ModelScreen,
    "model": model.ModelScreen,
    "graph": graph.GraphScreen,
    "layers": layers.LayersScreen,
    "profiles": history.HistoryScreen,
    "chooser": history.HistoryScreen,
    "compare": compare.CompareScreen,
    "frontier": frontier.FrontierScreen,
    "dialog": choose.BatchDialog,
    "checklist": choose.Checklist,
    "form": form.FormRows,
    "message": message.MessageDialog,
    "confirm": confirm.ConfirmDialog,
    "leave": confirm.QuitDialog,
    "again": again.AgainDialog,
}


@pytest.mark.parametrize("action", actions.ACTIONS, ids=lambda action: action.id)
def test_every_action_of_the_registry_is_there(action: actions.Action) -> None:
    home = InferTuiApp if action.call.startswith("app.") else HOMES[action.scope]
    name = action.call.removeprefix("app.").removeprefix("screen.").partition("(")[0]
    assert callable(getattr(home, f"action_{name}")), action.call


def test_ids_are_unique_and_every_action_says_what_it_does() -> None:
    ids = [action.id for action in actions.ACTIONS]
    assert len(ids) == len(set(ids))
    assert all(action.word and action.help[0].isupper() for action in actions.ACTIONS)
    assert {action.scope for action in actions.ACTIONS} == {one.name for one in actions.SCOPES}


@pytest.mark.parametrize("scope", actions.SCOPES, ids=lambda scope: scope.name)
def test_no_two_actions_of_one_scope_share_a_key(scope: actions.Scope) -> None:
    keys = list(itertools.chain.from_iterable(
        action.keys.split(",") for action in actions.of(scope.name) if action.keys
    ))  # fmt: skip
    assert len(keys) == len(set(keys))


def test_every_action_has_a_plain_key_or_is_in_the_palette() -> None:
    """Terminals swallow function and control keys: none may be the only way.

    Half a page is two of what the plain keys do.
    """
    spared = ("app.palette", "app.interrupt", "list.half_up", "list.half_down")
    for action in actions.ACTIONS:
        plain = [key for key in action.keys.split(",") if key and not key.startswith(("ctrl", "f"))]
        assert plain or action.in_palette or action.id in spared


def test_an_unknown_action_in_a_keymap_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"bench\.runn.*did you mean 'bench\.run'"):
        actions.check_keymap({"bench.runn": "f5"})


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="key 'x' is given to both"):
        actions.check_keymap({"bench.run": "x"})
    assert actions.check_keymap({"bench.run": "x", "bench.stop": "r"})


def test_an_action_can_lose_its_keys_but_for_those_that_lead_out() -> None:
    assert actions.check_keymap({"bench.run": " "}) == {"bench.run": ""}
    with pytest.raises(UsageError, match=r"'app\.quit' has no key"):
        actions.check_keymap({"app.quit": ""})


def test_keys_go_by_the_names_that_textual_has_for_them() -> None:
    found = actions.check_keymap({"app.help": "?, F1", "page.search": "/,ctrl+f", "list.last": "$"})
    assert found == {
        "app.help": "question_mark,f1", "page.search": "slash,ctrl+f", "list.last": "dollar_sign",
    }  # fmt: skip
    names = ("question_mark", "ctrl+slash", "less_than_sign")
    assert [shown_key(key) for key in names] == ["?", "ctrl+/", "<"]


@pytest.mark.parametrize("key", ["escpe", "ctrl+", "control+x", "ctrl+enterr", "ab"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=r"'bench\.run' has the key .* which is none"):
        actions.check_keymap({"bench.run": key})


def test_keys_that_work_in_one_place_clash_across_scopes() -> None:
    with pytest.raises(UsageError, match=r"'g' is given to both bench\.graph and list\.first"):
        actions.check_keymap({"list.first": "home,g"})


async def test_a_keymap_replaces_keys_in_bindings_key_bar_and_help(replayed: None) -> None:
    async with opened(keymap={"bench.measure": "f5"}) as (app, pilot):
        await pilot.press("i")
        assert app.screen is app.bench
        await pilot.press("f5")
        assert isinstance(app.screen, measurement.MeasurementDialog)
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, help.HelpScreen))
        assert "f5" in app.screen.query_one(help.HelpRows).text()


async def test_several_keys_none_and_a_first_one_do_what_the_keymap_says(replayed: None) -> None:
    keymap = {
        "bench.measure": "f5,comma", "bench.open": "", "bench.precision": "P", "app.picture": "W",
        "list.down": "ctrl+n,J",
    }  # fmt: skip
    async with opened(keymap=keymap) as (app, pilot):
        for key in ("f5", "comma"):
            await pilot.press(key)
            assert isinstance(app.screen, measurement.MeasurementDialog), key
            await pilot.press("escape")
        await pilot.press("o")
        assert app.screen is app.bench, "it has no key any more"
        assert "o open" not in app.bench.query_one("#keys").text()
        assert "P precision" in app.bench.query_one("#keys").text()
        before = app.bench.engines.cursor
        await pilot.press("ctrl+n", "J", "j", "down")
        assert app.bench.engines.cursor == before + 2, "the old keys are gone"
        called: list[str] = []
        app.action_picture = lambda: called.append("picture")
        await pilot.press("W")
        assert called == ["picture"], "it had none"
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, help.HelpScreen))
        shown = app.screen.query_one(help.HelpRows).text()
        assert "f5, ," in shown
        assert re.search(r"by palette +Open a saved profile", shown)


async def test_hints_in_panels_name_the_keys_in_force(replayed: None) -> None:
    keymap = {"bench.run": "R", "bench.open": "", "engines.options": "f6"}
    async with opened(keymap=keymap) as (app, _):
        shown = text_of(app)
        assert "R runs the selected engines   ctrl+p opens a saved profile" in shown
        assert "f6 options  p precision" in shown


async def test_the_help_has_every_action(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, help.HelpScreen))
        shown = app.screen.query_one(help.HelpRows).text()
        for action in actions.ACTIONS:
            assert action.help in shown
        await pilot.press("slash", *"graph")
        shown = app.screen.query_one(help.HelpRows).text()
        assert "Draw the model's graph" in shown
        assert "Run the selected engines" not in shown
        await pilot.press("escape", "escape")
        assert app.screen is app.bench


async def test_the_palette_has_what_works_and_does_it(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Run the selected engines" in text_of(app), "palette")
        assert "Stop the run" not in text_of(app), "nothing runs"
        await pilot.press(*"as the article")
        await until(pilot, lambda: "100 iterations, batch 1" in text_of(app), "search")
        found = app.screen.query_one(CommandList)
        await until(pilot, lambda: found.highlighted == 0 and found.option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.measurement.iterations == 100, "article")


def test_hints_name_the_keys_in_force() -> None:
    text = "{bench.run} runs, {page.back} goes back, {app.theme} is a theme"
    assert actions.told(text, {}) == "r runs, esc goes back, ctrl+p is a theme"
    keymap = actions.check_keymap({"bench.run": "f5,r", "app.palette": "ctrl+o"})
    assert actions.told(text, keymap) == "f5 runs, esc goes back, ctrl+o is a theme"
    with pytest.raises(UsageError, match="unknown action"):
        actions.told("{bench.runn}", {})


async def test_hints_of_panels_and_pages_follow_the_keymap(replayed: None) -> None:
    keymap = {"bench.run": "f5", "engines.select": "S", "page.back": "escape,B"}
    async with opened(keymap=keymap) as (app, pilot):
        await until(pilot, lambda: "Press f5 to run" in text_of(app), "the plots")
        await pilot.press("a")
        await until(pilot, lambda: "nothing selected: S selects" in text_of(app))
        await pilot.press("question_mark")
        await until(pilot, lambda: "Choose engines (S), run them (f5)" in text_of(app))
