"""Pictures of the bench's states, at both sizes, with frozen data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from textual.app import App
from textual.pilot import Pilot

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
from engines.machine import TelemetrySample
from engines.plan import EngineSpec, unique_labels
from engines.results import (
    AccuracyRecord,
    ConditionsRecord,
    DisturbanceRecord,
    EnergyRecord,
    EngineResult,
    LatencyRecord,
    MemoryRecord,
    PercentileRecord,
    StopRecord,
    WarmUpRecord,
)
from engines.statistics import summarise
from tests.tui.app_support import TINY, Small, Wide, answers, plan_of, until
from tests.tui.conftest import facts_of
from tui import controller as controller_module
from tui.app import InferTuiApp
from tui.commands.app import prepare_environment
from tui.controller import Controller, Drive
from tui.live import LiveRun

GIB = 1 << 30
MEDIANS = {"eager": 6.4, "compile": 4.1, "onnxruntime": 2.05}
SPECS = tuple(EngineSpec(engine=name, device="cpu") for name in MEDIANS)
LABELS = unique_labels(SPECS)


class FrozenApp(InferTuiApp):
    """The app with what changes from machine to machine and moment to moment held fixed."""

    def __init__(self, *, answered: bool = True, theme: str = "infer-dark", **options) -> None:
        super().__init__(plan=plan_of(*SPECS), **options)
        self.theme = theme
        self.answered = answered
        self.frozen = False

    async def _begin(self) -> None:
        await self.bench.mount_plots()
        for _ in range(4):
            self.bench.telemetry.show_sample(
                TelemetrySample(0.0, 37.0, 6 * GIB, 16 * GIB, 1.25, cpu_mhz=2600.0)
            )
        if self.answered:
            for availability in answers():
                self.selection.answer(availability)
            self.bench.engines.rebuild()
            self.controller.facts = facts_of(TINY)
            self.bench.model_panel.show_answer(facts_of(TINY))
        self.frozen = True


def latencies(engine: str, count: int) -> np.ndarray:
    rng = np.random.default_rng(len(engine))
    return MEDIANS[engine] * np.exp(0.02 * rng.gamma(2.0, 1.0, count))


def result(engine: str, samples: np.ndarray) -> EngineResult:
    """What a run of these samples comes to."""
    summary = summarise(samples)
    percentiles = tuple(
        PercentileRecord(percentile=one.percentile, needs=one.floor, value_ms=one.value,
                         low_ms=one.low, high_ms=one.high)
        for one in summary.percentiles
    )  # fmt: skip
    index = list(MEDIANS).index(engine)
    return EngineResult(
        label=LABELS[index], spec=SPECS[index], status="ok",
        latency=LatencyRecord(n=summary.n, mean_ms=summary.mean, min_ms=summary.minimum,
                              max_ms=summary.maximum, percentiles=percentiles),
        throughput=1000.0 / summary.mean,
        warm_up=WarmUpRecord(n=50, seconds=0.5, settled=True, reason="settled"),
        stop=StopRecord(reason="the median is known to 1 %", seconds=3.0),
        accuracy=AccuracyRecord(images=64, max_error=1e-6, mean_error=1e-7, cosine=1.0,
                                top1_agreement=1.0, nan_count=0, tolerance_cosine=0.999,
                                within_tolerance=True),
        peak_host_bytes=300 << 20,
    )  # fmt: skip


def preparation() -> list[Event]:
    return [
        RunStarted(plan_of(*SPECS), LABELS, "frozen"),
        JobStarted("w", "weights", "weights of mobilenetv2 0.35 @ 96"),
        JobDone("w", "weights", 0.0, cached=True, size_bytes=1_700_000, path="/cache/weights.pt"),
        JobStarted("o", "export", "mobilenetv2 0.35 @ 96 → ONNX fp32", why="torch 2.12 → 2.13"),
        JobDone("o", "export", 1.3, size_bytes=1_600_000, path="/cache/model.onnx"),
    ]


def measured(engine: str, count: int = 900) -> list[Event]:
    """An entry up to its last sample."""
    index = list(MEDIANS).index(engine)
    job = f"b{index}"
    samples = latencies(engine, count)
    return [
        JobStarted(job, "benchmark", LABELS[index], index),
        Progress(job, "warm-up"),
        Samples(job, index, "warm-up", 0.0, 2 * samples[:50]),
        Progress(job, "measuring"),
        Samples(job, index, "measuring", 1.0, samples),
    ]


def finished(engine: str) -> list[Event]:
    index = list(MEDIANS).index(engine)
    done = EngineFinished(index, result(engine, latencies(engine, 900)))
    return [*measured(engine), JobDone(f"b{index}", "benchmark", 8.0, entry=index), done]


def broken(status: str, reason: str, hint: str, index: int) -> list[Event]:
    spec, label = SPECS[index], LABELS[index]
    found = EngineResult(label=label, spec=spec, status=status, reason=reason, hint=hint)
    return [EngineFinished(index, found)]


RUNNING = [*preparation(), *finished("eager"), *measured("compile", 300)]
COMPLETE = [
    *preparation(), *finished("eager"), *finished("compile"), *finished("onnxruntime"),
    RunFinished("complete", 32.0),
]  # fmt: skip
BROKEN = [
    *preparation(),
    *finished("eager"),
    *broken("failed", "the worker was killed by SIGKILL while measuring", "out of memory?", 1),
    *broken("invalid", "its outputs differ from the FP32 reference: cosine 0.61", "see below", 2),
    RunFinished("complete", 32.0),
]


THROTTLED = ConditionsRecord(
    readings=15, verdicts=("THROTTLED",), throttled_share=0.34,
    sm_clock_min_mhz=1185.0, sm_clock_median_mhz=1410.0, sm_clock_max_mhz=1980.0,
    memory_clock_median_mhz=3201.0, power_median_w=412.0, power_max_w=655.0, temperature_max_c=87.0,
    utilisation_median_percent=96.0, reasons={"SwPowerCap": 0.8, "HwThermalSlowdown": 0.3},
    disturbances=(DisturbanceRecord(condition="THROTTLED", start_s=2.5, end_s=3.6),),
)  # fmt: skip
SHARED = ConditionsRecord(
    readings=15, verdicts=("SHARED GPU",), shared_share=1.0, others=("python (process 4711)",)
)


def disturbed(engine: str, conditions: ConditionsRecord) -> list[Event]:
    """As `finished`, on a GPU that had something else to do or that was too hot."""
    *events, done = finished(engine)
    latency = msgspec.structs.replace(
        done.result.latency, outliers_mild=31, outliers_severe=12,
        outlier_causes={"throttled": 24, "preempted": 3},
    )  # fmt: skip
    changed = msgspec.structs.replace(
        done.result,
        latency=latency,
        conditions=conditions,
        memory=MemoryRecord(device_delta=612 << 20, process=590 << 20, allocator_peak=44 << 20),
        energy=EnergyRecord(source="the whole of GPU 0, NVML", joules_per_inference=0.0822,
                            mean_w=412.0, idle_w=71.0, n=25_700, seconds=5.1, steps=51),
    )  # fmt: skip
    return [*events, EngineFinished(done.entry, changed)]


DISTURBED = [
    *preparation(), *disturbed("eager", THROTTLED), *disturbed("compile", SHARED),
    *finished("onnxruntime"), RunFinished("complete", 32.0),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller_module, "END_WITHIN_S", 0.0)
    monkeypatch.setattr(Controller, "elapsed_s", 12.0)
    monkeypatch.setattr(Controller, "autosave", lambda self: None)


def showing(events: list[Event], *keys: str) -> Callable[[Pilot[None]], object]:
    """Let the app show a run of these events, then press `keys`."""

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        await until(pilot, lambda: app.frozen)
        await pilot.pause()
        if events:
            live = LiveRun(clock=lambda: 100.0)
            for event in events:
                live.apply(event)
            app.controller.live = live
            app.controller.drive = Drive(plan_of(*SPECS), (), lambda: None)
            if live.ending is not None:
                app.controller.drive._over.set()
                app.controller.saved_as = Path("2026-11-22T12-00-00-mobilenetv2.toml")
            app.bench.draw()
        await pilot.press(*keys)
        await pilot.pause()

    return prepare


@pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    ("events", "keys"),
    [([], ()), (RUNNING, ("6",)), (COMPLETE, ("4",)), (BROKEN, ("6", "down")), (DISTURBED, ("6",))],
    ids=["empty", "running", "complete", "broken", "disturbed"],
)
def test_bench(snap_compare, size, events, keys) -> None:
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing(events, *keys))


def test_bench_while_engines_are_checked(snap_compare) -> None:
    app = FrozenApp(answered=False)
    assert snap_compare(app, terminal_size=Wide, run_before=showing([]))


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
def test_bench_in_another_theme(snap_compare, theme) -> None:
    app = FrozenApp(theme=theme)
    assert snap_compare(app, terminal_size=Wide, run_before=showing(COMPLETE, "6"))


@pytest.fixture
def no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command sets it where the user has set NO_COLOR."""
    monkeypatch.setenv("NO_COLOR", "1")
    prepare_environment(environment := {"NO_COLOR": "1"}, None)
    # Textual has read it when it was imported, and takes its filter by it.
    monkeypatch.setattr(App.theme, "_default", environment["TEXTUAL_THEME"])


@pytest.mark.parametrize(
    ("events", "keys"), [(COMPLETE, "6"), ([], "2p")], ids=["complete", "dialog"]
)
@pytest.mark.usefixtures("no_color")
def test_bench_without_colours(snap_compare, events, keys) -> None:
    app = FrozenApp(theme="ansi-dark")
    assert snap_compare(app, terminal_size=Wide, run_before=showing(events, *keys))


def test_bench_in_ascii(snap_compare) -> None:
    app = FrozenApp(ascii_only=True)
    assert snap_compare(app, terminal_size=Wide, run_before=showing(COMPLETE, "6"))


def test_too_small(snap_compare) -> None:
    assert snap_compare(FrozenApp(), terminal_size=(40, 10), run_before=showing([]))


@pytest.mark.parametrize("key", ["p", "n", "enter", "i"])
def test_dialogs(snap_compare, key) -> None:
    assert snap_compare(FrozenApp(), terminal_size=Small, run_before=showing([], key))


def test_a_dialog_on_the_smallest_screen(snap_compare) -> None:
    prepare = showing([], "n", "end")
    assert snap_compare(FrozenApp(), terminal_size=(60, 15), run_before=prepare)


def test_details(snap_compare) -> None:
    prepare = showing(COMPLETE, "6", "enter")
    assert snap_compare(FrozenApp(), terminal_size=Wide, run_before=prepare)


@pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
def test_details_of_what_disturbed_it(snap_compare, size) -> None:
    prepare = showing(DISTURBED, "6", "enter", "end")
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=prepare)


def test_a_disturbed_plot_in_ascii(snap_compare) -> None:
    prepare = showing(DISTURBED, "4")
    assert snap_compare(FrozenApp(ascii_only=True), terminal_size=Wide, run_before=prepare)
