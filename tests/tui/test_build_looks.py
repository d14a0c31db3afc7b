"""Pictures of the build dialog and of builds in the panels, at both sizes, with frozen data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from engines.artifacts import Meta
from engines.building import BuildState
from engines.events import Event, JobDone, JobFailed, JobStarted, Progress
from engines.plan import EngineSpec
from engines.registry import Availability
from tests.tui.app_support import TINY, Small, Wide, answers, until
from tests.tui.test_app_looks import FrozenApp, nothing_to_wait_for
from tui import background, builds
from tui.builds import BuildDrive, BuildOrder
from tui.dialogs.build import BuildDialog, EntryRows
from tui.jobs import STOPPED, LiveJobs

__all__ = ["nothing_to_wait_for"]

RTX = Availability(
    "tensorrt", "cuda", "ready", versions={"tensorrt": "8.6.0"}, typed=False, builds=True,
    gpus=({"name": "NVIDIA H200", "compute_capability": "9.0"},),
)  # fmt: skip
KEPT = Meta(
    kind="build", slot="s", parts={}, file="model.engine", size_bytes=4_400_000, sha256="0",
    seconds=61.0,
)  # fmt: skip
STATES = (
    BuildState("built", meta=KEPT),
    BuildState("stale", "changed: driver 570.1 → 580.159"),
    BuildState("missing", "not made yet"),
)


def order(precision: str) -> BuildOrder:
    spec = EngineSpec(engine="tensorrt", device="cuda", precision=precision)
    return BuildOrder(TINY, spec, RTX)


def build_job(precision: str) -> JobStarted:
    title = f"TensorRT {precision}, batch 1"
    return JobStarted(precision, "build", title, expected_s=61.0, why="not made yet")


BUILDS: list[Event] = [
    JobStarted("w", "weights", "weights of mobilenetv2 0.35 @ 96"),
    JobDone("w", "weights", 0.0, cached=True, size_bytes=1_700_000, path="/cache/weights.pt"),
    build_job("fp32"),
    JobFailed("fp32", "build", STOPPED),
    build_job("fp16"),
    JobDone("fp16", "build", 58.2, size_bytes=4_400_000,
            facts={"layers": {"FP16": 60, "FP32": 2}}),
    build_job("int8"),
    Progress("int8", "building", "timing kernels of features.3.conv"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    def states_of(model: object, question: background.FilesQuestion, seed: int):
        return STATES[: len(question.specs)]

    monkeypatch.setattr(background, "states_of", states_of)
    monkeypatch.setattr(builds, "END_WITHIN_S", 0.0)
    monkeypatch.setattr(BuildDrive, "elapsed_s", 12.0)


def showing(events: list[Event], *keys: str) -> Callable[[Pilot[None]], object]:
    """Let the app have TensorRT and show these builds, one waiting, then press `keys`."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        await until(pilot, lambda: app.frozen)
        for one in (RTX, *(one for one in answers() if one.engine == "tensorrt-rtx")):
            app.selection.answer(replace(one))
        (choice,) = (one for one in app.selection.choices if one.engine.name == "tensorrt")
        choice.change(precisions=("fp32", "fp16", "int8"))
        app.look_at_files()
        await until(pilot, lambda: choice.files is not None)
        if events:
            now = [0.0]
            work = LiveJobs(clock=lambda: now[0])
            for event in events:
                now[0] += 4.0
                work.apply(event)
            app.builds._work = work
            app.builds.waiting = [order("bf16")]
            app.builds.drive = BuildDrive(order("int8"), lambda: None)
        app.bench.draw()
        await pilot.press("G", "k", *keys)
        await pilot.pause()
        if isinstance(app.screen, BuildDialog):
            entries = app.screen.query_one(EntryRows)
            await until(pilot, lambda: entries._states, "what is kept")
            await pilot.pause()

    return prepare


SIZES = pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])


@SIZES
def test_build_dialog(snap_compare, size) -> None:
    prepare = showing([], "b", "down", "down", "down", "down")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@SIZES
def test_build_dialog_with_a_problem(snap_compare, size) -> None:
    prepare = showing([], "b", *["down"] * 4, "8", ",", "enter")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@SIZES
def test_builds(snap_compare, size) -> None:
    prepare = showing(BUILDS, "3")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
@pytest.mark.parametrize(
    ("events", "keys"), [([], ["b", "down", "down"]), (BUILDS, ["3"])], ids=["dialog", "builds"]
)
def test_builds_in_another_theme(snap_compare, theme, events, keys) -> None:
    app = FrozenApp(theme=theme)
    assert snap_compare(app, terminal_size=Small, run_before=showing(events, *keys))


def test_engines_that_need_builds(snap_compare) -> None:
    assert snap_compare(FrozenApp(), terminal_size=Wide, run_before=showing([]))
