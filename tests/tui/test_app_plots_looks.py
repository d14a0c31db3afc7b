"""Pictures of the views of panels 4 and 5, with frozen data."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from engines.events import EngineFinished, Event, JobDone, JobStarted, RunFinished, Samples
from engines.results import VersusRecord
from engines.statistics import summarise
from tests.tui.app_support import Small, Wide
from tests.tui.test_app_looks import (
    LABELS,
    MEDIANS,
    FrozenApp,
    nothing_to_wait_for,
    preparation,
    result,
    showing,
)

__all__ = ["nothing_to_wait_for"]

LARGE = (300, 80)
SIZES = pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
VERDICTS = (
    None,
    VersusRecord(baseline=LABELS[0], verdict="FASTER", blocks=18, threshold=0.01, ratio=0.64,
                 low=0.63, high=0.65),
    None,
)  # fmt: skip


def with_tail(engine: str, count: int) -> np.ndarray:
    """Latencies with what real ones have: a skew, and a few that took much longer."""
    rng = np.random.default_rng(len(engine))
    values = MEDIANS[engine] * np.exp(0.02 * rng.gamma(2.0, 1.0, count))
    slow = rng.random(count) < 0.004
    return np.where(slow, values * rng.uniform(1.2, 2.5, count), values)


def whole(engine: str, count: int, *, status: str = "ok") -> list[Event]:
    index = list(MEDIANS).index(engine)
    samples = with_tail(engine, count)
    job = f"b{index}"
    outliers = summarise(samples).outliers
    done = result(engine, samples)
    latency = msgspec.structs.replace(
        done.latency, outliers_mild=outliers.mild, outliers_severe=outliers.severe
    )
    done = msgspec.structs.replace(
        done, status=status, versus=VERDICTS[index], latency=latency,
        reason="cosine 0.61" if status == "invalid" else "",
    )  # fmt: skip
    return [
        JobStarted(job, "benchmark", LABELS[index], index),
        Samples(job, index, "warm-up", 0.0, 2 * samples[:50]),
        Samples(job, index, "measuring", 1.0, samples),
        JobDone(job, "benchmark", 8.0, entry=index),
        EngineFinished(index, done),
    ]


MEASURED = [
    *preparation(), *whole("eager", 2_000), *whole("compile", 8_000),
    *whole("onnxruntime", 12_000, status="invalid"), RunFinished("complete", 60.0),
]  # fmt: skip
VIEWS = {"histogram": (), "curve": ("v",), "boxes": ("v", "v"), "speed-ups": ("v", "v", "v")}


@SIZES
@pytest.mark.parametrize("keys", VIEWS.values(), ids=VIEWS)
def test_views_of_panel_5(snap_compare, size, keys) -> None:
    prepare = showing(MEASURED, "5", *keys)
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("view", ["boxes", "speed-ups"])
def test_views_of_panel_5_in_ascii(snap_compare, view) -> None:
    prepare = showing(MEASURED, "5", *VIEWS[view])
    assert snap_compare(FrozenApp(ascii_only=True), terminal_size=Small, run_before=prepare)


@SIZES
def test_the_last_seconds_on_a_log_axis(snap_compare, size) -> None:
    prepare = showing(MEASURED, "4", "plus", "plus", "L")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


@pytest.mark.parametrize("keys", [VIEWS["curve"], (*VIEWS["speed-ups"], "L")], ids=["curve", "log"])
def test_views_in_sixteen_colours(snap_compare, keys) -> None:
    prepare = showing(MEASURED, "5", *keys)
    assert snap_compare(FrozenApp(theme="ansi-dark"), terminal_size=Small, run_before=prepare)


def test_views_on_a_large_screen(snap_compare) -> None:
    prepare = showing(MEASURED, "4", "plus", "5", "v")
    assert snap_compare(FrozenApp(), terminal_size=LARGE, run_before=prepare)
