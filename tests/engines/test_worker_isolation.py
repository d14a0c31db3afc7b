"""A worker imports nothing of the folder that the user happens to stand in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines.control import Control
from engines.probing import probe
from engines.process import WorkerProcess

TRAP = "import pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()\n"
NAMES = ("engines", "profiles", "tui", "mobilenetv2")
MODULES = ("torch", "onnxruntime", "numpy", "json", "protocol", "session")


@pytest.fixture
def trapped_folder(tmp_path: Path) -> Path:
    """A folder with packages and modules of our names; each leaves a mark when imported."""
    folder = tmp_path / "user"
    folder.mkdir()
    for name in NAMES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(TRAP)
    for name in MODULES:
        (folder / f"{name}.py").write_text(TRAP)
    return folder


@pytest.mark.parametrize("python_path", [None, "", ".", ":"])
def test_nothing_of_the_working_folder_is_imported(trapped_folder, monkeypatch, python_path):
    os.chdir(trapped_folder)
    if python_path is not None:
        monkeypatch.setenv("PYTHONPATH", python_path)
    answers = {(one.engine, one.device): one for one in probe([("onnxruntime", "cpu", "")])}
    assert answers["onnxruntime", "cpu"].ready
    assert list(trapped_folder.rglob("*.imported")) == []


def test_a_worker_needs_only_the_standard_library_to_greet(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    with WorkerProcess(tmp_path / "log", Control()) as worker:
        hello = worker.greet()
    assert hello["event"] == "hello"
    assert (tmp_path / "log").read_bytes() == b""
