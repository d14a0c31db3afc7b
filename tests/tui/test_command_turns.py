"""`infer-tui run --interleave`, and `infer-tui compare` on what it and others saved."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.control import Control
from engines.errors import FileError, UsageError
from engines.plan import Measurement
from engines.results import VersusRecord
from profiles.reading import read_profile
from profiles.writing import write_profile
from tests.profiles.conftest import Build
from tests.terminal import Terminal
from tests.tui.history_support import profile_of
from tui import cli
from tui.commands.plan import plan_of
from tui.commands.run import exit_code

COMMAND = str(Path(sys.executable).with_name("infer-tui"))
TINY = ("--width", "0.35", "--input-size", "96", "--classes", "10", "-d", "cpu")
SHORT = ("--interleave", "--blocks", "6", "--block-seconds", "0.1")
# What a verdict of the only compared entry means for a gate.
CODES = {"SAME": 0, "FASTER": 0, "SLOWER": 1, "UNCLEAR": 3}


def infer_tui(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        **options,
    )


def arguments(*words: str) -> argparse.Namespace:
    return cli.parser().parse_args(["run", "-e", "onnxruntime", *words])


def measured_by(*words: str) -> Measurement:
    return plan_of(arguments(*words)).measurement


@pytest.fixture(scope="module")
def saved(tmp_path_factory: Any, session_cache: Path) -> tuple[Path, dict[str, Any]]:
    """A run by turns of a slow engine and a fast one, and what it printed."""
    path = tmp_path_factory.mktemp("turns") / "turns.toml"
    words = ("-e", "onnxruntime", "-e", "eager", *SHORT, "--threshold", "2", "--save", str(path))
    words += ("--set", "eager.threads=1", "--set", "onnxruntime.intra_op_threads=1")
    environment = {**os.environ, "XDG_CACHE_HOME": str(session_cache)}
    done = infer_tui("run", *TINY, *words, "--json", env=environment)
    document = json.loads(done.stdout)
    verdict = document["results"][1]["versus"]["verdict"]
    assert done.returncode == CODES[verdict], done.stderr
    return path, document


def test_a_run_by_turns_prints_and_saves_its_verdicts(saved: Any) -> None:
    path, document = saved
    first, second = document["results"]
    assert first["versus"] is None
    versus = second["versus"]
    assert versus["baseline"] == first["label"]
    assert versus["blocks"] == 6
    assert versus["threshold"] == 0.02
    assert versus["ratio"] > 1.5, "PyTorch eager is several times as slow"
    assert versus["verdict"] in ("SLOWER", "UNCLEAR"), "UNCLEAR where a warm-up did not settle"
    assert len(document["run"]["rounds"]) == 6
    profile = read_profile(path)
    assert profile.run.rounds == tuple(map(tuple, document["run"]["rounds"]))
    assert profile.plan.measurement.interleave


@pytest.mark.parametrize("shape", ["text", "md", "json"])
def test_one_profile_is_compared_within(saved: Any, shape: str) -> None:
    path, document = saved
    done = infer_tui("compare", str(path), "--format", shape)
    verdict = document["results"][1]["versus"]["verdict"]
    assert done.returncode == CODES[verdict], done.stderr
    if shape == "json":
        (entry,) = json.loads(done.stdout)["entries"]
        assert (entry["verdict"], entry["basis"]) == (verdict, "samples")
        low = document["results"][1]["versus"]["low"]
        assert entry["low"] == pytest.approx(low, rel=1e-4), "a file holds six digits"
    else:
        first = done.stdout.splitlines()[0].removeprefix("### ")
        words = {1: "REGRESSION", 3: "CAN'T TELL"}[done.returncode]
        assert first == f"{words}: 1 {verdict} of 1 entry"


def test_another_threshold_judges_the_same_samples(saved: Any) -> None:
    done = infer_tui("compare", str(saved[0]), "--threshold", "99.9", "--json")
    (entry,) = json.loads(done.stdout)["entries"]
    assert json.loads(done.stdout)["threshold"] == pytest.approx(0.999)
    assert any("+99.9 or -50.0 %" in reason for reason in entry["reasons"])


def test_two_profiles_by_turns_are_compared_as_ever(saved: Any) -> None:
    done = infer_tui("compare", str(saved[0]), str(saved[0]), "--json")
    found = json.loads(done.stdout)
    assert [one["ratio"] for one in found["entries"]] == [1.0, 1.0]
    assert done.returncode in (0, 3)


def test_the_line_of_a_terminal_names_the_round() -> None:
    words = ("-e", "onnxruntime", "-e", "onnxruntime", *SHORT, "--no-save")
    with Terminal([COMMAND, "run", *TINY, *words]) as terminal:
        terminal.wait_for("round 6/6", 60)
        assert terminal.wait_closed(30) == 0
        assert "baseline" in terminal.text


def test_a_profile_that_took_no_turns_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    words = ("-e", "onnxruntime", "-n", "30", "--save", str(path), "--json")
    assert infer_tui("run", *TINY, *words).returncode == 0
    done = infer_tui("compare", str(path))
    assert done.returncode == 2
    assert "its engines were measured one after another; run it with --interleave" in done.stderr
    assert done.stdout == ""


def test_a_profile_compared_with_itself_is_the_same(tmp_path: Path) -> None:
    """Made of samples from a generator: this machine may be too busy for any verdict."""
    path = tmp_path / "a.toml"
    write_profile(profile_of("alpha", (2.7,), 0), Build().samples(2.7), path)
    done = infer_tui("compare", str(path), str(path), "--json")
    assert [one["verdict"] for one in json.loads(done.stdout)["entries"]] == ["SAME"]
    assert done.returncode == 0
    assert infer_tui("compare", str(path), str(path)).stdout.startswith("NO REGRESSION: 1 SAME")


# Options


def test_options_become_the_measurement() -> None:
    found = measured_by(
        "--interleave", "--blocks", "12", "--block-seconds", "0.5", "--threshold", "2.5",
        "--energy", "--in-flight", "1", "--in-flight", "4", "--cpus", "0",
    )  # fmt: skip
    assert found == Measurement(
        interleave=True, blocks=12, block_seconds=0.5, threshold=0.025,
        energy=True, in_flight=(1, 4), cpus="0",
    )  # fmt: skip
    assert measured_by() == Measurement()


def test_turns_take_the_place_of_what_a_plan_ends_after(tmp_path: Path) -> None:
    assert measured_by("--preset", "article").iterations == 100
    found = measured_by("--preset", "article", "--interleave")
    assert (found.interleave, found.iterations) == (True, None)
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'schema = 1\n[measurement]\ninterleave = true\nblocks = 7\n[[engines]]\nengine = "eager"\n'
    )
    assert measured_by(str(plan)).blocks == 7
    found = measured_by(str(plan), "--no-interleave", "-n", "50")
    assert (found.interleave, found.iterations) == (False, 50)
    with pytest.raises(UsageError, match="this run is by turns; give --blocks"):
        measured_by(str(plan), "-n", "50")
    plan.write_text(plan.read_text().replace("blocks = 7", "iterations = 7"))
    with pytest.raises(FileError, match=r"measurement: interleave and iterations are both given"):
        measured_by(str(plan))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--interleave", "-n", "3"), "--iterations measures one engine after another"),
        (("--interleave", "-s", "3"), "--seconds measures one engine after another"),
        (("--blocks", "9"), "--blocks is for engines that are measured by turns; add --interl"),
        (("--block-seconds", "9"), "--block-seconds is for engines that are measured by turns"),
        (("--threshold", "9"), "--threshold is for engines that are measured by turns"),
        (("--interleave", "--threshold", "0"), "--threshold is 0; expected a percentage above 0"),
        (("--interleave", "--threshold", "nan"), "--threshold is nan; expected a percentage"),
        (("--interleave", "--blocks", "5"), "blocks is 5, expected a whole number of at least 6"),
        (("--interleave", "--block-seconds", "0"), "block_seconds is 0.0, expected a number above"),
        (("--in-flight", "0"), "in_flight[0] is 0, expected a whole number of at least 1"),
        (("--in-flight", "65"), "in_flight[0] is 65, expected a whole number of at least 1 and"),
        (("--cpus", "3-1"), "cpus is '3-1', expected numbers of processors and ranges of them"),
        (("--cpus", "0,"), "cpus is '0,', expected numbers of processors"),
        (("--cpus", "two"), "cpus is 'two', expected numbers of processors"),
        (("--cpus", "8191"), "cpus names processor 8191, which this process may not use"),
        (("--cpus", "0-99999"), "cpus is '0-99999', expected"),
    ],
)
def test_options_that_can_not_be_meant_are_one_line(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "-e", "onnxruntime", *words]) == 2
    caught = capsys.readouterr()
    assert said in caught.err
    assert caught.err.count("\n") == 1
    assert caught.out == ""


@pytest.mark.parametrize(
    ("verdict", "gate", "code"),
    [
        ("SLOWER", True, 1),
        ("SLOWER", False, 0),
        ("UNCLEAR", True, 3),
        ("UNCLEAR", False, 0),
        ("SAME", True, 0),
        ("FASTER", True, 0),
    ],
)
def test_a_run_is_a_gate_only_where_a_threshold_was_given(
    saved: Any, verdict: Any, gate: bool, code: int
) -> None:
    import msgspec

    profile = read_profile(saved[0])
    versus = VersusRecord(baseline="a", verdict=verdict, blocks=9, threshold=0.01)
    first, second = profile.results
    results = (first, msgspec.structs.replace(second, versus=versus))
    judged = msgspec.structs.replace(profile, results=results)
    assert exit_code(judged, Control(), gate=gate) == code
