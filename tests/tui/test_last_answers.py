"""What the last start found is shown until it is known again, and never taken for known."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import paths
from engines.registry import Availability
from tui import last_answers
from tui.selection import Selection
from tui.widgets import engines as engines_panel

EAGER = Availability("eager", "cpu", "ready")
ORT = Availability("onnxruntime", "cuda", "unavailable", "no GPU")
ELSEWHERE = Availability("eager", "cpu", "ready", environment="gone")


def test_answers_are_kept_for_the_interpreter_that_gave_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    last_answers.write([EAGER, ORT, ELSEWHERE])
    found = last_answers.read()
    assert [(one.engine, one.device, one.ready) for one in found] == [
        ("eager", "cpu", True),
        ("onnxruntime", "cuda", False),
    ]
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "another"))
    assert last_answers.read() == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[{"engine": 3}]', b"\xff"])
def test_a_broken_file_is_as_if_there_were_none(content: bytes) -> None:
    (paths.ready(paths.state_folder()) / last_answers.FILE).write_bytes(content)
    assert last_answers.read() == ()


def test_what_is_expected_neither_selects_nor_counts() -> None:
    last_answers.write([EAGER])
    selection = Selection()
    selection.expect(last_answers.read())
    assert selection.checking
    assert selection.specs() == ()
    eager, *others = selection.choices
    assert engines_panel._readiness(eager) == engines_panel.READY_BEFORE
    assert {engines_panel._readiness(one) for one in others} == {engines_panel.CHECKING}
    selection.answer(Availability("eager", "cpu", "unavailable", "it is gone"))
    assert engines_panel._readiness(eager) == engines_panel.UNAVAILABLE
