"""Pictures of the times by layer, at both sizes, with frozen data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from engines.events import Event, JobDone, JobStarted, Progress
from engines.layers import LayerProfile
from engines.plan import EngineSpec
from tests.tui.app_support import TINY, Small, Wide, until
from tests.tui.layers_support import eager_profile, tensorrt_profile
from tests.tui.test_app_looks import FrozenApp, nothing_to_wait_for
from tui import layer_times
from tui.jobs import LiveJobs
from tui.layer_times import LayersDrive, LayersOrder
from tui.screens.layers import LayersScreen

__all__ = ["nothing_to_wait_for"]

EAGER = EngineSpec(engine="eager", device="cpu")
TENSORRT = EngineSpec(engine="tensorrt", device="cuda", precision="fp16")
GOING: list[Event] = [
    JobStarted("w", "weights", "weights of mobilenetv2 0.35 @ 96"),
    JobDone("w", "weights", 0.0, cached=True),
    JobStarted("o", "export", "mobilenetv2 0.35 @ 96 → ONNX fp32"),
    JobDone("o", "export", 1.3),
    JobStarted("l", "layers", "layers of eager cpu fp32 b1"),
    Progress("l", "profiling"),
]


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_times, "END_WITHIN_S", 0.0)
    monkeypatch.setattr(LayersDrive, "elapsed_s", 12.0)


def drive_of(spec: EngineSpec, profile: LayerProfile | None) -> LayersDrive:
    drive = LayersDrive(LayersOrder(TINY, spec), lambda: None)
    drive.profile = profile
    return drive


def showing(spec: EngineSpec, *keys: str, going: bool = False) -> Callable[[Pilot[None]], object]:
    """Let the app have frozen times, or be at taking them, and press `keys` on their page."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        await until(pilot, lambda: app.frozen)
        make = tensorrt_profile if spec is TENSORRT else eager_profile
        if going:
            now = [0.0]
            app.layer_times.drive = drive_of(spec, None)
            app.layer_times._work = LiveJobs(clock=lambda: now[0])
            for event in GOING:
                now[0] += 2.0
                app.layer_times._work.apply(event)
        else:
            app.layer_times._ended = [drive_of(spec, make(spec, TINY))]
        app.push_screen(LayersScreen(spec))
        await until(pilot, lambda: isinstance(app.screen, LayersScreen) and app.screen.is_mounted)
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()

    return prepare


SIZES = pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])


@SIZES
def test_layers_of_a_model(snap_compare, size) -> None:
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing(EAGER, "down"))


@SIZES
def test_layers_with_long_names(snap_compare, size) -> None:
    prepare = showing(TENSORRT, "down", "down")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


def test_layers_by_kind_in_ascii(snap_compare) -> None:
    prepare = showing(EAGER, "g")
    app = FrozenApp(ascii_only=True)
    assert snap_compare(app, terminal_size=Small, run_before=prepare)


def test_layers_in_sixteen_colours(snap_compare) -> None:
    app = FrozenApp(theme="ansi-dark")
    assert snap_compare(app, terminal_size=Small, run_before=showing(EAGER, "right"))


def test_layers_in_light(snap_compare) -> None:
    app = FrozenApp(theme="infer-light")
    assert snap_compare(app, terminal_size=Small, run_before=showing(EAGER, "right"))


def test_layers_while_they_are_timed(snap_compare) -> None:
    prepare = showing(EAGER, going=True)
    assert snap_compare(FrozenApp(), terminal_size=Small, run_before=prepare)
