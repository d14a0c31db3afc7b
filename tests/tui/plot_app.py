"""Both plots in an app of their own, and runs that are fed to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from textual.app import App, ComposeResult
from textual.containers import Horizontal

from engines.events import (
    EngineFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult
from tui.live import LiveRun
from tui.themes import INFER_DARK, INFER_LIGHT
from tui.widgets.histogram import HistogramPanel
from tui.widgets.latency import LatencyPanel
from tui.widgets.plot_view import PlotView

CPU = (34.0, 17.0, 7.4)
GPU = (2.7, 0.5, 0.25)
NAMES = ("eager", "compile", "onnxruntime", "tensorrt")


class PlotApp(App[None]):
    """Both panels side by side as large as at 120x40, bordered as the bench screen does."""

    CSS = """
    LatencyPanel, HistogramPanel { border: round $panel; padding: 0 1; height: 14; }
    LatencyPanel { width: 66; }
    HistogramPanel { width: 52; }
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        for theme in (INFER_DARK, INFER_LIGHT):
            self.register_theme(theme)
        self.theme = INFER_DARK.name

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield LatencyPanel()
            yield HistogramPanel()

    @property
    def latency(self) -> LatencyPanel:
        return self.query_one(LatencyPanel)

    @property
    def histogram(self) -> HistogramPanel:
        return self.query_one(HistogramPanel)

    def show(self, run: LiveRun | None, selected: Sequence[int] = ()) -> None:
        self.latency.show(run, selected)
        self.histogram.show(run, selected)


class Feeder:
    """A run in which one engine after the other is measured, fed by the test."""

    def __init__(self, medians_ms: Sequence[float]) -> None:
        specs = tuple(EngineSpec(engine=name) for name in NAMES[: len(medians_ms)])
        self.plan = RunPlan(engines=specs)
        self.medians_ms = medians_ms
        self.run = LiveRun()
        self.run.apply(RunStarted(self.plan, self.plan.labels(), "a run"))
        self._rng = np.random.default_rng(7)
        self._now_s = [0.0] * len(medians_ms)

    def block(self, entry: int, seconds: float, phase: Any = "measuring") -> None:
        """Measure `entry` for about so long, with noise and a hiccup now and then."""
        median = self.medians_ms[entry]
        n = max(1, round(seconds * 1000 / median))
        latencies = median * np.exp(0.02 * self._rng.gamma(2.0, 0.7, n))
        latencies[self._rng.random(n) < 0.003] *= 1.8
        start = self._now_s[entry]
        self.run.apply(Samples(f"benchmark {entry}", entry, phase, start, latencies))
        self._now_s[entry] += float(latencies.sum()) / 1000

    def whole(self, entry: int, seconds: float = 5.0) -> None:
        """The whole life of `entry`: warm-up, measuring, result."""
        self.block(entry, 0.8, "warm-up")
        for _ in range(10):
            self.block(entry, seconds / 10)
        self.finish(entry)

    def finish(self, entry: int, status: Any = "ok", reason: str = "") -> None:
        label, spec = self.plan.labels()[entry], self.plan.engines[entry]
        result = EngineResult(label=label, spec=spec, status=status, reason=reason)
        self.run.apply(EngineFinished(entry, result))


def measured(medians_ms: Sequence[float] = CPU) -> LiveRun:
    feeder = Feeder(medians_ms)
    for entry in range(len(medians_ms)):
        feeder.whole(entry)
    return feeder.run


def text(view: PlotView) -> list[str]:
    """What `view` shows, line by line, as it was given to Textual."""
    return [view.render_line(y).text for y in range(view.size.height)]
