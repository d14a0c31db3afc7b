"""The widget under the plots sends what changed, and draws nothing that nobody can see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.drivers import headless_driver
from textual.screen import ModalScreen, Screen

from tui.rows import Row, cells, fitted, plain
from tui.widgets.plot_view import PlotView, _changed_part
from tui.widgets.sparkline import Sparkline


class Counter(PlotView):
    """Ten rows that say how often they were drawn, and in the third a number."""

    number = 0
    drawn = 0

    def draw(self, width: int, height: int) -> list[Row]:
        self.drawn += 1
        rows: list[Row] = [[("steady", 2)] for _ in range(height)]
        rows[2] = [("number ", 3), (str(self.number), None), (" and more", 3)]
        return [fitted(row, width) for row in rows]


class CounterApp(App[None]):
    CSS = "Counter { width: 40; height: 10; } Sparkline { width: 20; }"

    def compose(self) -> ComposeResult:
        yield Counter()
        yield Sparkline(low=0.0, high=100.0, color=3)

    @property
    def counter(self) -> Counter:
        return self.screen_stack[0].query_one(Counter)


async def test_nothing_beyond_the_changed_cells_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    class RecordingDriver(headless_driver.HeadlessDriver):
        @property
        def is_headless(self) -> bool:
            return False

        def write(self, data: str) -> None:
            sent.append(data)

    monkeypatch.setattr(headless_driver, "HeadlessDriver", RecordingDriver)
    app = CounterApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        sent.clear()
        app.counter.number = 7
        app.counter.redraw()
        await pilot.pause()
        assert "7" in "".join(sent)
        assert "steady" not in "".join(sent)
        assert "and more" not in "".join(sent)
        sent.clear()
        app.counter.redraw()
        await pilot.pause()
        assert sent == []


async def test_behind_another_screen_nothing_is_drawn_until_it_goes_away() -> None:
    app = CounterApp()
    async with app.run_test() as pilot:
        await pilot.pause()
        before = app.counter.drawn
        other: Screen[None] = Screen()
        await app.push_screen(other)
        app.counter.number = 8
        app.counter.redraw()
        await pilot.pause()
        assert app.counter.drawn == before
        await app.pop_screen()
        await pilot.pause()
        assert "number 8" in app.counter.render_line(2).text


async def test_behind_a_dialog_that_lets_it_through_the_plot_goes_on() -> None:
    app = CounterApp()
    async with app.run_test() as pilot:
        dialog: ModalScreen[None] = ModalScreen()
        await app.push_screen(dialog)
        app.counter.number = 9
        app.counter.redraw()
        await pilot.pause()
        assert "number 9" in app.counter.render_line(2).text


async def test_what_was_hidden_is_drawn_when_it_is_shown() -> None:
    app = CounterApp()
    async with app.run_test() as pilot:
        app.counter.display = False
        await pilot.pause()
        app.counter.number = 5
        app.counter.redraw()
        app.counter.display = True
        await pilot.pause()
        assert "number 5" in app.counter.render_line(2).text


async def test_a_sparkline_shows_the_end_of_its_series_in_one_run() -> None:
    app = CounterApp()
    async with app.run_test() as pilot:
        spark = app.query_one(Sparkline)
        spark.show([50.0] * 3 + [0.0, 25.0, 100.0])
        await pilot.pause()
        strip = spark.render_line(0)
        assert strip.text == "▅▅▅▁▃█" + " " * 14
        assert len(list(strip)) == 1


ROWS = st.lists(st.tuples(st.text("ab ⣿界", max_size=5), st.sampled_from([None, 1, 2])), max_size=6)


@given(before=ROWS, after=ROWS)
def test_every_changed_cell_lies_in_the_part_that_is_sent(before: Row, after: Row) -> None:
    before, after = fitted(before, 20), fitted(after, 20)
    if before == after:
        return
    part = _changed_part(before, after, 3)
    assert (part.y, part.height) == (3, 1)
    if cells(after) == len(plain(after)) and cells(before) == len(plain(before)):
        old, new = (
            [(char, color) for one, color in row for char in one] for row in (before, after)
        )
        patched = [*old[: part.x], *new[part.x : part.right], *old[part.right :]]
        assert patched == new
