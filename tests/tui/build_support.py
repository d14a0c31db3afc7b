"""What the tests of builds share: the app with TensorRT-RTX, which builds without a GPU."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engines.artifacts import Cache
from engines.events import Event, JobStarted
from engines.plan import EngineSpec, ModelSpec, RunPlan
from engines.probing import probe
from engines.registry import Availability
from tests.tui.app_support import answers, opened, plan_of, until
from tests.tui.conftest import facts_of
from tui import background
from tui.app import InferTuiApp
from tui.background import EngineAnswered, ModelDescribed, ProbeEnded
from tui.builds import BuildDrive
from tui.dialogs.base import Note
from tui.dialogs.build import BuildDialog, EntryRows
from tui.dialogs.form import FormRows
from tui.jobs import LiveJob

NAMED_GPU = {"compute_capability": "8.9"}
_asked: list[Availability] = []


def real_answer() -> Availability:
    """What TensorRT-RTX answers on this machine, asked once."""
    if not _asked:
        _asked.extend(probe([("tensorrt-rtx", "cuda", "")]))
    return _asked[0]


def answer_as(monkeypatch: pytest.MonkeyPatch, *own: Availability) -> None:
    """The start's questions are answered at once: `own` for those engines, others as usual."""
    engines = {one.engine for one in own}

    def ask(control: object, post: background.Post) -> None:
        for availability in [one for one in answers() if one.engine not in engines] + [*own]:
            post(EngineAnswered(availability))
        post(ProbeEnded())

    def describe(model: ModelSpec, control: object, post: background.Post) -> None:
        post(ModelDescribed(facts_of(model)))

    monkeypatch.setattr(background, "ask_engines", ask)
    monkeypatch.setattr(background, "describe_model", describe)


class HeldBuilds:
    """Lets every build go no further than to its beginning until it is told to.

    A build of the tests' model takes half a second, which is too short to press keys beside it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        say = BuildDrive._say

        def hold(drive: BuildDrive, event: Event) -> None:
            say(drive, event)
            if isinstance(event, JobStarted) and event.kind == "build":
                while not self.go_on.wait(0.005) and not drive.control.cancelled:
                    pass

        monkeypatch.setattr(BuildDrive, "_say", hold)


def rtx_plan(**fields: Any) -> RunPlan:
    """One entry of TensorRT-RTX, by default in FP32 for a GPU that is not here."""
    fields = {"options": NAMED_GPU, "precision": "fp32", **fields}
    return plan_of(EngineSpec(engine="tensorrt-rtx", device="cuda", **fields))


@asynccontextmanager
async def at_rtx(plan: RunPlan, **options: Any) -> AsyncIterator[tuple[InferTuiApp, Pilot[None]]]:
    """The app with the cursor on TensorRT-RTX, its engine files looked for."""
    async with opened(plan, **options) as (app, pilot):
        await pilot.press("G")
        assert app.bench.engines.current.engine.name == "tensorrt-rtx"
        await until(pilot, lambda: app.bench.engines.current.files is not None, "a look")
        yield app, pilot


async def dialog(app: InferTuiApp, pilot: Pilot[None]) -> FormRows:
    """Press b; the form of the dialog, which says by now what is kept."""
    await pilot.press("b")
    await until(pilot, lambda: isinstance(app.screen, BuildDialog) and app.screen.query(FormRows))
    entries = app.screen.query_one(EntryRows)
    await until(pilot, lambda: entries.text() and "looking" not in entries.text(), "what is kept")
    return app.screen.query_one(FormRows)


def problem(app: InferTuiApp) -> str:
    """Why the dialog can't be accepted."""
    return str(app.screen.query_one("#problem", Note).content)


async def put_cursor(pilot: Pilot[None], form: FormRows, name: str) -> None:
    await pilot.press("home")
    while form.current.name != name:
        await pilot.press("down")


async def built(app: InferTuiApp, pilot: Pilot[None]) -> LiveJob:
    """Wait for the end of all builds; the last build's job."""
    await until(pilot, lambda: not app.builds.busy, "the builds")
    await pilot.pause()
    return last_build(app)


def last_build(app: InferTuiApp) -> LiveJob:
    return [job for job in app.builds.jobs if job.kind == "build"][-1]


def engine_files() -> list[Path]:
    return sorted((Cache().root / "build").glob("*/*/model.engine"))
