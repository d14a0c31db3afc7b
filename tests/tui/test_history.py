"""The history in the app: filter, order, names, states and the trash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual import events

from profiles import store as store_module
from profiles.index import INDEX
from profiles.reading import read_profile
from profiles.store import Store
from profiles.writing import read_samples
from tests.tui.app_support import (
    ORT,
    ScriptedRun,
    Small,
    Wide,
    opened,
    plan_of,
    text_of,
    until,
)
from tests.tui.history_support import go_to, listed, mark, save_all, shown, words_of
from tui.dialogs.base import Field
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.message import MessageDialog
from tui.dialogs.rename import RenameDialog
from tui.screens import history as history_module
from tui.screens.history import HistoryScreen
from tui.widgets.profiles import ORDERS, ProfileRows


def stored() -> list[str]:
    return sorted(path.stem for path in Store().folder.glob("*.toml"))


# Filter and order


async def test_each_letter_filters_and_escape_shows_all(replayed: None) -> None:
    save_all(broken=True)
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        assert shown(app) == ["thursday", "wednesday", "tuesday", "monday", "broken"]
        await pilot.press("slash", "s")
        assert shown(app) == ["thursday", "wednesday", "tuesday"], "in their names"
        await pilot.press("d")
        assert shown(app) == ["thursday", "wednesday", "tuesday"]
        await pilot.press("backspace", "backspace", *"bet")
        assert shown(app) == ["tuesday"], "the host of one"
        await pilot.pause()
        assert "1 of 5 profiles" in text_of(app)
        await pilot.press("enter", "space")
        assert rows.marked == [Store().folder / "tuesday.toml"]
        await pilot.press("escape")
        assert len(shown(app)) == 5
        assert rows.marked, "a mark outlives the filter"
        await pilot.press("slash", *"alpha eager 11-24")
        assert shown(app) == ["wednesday"], "every word, wherever it is"


async def test_letters_that_come_with_the_key_of_the_filter_are_text(replayed: None) -> None:
    """Over a slow line several keys come at once, and 'd' and 'q' are keys as well."""
    save_all()
    async with opened() as (app, pilot):
        await listed(app, pilot)
        app.post_message(events.Key("slash", "/"))
        for letter in "wedq":
            app.post_message(events.Key(letter, letter))
        await until(pilot, lambda: app.screen.query_one("#search", Field).value == "wedq")
        assert isinstance(app.screen, HistoryScreen)
        await pilot.press("backspace")
        assert shown(app) == ["wednesday"]


async def test_any_column_sorts_and_v_turns_the_order_round(replayed: None) -> None:
    save_all(broken=True)
    async with opened(size=Small) as (app, pilot):
        rows = await listed(app, pilot)
        timed = [one for one in Store().list() if one.fastest_p50_ms is not None]
        fastest = [one.name for one in sorted(timed, key=lambda one: one.fastest_p50_ms)]
        expected = {
            "started": ["thursday", "wednesday", "tuesday", "monday", "broken"],
            "name": ["broken", "monday", "thursday", "tuesday", "wednesday"],
            "model": ["thursday", "wednesday", "tuesday", "monday", "broken"],
            "machine": ["thursday", "wednesday", "monday", "tuesday", "broken"],
            "engines": ["wednesday", "tuesday", "monday", "thursday", "broken"],
            "fastest": ["thursday", "wednesday", "tuesday", "monday", "broken"],
            "p50": [*fastest, "broken"],
        }
        for order in ORDERS:
            assert rows.order == order
            await pilot.pause()
            assert any(f"{title} ▼" in text_of(app) or f"{title} ▲" in text_of(app)
                       for title in (order, "entries", "p50 ms", "state")), order  # fmt: skip
            if order in expected:
                assert shown(app) == expected[order], order
            await pilot.press("right")
        assert rows.order == "started"
        await pilot.press("left", "left", "left")
        assert rows.order == "p50"
        await pilot.press("v")
        assert shown(app) == [*reversed(fastest), "broken"], "what has no value stays last"


async def test_the_cursor_keeps_its_profile_while_more_are_read(
    replayed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of which nothing is known is shown as far as it has been read."""
    save_all()
    monkeypatch.setattr(history_module, "SHOW_EVERY_S", 0.0)
    seen: list[tuple[int, int | None]] = []
    show = HistoryScreen.on_history_screen_listed

    def watch(self: HistoryScreen, message: HistoryScreen.Listed) -> None:
        show(self, message)
        seen.append((len(message.items), message.of))

    monkeypatch.setattr(HistoryScreen, "on_history_screen_listed", watch)
    async with opened() as (app, pilot):
        await listed(app, pilot)
        await until(pilot, lambda: (4, None) in seen, "the whole list")
        assert seen == [(1, 4), (2, 4), (3, 4), (4, 4), (4, None)]
        assert shown(app) == ["thursday", "wednesday", "tuesday", "monday"]


# States


@pytest.mark.parametrize("size", [Wide, Small])
async def test_each_state_says_the_next_key(
    replayed: None, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(size=size) as (app, pilot):
        await listed(app, pilot)
        assert "r runs the selected engines and s saves" in text_of(app)
        await pilot.press("escape")
        save_all(broken=True)
        await listed(app, pilot)
        await pilot.press("slash", *"zzz")
        assert "Nothing saved has that in it. esc ends the filter" in text_of(app)
        await pilot.press("escape", "end")
        await pilot.pause()
        assert "schema 99" in text_of(app).replace("schema is 99", "schema 99")
        assert "d deletes it; it goes to the trash" in text_of(app)
        await pilot.press("escape")
        monkeypatch.setattr(Store, "_files", _refuse)
        await listed(app, pilot)
        await until(pilot, lambda: "check who owns the folder" in text_of(app))
        assert "o tries again" in text_of(app)


def _refuse(self: Store) -> None:
    from engines.errors import FileError

    raise FileError("can't list it: permission denied", hint="check who owns the folder")


# Names


async def test_a_profile_is_renamed_with_its_samples(replayed: None) -> None:
    paths = save_all()
    samples = read_samples(read_profile(paths["monday"]), paths["monday"])
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, "monday")
        await pilot.press("r")
        assert isinstance(app.screen, RenameDialog)
        field = app.screen.query_one(Field)
        assert field.value == "monday"
        field.value = "tuesday"
        await pilot.press("enter")
        await until(pilot, lambda: "it exists already" in text_of(app), "the refusal")
        assert "choose another name" in words_of(app)
        field.value = "a/b"
        await pilot.press("enter")
        await until(pilot, lambda: "is not a name for a profile" in text_of(app))
        field.value = "baseline"
        await pilot.press("enter")
        await until(pilot, lambda: "baseline" in shown(app) if app.screen.query(ProfileRows)
                    else False)  # fmt: skip
        await pilot.pause()
        assert rows.current is not None
        assert rows.current.name == "baseline", "the cursor stays on it"
        assert rows.marked == [Store().folder / "baseline.toml"]
    assert stored() == ["baseline", "thursday", "tuesday", "wednesday"]
    path = Store().folder / "baseline.toml"
    again = read_samples(read_profile(path), path)
    assert again.keys() == samples.keys()
    assert all((again[key].latencies_ms == samples[key].latencies_ms).all() for key in samples)


# The trash


@pytest.mark.parametrize("size", [Wide, Small])
async def test_delete_asks_and_u_brings_it_back(replayed: None, size: tuple[int, int]) -> None:
    save_all()
    before = sorted(os.listdir(Store().folder))
    async with opened(size=size) as (app, pilot):
        rows = await listed(app, pilot)
        await go_to(pilot, rows, "tuesday")
        await pilot.press("d")
        assert isinstance(app.screen, ConfirmDialog)
        asked = text_of(app)
        assert "tuesday" in asked
        assert "KiB with its raw samples" in asked
        assert "u brings it back" in asked
        await pilot.press("n")
        assert "tuesday" in shown(app)
        await pilot.press("d", "y")
        await until(pilot, lambda: "tuesday" not in shown(app), "it is gone from the list")
        await pilot.pause()
        assert rows.current is not None
        assert rows.current.name == "monday", "the cursor is on the next one"
        assert stored() == ["monday", "thursday", "wednesday"]
        assert "u brings back tuesday" in text_of(app)
        await pilot.press("u")
        await until(pilot, lambda: "tuesday" in shown(app), "it is back")
        assert rows.current is not None
        assert rows.current.name == "tuesday"
    left = sorted(os.listdir(Store().folder))
    assert [name for name in left if name not in (INDEX, ".trash")] == before
    assert read_samples(read_profile(Store().folder / "tuesday.toml"),
                        Store().folder / "tuesday.toml")  # fmt: skip


async def test_a_session_later_it_still_comes_back_until_the_trash_is_emptied(
    replayed: None,
) -> None:
    paths = save_all()
    Store().delete(paths["monday"])
    Store().delete(paths["tuesday"])
    async with opened() as (app, pilot):
        await listed(app, pilot)
        await until(pilot, lambda: "u brings back tuesday" in text_of(app))
        await pilot.press("u")
        await until(pilot, lambda: "tuesday" in shown(app))
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        assert "1 deleted profile" in text_of(app)
        assert "This can't be undone." in text_of(app)
        await pilot.press("y")
        await until(pilot, lambda: not Store().trash.folder.exists(), "the trash is empty")
        await until(pilot, lambda: "u undo" not in text_of(app))
    assert stored() == ["thursday", "tuesday", "wednesday"]


async def test_an_unreadable_profile_can_be_deleted(replayed: None) -> None:
    save_all(broken=True)
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await go_to(pilot, rows, "broken")
        assert "r rename" not in app.screen.query_one("#keys").text()
        await pilot.press("d")
        assert "It can't be read." in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: "broken" not in shown(app))
    assert "broken" not in stored()


async def test_what_can_not_be_deleted_is_said(replayed: None) -> None:
    paths = save_all()
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await go_to(pilot, rows, "monday")
        paths["monday"].unlink()
        await pilot.press("d", "y")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        assert "it is gone already" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: shown(app) == ["thursday", "wednesday", "tuesday"])


async def test_the_run_that_was_saved_and_deleted_is_not_saved_twice(
    scripted: ScriptedRun,
) -> None:
    scripted.wait = False
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        saved = app.controller.autosave()
        assert saved is not None
        await listed(app, pilot)
        await pilot.press("d", "y")
        await until(pilot, lambda: not stored())
        await until(pilot, lambda: app.controller.saved_as != saved)
        assert not app.controller.unsaved, "its samples are in the trash"
        await pilot.press("u")
        await until(pilot, lambda: app.controller.saved_as == saved)
    assert len(stored()) == 1


async def test_the_choice_knows_the_run_of_the_bench(scripted: ScriptedRun, tmp_path: Path) -> None:
    """Whether it goes, is saved elsewhere, or is one of those in the list."""
    save_all()
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries
                    and app.controller.live.entries[0].n)  # fmt: skip
        rows = await listed(app, pilot, "c")
        assert "this run, going" in text_of(app)
        assert rows.marked == [None]
        assert rows.current is not None
        assert rows.current.name == "thursday"
        assert "d delete" not in app.screen.query_one("#keys").text()
        await pilot.press("d", "a", "u")
        assert isinstance(app.screen, HistoryScreen)
        await pilot.press("escape")
        scripted.go_on.set()
        await until(pilot, lambda: app.controller.live.ending, "the end of the run")
        app.controller.save(tmp_path / "elsewhere.toml")
        rows = await listed(app, pilot, "c")
        assert "this run, saved elsewhere" in text_of(app)
        await mark(pilot, rows, "monday")
        assert rows.compared == [Store().folder / "monday.toml", None], "it is what is judged"
        await pilot.press("escape")
        await listed(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.controller.drive is None, "thursday is open")
        rows = await listed(app, pilot, "c")
        assert rows.marked == [Store().folder / "thursday.toml"]


def test_only_changed_files_are_read_for_a_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    from profiles import index

    monkeypatch.setattr(index, "RACY_NS", -(10**18))
    save_all()
    Store().list()
    read: list[Path] = []
    monkeypatch.setattr(store_module, "read_profile", read.append)
    assert len(Store().list()) == 4
    assert not read
