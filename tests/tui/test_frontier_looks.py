"""Pictures of the frontier page and of a GPU entry's details, with frozen data."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from textual.pilot import Pilot

from engines.results import DeviceRecord
from tests.tui.app_support import Small, Wide, until
from tests.tui.frontier_support import LABELS, sweep, sweep_results
from tests.tui.test_app_looks import FrozenApp
from tui.live import LiveRun
from tui.screens.frontier import FrontierScreen

SPLIT = DeviceRecord(
    n=500, copy_in_ms=0.031, compute_ms=0.2055, copy_out_ms=0.0042, enqueue_ms=0.19,
    host_ms=0.2618, unaccounted_ms=0.0211,
)  # fmt: skip


def showing(run: LiveRun, *keys: str) -> Callable[[Pilot[None]], object]:
    """Let the app show `run`, then press `keys`."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        await until(pilot, lambda: app.frozen)
        app.controller.live = run
        app.bench.draw()
        await pilot.press(*keys)
        if "f" in keys:
            await until(pilot, lambda: isinstance(app.screen, FrontierScreen))
        await pilot.pause()

    return prepare


@pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
@pytest.mark.parametrize("limit_ms", [None, 0.5], ids=["without-limit", "with-limit"])
def test_frontier(snap_compare, size, limit_ms) -> None:
    prepare = showing(sweep(limit_ms), "f", "down")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
def test_frontier_in_another_theme(snap_compare, theme) -> None:
    app = FrozenApp(theme=theme)
    assert snap_compare(app, terminal_size=Wide, run_before=showing(sweep(0.5), "f"))


def test_frontier_in_ascii(snap_compare) -> None:
    app = FrozenApp(ascii_only=True)
    assert snap_compare(app, terminal_size=Small, run_before=showing(sweep(0.5), "f"))


@pytest.mark.parametrize("ascii_only", [False, True], ids=["signs", "ascii"])
def test_details_of_a_gpu_entry(snap_compare, ascii_only) -> None:
    result = msgspec.structs.replace(
        sweep_results()[3], device=SPLIT, facts={"cuda_graph": False}, artifacts={}
    )
    run = LiveRun.from_results([LABELS[3]], [result], {})
    app = FrozenApp(ascii_only=ascii_only)
    prepare = showing(run, "6", "enter", "pagedown")
    assert snap_compare(app, terminal_size=Wide, run_before=prepare)
