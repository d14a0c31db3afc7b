"""What lasts from one session to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines import files, paths
from engines.plan import EngineSpec, Measurement
from tests.tui.app_support import (
    EAGER,
    ScriptedRun,
    Small,
    answers,
    opened,
    plan_of,
    text_of,
    until,
)
from tui.memory import FILE, Memory, PlotMemory, Remembered, RowMemory
from tui.selection import Selection

EAGER_ROW = RowMemory(
    engine="eager", device="cpu", selected=True, precisions=("fp32", "bf16"), batches=(1, 8),
    options={"threads": 2},
)  # fmt: skip
COMPILE_ROW = RowMemory(engine="compile", device="cpu")
ELSEWHERE = RowMemory(
    engine="tensorrt", device="cuda", environment="trt86", selected=True, precisions=("fp16",)
)


def file() -> Path:
    return paths.state_folder() / FILE


def write(document: object) -> None:
    paths.ready(file().parent)
    file().write_text(json.dumps(document))


def kept(remembered: Remembered) -> Remembered:
    """`remembered` after a write and a read."""
    memory = Memory()
    assert memory.note(remembered)
    memory.write()
    return Memory.read().remembered


def test_what_is_written_is_read() -> None:
    remembered = Remembered(
        rows=(EAGER_ROW, ELSEWHERE),
        measurement=Measurement(interleave=True, blocks=9, in_flight=(1, 4)),
        theme="infer-light",
        zoomed=6,
        view="Box plot",
        plots=PlotMemory(last_s=2.0, distribution_log=False),
    )
    assert kept(remembered) == remembered


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"rows": 3}', "\x00", "[" * 100_000, '{"a":1}']
)
def test_a_broken_file_is_as_if_it_had_never_been_written(text: str) -> None:
    paths.ready(file().parent)
    file().write_text(text)
    assert Memory.read().remembered == Remembered()


def test_without_a_folder_that_can_be_written_nothing_happens(tmp_path: Path) -> None:
    file().parent.parent.write_text("a file where the folder should be")
    memory = Memory.read()
    memory.note(Remembered(theme="nord"))
    memory.write()
    assert memory.remembered.theme == "nord"


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"theme": 3}, {}),
        ({"theme": "\x1b[31m"}, {}),
        ({"zoomed": 8}, {}),
        ({"zoomed": True}, {}),
        ({"measurement": {"iterations": 5, "seconds": "long"}}, {}),
        ({"measurement": {"iterations": 5, "new": 1}}, {}),
        ({"measurement": {"iterations": 5, "cpus": "8000"}},
         {"measurement": Measurement(iterations=5)}),
        ({"rows": [{"engine": "gone", "device": "cpu"},
                   {"engine": "eager", "device": "cpu", "precisions": ["fp32", "int8"],
                    "batches": [8, 1, 8], "options": {"threads": 2, "no": 1}}]},
         {"rows": (RowMemory(engine="eager", device="cpu", batches=(1, 8),
                             options={"threads": 2}),)}),
        ({"rows": [{"engine": "eager", "device": "cpu", "batches": [0]}]}, {}),
    ],
)  # fmt: skip
def test_each_part_that_is_not_understood_is_left_out_alone(
    part: dict[str, Any], found: dict[str, Any]
) -> None:
    write({"theme": "nord", "zoomed": 4} | part)
    expected = {"theme": "nord", "zoomed": 4} | dict.fromkeys(part) | found
    wanted = Remembered(**{name: one for name, one in expected.items() if one is not None})
    assert Memory.read().remembered == wanted


def answered(selection: Selection) -> Selection:
    for one in answers():
        selection.answer(one)
    return selection


def test_rows_are_as_they_were_left_and_the_rest_is_selected_as_ever() -> None:
    selection = answered(Selection((), (EAGER_ROW, COMPILE_ROW)))
    found = [(one.engine, one.precision, one.batch) for one in selection.specs()]
    assert found == [
        ("eager", "fp32", 1), ("eager", "fp32", 8), ("eager", "bf16", 1), ("eager", "bf16", 8),
        ("onnxruntime", "fp32", 1),
    ]  # fmt: skip
    assert selection.specs()[0].options == {"threads": 2}
    assert selection.to_remember() == (COMPILE_ROW, EAGER_ROW), "nothing was changed"


def test_what_is_not_here_now_is_kept_but_not_selected() -> None:
    gone = RowMemory(engine="eager", device="cuda", selected=True, batches=(32,))
    selection = answered(Selection((), (gone, ELSEWHERE)))
    assert {spec.device for spec in selection.specs()} == {"cpu"}
    assert selection.to_remember() == (gone, ELSEWHERE)
    row = next(one for one in selection.choices if one.key == gone.key)
    row.change(batches=(64,))
    assert row.to_remember() == RowMemory(
        engine="eager", device="cuda", selected=True, batches=(64,)
    ), "changed while it can't run: still selected for when it can"


def test_a_plan_goes_before_what_is_remembered() -> None:
    plan = (EngineSpec(engine="eager", device="cpu", batch=4),)
    assert answered(Selection(plan, (EAGER_ROW,))).specs() == plan


async def test_a_session_begins_as_the_last_one_ended(replayed: None) -> None:
    async with opened(memory=Memory.read()) as (app, pilot):
        await pilot.press("n", "down", "down", "space", "enter", "down", "down", "space")
        await pilot.press("i", "right", "down", *["backspace"] * 3, "5", "enter")
        app.theme = "infer-light"
        await pilot.press("6", "z")
        chosen = app.selection.specs()
    assert [(one.engine, one.batch) for one in chosen] == [
        ("eager", 1), ("eager", 4), ("onnxruntime", 1),
    ]  # fmt: skip
    async with opened(memory=Memory.read(), size=Small) as (app, pilot):
        assert app.selection.specs() == chosen
        assert app.measurement == Measurement(iterations=5)
        assert app.theme == "infer-light"
        assert app.bench.frame.zoomed
        assert app.bench.focused is app.bench.results
    before = file().read_bytes()
    async with opened(plan_of(EAGER), memory=Memory.read()) as (app, pilot):
        assert app.selection.specs() == (EAGER,)
        assert app.measurement.iterations == 80
        assert app.theme == "infer-light"
        await pilot.press("2", "space", "6")
    assert file().read_bytes() == before, "a plan is nobody's habit"


async def test_a_plot_that_is_zoomed_has_the_keys_once_it_is_there(replayed: None) -> None:
    async with opened(memory=Memory(Remembered(zoomed=4))) as (app, pilot):
        await until(pilot, lambda: app.bench.frame.panel_number(app.bench.focused) == 4)
        assert [panel.display for panel in app.bench.frame.panels].count(True) == 1


async def test_panel_5_shows_what_it_showed_last(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER), memory=Memory.read()) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("5", "v")
        assert app.bench.chosen_view == "Percentile curve"
    async with opened(memory=Memory.read()) as (app, _):
        await until(pilot, lambda: app.bench.chosen_view == "Percentile curve")
    async with opened(memory=Memory(Remembered(view="of another version"))) as (app, _):
        assert app.bench.chosen_view == "Histogram"


async def test_panels_4_and_5_keep_their_axes_and_their_seconds(scripted: ScriptedRun) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER), memory=Memory.read()) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await pilot.press("4", "plus", "plus", "L", "5", "L", "L")
        chosen = app.bench.chosen_plots
        assert chosen == PlotMemory(last_s=10.0, latency_log=True, distribution_log=False)
    assert Memory.read().remembered.plots == chosen
    async with opened(memory=Memory.read()) as (app, pilot):
        await until(pilot, lambda: app.bench.chosen_plots is not None)
        assert app.bench.chosen_plots == chosen
        assert "4 Latency, last 10 s" in text_of(app)


@pytest.mark.parametrize("found", [{"last_s": 3.5}, {"last_s": "all"}, {"latency_log": 2}, [1]])
async def test_plots_of_another_version_begin_as_at_a_first_start(
    replayed: None, found: object
) -> None:
    write({"view": "Box plot", "plots": found})
    async with opened(memory=Memory.read()) as (app, pilot):
        await until(pilot, lambda: app.bench.chosen_plots is not None)
        assert app.bench.chosen_plots == PlotMemory()
        assert app.bench.chosen_view == "Box plot"


async def test_a_fresh_start_leaves_the_memory_alone_until_something_is_chosen(
    replayed: None,
) -> None:
    kept(Remembered(rows=(EAGER_ROW,), theme="nord"))
    before = file().read_bytes()
    async with opened(memory=Memory()) as (app, _):
        assert app.theme != "nord"
        assert [one.batch for one in app.selection.specs()] == [1, 1, 1]
    assert file().read_bytes() == before


async def test_a_theme_asked_for_once_is_not_remembered(
    replayed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(Remembered(theme="nord"))
    monkeypatch.setenv("TEXTUAL_THEME", "infer-light")
    async with opened(memory=Memory.read()) as (app, pilot):
        assert app.theme == "infer-light"
        await pilot.press("z")
    assert Memory.read().remembered.theme == "nord"
    assert Memory.read().remembered.zoomed == 2


async def test_the_article_is_remembered_as_it_was_asked_for(replayed: None) -> None:
    async with opened(memory=Memory(Remembered(rows=(EAGER_ROW,)))) as (app, _):
        app.bench.action_article()
        assert {spec.batch for spec in app.selection.specs()} == {1}
    remembered = Memory.read().remembered
    assert remembered.measurement == Measurement(iterations=100)
    assert [row.batches for row in remembered.rows if row.engine == "eager"] == [(1,)]


def test_the_latest_that_was_noted_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[Path] = []
    real = files.replace

    def counting(target: Path, data: bytes, **options: bool) -> None:
        writes.append(target)
        real(target, data, **options)

    monkeypatch.setattr(files, "replace", counting)
    memory = Memory()
    assert memory.note(Remembered(theme="a"))
    assert memory.note(Remembered(theme="b"))
    memory.write()
    memory.write()
    assert not memory.note(Remembered(theme="b"))
    assert len(writes) == 1
    assert Memory.read().remembered.theme == "b"
