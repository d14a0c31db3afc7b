"""TensorRT engines from the keyboard. TensorRT-RTX really builds: for a named GPU it needs none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot

from tests.tui.app_support import ScriptedRun, opened, plan_of, text_of, until
from tests.tui.build_support import (
    NAMED_GPU,
    HeldBuilds,
    answer_as,
    at_rtx,
    built,
    dialog,
    engine_files,
    last_build,
    put_cursor,
    real_answer,
    rtx_plan,
)
from tui.app import InferTuiApp
from tui.builds import BuildDrive
from tui.dialogs.confirm import QuitDialog
from tui.dialogs.message import MessageDialog
from tui.screens.log import LogRows


async def test_b_builds_shows_what_is_kept_and_builds_it_again(rtx: None) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        form = await dialog(app, pilot)
        assert form.values["compute_capability"] == "8.9", "the row's own options"
        assert form.values["builder_level"] == 3
        assert form.values["rebuild"] is False
        assert {"cuda_graph", "gpu"}.isdisjoint(form.values)
        assert "fp32, batch 1  ▲ needs a build: not made yet" in text_of(app)
        await pilot.press("enter")
        assert app.screen is app.bench
        job = await built(app, pilot)
        assert not job.failed
        assert not job.cached
        kept = Path(job.path)
        made = kept.stat().st_mtime_ns
        await pilot.press("3")
        shown = app.bench.frame.conversion.text()
        assert "TensorRT-RTX fp32, batch 1" in shown
        assert "✓" in shown
        assert "MiB" in shown
        assert "why: not made yet" in shown
        await until(pilot, lambda: "✓ built" in app.bench.engines.text(), "the row is built")
        assert app.bench.engines.text().splitlines()[-1] == (
            "built for compute capability 8.9  b builds others"
        )

        await pilot.press("2")
        form = await dialog(app, pilot)
        assert form.values["rebuild"] is True, "everything is kept"
        shown = text_of(app)
        assert "fp32, batch 1  ✓ built, " in shown
        assert "MiB, took " in shown
        await put_cursor(pilot, form, "rebuild")
        await pilot.press("left", "enter")
        job = await built(app, pilot)
        assert job.cached
        assert kept.stat().st_mtime_ns == made
        assert "✓ kept" in app.bench.frame.conversion.text()

        await dialog(app, pilot)
        await pilot.press("enter")
        job = await built(app, pilot)
        assert not job.cached
        assert job.why == "asked for"
        assert job.expected_s is not None
        assert kept.stat().st_mtime_ns > made
        assert len([one for one in app.builds.jobs if one.kind == "build"]) == 1
        assert len(app.builds.jobs) == 3, "weights, export and build are listed once"


async def test_x_stops_a_build_and_the_old_engine_stays(rtx: None) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        await dialog(app, pilot)
        await pilot.press("enter")
        kept = Path((await built(app, pilot)).path)
        old = kept.read_bytes()
        made = kept.stat().st_mtime_ns
        await dialog(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: not last_build(app).over, "a build that goes")
        await until(pilot, lambda: "x stop" in app.bench.query_one("#keys").text())
        await pilot.press("x")
        job = await built(app, pilot)
        assert job.stopped
        assert (kept.read_bytes(), kept.stat().st_mtime_ns) == (old, made)
        assert not list(kept.parent.parent.glob(".*")), "nothing half-written is left"
        await pilot.press("3")
        assert "■ stopped" in app.bench.frame.conversion.text()
        assert "x stop" not in app.bench.query_one("#keys").text()
        assert not app._exit


async def test_each_precision_and_batch_is_built_one_after_the_other(
    held: HeldBuilds,
) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        app.bench.engines.current.change(precisions=("fp32", "fp16"), batches=(1, 2))
        app.bench.engines.current.options["profile_batches"] = "4"
        form = await dialog(app, pilot)
        await pilot.press("enter")
        assert app.builds.left == 2, "both batches of a precision are one engine file"
        assert form.values["profile_batches"] == "4"
        await pilot.press("3")
        panel = app.bench.frame.conversion
        await until(pilot, lambda: "· waiting" in panel.text())
        assert "1 waiting" in text_of(app)
        held.go_on.set()
        await built(app, pilot)
        assert len(engine_files()) == 2
        assert "TensorRT-RTX fp16, batch 1 to 4" in panel.text()


async def test_x_takes_a_waiting_build_out_of_the_queue(held: HeldBuilds) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        app.bench.engines.current.change(precisions=("fp32", "fp16"))
        await dialog(app, pilot)
        await pilot.press("enter", "3")
        panel = app.bench.frame.conversion
        await until(pilot, lambda: "fp32, batch 1" in panel.text() and panel.current)
        await pilot.press("end")
        assert panel.waiting is not None
        assert "waits for the build that goes  x takes it out" in panel.text()
        await pilot.press("x")
        assert app.builds.left == 1
        assert app.builds.going
        assert not app.builds.stopping
        held.go_on.set()
        job = await built(app, pilot)
        assert not job.failed
        assert len(engine_files()) == 1


async def test_a_run_waits_for_the_builds(
    held: HeldBuilds, scripted: ScriptedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_as(monkeypatch, replace(real_answer(), readiness="ready"))
    scripted.wait = False
    async with at_rtx(rtx_plan()) as (app, pilot):
        app.bench.engines.current.change(precisions=("fp32", "fp16"))
        await dialog(app, pilot)
        await pilot.press("enter", "r")
        await pilot.pause()
        assert "the run is waiting for 2 builds" in text_of(app)
        assert not scripted.plans
        held.go_on.set()
        await until(pilot, lambda: scripted.plans, "the run")
        assert not app.builds.busy
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)

        held.go_on.clear()
        await dialog(app, pilot)
        await pilot.press("enter", "r")
        assert app.waiting_to_run
        await pilot.press("x")
        assert not app.waiting_to_run, "the run is withdrawn first"
        assert app.builds.going
        assert not app.builds.stopping
        held.go_on.set()
        await built(app, pilot)
        assert len(scripted.plans) == 1


async def test_a_build_waits_for_the_run(
    rtx: None, scripted: ScriptedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_as(monkeypatch, replace(real_answer(), readiness="ready"))
    async with at_rtx(rtx_plan()) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.running and scripted.plans)
        await dialog(app, pilot)
        await pilot.press("enter", "3", "end")
        assert not app.builds.going
        assert app.builds.left == 1
        panel = app.bench.frame.conversion
        await until(pilot, lambda: "waits for the run" in panel.text())
        scripted.go_on.set()
        job = await built(app, pilot)
        assert not job.failed
        assert app.controller.live.ending == "complete"


async def test_a_row_says_how_many_of_its_files_are_kept_and_why_one_is_stale(
    rtx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_as(monkeypatch, replace(real_answer(), readiness="ready"))
    async with at_rtx(rtx_plan()) as (app, pilot):
        panel = app.bench.engines
        assert "▲ needs a build" in panel.text()
        assert "needs a build: not made yet" in panel.text()
        await dialog(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "▶ building" in panel.text())
        await built(app, pilot)
        await until(pilot, lambda: "✓ ready" in panel.text().splitlines()[-3], "ready")
        await pilot.press("n", "down", "space", "enter")
        await until(pilot, lambda: "▲ 1 of 2 built" in panel.text())
        panel.current.change(batches=(1,), options={**NAMED_GPU, "workspace_mib": 64})
        app.look_at_files()
        await until(pilot, lambda: "▲ stale" in panel.text())
        assert "stale: changed workspace_mib 0 → 64" in panel.text()
        assert "tensorrt-rtx cuda" in [
            spec.label.rsplit(" ", 2)[0] for spec in app.selection.specs()
        ]


async def test_a_build_that_fails_says_why_and_its_log_is_read(rtx: None) -> None:
    async with at_rtx(rtx_plan(precision="fp16")) as (app, pilot):
        await dialog(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: [one for one in app.builds.jobs if one.kind == "build"])
        for child in psutil.Process().children():
            child.kill()
        job = await built(app, pilot)
        assert "was killed by SIGKILL" in job.failed
        assert "Not built" in text_of(app)
        await pilot.press("3")
        assert "✗ failed" in app.bench.frame.conversion.text()
        await dialog_and_build_verbosely(app, pilot)
        await pilot.press("3", "l")
        rows = app.screen.query_one(LogRows)
        await until(pilot, lambda: rows.lines)
        assert app.screen.path == Path(last_build(app).log)


async def dialog_and_build_verbosely(app: InferTuiApp, pilot: Pilot[None]) -> None:
    await pilot.press("2")
    form = await dialog(app, pilot)
    await put_cursor(pilot, form, "verbose_log")
    await pilot.press("space", "enter")
    job = await built(app, pilot)
    assert not job.failed


async def test_leaving_in_a_build_asks_and_leaves_no_child(held: HeldBuilds) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        app.bench.engines.current.change(precisions=("fp32", "fp16"))
        await dialog(app, pilot)
        await pilot.press("enter", "q")
        assert isinstance(app.screen, QuitDialog)
        assert "A build is going; leaving ends it." in text_of(app)
        drive = app.builds.drive
        await pilot.press("q")
        await until(pilot, lambda: app._exit)
        assert drive.over
        assert not app.builds.waiting
    assert not psutil.Process().children()


async def test_ctrl_c_ends_all_builds_and_then_leaves(held: HeldBuilds) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        app.bench.engines.current.change(precisions=("fp32", "fp16"))
        await dialog(app, pilot)
        await pilot.press("enter", "ctrl+c")
        assert not app.builds.waiting
        await until(pilot, lambda: not app.builds.busy)
        assert not app._exit
        await pilot.press("ctrl+c")
        assert app._exit


async def test_a_fault_in_a_build_is_shown_and_the_queue_goes_on(
    rtx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BuildDrive.work

    def fails_once(self: BuildDrive) -> None:
        monkeypatch.setattr(BuildDrive, "work", real)
        raise ZeroDivisionError("not expected")

    monkeypatch.setattr(BuildDrive, "work", fails_once)
    async with at_rtx(rtx_plan()) as (app, pilot):
        app.bench.engines.current.change(precisions=("fp32", "fp16"))
        await dialog(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        assert "not expected" in text_of(app)
        job = await built(app, pilot)
        assert "fp16" in job.title


async def test_an_engine_without_files_has_nothing_to_build(rtx: None) -> None:
    async with opened(plan_of()) as (app, pilot):
        await pilot.press("b")
        await pilot.pause()
        assert "PyTorch eager has nothing to build" in text_of(app)
