"""A saved profile is run again: what it takes the place of, and what can't run here."""

from __future__ import annotations

import msgspec

from engines.plan import EngineSpec, Measurement, RunPlan
from profiles.reading import read_profile
from profiles.store import Store
from profiles.writing import write_profile
from tests.profiles.conftest import Build
from tests.tui.app_support import (
    EAGER,
    ORT,
    ScriptedRun,
    opened,
    plan_of,
    text_of,
    until,
)
from tests.tui.history_support import go_to, listed, profile_of, save_all, words_of
from tui.dialogs.again import AgainDialog
from tui.dialogs.message import MessageDialog


async def test_a_profile_is_run_again(scripted: ScriptedRun) -> None:
    scripted.wait = False
    save_all()
    async with opened(plan_of(EAGER)) as (app, pilot):
        rows = await listed(app, pilot)
        await go_to(pilot, rows, "monday")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AgainDialog))
        asked = words_of(app)
        assert "2,000 iterations" in asked
        assert "✓ eager cpu fp32 b1" in asked
        await pilot.press("enter")
        await until(pilot, lambda: scripted.plans, "the run")
        (plan,) = scripted.plans
        saved = read_profile(Store().folder / "monday.toml").plan
        assert plan == saved
        assert app.screen is app.bench


async def test_what_is_not_available_here_is_said_and_the_rest_is_selected(
    scripted: ScriptedRun,
) -> None:
    plan = RunPlan(
        name="of a GPU box",
        model=profile_of("x", (1.0,), 0).plan.model,
        measurement=Measurement(seconds=3.0),
        engines=(
            ORT,
            EngineSpec(engine="tensorrt", device="cuda", precision="fp16"),
            EngineSpec(engine="eager", device="cpu", environment="torch211"),
        ),
    )
    profile = Build().profile(1.0, 2.0, specs=plan.engines[:2])
    profile = msgspec.structs.replace(
        profile, plan=plan,
        results=(*profile.results, Build.result(plan.engines[2], "eager torch211",
                                                Build.latencies(2.0))),
    )  # fmt: skip
    Store().folder.mkdir(parents=True)
    write_profile(profile, {}, Store().folder / "box.toml")
    async with opened(plan_of(EAGER)) as (app, pilot):
        await listed(app, pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AgainDialog))
        asked = words_of(app)
        assert "Not available here:" in asked
        assert "tensorrt is not installed" in asked
        assert "its environment is not configured here" in asked
        await pilot.press("s")
        await until(pilot, lambda: app.screen is app.bench)
        await pilot.pause()
        assert app.selection.specs() == (ORT,)
        assert app.measurement == plan.measurement
        assert not scripted.plans
        assert "torch211" in app.bench.engines.text()


async def test_a_plan_of_another_model_asks_for_its_facts_before_it_runs(
    scripted: ScriptedRun,
) -> None:
    scripted.wait = False
    save_all()
    async with opened() as (app, pilot):
        assert app.model != profile_of("x", (1.0,), 0).plan.model
        rows = await listed(app, pilot)
        await go_to(pilot, rows, "thursday")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AgainDialog))
        await pilot.press("enter")
        await until(pilot, lambda: scripted.plans, "the run")
        assert app.model == scripted.plans[0].model
        assert app.controller.facts is not None
        assert app.controller.facts.label == app.model.label
        assert app.model.label in text_of(app)


async def test_a_profile_that_is_gone_when_it_is_run_again(replayed: None) -> None:
    paths = save_all()
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await go_to(pilot, rows, "monday")
        paths["monday"].unlink()
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        assert "no such file" in text_of(app).lower()
