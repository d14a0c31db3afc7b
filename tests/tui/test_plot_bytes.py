"""What the plots send: little, seldom where they are costly, nothing where nothing changed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from textual.drivers import headless_driver

from engines.events import (
    RunFinished,
)
from tests.tui.plot_app import CPU, GPU, Feeder, PlotApp, measured, text
from tui import plotting
from tui.widgets import latency

# What both plots may send at 2 Hz, so that the whole app keeps within 12 kB/s under SSH.
MOST_BYTES_PER_SECOND = 6_000


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
