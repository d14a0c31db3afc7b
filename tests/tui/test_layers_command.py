"""What `infer-tui layers` prints of frozen times, and the exit codes that real engines won't give
on demand."""

from __future__ import annotations

import json
from collections.abc import Generator

import pytest

from engines.errors import WorkerFailed
from engines.events import Event, JobFailed, JobStarted
from engines.layers import LayerProfile
from engines.plan import EngineSpec, ModelSpec
from tests.tui.app_support import answers
from tests.tui.layers_support import eager_profile, tensorrt_profile
from tui import cli
from tui.commands import layers

EAGER = EngineSpec(engine="eager", device="cpu")
TENSORRT = EngineSpec(engine="tensorrt", device="cuda", precision="fp16")


@pytest.fixture
def come_to(monkeypatch: pytest.MonkeyPatch):
    """Let the work come to this profile, or to this error."""
    monkeypatch.setattr(layers, "refuse_unavailable", lambda *_: tuple(answers()))

    def set_outcome(outcome: LayerProfile | WorkerFailed) -> None:
        def work(*_: object) -> Generator[Event, None, LayerProfile]:
            yield JobStarted("layers", "layers", "layers of eager cpu fp32 b1", log="/logs/e.log")
            if isinstance(outcome, WorkerFailed):
                yield JobFailed("layers", "layers", outcome.message, outcome.hint)
                raise outcome
            return outcome

        monkeypatch.setattr(layers, "profile_layers", work)

    return set_outcome


def test_markdown_has_a_title_what_must_be_known_and_a_table(come_to, capsys) -> None:
    come_to(eager_profile(EAGER, ModelSpec()))
    assert cli.main(["layers", "-e", "eager", "--format", "md", "--top", "2"]) == 0
    title, _, *known, _, head, rule, first, second = capsys.readouterr().out.splitlines()
    assert title.startswith(
        "**mobilenetv2 1 @ 224, eager cpu fp32 b1: 53 layers, their medians in all 7.07"
    )
    assert all(line.startswith("- ") for line in known)
    assert head == "| # | layer | kind | type | ms | share | sum |"
    assert rule == "| ---: | --- | --- | --- | ---: | ---: | ---: |"
    assert "| classifier.1 | Linear |" in first
    assert "| features.1.conv.0.0 | Conv2d | FP32 |" in second


def test_outputs_outside_the_tolerance_end_with_exit_code_1(come_to, capsys) -> None:
    come_to(tensorrt_profile(TENSORRT, ModelSpec()))
    assert cli.main(["layers", "-e", "tensorrt", "-p", "fp16"]) == 1
    captured = capsys.readouterr()
    assert "is INVALID: its outputs differ from the FP32 reference: cosine 0.61" in captured.err
    assert "On the device: 0.0912 ms without the profiler, 0.0901 ms in all rows." in captured.out
    assert "Its CUDA graph is off." in captured.out
    rows = captured.out.splitlines()[-13:]
    assert all(len(line) <= 120 for line in rows), "a long name is cut, not the table"
    assert "calls" in captured.out


def test_json_holds_what_was_asked_for_in_its_order(come_to, capsys) -> None:
    come_to(eager_profile(EAGER, ModelSpec()))
    assert cli.main(["layers", "-e", "eager", "--json", "--sort", "order", "--top", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["place"] for one in document["layers"]] == [1, 2, 3]
    assert document["total_ms"] == pytest.approx(7.07)
    assert document["slowdown"] == pytest.approx(0.08, abs=0.001)


def test_a_worker_that_dies_is_one_line_and_exit_code_3(come_to, capsys) -> None:
    come_to(WorkerFailed("the worker was killed by SIGKILL", hint="choose a smaller batch"))
    assert cli.main(["layers", "-e", "eager"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the log is /logs/e.log" in captured.err
    assert "the worker was killed by SIGKILL; choose a smaller batch" in captured.err
