"""The user's interpreters in the app: a wrong configuration takes nothing else away."""

from __future__ import annotations

import pytest

from engines import configuration
from engines.plan import EngineSpec
from engines.registry import Availability
from engines.results import DeviceRecord, EngineResult
from tests.tui.app_support import answers, opened, plan_of, text_of, until
from tests.tui.conftest import facts_of
from tui import background
from tui.background import EngineAnswered, ModelDescribed, ProbeEnded
from tui.live import LiveRun
from tui.screens.details import detail_lines


async def test_a_wrong_configuration_is_told_and_the_own_interpreter_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        background, "describe_model", lambda model, _, post: post(ModelDescribed(facts_of(model)))
    )
    file = configuration.config_file()
    file.parent.mkdir(parents=True)
    file.write_text("[environments.trt86]\npyton = '/x'\n")
    async with opened() as (app, pilot):
        assert [one.engine.name for one in app.selection.choices if one.availability.ready]
        assert not app.selection.checking
        await pilot.pause()
        assert "Your interpreters are not known" in text_of(app)
        (notice,) = app._notifications
        assert "unknown key 'pyton'" in notice.message


def answer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the workers of the start answer for the app's own interpreter, without being started."""

    def ask(control: object, post: background.Post) -> None:
        for availability in answers():
            post(EngineAnswered(availability))
        post(ProbeEnded())

    monkeypatch.setattr(background, "ask_engines", ask)


async def test_the_cursor_stays_on_its_engine_while_rows_come(
    monkeypatch: pytest.MonkeyPatch, replayed: None
) -> None:
    answer_at_once(monkeypatch)
    async with opened() as (app, pilot):
        await pilot.press("G")
        panel = app.bench.engines
        assert panel.current.engine.name == "tensorrt-rtx"
        eager = Availability("eager", "cpu", "ready", environment="torch211")
        app.post_message(EngineAnswered(eager))
        await until(pilot, lambda: len(app.selection.choices) == 9)
        await pilot.pause()
        assert panel.current.engine.name == "tensorrt-rtx"
        assert "PyTorch eager [torch211]" in panel.text()
        assert "[ ] PyTorch eager [torch211]" in panel.text(), "the app's own goes first"


def test_details_say_where_the_time_goes_on_the_gpu() -> None:
    spec = EngineSpec(engine="tensorrt", device="cuda")
    device = DeviceRecord(n=200, copy_in_ms=0.05, compute_ms=0.21, copy_out_ms=0.01,
                          enqueue_ms=0.02)  # fmt: skip
    result = EngineResult(label="t", spec=spec, status="ok", build_ms=61_000.0, device=device,
                          device_bytes=1 << 30, facts={"cuda_graph": True})  # fmt: skip
    (entry,) = LiveRun.from_results(["t"], [result], {}).entries
    lines = ["".join(text for text, _ in one) if not isinstance(one, str) else one
             for one in detail_lines(entry)]  # fmt: skip
    shown = [" ".join(one.split()) for one in lines]
    assert "build 1:01 min" in shown
    assert "GPU memory 1.0 GiB" in shown
    assert "compute 0.2100" in shown
    assert "enqueue 0.0200 host time to hand compute over" in shown
    assert "CUDA graph yes" in shown


async def test_a_column_of_gpu_time_where_there_is_room(replayed: None) -> None:
    plan = plan_of(EngineSpec(engine="tensorrt", device="cuda"))
    device = DeviceRecord(n=200, copy_in_ms=0.05, compute_ms=0.21, copy_out_ms=0.01,
                          enqueue_ms=0.02)  # fmt: skip
    result = EngineResult(label="t", spec=plan.engines[0], status="ok", device=device)
    for width, shown in ((160, True), (120, False)):
        async with opened(size=(width, 40)) as (app, pilot):
            app.controller.live = LiveRun.from_results(["tensorrt cuda fp32 b1"], [result], {})
            app.bench.draw()
            await pilot.pause()
            text = app.bench.results.text()
            assert ("GPU ms" in text and "0.2100" in text) is shown
            assert "memory" in text


async def test_a_long_name_of_an_interpreter_leaves_room_for_the_state(
    monkeypatch: pytest.MonkeyPatch, replayed: None
) -> None:
    answer_at_once(monkeypatch)
    async with opened() as (app, pilot):
        name = "tensorrt-of-last-year-on-python310"
        app.post_message(EngineAnswered(Availability("eager", "cpu", "ready", environment=name)))
        await until(pilot, lambda: len(app.selection.choices) == 9)
        panel = app.bench.engines
        panel.show_states({0: ("▶ building", "accent")})
        await pilot.pause()
        assert "▶ build" in panel.text()
        assert "PyTorch eager [tensorr" in panel.text()
