"""The life of a run in the app: started, stopped, saved, opened, compared, left."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engines.errors import UsageError
from engines.plan import Measurement
from profiles.reading import read_profile
from profiles.store import Store
from profiles.writing import read_samples
from tests.tui.app_support import (
    EAGER,
    ORT,
    QUICK,
    ScriptedRun,
    opened,
    plan_of,
    text_of,
    until,
)
from tui.dialogs.base import Field
from tui.dialogs.confirm import QuitDialog
from tui.dialogs.message import MessageDialog
from tui.dialogs.path import PathDialog
from tui.screens.compare import ComparisonRows
from tui.screens.history import HistoryScreen, ProfileRows


def stored() -> list[Path]:
    """The profiles in the user's own folder."""
    return sorted(Store().folder.glob("*.toml"))


async def test_the_whole_way_with_real_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check, run, save, run again, stop, open and compare: nothing here is replaced."""
    plan = plan_of(EAGER, ORT)
    async with opened(plan) as (app, pilot):
        assert "ready" in app.bench.engines.text()
        assert "unavailable" in app.bench.engines.text()
        assert "408,938" in app.bench.model_panel.text()
        await pilot.press("r")
        live = app.controller.live
        await until(pilot, lambda: live.ending is not None, "the end of the run")
        assert [entry.result.status for entry in live.entries] == ["ok", "ok"]
        assert [entry.n for entry in live.entries] == [QUICK.iterations] * 2
        shown = app.bench.results.text()
        assert "eager cpu fp32 b1" in shown
        assert "1.00x" in shown
        assert "needs 662" in shown
        assert "not saved: s saves" in text_of(app)

        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.bench, "the profile is written")
        (path,) = stored()
        assert path.name in text_of(app)
        profile = read_profile(path)
        samples = read_samples(profile, path)
        assert len(samples[0, "measuring"].latencies_ms) == QUICK.iterations

        app.measurement = Measurement(seconds=600, warmup_min_seconds=0.0, warmup_max_seconds=0.1)
        await pilot.press("r")
        live = app.controller.live
        await until(pilot, lambda: live.entries and live.entries[0].n > 20, "samples")
        await pilot.press("x")
        await until(pilot, lambda: live.ending is not None, "the stop")
        assert live.ending == "stopped"
        assert live.entries[0].n > 20
        assert live.entries[0].result.latency.n == live.entries[0].n

        await pilot.press("c")
        await until(pilot, lambda: app.screen.query(ProfileRows) and
                    app.screen.query_one(ProfileRows).items)  # fmt: skip
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query(ComparisonRows), "the comparison")
        assert "eager cpu fp32 b1" in app.screen.query_one(ComparisonRows).text()
        await pilot.press("escape", "escape", "o")
        await until(pilot, lambda: app.screen.query(ProfileRows) and
                    app.screen.query_one(ProfileRows).items)  # fmt: skip
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.controller.saved_as == path, "the profile is open")
        await pilot.pause()
        assert [entry.n for entry in app.controller.live.entries] == [QUICK.iterations] * 2
    assert len(stored()) == 2, "the run that was not saved is kept when another takes its place"


async def test_stop_in_the_middle_keeps_samples_and_a_run_starts_again(
    scripted: ScriptedRun,
) -> None:
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries
                    and app.controller.live.entries[0].n)  # fmt: skip
        assert "▶" in text_of(app)
        await pilot.press("x")
        await until(pilot, lambda: not app.controller.running)
        assert app.controller.live.entries[0].n == scripted.block
        assert "■ stopped" in text_of(app)
        scripted.wait = False
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live.ending == "complete")
        assert len(scripted.plans) == 2
    assert len(stored()) == 2


async def test_r_does_nothing_while_a_run_goes(scripted: ScriptedRun) -> None:
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.running)
        await pilot.press("r", "r", "g", "o")
        assert app.screen is app.bench
        assert len(scripted.plans) == 1


async def test_only_what_is_selected_is_run(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened() as (app, pilot):
        await pilot.press("space", "down", "space", "r")
        await until(pilot, lambda: scripted.plans)
        assert [spec.engine for spec in scripted.plans[0].engines] == ["compile", "onnxruntime"]
        assert "It can't be selected" in text_of(app)


async def test_with_nothing_selected_the_app_says_what_to_do(scripted: ScriptedRun) -> None:
    async with opened() as (app, pilot):
        await pilot.press("a", "r")
        await pilot.pause()
        assert "Nothing is selected that can run: space selects" in text_of(app)
        assert "nothing selected: space selects" in text_of(app)
        assert not scripted.plans


async def test_a_failed_save_keeps_the_dialog_and_the_run(
    scripted: ScriptedRun, tmp_path: Path
) -> None:
    scripted.wait = False
    (tmp_path / "a file").write_text("")
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        field = app.screen.query_one(Field)
        field.value = str(tmp_path / "a file" / "run.toml")
        await pilot.press("enter")
        await until(pilot, lambda: "Not written" in text_of(app))
        assert app.controller.unsaved
        field.value = str(tmp_path / "run.toml")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert read_profile(tmp_path / "run.toml").results[0].status == "ok"
        assert not app.controller.unsaved


async def test_the_proposed_name_says_when_the_run_started(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        app.controller.drive._recorder._started = datetime(2026, 3, 1, 22, 1, 7, tzinfo=UTC)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        proposed = Path(app.screen.query_one(Field).value)
        assert proposed.name == "2026-03-01T22-01-07-mobilenetv2.toml"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert read_profile(proposed).run.started == datetime(2026, 3, 1, 22, 1, 7, tzinfo=UTC)


async def test_a_file_that_exists_is_overwritten_at_the_second_enter(
    scripted: ScriptedRun, tmp_path: Path
) -> None:
    scripted.wait = False
    notes, target = tmp_path / "notes.toml", tmp_path / "run.toml"
    notes.write_text("mine")
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        first = app.controller.save(target)
        before = target.read_bytes()
        for path in (notes, first):
            app.screen.query_one(Field).value = str(path)
            await pilot.press("enter")
            await until(pilot, lambda: "This file exists" in text_of(app))
            assert (notes.read_text(), target.read_bytes()) == ("mine", before)
            await pilot.press("enter")
            if path is notes:
                await until(pilot, lambda: "Not written" in text_of(app))
                assert notes.read_text() == "mine"
        await until(pilot, lambda: app.screen is app.bench)
        assert read_profile(target)


async def test_a_name_alone_is_a_profile_among_the_others(
    scripted: ScriptedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scripted.wait = False
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        for name, where in (
            ("quiet", Store().folder / "quiet.toml"),
            ("./b.toml", tmp_path / "b.toml"),
        ):
            await pilot.press("s")
            await until(pilot, lambda: isinstance(app.screen, PathDialog))
            app.screen.query_one(Field).value = name
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is app.bench)
            assert read_profile(where)
            (toast,) = (one for one in app._notifications if Path(one.message).name == where.name)
            assert toast.message == str(where), "where it is, whatever was typed"
    assert not (tmp_path / "quiet").exists()


async def test_quitting_in_mid_run_asks_and_the_second_q_leaves(scripted: ScriptedRun) -> None:
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries)
        await pilot.press("q")
        assert isinstance(app.screen, QuitDialog)
        assert "A run is going" in text_of(app)
        await pilot.press("escape")
        assert app.controller.running
        await pilot.press("q", "q")
        await until(pilot, lambda: not app.is_running or app._exit)
        assert app.controller.drive.over
    assert [read_profile(path).run.name for path in stored()] == ["autosaved"]


async def test_ctrl_c_stops_the_run_and_then_leaves(scripted: ScriptedRun) -> None:
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.running)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.controller.running)
        assert not app._exit
        await pilot.press("ctrl+c")
        assert app._exit


async def test_nothing_to_lose_is_nothing_to_ask(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("q")
        assert app._exit


async def test_saving_first_and_leaving_after(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("q", "s")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        await pilot.press("enter")
        await until(pilot, lambda: app._exit)
    assert [read_profile(path).run.name for path in stored()] == [""]


async def test_a_fault_of_the_app_saves_what_was_measured(scripted: ScriptedRun) -> None:
    drive = None
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  the fault needs the app around it
        async with opened(plan_of(ORT)) as (app, pilot):
            await pilot.press("r")
            await until(pilot, lambda: app.controller.live and app.controller.live.entries
                        and app.controller.live.entries[0].n)  # fmt: skip
            drive = app.controller.drive
            app.call_later(lambda: 1 / 0)
            await pilot.pause()
    assert drive is not None
    assert drive.over
    assert [read_profile(path).results[0].latency.n for path in stored()] == [scripted.block]


@pytest.mark.parametrize(
    ("error", "said"),
    [(UsageError("batch 4096 needs 60 GiB", hint="choose 8"), "batch 4096 needs 60 GiB; choose 8"),
     (ValueError("not expected"), "ValueError: not expected")],
)  # fmt: skip
async def test_a_run_that_fails_says_why_and_can_be_repeated(
    scripted: ScriptedRun, error: Exception, said: str
) -> None:
    scripted.error = error
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        assert said in text_of(app)
        await pilot.press("escape")
        scripted.error, scripted.wait = None, False
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live.ending == "complete")


async def test_a_run_waits_for_the_engine_check(
    scripted: ScriptedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers that import torch would show in the first samples."""
    import threading

    from tests.tui.app_support import answers
    from tui import background
    from tui.app import InferTuiApp

    answered = threading.Event()

    def ask(control: object, post: background.Post) -> None:
        for availability in answers()[:1]:
            post(background.EngineAnswered(availability))
        answered.wait(10)
        post(background.ProbeEnded("the worker did not answer"))

    monkeypatch.setattr(background, "ask_engines", ask)
    scripted.wait = False
    app = InferTuiApp()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.selection.specs())
        await pilot.press("r")
        assert "starts when the engines are checked" in text_of(app)
        assert not scripted.plans
        answered.set()
        await until(pilot, lambda: scripted.plans)
        assert "unavailable" in app.bench.engines.text()


async def test_an_unreadable_profile_is_listed_with_its_reason(replayed: None) -> None:
    folder = Store().folder
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text("schema = 99\n")
    async with opened() as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, HistoryScreen)
                    and app.screen.query_one(ProfileRows).items)  # fmt: skip
        await pilot.pause()
        assert "✗ unreadable" in text_of(app)
        assert "99" in text_of(app)
        await pilot.press("enter")
        assert isinstance(app.screen, HistoryScreen)
        await pilot.press("slash", *"nothing like it")
        assert "Nothing saved has that in it" in text_of(app)
        await pilot.press("escape")
        assert "broken" in text_of(app)


async def test_nothing_saved_yet_says_what_to_do(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("o")
        await until(pilot, lambda: "Nothing saved yet" in text_of(app))
        assert "r runs the selected engines and s saves" in text_of(app)


async def test_the_last_run_that_can_not_be_kept_is_not_dropped(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        os.environ["XDG_DATA_HOME"] = "/proc/nowhere"
        app.controller._store = Store()
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        assert "can't be kept" in text_of(app)
        assert len(scripted.plans) == 1
