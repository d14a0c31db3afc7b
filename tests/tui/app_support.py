"""What the app's tests share: plans that run in moments, runners that wait, and waiting."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
from textual.pilot import Pilot

from engines.control import Control
from engines.events import (
    EngineFinished,
    Event,
    JobDone,
    JobStarted,
    Progress,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan, unique_labels
from engines.registry import Availability, pending
from engines.results import EngineResult
from tui.app import InferTuiApp

TINY = ModelSpec(width=0.35, input_size=96, classes=10)
ORT = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
EAGER = EngineSpec(engine="eager", device="cpu", options={"threads": 1})
QUICK = Measurement(
    iterations=80, warmup_min_seconds=0.0, warmup_min_iterations=5, warmup_max_seconds=0.2
)
WAIT_S = 60.0

Wide, Small = (120, 40), (80, 24)


def plan_of(*specs: EngineSpec, measurement: Measurement = QUICK, name: str = "") -> RunPlan:
    return RunPlan(name=name, model=TINY, measurement=measurement, engines=specs)


def answers(ready: Sequence[str] = ("eager", "compile", "onnxruntime")) -> list[Availability]:
    """What a machine without a GPU answers."""
    found = []
    for one in pending():
        if one.engine in ready and one.device == "cpu":
            versions = {"torch": "2.13.0"} if one.engine != "onnxruntime" else {}
            found.append(Availability(one.engine, one.device, "ready", versions=versions))
        elif one.engine.startswith("tensorrt"):
            found.append(
                Availability(one.engine, one.device, "unavailable", "tensorrt is not installed",
                             "pip install 'infer-tui[tensorrt]'")
            )  # fmt: skip
        else:
            reason = "no NVIDIA driver answers on this machine"
            found.append(Availability(one.engine, one.device, "unavailable", reason))
    return found


async def until(pilot: Pilot[None], met: Callable[[], object], what: str = "") -> None:
    """Let the app go on until `met()`; waiting is on the app's messages."""
    deadline = datetime.now(UTC).timestamp() + WAIT_S
    while not met():
        assert datetime.now(UTC).timestamp() < deadline, f"never came: {what or met}"
        await pilot.pause(0.01)


@asynccontextmanager
async def opened(
    plan: RunPlan | None = None, size: tuple[int, int] = Wide, **options: object
) -> AsyncIterator[tuple[InferTuiApp, Pilot[None]]]:
    """The app under a pilot, its engines checked. What is left unsaved at the end stays so."""
    app = InferTuiApp(plan=plan, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.started and not app.checking, "the engine check")
        await pilot.pause()
        yield app, pilot


def text_of(app: InferTuiApp) -> str:
    """What the screen shows, as lines of text."""
    width, height = app.size
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join(strip.text.rstrip()[:width] for strip in strips[:height])


class ScriptedRun:
    """A runner in place of `engines.runner.run`: it measures nothing and goes on when told.

    Real engines don't stop at a given sample or fail on demand. Each entry yields one block,
    then waits for `go_on` or for the control; then it finishes.
    """

    def __init__(self, *, block: int = 100, wait: bool = True) -> None:
        self.go_on = threading.Event()
        self.block = block
        self.wait = wait
        self.plans: list[RunPlan] = []
        self.error: Exception | None = None

    def __call__(self, plan: RunPlan, control: Control, known: object = ()) -> Iterator[Event]:
        self.plans.append(plan)
        labels = unique_labels(plan.engines)
        yield RunStarted(plan, labels, f"run-{len(self.plans)}")
        yield JobStarted("export", "export", "mobilenetv2 → ONNX fp32", expected_s=2.0)
        yield JobDone("export", "export", 0.1, cached=True, size_bytes=1 << 20, path="/x/a.onnx")
        for index, (label, spec) in enumerate(zip(labels, plan.engines, strict=True)):
            job = f"benchmark {index}"
            yield JobStarted(job, "benchmark", label, index)
            yield Progress(job, "measuring")
            samples = np.linspace(1.0, 2.0, self.block)
            yield Samples(job, index, "measuring", 0.0, samples)
            if self.error is not None:
                raise self.error
            while self.wait and not self.go_on.wait(0.005) and not control.cancelled:
                pass
            status = "stopped" if control.cancelled else "ok"
            yield JobDone(job, "benchmark", 0.2, entry=index)
            yield EngineFinished(index, EngineResult(label=label, spec=spec, status=status))
        yield RunFinished("stopped" if control.cancelled else "complete", 0.5)
