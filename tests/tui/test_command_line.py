"""`infer-tui` for scripts and CI: data on stdout, one line on stderr, codes to gate on."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli

from engines.soundness import RUNS_DIFFER
from profiles.reading import read_profile
from profiles.writing import read_samples
from tests.terminal import Terminal

COMMAND = str(Path(sys.executable).with_name("infer-tui"))
TINY = ("--width", "0.35", "--input-size", "96", "--classes", "10")
ORT = ("-e", "onnxruntime", "-d", "cpu", "--set", "onnxruntime.intra_op_threads=1")


def infer_tui(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        **options,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory, session_cache) -> tuple[Path, Path]:
    """Two profiles of the same engine, as `run --save` leaves them."""
    folder = tmp_path_factory.mktemp("saved")
    environment = {**os.environ, "XDG_CACHE_HOME": str(session_cache)}
    paths = (folder / "a.toml", folder / "b.toml")
    for path in paths:
        done = infer_tui(
            "run", *TINY, *ORT, "-n", "1500", "--save", str(path), "--json", env=environment
        )
        assert done.returncode == 0, done.stderr
    return paths


def test_json_is_one_document_and_nothing_else():
    done = infer_tui("run", *TINY, *ORT, "-n", "50", "--no-save", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (result,) = document["results"]
    assert result["latency"]["n"] == 50
    assert done.stderr == "", "nothing is narrated into a pipe"


def test_a_run_is_kept_even_where_nobody_asked_for_it(tmp_path):
    done = infer_tui("run", *TINY, *ORT, "-n", "20")
    path = Path(done.stderr.removeprefix("infer-tui: saved ").strip())
    assert read_profile(path).results[0].latency.n == 20
    listed = infer_tui("profiles", env={**os.environ, "COLUMNS": "80"})
    assert path.stem in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80


def test_progress_as_lines_that_stay():
    done = infer_tui("run", *TINY, *ORT, "-n", "20", "--no-save", "--json", "--progress", "plain")
    lines = done.stderr.splitlines()
    assert json.loads(done.stdout)["results"][0]["latency"]["n"] == 20
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    entry = [line for line in lines if line.startswith("1/1  onnxruntime cpu fp32 b1")]
    assert [line for line in entry if line.endswith("  measuring")]
    assert re.search(r"  ok  p50 \d\S* ms$", entry[-1])
    assert len(lines) == len(set(lines)), "nothing is said twice"


def test_a_profile_repeats_its_run(saved):
    done = infer_tui("run", str(saved[0]), "--no-save", "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    first = tomli.loads(saved[0].read_text())
    assert again["plan"]["engines"][0]["options"] == {"intra_op_threads": 1}
    assert again["model"]["digest"] == first["model"]["digest"]


def test_two_runs_of_one_engine_are_never_called_faster_with_certainty(saved):
    """SAME or UNCLEAR is expected; what a verdict means for the exit code holds in any case."""
    done = infer_tui("compare", *map(str, saved), "--json")
    (entry,) = json.loads(done.stdout)["entries"]
    expected = {"SAME": 0, "FASTER": 0, "SLOWER": 1, "UNCLEAR": 3}
    assert done.returncode == expected[entry["verdict"]]
    assert entry["low"] <= entry["ratio"] <= entry["high"]


def test_the_help_says_what_single_runs_differ_by():
    shares = [f"{100 * RUNS_DIFFER[device]:g} on a {name}"
              for device, name in (("cpu", "CPU"), ("cuda", "GPU"))]  # fmt: skip
    assert ", ".join(shares) in " ".join(infer_tui("compare", "--help").stdout.split())


@pytest.mark.parametrize("shape", ["text", "md", "json"])
@pytest.mark.parametrize("command", ["compare", "frontier", "profiles", "engines", "model"])
def test_every_format_of_every_report(saved, command, shape):
    profiles = {"compare": saved, "frontier": saved[:1]}
    words = list(map(str, profiles.get(command, ())))
    words += list(TINY) if command == "model" else []
    done = infer_tui(command, *words, "--format", shape)
    assert done.returncode in (0, 1, 3), done.stderr
    assert done.stdout.strip()
    if shape == "md" and command != "profiles":  # where there is none
        assert re.search(r"^\|( -+:? \|)+$", done.stdout, re.MULTILINE), "a table"
    if shape == "json":
        json.loads(done.stdout)


def test_the_frontier_is_gated_by_its_limit(saved):
    met = infer_tui("frontier", str(saved[0]), "--max-latency", "1000s")
    assert met.returncode == 0, met.stderr
    assert "best under 1000 s: onnxruntime cpu fp32 b1: " in met.stdout
    unmet = infer_tui("frontier", str(saved[0]), "--max-latency", "1us")
    assert unmet.returncode == 1
    assert "nothing meets 1 µs: the nearest is onnxruntime" in unmet.stdout
    wrong = infer_tui("frontier", str(saved[0]), "--max-latency", "fast")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'fast' is no latency" in wrong.stderr


def test_a_run_is_gated_by_a_limit_that_its_profile_keeps(tmp_path):
    path = tmp_path / "limited.toml"
    words = ("run", *TINY, *ORT, "-n", "50", "--save", str(path))
    done = infer_tui(*words, "--max-latency", "1us")
    assert done.returncode == 1, done.stderr
    assert "nothing meets 1 µs" in done.stdout
    assert read_profile(path).plan.max_latency_ms == 0.001
    again = infer_tui("frontier", str(path))
    assert again.returncode == 1, "the limit of the run's own plan"
    assert infer_tui("frontier", str(path), "--max-latency", "1000s").returncode == 0


def test_the_model_command_states_the_papers_figures():
    done = infer_tui("model", "--layers")
    assert "3,504,872" in done.stdout
    assert "300.8 M" in done.stdout
    assert "13.5 MiB" in done.stdout, "in the units of the app"
    assert "features.18.0" in done.stdout


def test_graph_and_export_write_their_files(tmp_path):
    import onnx

    graph, exported = tmp_path / "g.dot", tmp_path / "m.onnx"
    assert infer_tui("model", *TINY, "--graph", str(graph)).returncode == 0
    assert graph.read_text().startswith("digraph")
    assert infer_tui("export", *TINY, "-o", str(exported)).returncode == 0
    model = onnx.load(exported)
    assert model.opset_import[0].version == 17
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_output_that_is_closed_early_is_no_error():
    pipe = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {COMMAND} model --layers | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert pipe.stdout.startswith("model")
    assert pipe.stderr == ""


def test_layers_are_one_document_sorted_as_asked():
    done = infer_tui("layers", *TINY, *ORT, "--sort", "name", "--top", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing is narrated into a pipe"
    document = json.loads(done.stdout)
    names = [one["name"] for one in document["layers"]]
    assert len(names) == 5
    assert names == sorted(names)
    assert document["spec"]["options"] == {"intra_op_threads": 1}
    assert document["machine"]["cpu"]
    assert 0 < document["accounted"] < 1
    assert all(0 < one["share"] < 1 and one["place"] for one in document["layers"])


def test_layers_are_a_table_that_says_what_a_row_is():
    done = infer_tui("layers", *TINY, *ORT, "--top", "3", env={**os.environ, "COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "A row is a node of the graph as ONNX Runtime rewrote it" in text
    assert "ms a request without it" in text
    *_, heading, rule, first, second, third = done.stdout.splitlines()
    assert heading.split() == ["#", "layer", "kind", "type", "provider", "ms", "share", "sum"]
    assert set(rule) == {"-", " "}
    times = [float(line.replace(" %", "%").split()[-3]) for line in (first, second, third)]
    assert times == sorted(times, reverse=True)
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_interrupted_layers_leave_no_child():
    # A large batch: what is left behind the warm-up takes seconds, however late the signal comes.
    with Terminal([COMMAND, "layers", *TINY, *ORT, "-b", "128"]) as terminal:
        terminal.wait_for("warm-up", 60)
        children = terminal.descendants()
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait_closed() == 130
        assert "stopped by the user" in terminal.text
        assert not [one for one in children if one.is_running()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_saved_and_leaves_no_child(tmp_path, number):
    path = tmp_path / "part.toml"
    words = [COMMAND, "run", *TINY, *ORT, "-s", "600", "--save", str(path)]
    with Terminal(words) as terminal:
        terminal.wait_for("measuring", 60)
        children = terminal.descendants()
        assert children
        terminal.process.send_signal(number)
        sent = time.monotonic()
        assert terminal.wait_closed() == 130
        assert time.monotonic() - sent < 3.0
        assert not [one for one in children if one.is_running()]
        assert "Traceback" not in terminal.text
    profile = read_profile(path)
    assert profile.run.ending == "stopped"
    assert profile.results[0].latency.n > 0


def test_a_lost_terminal_loses_no_run():
    with Terminal([COMMAND, "run", *TINY, *ORT, "-n", "1000000"]) as terminal:
        terminal.wait_for("measuring", 60)
        terminal.hang_up()
        terminal.wait_closed()
    folder = Path(os.environ["XDG_DATA_HOME"]) / "infer-tui" / "profiles"
    (path,) = folder.glob("*.toml")
    assert read_profile(path).results[0].status == "stopped"


def test_what_the_store_can_not_take_is_kept_elsewhere(tmp_path):
    environment = {**os.environ, "XDG_DATA_HOME": "/dev/null", "TMPDIR": str(tmp_path)}
    done = infer_tui("run", *TINY, *ORT, "-n", "20", env=environment)
    assert done.returncode == 2
    (path,) = tmp_path.glob("infer-tui-*/*.toml")
    saved, problem = done.stderr.splitlines()
    assert saved == f"infer-tui: saved {path}"
    assert "/dev/null" in problem
    profile = read_profile(path)
    assert len(read_samples(profile, path)[0, "measuring"].latencies_ms) == 20


def test_nohup_is_heeded(tmp_path):
    script = f"trap '' HUP; exec {COMMAND} run {' '.join([*TINY, *ORT])} -s 3 --json --no-save"
    with Terminal(["bash", "-c", f"{script} > {tmp_path}/out.json"]) as terminal:
        terminal.wait_for("measuring", 60)
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.wait_closed(30) == 0
    assert json.loads((tmp_path / "out.json").read_text())["run"]["ending"] == "complete"


@pytest.mark.parametrize("words", [("keys",), ("model", *TINY)])
def test_a_full_standard_output_is_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == (
        "infer-tui: can't write the output: No space left on device; free some space there, or send"
        " it elsewhere\n"
    )


def test_what_nobody_named_is_left_out_rather_than_refused():
    # PyTorch has no INT8 here, and is not compiled for a precision that it has not.
    done = infer_tui("run", *TINY, "-d", "cpu", "-p", "int8", "-n", "5", "--no-save", "--json")
    assert done.returncode == 0, done.stderr
    labels = [one["label"] for one in json.loads(done.stdout)["results"]]
    assert labels == ["onnxruntime cpu int8 b1"]


def test_a_file_that_is_not_one_is_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    done = infer_tui("export", *TINY, "-o", str(fifo))
    assert done.returncode == 2
    assert "it is not a file" in done.stderr
    assert fifo.is_fifo()


def test_a_terminal_that_knows_no_utf8_gets_its_table():
    done = infer_tui("model", *TINY, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "1 ? 3 ? 96 ? 96" in done.stdout


def test_a_second_weights_file_changes_the_model(tmp_path):
    import torch

    from mobilenetv2 import MobileNetV2, save_state_dict

    torch.manual_seed(5)
    path = tmp_path / "mine.pt"
    model = MobileNetV2(n_class=10, input_size=96, width_mult=0.35)
    save_state_dict(model.state_dict(), path)
    own = json.loads(infer_tui("model", *TINY, "--weights", str(path), "--json").stdout)
    built_in = json.loads(infer_tui("model", *TINY, "--json").stdout)
    assert own["source"] == str(path)
    assert own["digest"] != built_in["digest"]


BAD = [
    (("run", "-e", "onxruntime"), "unknown engine 'onxruntime'; did you mean 'onnxruntime'?"),
    (("run", "-p", "fp61"), "unknown precision 'fp61'; did you mean 'fp16'?"),
    (("run", "-d", "gpu"), "unknown device 'gpu'; did you mean 'cuda'?"),
    (("run", "-e", "nope"), "unknown engine 'nope'; expected one of eager, compile, onnxruntime"),
    (("run", "-e", "onnx"), "unknown engine 'onnx'; did you mean 'onnxruntime'?"),
    (("run", "-n", "0"), "iterations is 0, expected a whole number of at least 1"),
    (("run", "-n", "-3"), "iterations is -3"),
    (("run", "-n", "many"), "invalid int value: 'many'"),
    (("run", "-s", "0"), "seconds is 0.0, expected a number above 0"),
    (("run", "-s", "nan"), "seconds is"),
    (("run", "-b", "0"), "batch is 0"),
    (("run", *TINY, *ORT, "-b", "100000000"), "GiB are free; choose a batch of at most"),
    (("run", "--width", "-1"), "width is -1.0"),
    (("run", "--input-size", "100"), "input_size is 100"),
    (("run", "-m", "resnet"), "unknown model 'resnet'"),
    (("run", "--set", "threads=1"), "expected ENGINE.OPTION=VALUE"),
    (("run", "--set", "onnxruntime.threads=1"), "has no option 'threads'"),
    (("run", "-e", "eager", "--set", "onnxruntime.spinning=no"), "which this plan does not run"),
    (("run", "--preset", "artcle"), "did you mean 'article'?"),
    (("run", "no.toml"), "no.toml: there is no such file"),
    (("run", "no.toml", "--preset", "article"), "a plan and a preset were given"),
    (("run", "-e", "tensorrt"), "tensorrt is not available here"),
    (("run", "--weights", "no.pt"), "no.pt"),
    (("run", *ORT, "--save", "no/where.toml"), "no such folder"),
    (("run", *ORT, "--save", "."), "it is not a file"),
    (("run", *ORT, "--save", "a.toml", "--no-save"), "not allowed with"),
    (("run", "-s", "inf"), "seconds is"),
    (
        ("run", "-e", "eager", "-p", "fp16"),
        "eager has no fp16 on the CPU, where it has fp32 and bf16; on a GPU it is not available"
        " here: no NVIDIA driver answers",
    ),
    (("run", "-e", "eager", "-d", "cuda"), "eager is not available on a GPU here: no NVIDIA"),
    (
        ("run", "-e", "eager", "-p", "int8"),
        "eager has no int8 on cpu or cuda; expected one of fp32, bf16, or on a GPU tf32, fp16",
    ),
    (("compare",), "required: A.toml"),
    (("compare", "a.toml"), "there is no profile 'a.toml'"),
    (("compare", "a.toml", "b.toml"), "a.toml"),
    (("compare", "a.toml", "b.toml", "--threshold", "-1"), "expected a percentage above 0"),
    (("compare", "a.toml", "b.toml", "--spread", "nan"), "expected a percentage from 0"),
    (("compare", "a.toml", "--spread", "1"), "--spread is for two profiles"),
    (("export", *TINY, "-o", "/proc/none/m.onnx"), "can't save in /proc/none: no such folder"),
    (("model", "--graph", "x.foo"), "'.foo'"),
    (("build",), "TensorRT can't build here"),
    (("build", "-e", "eager"), "eager needs no build"),
    (("layers",), "required: -e/--engine"),
    (("layers", "-e", "onxruntime"), "did you mean 'onnxruntime'?"),
    (("layers", "-e", "tensorrt"), "tensorrt is not available here"),
    (("layers", "-e", "tensorrt@none"), "environment 'none' is not configured here"),
    (("layers", "-e", "eager", "-p", "int8"), "eager has no int8"),
    (("layers", "-e", "eager", "-b", "0"), "batch is 0"),
    (("layers", *ORT, "--top", "0"), "--top is 0; expected a whole number from 1"),
    (("layers", "-e", "eager", "--set", "onnxruntime.spinning=no"), "expected eager"),
    (("layers", "resnet", "-e", "eager"), "unknown model 'resnet'"),
    (("frobnicate",), "invalid choice: 'frobnicate'"),
    ((), "the app needs a terminal; in scripts use 'infer-tui run'"),
]


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="a GPU may make TensorRT available")
@pytest.mark.parametrize(("words", "message"), BAD, ids=[" ".join(one[0])[:40] for one in BAD])
def test_bad_input_gets_one_line_and_exit_code_2(words, message, tmp_path):
    done = infer_tui(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.glob("*.toml")) == [], "nothing is half-written"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"schema = 1\n[run", "line 2: ends too early"),
        (b"notes\n", "is not TOML; expected a plan or a profile in TOML"),
        (random.Random(0).randbytes(2000) + b"\x00", "binary"),
        (b"schema = 99\n", "schema 99"),
        (b"schema = 1\nspeed = 3\n", "unknown key 'speed'"),
        (b"schema = 1\n[measurement]\niterations = 'x'\n", "measurement.iterations is 'x'"),
        (b"schema = 1\n[[engines]]\nengine = 'onxruntime'\n", "did you mean 'onnxruntime'"),
    ],
)
def test_a_bad_plan_gets_one_line_and_exit_code_2(content, message, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    done = infer_tui("run", str(path))
    assert done.returncode == 2
    assert message in done.stderr
    assert "plan.toml" in done.stderr
    assert len(done.stderr.splitlines()) == 1
