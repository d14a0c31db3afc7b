"""The plans that come with the tool."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engines import registry
from engines.errors import EXIT_USAGE, UsageError
from engines.plan import ARTICLE_ITERATIONS
from profiles import presets

NAMES = ("article", "batches", "frontier", "quick", "serving")


def test_names() -> None:
    assert presets.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_can_be_run(name: str) -> None:
    plan = presets.load(name)
    assert plan.name == name
    for spec in plan.engines:
        registry.check(spec)
    assert len(set(plan.labels())) == len(plan.engines)


def test_the_articles_own_run() -> None:
    plan = presets.load("article")
    assert plan.model.label == "mobilenetv2 1 @ 224"
    assert plan.measurement.iterations == ARTICLE_ITERATIONS == 100
    assert [spec.engine for spec in plan.engines] == ["eager", "compile", "onnxruntime", "tensorrt"]
    assert {spec.batch for spec in plan.engines} == {1}
    assert {spec.device for spec in plan.engines} == {"auto"}
    assert plan.engines[2].options["graph_optimization_level"] == "all"
    assert {"intra_op_threads", "inter_op_threads"} <= set(plan.engines[2].options)


def test_batches() -> None:
    asked = [(spec.engine, spec.batch) for spec in presets.load("batches").engines]
    assert asked == [(name, size) for name in ("eager", "onnxruntime") for size in (1, 8, 32)]


@pytest.mark.parametrize("name", ["frontier", "serving"])
def test_a_sweep_has_several_batches_and_requests_in_flight(name: str) -> None:
    plan = presets.load(name)
    assert len({spec.batch for spec in plan.engines}) >= 4
    assert len(plan.measurement.in_flight) >= 2
    assert plan.measurement.seconds == 2.0


def test_the_gpu_s_sweep_uses_graphs_everywhere() -> None:
    for spec in presets.load("serving").engines:
        assert spec.device == "cuda"
        assert registry.find(spec.engine).settings(spec)["cuda_graph"] is True


def test_quick_is_quick() -> None:
    plan = presets.load("quick")
    assert plan.measurement.seconds == 2.0
    assert "compile" not in [spec.engine for spec in plan.engines]


@pytest.mark.parametrize("name", ["artcle", "../article", "article.toml", ""])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(UsageError, match="unknown preset") as caught:
        presets.load(name)
    assert caught.value.exit_code == EXIT_USAGE
    assert "article" in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import profiles", {"numpy", "msgspec", "tomli", "engines"}),
        ("import profiles.presets as p; p.names()", {"numpy", "msgspec", "tomli", "engines"}),
        ("import profiles.presets as p; p.load('article')", {"numpy", "tomli_w"}),
        ("from profiles.store import Store; Store().list()", {"numpy"}),
    ],
)
def test_what_is_not_imported(statement: str, absent: set[str]) -> None:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not absent & loaded
    assert not {"torch", "onnx", "onnxruntime", "tensorrt"} & loaded
