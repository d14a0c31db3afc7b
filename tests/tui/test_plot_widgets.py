"""The latency and histogram panels in a real app: what they show."""

from __future__ import annotations

import numpy as np

from engines.events import (
    JobStarted,
    Progress,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, RunPlan
from engines.results import EngineResult, LatencyRecord, PercentileRecord
from tests.tui.plot_app import CPU, Feeder, PlotApp, measured, text
from tui.actions import told
from tui.live import LiveRun
from tui.widgets.histogram import NO_SAMPLES, NOTHING_COUNTED_YET, VIEWS
from tui.widgets.latency import NO_SAMPLES_YET, NOTHING_YET


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
        assert sum(row.split()[:1] == ["ms│"] for row in rows) == 1
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
