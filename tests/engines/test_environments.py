"""Interpreters that the user names: only the configuration file says which programs they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engines import environments, launch, paths
from engines.control import Control
from engines.errors import FileError, UsageError
from engines.events import EngineFinished
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.probing import every_question, probe
from engines.runner import run


def write(text: str) -> Path:
    file = paths.ready(paths.config_folder()) / "config.toml"
    file.write_text(text)
    return file


def second_interpreter(folder: Path) -> Path:
    """A program of another name and path that is an interpreter with the same packages."""
    program = folder / "other-python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return program


def test_without_a_file_there_are_none():
    assert environments.load() == {}
    environments.check(["", ""])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("environments = 3", "environments is 3, expected a table"),
        ("[environments.a]\npythn = '/x'", "unknown key 'pythn' in environments.a; did you mean"),
        ("[enviroments.a]\npython = '/x'", "unknown key 'enviroments' in the file; did you mean"),
        ("[environments.a]\n", "environments.a has no python"),
        ("[environments.a]\npython = 3", "environments.a has no python"),
        ("[environments.a]\npython = './x'", "expected an absolute path"),
        ("[environments.'a b']\npython = '/x'", "'a b' can't name an environment"),
        ("[environments", "is not TOML"),
        ("a = '\x00'", "is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_words(text, message):
    file = write(text)
    with pytest.raises(FileError) as caught:
        environments.load()
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def test_an_unknown_name_says_where_names_come_from():
    write("[environments.trt86]\npython = '/opt/python'")
    with pytest.raises(UsageError, match=r"'trt68' is not configured here; did you mean 'trt86'"):
        environments.check(["trt68"])


def test_an_interpreter_that_is_not_there_is_named():
    write("[environments.gone]\npython = '/no/such/python'")
    with pytest.raises(FileError, match=r"'gone': /no/such/python is not a program"):
        environments.interpreter("gone")
    answers = list(probe([("onnxruntime", "cpu", "gone"), ("compile", "cpu", "gone")]))
    assert not any(one.ready for one in answers)
    assert all("/no/such/python" in one.reason for one in answers)


def test_a_program_that_is_no_interpreter_is_one_answer_for_all_its_engines(tmp_path):
    program = tmp_path / "not-python"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    write(f"[environments.odd]\npython = '{program}'")
    asked = [one for one in every_question() if one[2] == "odd"]
    answers = list(probe(asked))
    assert len(answers) == len(asked) > 5
    assert all("exit code 7 while starting" in one.reason for one in answers)


def test_what_answers_soonest_is_asked_first():
    write("[environments.second]\npython = '/opt/python'")
    asked = every_question()
    assert asked[0] == ("onnxruntime", "cpu", ""), "its framework is there long before torch"
    assert [one[1:] for one in asked] == sorted(
        (one[1:] for one in asked), key=lambda one: (one[1], one[0] == "cuda")
    )
    assert len(set(asked)) == len(asked)


def test_another_interpreter_does_not_see_what_the_app_was_started_with(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/the/app")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/user")
    assert launch.variables()["PYTHONPATH"] == "/of/the/app"
    others = launch.variables("trt86")
    assert "PYTHONPATH" not in others
    assert others["LD_LIBRARY_PATH"] == "/of/the/user"
    assert others["PYTHONSAFEPATH"] == "1"


def test_one_engine_under_two_interpreters_stands_side_by_side(tiny, tmp_path):
    write(f"[environments.second]\npython = '{second_interpreter(tmp_path)}'")
    plan = RunPlan(
        model=tiny,
        measurement=Measurement(iterations=20, warmup_min_seconds=0.05, warmup_max_seconds=0.5),
        engines=(
            EngineSpec(engine="onnxruntime"),
            EngineSpec(engine="onnxruntime", environment="second"),
        ),
    )
    events = list(run(plan, Control()))
    results = [one.result for one in events if isinstance(one, EngineFinished)]
    assert [one.status for one in results] == ["ok", "ok"]
    assert [one.label for one in results] == [
        "onnxruntime cpu fp32 b1",
        "onnxruntime cpu fp32 b1 [second]",
    ]
    assert all(one.versions["onnxruntime"] for one in results)


def test_a_plan_with_an_unknown_environment_starts_nothing(tiny):
    plan = RunPlan(model=tiny, engines=(EngineSpec(engine="eager", environment="nowhere"),))
    with pytest.raises(UsageError, match="'nowhere' is not configured here"):
        run(plan, Control())
