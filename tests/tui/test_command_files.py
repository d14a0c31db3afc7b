"""Files that a command is told to write: none that is there is lost."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from profiles.reading import read_profile
from profiles.writing import read_samples
from tests.tui.test_command_line import ORT, TINY, infer_tui

PLAN = """\
schema = 1
model = {width = 0.35, input_size = 96, classes = 10}
measurement = {iterations = 20}
engines = [{engine = "onnxruntime", device = "cpu"}]
"""


@pytest.mark.parametrize("name", ["notes.md", "plan.toml"])
def test_a_run_is_never_saved_over_what_somebody_wrote(tmp_path, name):
    path = tmp_path / name
    path.write_text(PLAN)
    plan = () if name == "notes.md" else (str(path),)
    words = ("run", *plan, *TINY, *ORT, "-n", "20", "--save", str(path))
    for more in ((), ("--overwrite",)):
        done = infer_tui(*words, *more)
        assert done.returncode == 2
        assert "the file exists and is not a profile that infer-tui wrote" in done.stderr
        assert "choose another name" in done.stderr
        assert done.stdout == "", "nothing was measured"
        assert path.read_text() == PLAN


def test_a_saved_run_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "a.toml"
    words = ("run", *TINY, *ORT, "--save", str(path))
    assert infer_tui(*words, "-n", "20").returncode == 0
    first = read_profile(path)

    refused = infer_tui(*words, "-n", "30")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the file exists; choose another name, or add --overwrite" in refused.stderr
    assert read_profile(path) == first
    assert read_samples(first, path), "its samples are still there"

    assert infer_tui(*words, "-n", "30", "--overwrite").returncode == 0
    assert read_profile(path).results[0].latency.n == 30


def test_an_empty_file_has_nothing_to_lose(tmp_path):
    path = tmp_path / "made-by-mktemp"
    path.touch()
    words = ("run", *TINY, *ORT, "-n", "20", "--save", str(path))
    assert infer_tui(*words).returncode == 2
    assert infer_tui(*words, "--overwrite").returncode == 0
    assert read_profile(path).results[0].latency.n == 20


@pytest.mark.parametrize(
    ("words", "name", "what"),
    [
        (("export", *TINY, "-o"), "m.onnx", "an ONNX file"),
        (("model", *TINY, "--graph"), "g.dot", "a graph"),
    ],
    ids=["export", "graph"],
)
def test_other_files_follow_the_same_rule(tmp_path, words, name, what):
    path = tmp_path / name
    assert infer_tui(*words, str(path)).returncode == 0
    written = path.read_bytes()

    refused = infer_tui(*words, str(path))
    assert refused.returncode == 2
    assert "the file exists; choose another name, or add --overwrite" in refused.stderr
    path.write_bytes(written[:2000])
    assert infer_tui(*words, str(path), "--overwrite").returncode == 0
    assert path.read_bytes() == written

    path.write_text("notes\n")
    refused = infer_tui(*words, str(path), "--overwrite")
    assert refused.returncode == 2
    assert f"the file exists and is not {what} that infer-tui wrote" in refused.stderr
    assert path.read_text() == "notes\n"


def test_without_graphviz_its_text_is_not_written_over_another(tmp_path):
    beside = tmp_path / "g.dot"
    beside.write_text("notes\n")
    words = ("model", *TINY, "--graph", str(tmp_path / "g.svg"), "--overwrite")
    done = infer_tui(*words, env={**os.environ, "PATH": ""})
    assert done.returncode == 2
    assert f"can't save {beside}" in done.stderr
    assert beside.read_text() == "notes\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", *ORT, "--save", "-"), "'-' names no file"),
        (("export", *TINY, "-o", "-"), "'-' names no file"),
        (("model", *TINY, "--graph", "-"), "'-' names no file"),
        (("run", *ORT, "--overwrite"), "--overwrite is for the file of --save"),
        (("model", "--overwrite"), "--overwrite is for the file of --graph"),
        (("run", *ORT, "--save", "~nobody-here/a.toml"), "there is no such user"),
    ],
    ids=lambda value: " ".join(value)[-30:] if isinstance(value, tuple) else "",
)
def test_what_names_no_file_is_refused(tmp_path, words, message):
    done = infer_tui(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize("option", ["--weights", "--calibration"])
@pytest.mark.parametrize("engine", ["eager", "onnxruntime"])
def test_a_model_file_that_cannot_be_read_is_told_before_anything_runs(tmp_path, option, engine):
    words = ("run", *TINY, "-d", "cpu", "-e", engine, "-n", "5", "--no-save", option)
    for name, reason in (("no.npy", "No such file"), (".", "it is not a file")):
        done = infer_tui(*words, name, "--progress", "plain", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"infer-tui: can't read the {option[2:]} file {name}: {reason}")
        assert "; expected a" in line


def test_calibration_images_of_another_size_are_told_before_anything_runs(tmp_path):
    words = ("run", *TINY, "-d", "cpu", "-e", "onnxruntime", "-p", "int8", "-n", "5", "--no-save")
    (tmp_path / "notes.npy").write_text("notes")
    np.save(tmp_path / "large.npy", np.zeros((1, 3, 224, 224), np.float32))
    for name, problem in (("notes.npy", "is no array"), ("large.npy", "has the shape (1, 3, 224")):
        done = infer_tui(*words, "--calibration", name, "--progress", "plain", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"infer-tui: {name} {problem}")
        assert "expected a .npy file of float32 with the shape (n, 3, 96, 96)" in line


def test_a_plan_that_names_no_readable_file_is_told_before_anything_runs(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.replace("classes = 10", "classes = 10, calibration = 'no.npy'"))
    done = infer_tui("run", str(path), "--no-save", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "can't read the calibration file no.npy" in done.stderr
