"""Pictures of the history and of comparisons, with frozen profiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.app_support import Small, Wide, until
from tests.tui.history_support import comparison, listed, mark, save_all
from tests.tui.test_app_looks import FrozenApp

Sizes = pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])


@pytest.fixture(autouse=True)
def same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Folders are shown from the reader's home on, and times are the reader's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / ".local" / "share"))
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def showing(*keys: str, marked: tuple[str, ...] = ()) -> Callable[..., object]:
    """Open the history, mark profiles, then press `keys`."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        await until(pilot, lambda: app.frozen)
        rows = await listed(app, pilot)
        await mark(pilot, rows, *marked)
        await pilot.press(*keys)
        await pilot.pause()
        if marked and "c" in keys:
            await comparison(app, pilot)

    return prepare


@Sizes
def test_history(snap_compare, size) -> None:
    save_all(broken=True)
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing())


@Sizes
def test_history_with_marks(snap_compare, size) -> None:
    save_all(broken=True)
    prepare = showing("right", "right", "right", "end", marked=("monday", "tuesday"))
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
def test_history_in_another_theme(snap_compare, theme) -> None:
    save_all(broken=True)
    prepare = showing("s", marked=("monday", "tuesday"))
    assert snap_compare(FrozenApp(theme=theme), terminal_size=Small, run_before=prepare)


@Sizes
def test_history_of_an_unreadable_profile(snap_compare, size) -> None:
    save_all(broken=True)
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing("end"))


@Sizes
def test_empty_history(snap_compare, size) -> None:
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing())


@Sizes
def test_filtered_history(snap_compare, size) -> None:
    save_all(broken=True)
    prepare = showing("slash", *"alpha")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


def test_filter_that_nothing_matches(snap_compare) -> None:
    save_all()
    prepare = showing("slash", *"zzz")
    assert snap_compare(FrozenApp(), terminal_size=Small, run_before=prepare)


@Sizes
@pytest.mark.parametrize("key", ["d", "r", "a"], ids=["delete", "rename", "again"])
def test_history_dialogs(snap_compare, size, key) -> None:
    save_all()

    async def prepare(pilot: Pilot[None]) -> None:
        await showing("down", key)(pilot)
        await until(pilot, lambda: pilot.app.screen.query(".dialog"))
        await pilot.pause()

    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@Sizes
def test_compare_two(snap_compare, size) -> None:
    save_all()
    prepare = showing("c", marked=("monday", "wednesday"))
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@Sizes
def test_compare_several(snap_compare, size) -> None:
    save_all()
    prepare = showing("c", marked=("monday", "tuesday", "wednesday", "thursday"))
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
def test_compare_in_another_theme(snap_compare, theme) -> None:
    save_all()
    prepare = showing("c", marked=("monday", "tuesday", "wednesday"))
    assert snap_compare(FrozenApp(theme=theme), terminal_size=Wide, run_before=prepare)


def test_compare_in_ascii(snap_compare) -> None:
    save_all()
    prepare = showing("c", marked=("monday", "tuesday", "wednesday"))
    app = FrozenApp(ascii_only=True)
    assert snap_compare(app, terminal_size=Small, run_before=prepare)


@Sizes
def test_report_of_a_comparison(snap_compare, size) -> None:
    save_all()

    async def prepare(pilot: Pilot[None]) -> None:
        await showing("c", marked=("monday", "tuesday", "wednesday"))(pilot)
        await pilot.press("enter")
        await pilot.pause()

    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)
