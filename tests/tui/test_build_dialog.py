"""The dialog of `b`: every option of a builder, what is kept, what is refused in words."""

from __future__ import annotations

import json

import pytest

from engines import paths
from tests.tui.app_support import opened, plan_of, until
from tests.tui.build_support import (
    NAMED_GPU,
    at_rtx,
    built,
    dialog,
    problem,
    put_cursor,
    rtx_plan,
)
from tui.dialogs.build import BuildDialog, EntryRows
from tui.dialogs.form import FormRows, OptionsDialog
from tui.remembered import FILE
from tui.screens.help import HelpRows


async def test_typed_options_are_refused_in_words_and_taken(rtx: None) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        form = await dialog(app, pilot)
        await put_cursor(pilot, form, "profile_batches")
        await pilot.press(*"8,, 1")
        assert form.values["profile_batches"] == "8,, 1", "a blank that changes values is text here"
        await pilot.press("enter")
        assert isinstance(app.screen, BuildDialog)
        assert "expected batch sizes with commas between them" in problem(app)
        await pilot.press(*["backspace"] * 4, "enter")
        assert not isinstance(app.screen, BuildDialog)
        await until(pilot, lambda: app.builds.going or app.builds.jobs)
        app.builds.stop_all()
        await until(pilot, lambda: not app.builds.busy)
        form = await dialog(app, pilot)
        assert form.values["profile_batches"] == "8"
        await put_cursor(pilot, form, "max_batch")
        await pilot.press("4", "enter")
        assert "has both profile_batches and min, opt or max_batch" in problem(app)
        await put_cursor(pilot, form, "builder_level")
        await pilot.press("9", "enter")
        assert "builder_level is 39, expected a whole number from 0 to 5" in problem(app)
        assert not app.builds.busy


async def test_without_a_gpu_the_one_that_is_here_is_refused_in_words(rtx: None) -> None:
    async with at_rtx(plan_of()) as (app, pilot):
        assert "b builds for a named GPU" in app.bench.engines.text()
        form = await dialog(app, pilot)
        assert form.values["compute_capability"] == "current"
        await pilot.press("enter")
        assert isinstance(app.screen, BuildDialog)
        assert "name the GPUs to build for" in problem(app)


async def test_the_states_follow_the_options(rtx: None) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        await dialog(app, pilot)
        await pilot.press("enter")
        await built(app, pilot)
        form = await dialog(app, pilot)
        entries = app.screen.query_one(EntryRows)
        await put_cursor(pilot, form, "builder_level")
        await pilot.press("right")
        await until(pilot, lambda: "stale: changed builder_level 3 → 4" in entries.text())
        assert form.values["rebuild"] is False
        await pilot.press("left")
        await until(pilot, lambda: "✓ built" in entries.text())
        assert form.values["rebuild"] is True


async def test_the_last_accepted_options_are_there_at_the_next_start(rtx: None) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        form = await dialog(app, pilot)
        await put_cursor(pilot, form, "builder_level")
        await pilot.press("right", "right", "enter")
        app.builds.stop_all()
        await until(pilot, lambda: not app.builds.busy)
        file = paths.state_folder() / FILE
        await until(pilot, file.exists)
    async with at_rtx(plan_of()) as (app, pilot):
        form = await dialog(app, pilot)
        assert form.values["builder_level"] == 5
        assert form.values["compute_capability"] == "8.9"
        assert form.values["workspace_mib"] == 0


@pytest.mark.parametrize(
    "text",
    ["", "[", "[]", '{"tensorrt-rtx": 7}', "\x00\xff", "[" * 5000,
     json.dumps({"tensorrt-rtx": {"builder_level": 99, "gone": 1, "timing_cache": "x",
                                  "compute_capability": [], "workspace_mib": True}})],
)  # fmt: skip
async def test_damaged_memory_is_as_none(rtx: None, text: str) -> None:
    paths.ready(paths.state_folder())
    (paths.state_folder() / FILE).write_text(text)
    async with opened(plan_of()) as (app, _):
        assert all(choice.options == {} for choice in app.selection.choices)


async def test_what_is_run_and_what_is_built_with_have_dialogs_of_their_own(
    rtx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_rtx(rtx_plan()) as (app, pilot):
        await pilot.press("enter")
        assert isinstance(app.screen, OptionsDialog)
        form = app.screen.query_one(FormRows)
        assert list(form.values) == ["cuda_graph", "gpu"]
        await pilot.press("space", "enter")
        assert app.bench.engines.current.options == {**NAMED_GPU, "cuda_graph": False}
        await pilot.press("home", "enter")
        assert "gpu" not in app.screen.query_one(FormRows).values, "eager on the CPU"


async def test_the_words_of_key_bar_and_help(rtx: None) -> None:
    async with at_rtx(plan_of()) as (app, pilot):
        await dialog(app, pilot)
        bar = app.screen.query_one("#keys").text()
        assert "enter accept" in bar
        assert "esc cancel" in bar
        await pilot.press("escape", "question_mark")
        await until(
            pilot, lambda: app.screen.query(HelpRows) and app.screen.query_one(HelpRows).rows
        )
        shown = " ".join(app.screen.query_one(HelpRows).text().split())
        assert "Build or rebuild the TensorRT engine under the cursor" in shown
        assert (
            "Stop the run or the build that goes; in panel 3, take out a build that waits" in shown
        )
