"""`infer-tui engines`: what can run here; a reason that several have is told once."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from tests.tui.app_support import answers
from tui.commands import engines


def printed(capsys: pytest.CaptureFixture[str], shape: str = "text") -> str:
    assert engines.main(argparse.Namespace(format=shape)) == 0
    return capsys.readouterr().out


def test_a_reason_that_several_have_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "probe", answers)
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert "  needs: pip install 'infer-tui[tensorrt]'" in text
    text = " ".join(text.split())
    assert text.count("no NVIDIA driver answers on this machine") == 1
    assert "eager on cuda, compile on cuda and onnxruntime on cuda: no NVIDIA driver" in text


@pytest.mark.parametrize("shape", ["text", "md"])
def test_environments_have_a_column_where_there_are_some(
    shape: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answers()
    monkeypatch.setattr(engines, "probe", lambda: found)
    assert "environment" not in printed(capsys, shape)
    found[-1] = replace(found[-1], environment="trt86")
    assert "environment" in (text := printed(capsys, shape))
    assert "trt86" in text
