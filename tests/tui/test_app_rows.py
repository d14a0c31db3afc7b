"""Rows that repaint only what changed, tables that fit, text in plain ASCII."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.geometry import Region

from tests.tui.app_support import opened, text_of
from tui.dialogs.message import hanging
from tui.formats import byte_size, clock, duration, factor, quantity, rate, shortened
from tui.screens.base import InferScreen
from tui.widgets.panel import RowsView, in_ascii, row, row_width, spread
from tui.widgets.table import Column, lay_out
from tui.widgets.tones import ENTRY, TONES


class OneView(InferScreen):
    """A screen of three rows."""

    def compose(self) -> ComposeResult:
        self.view = RowsView()
        yield self.view


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Region, ...]]:
    """The regions of every repaint that a rows view asks for."""
    asked: list[tuple[Region, ...]] = []
    refresh = RowsView.refresh

    def note(self: RowsView, *regions: Region, **options: bool) -> RowsView:
        asked.append(regions)
        return refresh(self, *regions, **options)

    monkeypatch.setattr(RowsView, "refresh", note)
    return asked


async def test_only_changed_pieces_are_repainted(replayed: None, painted: list) -> None:
    async with opened() as (app, pilot):
        screen = OneView()
        await app.push_screen(screen)
        screen.view.show_rows([row("one"), row("two ", ("2.000", "strong")), row("three")])
        await pilot.pause()
        painted.clear()
        screen.view.show_rows([row("one"), row("two ", ("2.010", "strong")), row("three")])
        assert painted == [(Region(4, 1, 5, 1),)]
        await pilot.pause()
        assert "two 2.010" in text_of(app)
        painted.clear()
        screen.view.show_rows([row("one"), row("two ", ("2.010", "strong")), row("three")])
        assert painted == [], "nothing changed, nothing is sent"
        screen.view.show_rows([row("one"), row("漢 ", ("2.010", "strong")), row("three")])
        assert painted.pop() == (Region(0, 1, 9, 1),), "what follows has moved"
        screen.view.show_rows([row("one"), row("字 ", ("2.010", "strong")), row("three")])
        assert painted.pop() == (Region(0, 1, 9, 1),), "it was not drawn meanwhile"
        await pilot.pause()
        painted.clear()
        screen.view.show_rows([row("one"), row("二 ", ("2.010", "strong")), row("three")])
        assert painted == [(Region(0, 1, 3, 1),)]


async def test_styles_are_asked_for_anew_when_the_theme_changes(replayed: None) -> None:
    async with opened() as (app, pilot):
        screen = OneView()
        await app.push_screen(screen)
        view = screen.view
        view.show_rows([row((tone, tone)) for tone in (*TONES, f"{ENTRY}1")])
        await pilot.pause()
        before = [view.render_line(y) for y in range(len(view.rows))]
        app.theme = "infer-light"
        await pilot.pause()
        after = [view.render_line(y) for y in range(len(view.rows))]
        assert all(one != other for one, other in zip(before, after, strict=True))
        app.theme = "infer-dark"
        await pilot.pause()
        assert [view.render_line(y) for y in range(len(view.rows))] == before


async def test_the_row_of_the_cursor_shows_whether_its_view_has_the_keys(replayed: None) -> None:
    async with opened() as (app, pilot):
        screen = OneView()
        await app.push_screen(screen)
        view = screen.view
        view.has_cursor = True
        view.show_rows([row("one"), row("two")])
        screen.set_focus(view)
        await pilot.pause()
        focused = view.render_line(0)
        screen.set_focus(None)
        await pilot.pause()
        assert focused != view.render_line(0) != view.render_line(1)
        screen.set_focus(view)
        await pilot.pause()
        assert view.render_line(0) == focused


COLUMNS = (
    Column("name", "name", align="left", stretch=True, minimum=6),
    Column("a", "a", keep=1, least=5),
    Column("b", "b", keep=2, least=5),
)
LINES = [{"name": "a long name of an engine", "a": ("1.0", "strong"), "b": "2.0"}]


@pytest.mark.parametrize("width", range(6, 60))
def test_a_table_never_is_wider_than_its_panel(width: int) -> None:
    header, rows = lay_out(COLUMNS, LINES, width)
    for line in (header, *rows):
        assert row_width(line) <= width


def test_the_least_important_column_goes_first() -> None:
    def titles(width: int) -> str:
        return "".join(text for text, _ in lay_out(COLUMNS, LINES, width)[0]).split().__str__()

    assert titles(40) == "['name', 'a', 'b']"
    assert titles(17) == "['name', 'a']"
    assert titles(8) == "['name']"


def test_spread_puts_text_at_both_ends() -> None:
    line = spread(row("left"), row(("right", "muted")), 20)
    assert "".join(text for text, _ in line) == "left           right"


@pytest.mark.parametrize("text", ["▸ ✓ ✗ ▶ ■ … ± → █ µ 漢", "plain"])
def test_ascii_text_is_ascii_and_keeps_its_cells(text: str) -> None:
    assert in_ascii(text).isascii()
    assert len(in_ascii(text)) == len(text)


def test_figures_are_short_and_carry_their_unit() -> None:
    assert [byte_size(n) for n in (None, 940, 13_600_000, 5 << 30)] == [
        "-", "940 B", "13.0 MiB", "5.0 GiB",
    ]  # fmt: skip
    assert [quantity(n) for n in (999, 3_504_872, 300_774_272)] == ["999", "3.50 M", "301 M"]
    assert [duration(s) for s in (0.42, 12, 59.6, 65, 3723)] == [
        "0.4 s", "12 s", "1:00 min", "1:05 min", "1:02:03 h",
    ]  # fmt: skip
    assert [clock(s) for s in (7, 751, 3723)] == ["00:07", "12:31", "1:02:03"]
    assert [rate(r) for r in (None, 18.84, 1880.4)] == ["-", "18.8", "1,880"]
    assert [factor(r) for r in (1.0, 12.34, 123.4)] == ["1.00x", "12.3x", "123x"]
    assert cell_len(shortened("a path that is long", 8)) == 8
    assert shortened("/a/long/path.toml", 10, keep_end=True) == "…path.toml"


def test_a_note_beside_its_name_and_value_goes_on_below_itself() -> None:
    def shown(width: int) -> list[str]:
        pieces = (
            ("warm-up".ljust(10), "muted"),
            ("20 in 11 s", ""),
            ("  it did not settle", "muted"),
        )
        rows = hanging(pieces, width)
        assert all(row_width(one) <= width for one in rows)
        return ["".join(text for text, _ in one) for one in rows]

    assert shown(60) == ["warm-up   20 in 11 s  it did not settle"]
    assert shown(32) == [
        "warm-up   20 in 11 s",
        "          it did not settle",
    ]
    longer = (("name ", "muted"), ("word " * 12, ""))
    assert [row_width(one) for one in hanging(longer, 40)] == [39, 29]
    assert hanging((), 40) == [()]
