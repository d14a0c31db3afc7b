"""The cosine to the reference is cut, in the app as in reports: 1 is written where it is 1."""

from __future__ import annotations

import pytest

from tests.tui.app_support import opened, until
from tests.tui.frontier_support import sweep
from tui.screens.details import detail_lines
from tui.screens.frontier import FrontierScreen
from tui.widgets.frontier import FrontierRows


@pytest.mark.usefixtures("replayed")
async def test_a_cosine_just_below_1_is_1_nowhere() -> None:
    async with opened() as (app, pilot):
        app.controller.live = run = sweep()
        accuracy = run.entries[0].result.accuracy
        assert 0.999999 < accuracy.cosine < 1.0
        app.bench.draw()
        assert "0.99999 " in app.bench.results.text()
        assert "1.0000" not in app.bench.results.text()
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FrontierScreen), "the page")
        await pilot.pause()
        rows = app.screen.query_one(FrontierRows).text()
        assert "0.99999 " in rows
        assert "1.0000" not in rows
    lines = [one for one in detail_lines(run.entries[0]) if not isinstance(one, str)]
    details = ["".join(text for text, _ in line) for line in lines]
    # One vector of the logits of all images: no image has a cosine of its own.
    assert "cosine of all logits  0.99999  at least 0.999 expected" in details
