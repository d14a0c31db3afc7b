"""Runs by turns in the app: set up, watched, explained, saved, opened again, compared."""

from __future__ import annotations

import msgspec
import pytest

from engines import interleaving
from engines.errors import InferTuiError
from engines.plan import Measurement
from engines.registry import Option
from profiles.reading import read_profile
from profiles.store import Store
from tests.tui.app_support import ORT, QUICK, opened, plan_of, text_of, until
from tui.dialogs.form import FormRows, _takes_letters
from tui.dialogs.measurement import BY_TURNS, MeasurementDialog, measurement_of, values_of
from tui.dialogs.message import MessageDialog
from tui.dialogs.path import PathDialog
from tui.screens.compare import ComparisonRows
from tui.screens.history import ProfileRows

OTHER = msgspec.structs.replace(ORT, options={"inter_op_threads": 2})
SHORT = msgspec.structs.replace(QUICK, iterations=None, blocks=6, block_seconds=0.05)
WORDS = ("▲ FASTER", "▼ SLOWER", "= SAME", "? UNCLEAR")


@pytest.fixture(autouse=True)
def short_rewarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaving, "REWARM_S", 0.01)


async def test_the_whole_way_by_turns_with_real_engines() -> None:
    async with opened(plan_of(ORT, OTHER, measurement=SHORT)) as (app, pilot):
        await pilot.press("i", "left", "enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert app.measurement == msgspec.structs.replace(SHORT, interleave=True)
        assert "measured by turns, 6 × 0.05 s" in text_of(app)
        seen: set[str] = set()

        def over() -> bool:
            live = app.controller.live
            if live is None or live.ending is None:
                shown = text_of(app)
                seen.update(word for word in ("of 6: ", "· loaded", "▶ ") if word in shown)
            return live is not None and live.ending is not None

        await pilot.press("r")
        await until(pilot, over, "the end of the run")
        await pilot.pause()
        assert seen == {"of 6: ", "· loaded", "▶ "}, "the round and whose turn it is were shown"
        live = app.controller.live
        assert (live.round, live.rounds) == (6, 6)
        first, second = app.bench.results.rows
        assert "baseline" in "".join(text for text, _ in first)
        assert any(word in "".join(text for text, _ in second) for word in WORDS)
        verdicts = [entry.result.versus for entry in live.entries]
        assert verdicts[0] is None
        assert verdicts[1].blocks == 6

        await pilot.press("6", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        shown = text_of(app)
        assert f"Against {live.entries[0].label}, in 6 rounds" in shown
        assert "95 % interval" in shown
        assert verdicts[1].reasons[0].partition(": ")[0] in shown
        await pilot.press("escape", "s")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.bench, "the profile is written")
        (path,) = sorted(Store().folder.glob("*.toml"))
        assert len(read_profile(path).run.rounds) == 6

        before = app.bench.results.text()
        times = [entry.elapsed_s for entry in live.entries]
        await pilot.press("o")
        await until(pilot, lambda: app.screen.query(ProfileRows) and
                    app.screen.query_one(ProfileRows).items)  # fmt: skip
        await pilot.press("enter")
        await until(pilot, lambda: app.controller.drive is None, "the profile is open")
        await pilot.pause()
        words = [word for word in (*WORDS, "baseline") if word in before]
        assert all(word in app.bench.results.text() for word in words)
        again = app.controller.live
        assert [entry.n for entry in again.entries] == [entry.n for entry in live.entries]
        assert [entry.elapsed_s for entry in again.entries] == pytest.approx(times, rel=0.2), (
            "the plot's time is that of the engine's own turns, live and saved"
        )

        await pilot.press("c")
        await until(pilot, lambda: app.screen.query(ProfileRows) and
                    app.screen.query_one(ProfileRows).items)  # fmt: skip
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query(ComparisonRows), "the verdicts within it")
        shown = app.screen.query_one(ComparisonRows).text()
        assert "baseline" in shown
        assert live.entries[1].label in shown
        assert any(word in shown for word in WORDS)


# The dialog


@pytest.mark.parametrize(
    "measurement",
    [
        Measurement(),
        Measurement(iterations=100),
        Measurement(seconds=2.5),
        Measurement(interleave=True, blocks=12, block_seconds=0.25, threshold=0.005),
        Measurement(energy=True, in_flight=(1, 2, 8), cpus="0", min_seconds=1.0),
    ],
)
def test_what_the_dialog_shows_is_what_is_measured(measurement: Measurement) -> None:
    assert measurement_of(values_of(measurement), measurement) == measurement


def test_turns_and_ends_exclude_each_other() -> None:
    base = Measurement(iterations=100)
    by_turns = measurement_of({**values_of(base), "ends after": BY_TURNS}, base)
    assert by_turns == Measurement(interleave=True)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("block seconds", "0", "block_seconds is 0.0, expected a number above 0"),
        ("same within %", "100", "same within % is 100; expected above 0 and below 100"),
        ("in flight", "0, 1", "in_flight[0] is 0, expected a whole number of at least 1"),
        ("pinned to", "3-1", "cpus is '3-1', expected numbers of processors"),
        ("pinned to", "8191", "cpus names processor 8191, which this process may not use"),
    ],
)
def test_what_can_not_be_meant_is_said(name: str, value: str, said: str) -> None:
    with pytest.raises(InferTuiError) as caught:
        measurement_of({**values_of(Measurement()), name: value}, Measurement())
    assert said in str(caught.value)


async def test_letters_move_on_where_a_text_can_have_none(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("i", "left", *"jjjj", "backspace", *"j3j", "l", *"jj8")
        form = app.screen.query_one(FormRows)
        assert form.cursor == 8
        given = [form.values[name] for name in ("block seconds", "same within %", "in flight",
                                                "pinned to")]  # fmt: skip
        assert given == ["0.2", "13", "", "8"]
    assert _takes_letters(Option("note", "a text", ""))
    assert not _takes_letters(Option("parts", "numbers", "", pattern=r"[\d,-]*"))


async def test_what_the_chosen_way_does_not_use_can_not_be_changed(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("i")
        form = app.screen.query_one(FormRows)

        def rows() -> dict[str, str]:
            texts = ["".join(text for text, _ in one).strip() for one in form.rows]
            return {text.partition("  ")[0]: text.partition("  ")[2].strip() for text in texts}

        unused = ("iterations", "seconds", "blocks", "block seconds", "same within %")
        assert [name for name, text in rows().items() if "not used" in text] == list(unused)
        before = dict(form.values)
        for _ in unused:
            await pilot.press("down", "right", "7", "backspace", "ctrl+u")
            await pilot.pause()
            assert form.current.name in unused
            assert form.values == before
            said = app.screen.query_one("#problem").content
            assert said.startswith(f"{form.current.name}: it is used where 'ends after' is '")
        await pilot.press("home", "right", "down")
        await pilot.pause()
        assert [name for name, text in rows().items() if "not used" in text] == list(unused[1:])
        assert "◂ 100 ▸" in rows()["iterations"]
        assert not app.screen.query_one("#problem").display
        await pilot.press("ctrl+u", "7", "enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert app.measurement == Measurement(iterations=7)


async def test_what_can_be_no_part_of_a_value_is_refused_in_words(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("i", "left", *["down"] * 4, "x")
        await pilot.pause()
        form = app.screen.query_one(FormRows)
        problem = app.screen.query_one("#problem")
        assert form.current.name == "block seconds"
        assert problem.content == (
            "block seconds: 'x' is no part of it; expected seconds, such as 0.5"
        )
        assert form.values["block seconds"] == "0.25"
        await pilot.press("ctrl+u")
        await pilot.pause()
        assert form.values["block seconds"] == ""
        assert not problem.display
        await pilot.press(*"0.5", "up", "x")
        await pilot.pause()
        assert problem.content == "blocks: 'x' is no part of it; expected a whole number"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert app.measurement == Measurement(interleave=True, block_seconds=0.5)


async def test_a_mistake_in_what_is_not_used_hinders_nothing(replayed: None) -> None:
    async with opened() as (app, pilot):
        await pilot.press("i", "left", *["down"] * 4, "ctrl+u", "home", "right", "enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert app.measurement == Measurement()


async def test_a_problem_keeps_the_dialog_and_its_keys_on_a_small_screen(replayed: None) -> None:
    async with opened(size=(80, 24)) as (app, pilot):
        await pilot.press("i", *["down"] * 8, *"9-1", "enter")
        await pilot.pause()
        assert isinstance(app.screen, MeasurementDialog)
        assert "cpus is '9-1'" in text_of(app)
        assert "accept" in text_of(app)
        await pilot.press("backspace", "backspace", "backspace", "0", "enter")
        await until(pilot, lambda: app.screen is app.bench)
        assert app.measurement.cpus == "0"
