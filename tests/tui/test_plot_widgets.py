"""The latency and histogram panels in a real app: what they show, and what they send."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.drivers import headless_driver

from engines.events import (
    EngineFinished,
    JobStarted,
    Progress,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult, LatencyRecord, PercentileRecord
from tui import plotting
from tui.actions import told
from tui.live import LiveRun
from tui.themes import INFER_DARK
from tui.widgets import latency
from tui.widgets.histogram import NO_SAMPLES, NOTHING_COUNTED_YET, VIEWS, HistogramPanel
from tui.widgets.latency import NO_SAMPLES_YET, NOTHING_YET, LatencyPanel
from tui.widgets.plot_view import PlotView

CPU = (34.0, 17.0, 7.4)
GPU = (2.7, 0.5, 0.25)
NAMES = ("eager", "compile", "onnxruntime", "tensorrt")

# What both plots may send at 2 Hz, so that the whole app keeps within 12 kB/s under SSH.
MOST_BYTES_PER_SECOND = 6_000


class PlotApp(App[None]):
    """Both panels side by side as large as at 120x40, bordered as the bench screen does."""

    CSS = """
    LatencyPanel, HistogramPanel { border: round $panel; padding: 0 1; height: 14; }
    LatencyPanel { width: 66; }
    HistogramPanel { width: 52; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(INFER_DARK)
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


# What is seen


async def test_without_a_run_both_panels_say_what_to_do() -> None:
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(None)
        await pilot.pause()
        for panel in (app.latency, app.histogram):
            words = " ".join(" ".join(text(panel)).split())
            assert words == told(NOTHING_YET, {})
            assert panel.border_title


async def test_a_run_without_samples_shows_its_engines_and_their_states() -> None:
    feeder = Feeder(CPU)
    feeder.run.apply(JobStarted("benchmark 1", "benchmark", "compile", entry=1))
    feeder.run.apply(Progress("benchmark 1", "compiling"))
    feeder.finish(2, "unavailable", "no module named onnxruntime")
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(feeder.run)
        await pilot.pause()
        rows = text(app.latency)
        assert rows[1].split() == ["●", "eager", "fp32", "b1", "waiting"]
        assert rows[2].split() == ["■", "compile", "fp32", "b1", "compiling"]
        assert "unavailable: no module named onnx" in rows[3]
        assert NO_SAMPLES_YET in "".join(rows)
        assert NOTHING_COUNTED_YET in " ".join(" ".join(text(app.histogram)).split())
        feeder.run.apply(RunFinished("stopped", 1.0))
        app.show(feeder.run)
        await pilot.pause()
        assert told(NOTHING_YET, {}) in " ".join(" ".join(text(app.histogram)).split())


async def test_warm_up_is_shown_at_once_but_not_counted() -> None:
    feeder = Feeder(CPU)
    feeder.block(0, 0.5, "warm-up")
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(feeder.run)
        await pilot.pause()
        assert text(app.latency)[1].endswith("warm-up")
        assert "dots: warm-up" in text(app.latency)[0]
        assert NOTHING_COUNTED_YET in " ".join(" ".join(text(app.histogram)).split())


async def test_with_too_few_samples_a_view_says_how_many_it_takes() -> None:
    feeder = Feeder(CPU)
    feeder.block(0, 0.1, "warm-up")
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(feeder.run)
        await pilot.pause()
        for _ in VIEWS:
            assert NOTHING_COUNTED_YET in " ".join(" ".join(text(app.histogram)).split())
            app.histogram.change_view(1)
        feeder.block(0, 0.1)
        app.show(feeder.run)
        for view in VIEWS[1:]:
            app.histogram.change_view(1)
            words = " ".join(" ".join(text(app.histogram)).split())
            assert words == view.too_early


async def test_a_profile_without_samples_still_has_its_speed_ups() -> None:
    spec = EngineSpec(engine="eager")
    p50 = PercentileRecord(percentile=50, needs=11, value_ms=5.0)
    record = LatencyRecord(n=100, mean_ms=5.0, min_ms=4.0, max_ms=6.0, percentiles=(p50,))
    result = EngineResult(label="eager", spec=spec, status="ok", latency=record)
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(LiveRun.from_results(["eager"], [result], {}))
        await pilot.pause()
        for _ in VIEWS[1:]:
            assert NO_SAMPLES in " ".join(" ".join(text(app.histogram)).split())
            app.histogram.change_view(1)
        assert "1.00x baseline" in "".join(text(app.histogram))


async def test_measured_engines_have_figures_a_line_and_a_ridge() -> None:
    feeder = Feeder(CPU)
    feeder.whole(0)
    feeder.whole(1)
    feeder.block(2, 0.5, "warm-up")
    feeder.block(2, 5.0)
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(feeder.run)
        await pilot.pause()
        rows, ridges = text(app.latency), text(app.histogram)
        assert rows[0].split()[-4:] == ["now", "ms", "p50", "ms"]
        assert rows[1].split()[-1].startswith("34.")
        assert rows[2].split()[-2] == "done"
        assert all(float(one) < 15 for one in rows[3].split()[-2:])
        assert rows[-1].split()[0] == "ms"
        assert sum("●" in row for row in rows) == 2  # its row and the end of its line
        assert sum("▲" in row for row in ridges) == 1
        assert ridges[0].startswith("▾ p50  ▿ p99")
        assert ridges[-1].split()[-1] == "ms"


async def test_engines_far_apart_are_drawn_on_a_scale_that_says_so() -> None:
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(measured((34.0, 0.25)))
        await pilot.pause()
        assert "log scale" in text(app.latency)[0]
        assert "log scale" in text(app.histogram)[0]
        app.show(measured(CPU))
        await pilot.pause()
        assert "log scale" not in text(app.latency)[0] + text(app.histogram)[0]


async def test_only_chosen_engines_are_in_the_plots() -> None:
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        run = measured()
        app.show(run, [1])
        await pilot.pause()
        plot = "".join(text(app.latency)[4:])
        assert "■" in plot
        assert not {"●", "▲"} & set(plot)
        assert not {"●", "▲"} & set("".join(text(app.histogram)))
        app.show(run, [0, 99])
        await pilot.pause()
        assert "●" in "".join(text(app.histogram))


async def test_figures_stay_in_their_columns() -> None:
    feeder = Feeder((9.9, 700.0))
    feeder.whole(0)
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        starts = set()
        for _ in range(4):
            feeder.block(1, 8.0)
            app.show(feeder.run)
            await pilot.pause()
            rows = text(app.latency)[:3]
            starts.add(rows[0].index("now ms"))
            assert [len(row.rstrip()) for row in rows] == [62, 62, 62]
        assert len(starts) == 1


async def test_more_engines_than_rows_leave_out_those_that_are_not_chosen() -> None:
    specs = tuple(EngineSpec(engine="eager", batch=1 << at) for at in range(12))
    run = LiveRun()
    plan = RunPlan(engines=specs)
    run.apply(RunStarted(plan, plan.labels(), "a run"))
    run.apply(Samples("benchmark 10", 10, "measuring", 0.0, np.full(20, 5.0)))
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(run, [10])
        await pilot.pause()
        rows = text(app.latency)
        assert "b1024" in "".join(rows)
        assert "8 engines not listed" in rows[0]


# What is sent


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every write to the terminal."""
    writes: list[int] = []

    class CountingDriver(headless_driver.HeadlessDriver):
        @property
        def is_headless(self) -> bool:
            return False

        def write(self, data: str) -> None:
            writes.append(len(data.encode()))

    monkeypatch.setattr(headless_driver, "HeadlessDriver", CountingDriver)
    return writes


@pytest.mark.parametrize(
    ("medians", "view", "span"), [(CPU, 0, 0), (GPU, 0, 0), (CPU, 1, 1), (GPU, 2, 2), (GPU, 3, 3)]
)
async def test_two_live_plots_at_2_hz_send_little(
    medians: tuple[float, ...],
    view: int,
    span: int,
    sent: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    feeder = Feeder(medians)
    feeder.whole(0)
    feeder.whole(1)
    feeder.block(2, 0.8, "warm-up")
    app = PlotApp()
    updates, redraws_ms = 16, []
    async with app.run_test(size=(120, 40)) as pilot:
        feeder.block(2, 0.1)
        app.show(feeder.run)
        app.latency.change_span(span)
        app.histogram.change_view(view)
        await pilot.pause()
        sent.clear()
        for _ in range(updates):
            feeder.block(2, 0.25)
            app.latency.show(feeder.run, (), plot=False)
            await pilot.pause()
            feeder.block(2, 0.25)
            began = time.thread_time()
            app.show(feeder.run)
            redraws_ms.append(1000 * (time.thread_time() - began))
            await pilot.pause()
        per_second = 2 * sum(sent) / updates
        sent.clear()
        app.show(feeder.run)
        await pilot.pause()
        idle = sum(sent)
    with capsys.disabled():
        print(
            f"\n  both plots, view {view}, span {span}, engines at {medians} ms: "
            f"{per_second:.0f} B/s, {np.median(redraws_ms):.1f} ms of CPU a redraw"
        )
    assert 0 < per_second < MOST_BYTES_PER_SECOND
    assert idle == 0
    assert np.median(redraws_ms) < 250  # tens of milliseconds where nobody else is at work


async def test_a_costly_plot_rests_while_the_numbers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def costly(*given: Any, **named: Any) -> plotting.Plot:
        until = time.thread_time() + 0.06
        while time.thread_time() < until:
            pass
        drawn.append(given)
        return plotting.line_plot(*given, **named)

    monkeypatch.setattr(latency, "line_plot", costly)
    feeder = Feeder(CPU)
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(3):
            feeder.block(0, 1.0)
            app.latency.show(feeder.run, ())
        before = text(app.latency)
        assert len(drawn) == 2  # the first pays for an import, so the second is the first to rest
        await pilot.pause()
        feeder.block(0, 1.0)
        app.latency.show(feeder.run, ())
        assert len(drawn) == 2
        assert text(app.latency)[1] != before[1]
        feeder.run.apply(RunFinished("complete", 9.0))
        app.latency.show(feeder.run, ())
        assert len(drawn) == 3


@pytest.mark.parametrize(("view", "span"), [(0, 0), (1, 1), (2, 2), (3, 3)])
async def test_nothing_is_drawn_or_sent_while_the_run_stays_as_it_was(
    view: int, span: int, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = measured()
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(run, [0])
        app.latency.change_span(span)
        app.histogram.change_view(view)
        await pilot.pause()
        sent.clear()
        for panel in (app.latency, app.histogram):
            monkeypatch.setattr(panel, "draw", lambda *_: pytest.fail("drawn again"))
        for _ in range(5):
            app.show(run, [0])
            app.latency.show(run, [0], plot=False)
            await pilot.pause()
        assert sum(sent) == 0


async def test_numbers_move_on_without_the_plot() -> None:
    feeder = Feeder(CPU)
    feeder.block(0, 1.0)
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(feeder.run)
        await pilot.pause()
        before = text(app.latency)
        feeder.block(0, 1.0)
        app.latency.show(feeder.run, (), plot=False)
        await pilot.pause()
        after = text(app.latency)
        assert after[1] != before[1]
        assert after[4:] == before[4:]
        app.latency.show(feeder.run, ())
        await pilot.pause()
        assert text(app.latency)[4:] != before[4:]
