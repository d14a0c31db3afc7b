"""The latency and histogram panels in every size, theme and kind of terminal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from engines.plan import EngineSpec
from engines.results import EngineResult
from tests.tui import plot_app
from tests.tui.plot_app import CPU, GPU, text
from tui.live import LiveRun
from tui.palette import engine_color
from tui.themes import INFER_DARK, INFER_LIGHT
from tui.widgets.histogram import VIEWS
from tui.widgets.plot_view import PlotView


class PlotApp(plot_app.PlotApp):
    """Both panels without borders, whose views change at a word."""

    CSS = "LatencyPanel { width: 62; height: 12; } HistogramPanel { width: 48; height: 12; }"

    def next_views(self) -> None:
        """Go on to the next view, zoom in, and change both axes."""
        self.histogram.change_view(1)
        self.latency.change_span(1)
        self.histogram.change_axis()
        self.latency.change_axis()


def measured(medians_ms: Sequence[float]) -> LiveRun:
    """A run that is over, of engines with these medians."""
    rng = np.random.default_rng(3)
    spec = EngineSpec(engine="eager")
    labels = [f"engine {median:g}" for median in medians_ms]
    results = [EngineResult(label=label, spec=spec, status="ok") for label in labels]
    noise = {at: np.exp(0.02 * rng.gamma(2.0, 0.7, 900)) for at in range(len(labels))}
    samples = {at: medians_ms[at] * noise[at] for at in noise}
    return LiveRun.from_results(labels, results, samples, {at: 3 * samples[at][:9] for at in noise})


def colors(view: PlotView) -> set[str]:
    strips = [view.render_line(y) for y in range(view.size.height)]
    styles = [segment.style for strip in strips for segment in strip if segment.text.strip()]
    return {style.color.name for style in styles if style and style.color}


@pytest.mark.parametrize("medians", [None, CPU, GPU])
async def test_every_size_from_one_cell_up_is_drawn(medians: tuple[float, ...] | None) -> None:
    run = measured(medians) if medians else None
    app = PlotApp()
    async with app.run_test(size=(150, 60)) as pilot:
        for width, height in itertools.product((1, 2, 16, 40, 74), (1, 4, 8, 12, 40)):
            for panel in (app.latency, app.histogram):
                panel.styles.width, panel.styles.height = width, height
            app.show(run)
            await pilot.pause()
            for _ in VIEWS:
                for panel in (app.latency, app.histogram):
                    assert panel.size == (width, height)
                    assert [len(line) for line in text(panel)] == [width] * height
                app.next_views()


async def test_plain_ascii_is_taken_from_the_app() -> None:
    app = PlotApp(ascii_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        for medians in (CPU, GPU, (0.3, 0.25)):
            app.show(measured(medians))
            await pilot.pause()
            for _ in VIEWS:
                assert "".join(text(app.latency) + text(app.histogram)).isascii()
                app.next_views()


async def test_a_change_of_theme_redraws_in_its_colours() -> None:
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(measured(CPU))
        await pilot.pause()
        for theme, scheme in ((INFER_LIGHT.name, "light"), (INFER_DARK.name, "dark")):
            app.theme = theme
            await pilot.pause()
            red, green, blue = engine_color(0, scheme)  # type: ignore[misc, arg-type]
            name = f"#{red:02x}{green:02x}{blue:02x}"
            assert name in colors(app.latency)
            assert name in colors(app.histogram)
        app.theme = "ansi-dark"
        await pilot.pause()
        assert "color(3)" in colors(app.latency)


async def test_no_color_draws_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(measured(CPU))
        await pilot.pause()
        for _ in VIEWS:
            plots = colors(app.latency) | colors(app.histogram)
            assert len(plots) == 1
            assert {"●", "■", "▲"} <= set("".join(text(app.histogram)))
            app.next_views()


async def test_an_engine_has_its_colour_and_its_glyph_in_every_view() -> None:
    app = PlotApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(measured(CPU))
        app.theme = "ansi-dark"
        await pilot.pause()
        for _ in VIEWS:
            assert {"color(3)", "color(6)", "color(2)"} <= colors(app.histogram)
            assert {"●", "■", "▲"} <= set("".join(text(app.histogram)))
            assert {"color(3)", "color(6)", "color(2)"} <= colors(app.latency)
            app.next_views()
