"""Sentences name the keys in force, where the user has others than the app's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from engines.errors import UsageError
from engines.plan import RunPlan
from profiles.store import Store
from tests.tui.app_support import opened, text_of, until
from tui.app import InferTuiApp
from tui.controller import Controller
from tui.dialogs.path import PathDialog

KEYS = {
    "app.interrupt": "ctrl+b",
    "bench.open": "O",
    "bench.run": "f5",
    "bench.save": "W",
    "bench.stop": "X",
    "checklist.tick": "t",
    "dialog.accept": "f2",
    "page.back": "f3",
    "profiles.mark": "m",
}


def test_a_run_that_goes_and_one_that_is_missing_name_the_keys_in_force(tmp_path: Path) -> None:
    controller = Controller(Store(tmp_path), lambda: None, KEYS)
    for refused in (controller.proposed_path, lambda: controller.save(tmp_path / "a.toml")):
        with pytest.raises(UsageError) as found:
            refused()
        assert found.value.hint == "f5 runs the selected engines"
    controller.drive = SimpleNamespace(over=False)
    with pytest.raises(UsageError) as found:
        controller.start(RunPlan(), ())
    assert found.value.hint == "X stops it"


def test_without_a_keymap_they_are_the_apps_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as found:
        Controller(Store(tmp_path), lambda: None).proposed_path()
    assert found.value.hint == "r runs the selected engines"


async def test_the_app_gives_its_controller_its_keys(replayed: None) -> None:
    async with opened(keymap=KEYS) as (app, _):
        with pytest.raises(UsageError) as found:
            app.controller.proposed_path()
        assert found.value.hint == "f5 runs the selected engines"


async def test_dialogs_name_the_keys_in_force(replayed: None, tmp_path: Path) -> None:
    async with opened(keymap=KEYS) as (app, pilot):
        await pilot.press("p", "t", "f2")
        assert "t ticks the row under the cursor" in text_of(app)
        await pilot.press("escape")
        there = tmp_path / "there.toml"
        there.touch()
        app.push_screen(PathDialog("Save", "", there, str))
        await pilot.pause()
        await pilot.press("f2")
        assert "Press f2 again to overwrite it" in text_of(app)


async def test_pages_name_the_keys_in_force(replayed: None) -> None:
    async with opened(keymap=KEYS) as (app, pilot):
        await pilot.press("O")
        await until(pilot, lambda: "Nothing saved yet" in text_of(app))
        await pilot.press("slash")
        assert "f2 keeps it, f3 ends it" in text_of(app)


async def test_what_is_told_of_leaving_names_the_keys_in_force(
    replayed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(keymap=KEYS) as (app, pilot):
        monkeypatch.setattr(InferTuiApp, "_goes", True)
        monkeypatch.setattr(InferTuiApp, "stop_all", lambda _: None)
        await pilot.press("ctrl+b")
        await pilot.pause()
        assert "Stopping. ctrl+b again leaves." in text_of(app)
        assert "(O lists it)" in app._what_leaving_does()
        monkeypatch.undo()
