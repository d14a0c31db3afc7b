"""Pictures of a run by turns, with frozen data: going, over, explained, compared within."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from textual.pilot import Pilot

from engines.events import (
    EngineFinished,
    Event,
    JobDone,
    JobStarted,
    Progress,
    RoundStarted,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.results import EngineResult, VersusRecord
from profiles.within import RunVerdicts
from tests.profiles.conftest import Build
from tests.tui.app_support import Small, Wide, plan_of
from tests.tui.test_app_looks import (
    LABELS,
    SPECS,
    latencies,
    nothing_to_wait_for,
    preparation,
    result,
    showing,
)
from tests.tui.test_app_looks import FrozenApp as FrozenBench
from tui.live import LiveRun
from tui.screens.compare import CompareScreen

__all__ = ["nothing_to_wait_for"]


class FrozenApp(FrozenBench):
    """The same, set to measure by turns."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.measurement = PLAN.measurement


NAMES = ("eager", "compile", "onnxruntime")
PLAN = plan_of(*SPECS)
BY_TURNS = msgspec.structs.replace(
    PLAN.measurement, iterations=None, interleave=True, blocks=9, block_seconds=1.0
)
PLAN = msgspec.structs.replace(PLAN, measurement=BY_TURNS)
VERDICTS = (
    None,
    VersusRecord(
        baseline=LABELS[0], verdict="UNCLEAR", blocks=9, threshold=0.01,
        ratio=0.641, low=0.62, high=0.66,
        reasons=(
            "unsettled: warm-up did not settle in 10 s: the median still changes by -3.1 %;"
            " measure it again on a quieter machine",
            "beyond-threshold: the median changes by -35.90 % (-38.00 % to -34.00 %), beyond 1 %",
        ),
    ),
    VersusRecord(
        baseline=LABELS[0], verdict="FASTER", blocks=9, threshold=0.01,
        ratio=0.32, low=0.317, high=0.323,
        reasons=(
            "beyond-threshold: the median changes by -68.00 % (-68.30 % to -67.70 %), beyond 1 %",
        ),
    ),
)  # fmt: skip


def loaded() -> list[Event]:
    events: list[Event] = [RunStarted(PLAN, LABELS, "frozen"), *preparation()[1:]]
    for index, name in enumerate(NAMES):
        events += [
            JobStarted(f"b{index}", "benchmark", LABELS[index], index),
            Progress(f"b{index}", "warm-up"),
            Samples(f"b{index}", index, "warm-up", 0.0, 2 * latencies(name, 50)),
            Progress(f"b{index}", "waiting for its turn"),
        ]
    return events


def turn(index: int, number: int) -> list[Event]:
    job, samples = f"b{index}", latencies(NAMES[index], 900)[100 * number : 100 * number + 100]
    return [
        Progress(job, "measuring", f"round {number + 1} of 9"),
        Samples(job, index, "measuring", 1.0 + number, samples, number),
        Progress(job, "waiting for its turn"),
    ]


def rounds(count: int) -> list[Event]:
    events: list[Event] = []
    for number in range(count):
        events.append(RoundStarted(number, 9, (2, 0, 1)))
        for index in (2, 0, 1):
            events += turn(index, number)
    return events


def results() -> list[EngineResult]:
    return [
        msgspec.structs.replace(result(name, latencies(name, 900)), versus=versus)
        for name, versus in zip(NAMES, VERDICTS, strict=True)
    ]


GOING = [*loaded(), *rounds(3), RoundStarted(3, 9, (1, 2, 0)), *turn(1, 3), *turn(2, 3)[:-1]]
OVER = [
    *loaded(),
    *rounds(9),
    *(JobDone(f"b{index}", "benchmark", 8.0, entry=index) for index in range(3)),
    *(EngineFinished(index, one) for index, one in enumerate(results())),
    RunFinished("complete", 41.0),
]


@pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    ("events", "keys"), [(GOING, ("6",)), (OVER, ("6", "down"))], ids=["going", "over"]
)
def test_turns(snap_compare, size, events, keys) -> None:
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing(events, *keys))


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
def test_turns_in_another_theme(snap_compare, theme) -> None:
    app = FrozenApp(theme=theme)
    assert snap_compare(app, terminal_size=Small, run_before=showing(OVER, "6", "down"))


def test_turns_in_ascii(snap_compare) -> None:
    app = FrozenApp(ascii_only=True)
    assert snap_compare(app, terminal_size=Wide, run_before=showing(GOING, "6"))


def test_details_of_a_verdict(snap_compare) -> None:
    prepare = showing(OVER, "6", "down", "enter")
    assert snap_compare(FrozenApp(), terminal_size=Small, run_before=prepare)


@pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
def test_verdicts_within_a_run(snap_compare, size) -> None:
    from profiles.within import judge_run

    profile = msgspec.structs.replace(Build().profile(), plan=PLAN, results=tuple(results()))
    found = judge_run(profile)
    assert isinstance(found, RunVerdicts)

    async def prepare(pilot: Pilot[None]) -> None:
        await showing([])(pilot)
        pilot.app.push_screen(CompareScreen(found))
        await pilot.pause()

    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


def test_a_frozen_run_is_one_that_the_app_can_fold() -> None:
    live = LiveRun()
    for event in OVER:
        live.apply(event)
    assert [entry.n for entry in live.entries] == [900] * 3
    assert np.isfinite([entry.elapsed_s for entry in live.entries]).all()
