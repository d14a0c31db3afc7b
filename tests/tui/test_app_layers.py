"""Times by layer in the app: asked for, waited for, sorted, searched, saved, stopped."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot

from engines.errors import WorkerFailed
from engines.plan import EngineSpec
from tests.tui.app_support import (
    EAGER,
    ORT,
    TINY,
    ScriptedRun,
    Small,
    opened,
    plan_of,
    text_of,
    until,
)
from tests.tui.layers_support import HeldLayers
from tui.app import InferTuiApp
from tui.dialogs.choose import EntryDialog
from tui.dialogs.confirm import QuitDialog
from tui.dialogs.message import MessageDialog, TextRows
from tui.formats import milliseconds
from tui.screens.layers import LayersScreen, LayerTimeRows


@pytest.fixture
def layers(replayed: None, monkeypatch: pytest.MonkeyPatch) -> HeldLayers:
    held = HeldLayers()
    monkeypatch.setattr("engines.layers.profile_layers", held)
    return held


@asynccontextmanager
async def at_layers(
    layers: HeldLayers, **options: Any
) -> AsyncIterator[tuple[InferTuiApp, Pilot[None], LayerTimeRows]]:
    """The app with its first engine's layers timed and shown."""
    layers.go_on.set()
    async with opened(plan_of(EAGER, ORT), **options) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: table_of(app).profile is not None, "the times")
        await pilot.pause()
        yield app, pilot, table_of(app)


def table_of(app: InferTuiApp) -> LayerTimeRows:
    assert isinstance(app.screen, LayersScreen)
    return app.screen.query_one(LayerTimeRows)


def names(table: LayerTimeRows) -> list[str]:
    return [one.layer.name for one in table.listed]


async def test_a_real_engine_is_timed_shown_and_saved(
    replayed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(plan_of(ORT)) as (app, pilot):
        await pilot.press("down", "down", "down", "down")
        assert app.bench.engines.current.engine.name == "onnxruntime"
        await pilot.press("t")
        table = table_of(app)
        desk = app.layer_times
        await until(pilot, lambda: any(one.kind == "reference" for one in desk.jobs), "weights")
        await until(pilot, lambda: any(one.kind == "layers" for one in desk.jobs), "conversions")
        await until(pilot, lambda: "layers of onnxruntime" in table.text(), "its progress")
        await until(pilot, lambda: table.profile is not None, "the times")
        shown = text_of(app)
        assert "Conv × 52" in shown
        assert "/features/features.0" in table.text()
        assert "ms a request without it" in shown
        assert not [one for one in psutil.Process().children(recursive=True)
                    if "main.py" in " ".join(one.cmdline())]  # fmt: skip
        await pilot.press("s", "enter")
        path = tmp_path / "layers-onnxruntime-cpu-fp32-b1.json"
        await until(pilot, path.exists, "the file")
        document = json.loads(path.read_text())
        assert len(document["layers"]) == len(table.profile.layers)
        assert document["spec"]["options"] == {"intra_op_threads": 1}


async def test_keys_sort_reverse_and_add_up(layers: HeldLayers) -> None:
    async with at_layers(layers, size=Small) as (_, pilot, table):
        assert names(table)[0] == "classifier.1", "the longest first"
        assert "ms ▼" in table.text()
        await pilot.press("space")
        assert names(table)[-1] == "classifier.1"
        assert "ms ▲" in table.text()
        await pilot.press("right")
        assert names(table)[0] == "features.1.conv.0.0"
        assert names(table)[-1] == "classifier.1", "by place in the inference"
        await pilot.press("right")
        assert names(table) == sorted(names(table))
        await pilot.press("left", "left")
        assert names(table)[0] == "classifier.1"
        await pilot.press("G")
        assert table.cursor == len(names(table)) - 1
        await pilot.press("g")
        assert names(table) == ["Conv2d × 26", "BatchNorm2d × 13", "Linear × 1", "ReLU6 × 13"]
        assert table.cursor == 0
        assert table.listed[-1].cumulative == pytest.approx(1.0)
        await pilot.press("g")
        assert len(names(table)) == 53


async def test_a_search_filters(layers: HeldLayers) -> None:
    async with at_layers(layers) as (app, pilot, table):
        await pilot.press("slash", *"batch 13")
        assert names(table) == ["features.13.conv.0.1"]
        found_ms = milliseconds(table.listed[0].layer.ms)
        assert f"1 layer, {found_ms} ms" in text_of(app), "the sum is that of what was found"
        await pilot.press("enter", "right")
        assert names(table) == ["features.13.conv.0.1"], "the keys sort what was found"
        await pilot.press("slash", *"x")
        assert "No layer has 'batch 13x'" in table.text()
        await until(pilot, lambda: "0 layers" in text_of(app))
        assert "0 layers, " not in text_of(app), "of nothing there is no sum"
        await pilot.press("escape")
        assert len(names(table)) == 53
        await pilot.press("escape")
        assert app.screen is app.bench


async def test_what_a_row_is_and_what_ran_is_told(layers: HeldLayers) -> None:
    async with at_layers(layers) as (app, pilot, _):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        told = " ".join(app.screen.query_one(TextRows).text().split())
        assert "A row is a module of the model" in told
        assert "The rows are 90 % of an inference" in told
        assert "Profiling slowed it by 8 %: 9.870 ms a request without it" in told
        assert "threads 2" in told


async def test_times_are_kept_while_the_app_is_open(layers: HeldLayers) -> None:
    async with at_layers(layers) as (app, pilot, _):
        await pilot.press("escape", "t")
        await until(pilot, lambda: table_of(app).profile is not None, "the kept times")
        assert len(layers.specs) == 1, "nothing was timed again"
        await pilot.press("r")
        await until(pilot, lambda: len(layers.specs) == 2, "timed again")
        await until(pilot, lambda: table_of(app).profile is not None, "the new times")


async def test_of_several_entries_one_is_chosen(layers: HeldLayers) -> None:
    layers.go_on.set()
    specs = [EngineSpec(engine="eager", device="cpu", precision=one) for one in ("fp32", "bf16")]
    async with opened(plan_of(*specs)) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, EntryDialog))
        await pilot.press("escape")
        assert app.screen is app.bench
        assert layers.specs == []
        await pilot.press("t", "down", "enter")
        await until(pilot, lambda: table_of(app).profile is not None, "the times")
        assert layers.specs == [specs[1]]
        await pilot.press("escape", "t")
        await until(pilot, lambda: "timed already" in text_of(app), "what is there already")


async def test_x_stops_and_r_begins_again(layers: HeldLayers) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t")
        table = table_of(app)
        await until(pilot, lambda: "profiling" in table.text(), "its progress")
        assert "weights of mobilenetv2 0.35 @ 96  kept" in table.text()
        await pilot.press("x")
        await until(pilot, lambda: "Stopped." in table.text(), "the stop")
        layers.go_on.set()
        await pilot.press("r")
        await until(pilot, lambda: table.profile is not None, "the times")


async def test_a_failure_says_why_and_what_to_do(layers: HeldLayers) -> None:
    layers.error = WorkerFailed("the worker was killed by SIGKILL while timing its layers",
                                hint="choose a smaller batch", log_tail="last words")  # fmt: skip
    layers.go_on.set()
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t")
        table = table_of(app)
        await until(pilot, lambda: "SIGKILL" in table.text(), "the reason")
        assert "What to do: choose a smaller batch" in table.text()
        assert "last words" in table.text()


async def test_an_engine_that_can_not_run_is_refused_in_words(layers: HeldLayers) -> None:
    async with opened() as (app, pilot):
        await pilot.press("G", "t")
        await until(pilot, lambda: "can't be timed: tensorrt is not installed" in text_of(app))
        assert app.screen is app.bench
        assert layers.specs == []


async def test_layers_wait_for_the_run_and_the_run_for_layers(
    layers: HeldLayers, scripted: ScriptedRun
) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.entries[0].n)
        await pilot.press("t")
        table = table_of(app)
        await until(pilot, lambda: "waits for the run to end" in table.text())
        assert layers.specs == []
        await pilot.press("x")
        await until(pilot, lambda: not app.layer_times.busy, "taken out again")
        assert app.controller.running, "the run is not what x stopped"
        await pilot.press("r")
        await until(pilot, lambda: "waits for the run to end" in table.text())
        scripted.go_on.set()
        await until(pilot, lambda: "profiling" in table.text(), "its turn")
        assert not app.controller.running

        await pilot.press("escape", "r")
        await until(pilot, lambda: "the run is waiting" in text_of(app))
        assert app.waiting_to_run
        assert "▶ layers" in app.bench.engines.text()
        assert len(scripted.plans) == 1
        layers.go_on.set()
        await until(pilot, lambda: len(scripted.plans) == 2, "the run's turn")
        assert not app.layer_times.busy


async def test_x_on_the_bench_stops_them(layers: HeldLayers) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t", "escape")
        await until(pilot, lambda: "▶ layers of eager cpu fp32 b1" in text_of(app), "the title")
        await pilot.press("x")
        await until(pilot, lambda: not app.layer_times.busy, "the stop")
        await pilot.press("t")
        await until(pilot, lambda: len(layers.specs) == 2, "asked anew: nothing was kept")


async def test_an_entry_of_the_results_is_timed_as_it_ran(
    layers: HeldLayers, scripted: ScriptedRun
) -> None:
    scripted.go_on.set()
    layers.go_on.set()
    other = EngineSpec(engine="eager", device="cpu", precision="bf16")
    async with opened(plan_of(EAGER, other)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("6", "down", "t")
        await until(pilot, lambda: layers.specs, "the work")
        assert layers.specs == [other]


async def test_leaving_asks_and_ends_them(layers: HeldLayers) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: layers.specs, "the work")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, QuitDialog))
        assert "Layers are being timed; leaving ends that" in text_of(app)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running, "the end")
    assert not app.layer_times.going


async def test_the_question_says_what_leaving_does_by_now(
    layers: HeldLayers, scripted: ScriptedRun
) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t", "escape")
        await until(pilot, lambda: layers.specs, "the work")
        await pilot.press("r", "q")
        await until(pilot, lambda: "Layers are being timed; leaving ends that" in text_of(app))
        layers.go_on.set()
        await until(pilot, lambda: "A run is going; leaving stops it" in text_of(app), "the run")
        assert "Layers are being timed" not in text_of(app)
        assert not app.screen.check_action("save", ())
        scripted.go_on.set()
        await until(pilot, lambda: "These results have no name yet" in text_of(app), "its end")
        await until(pilot, lambda: "s save first" in text_of(app), "its key")


async def test_the_question_says_that_nothing_is_left_to_lose(layers: HeldLayers) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: layers.specs, "the work")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, QuitDialog))
        layers.go_on.set()
        await until(pilot, lambda: "What was going is over" in text_of(app), "its end")
        assert "save first" not in text_of(app)


async def test_ctrl_c_stops_them(layers: HeldLayers) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: layers.specs, "the work")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.layer_times.going, "the stop")
        assert app.layer_times.kept(TINY, EAGER) is None
        assert app.is_running
