"""One code for TensorRT 8.6, 10, 11 and RTX: proved on the real bindings of each."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines.backends.trt import versions
from engines.worker.failure import WorkerError
from tests.engines.trt_support import bindings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "engines" / "backends" / "trt"
TYPED_PRECISIONS = ["fp32", "tf32", "fp16", "bf16", "int8"]
# Runs where only one TensorRT is on the path; prints what `versions` makes of it.
ASK = """
import importlib, json, os, sys
sys.path.insert(0, sys.argv[1])
if os.environ.get("SITE"): sys.path.insert(0, os.environ["SITE"])
trt = importlib.import_module(sys.argv[2])
from engines.backends.trt import versions

def there(path):
    thing = trt
    for part in path.split("."):
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True

class Config:
    def __init__(self):
        self.set, self.cleared = [], []
    def set_flag(self, flag): self.set.append(flag.name)
    def clear_flag(self, flag): self.cleared.append(flag.name)

def flags(precision):
    config = Config()
    versions.apply_precision(trt, config, precision)
    return [config.set, config.cleared]

def refusal(**options):
    config = Config()
    options = {"builder_level": 3, "workspace_mib": 0, **options}
    try:
        versions.apply_options(trt, config, options)
    except Exception as error:
        return [type(error).__name__, getattr(error, "kind", ""), str(error)]
    return [config.hardware_compatibility_level.name]

found = versions.features(trt)
precisions = versions.precisions(trt)
print(json.dumps({
    "version": trt.__version__,
    "missing": [path for key in sorted(found) for path in versions.ATTRIBUTES[key]
                if not there(path)],
    "extra": [path for key in set(versions.ATTRIBUTES) - found for path in versions.ATTRIBUTES[key]
              if there(path)],
    "features": sorted(found),
    "network_flags": versions.network_flags(trt),
    "strong_bit": int(getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", -1)),
    "precisions": precisions,
    "old_gpu": versions.precisions(trt, "7.5"),
    "flags": {one: flags(one) for one in precisions},
    "capabilities": versions.capabilities(trt),
    "title": versions.title(trt),
    "severities": [int(getattr(trt.ILogger, name)) for name in
                   ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE")],
    "same": None if versions.is_rtx(trt)
            else refusal(hardware_compatibility="same_compute_capability"),
    "ampere": None if versions.is_rtx(trt) else refusal(hardware_compatibility="ampere_plus"),
}))
"""
TYPED_FLAGS = {
    "fp32": [[], ["TF32"]], "tf32": [[], []], "fp16": [[], []], "bf16": [[], []],
    "int8": [[], []],
}  # fmt: skip


def ask(module: str, environment: dict[str, str]) -> dict:
    answer = subprocess.run(
        (sys.executable, "-c", ASK, ROOT, module),
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What `versions` says of each real TensorRT, asked once each."""
    known: dict[str, dict] = {}

    def of(wheel: str, major: str) -> dict:
        if wheel not in known:
            known[wheel] = ask("tensorrt_bindings", bindings(
                tmp_path_factory.mktemp("bindings"), wheel, major))  # fmt: skip
        return known[wheel]

    return of


WHEELS = [
    ("tensorrt_bindings==8.6.1", "8", {"core", "weak", "memory size"}),
    ("tensorrt_cu12_bindings==10.0.1", "10", {"core", "typed", "named nodes", "memory size"}),
    ("tensorrt_cu13_bindings==10.16.1.11", "10",
     {"core", "typed", "named nodes", "memory size v2", "weights size"}),
    ("tensorrt_cu13_bindings==11.4.0.106", "11",
     {"core", "typed", "named nodes", "memory size v2", "weights size"}),
]  # fmt: skip


@pytest.mark.parametrize(("wheel", "major", "expected"), WHEELS)
def test_every_attribute_that_is_touched_is_there(answers, wheel, major, expected):
    found = answers(wheel, major)
    assert found["missing"] == []
    assert set(found["features"]) == expected
    assert found["title"] == f"TensorRT {found['version']}"
    assert found["severities"] == [0, 1, 2, 3, 4], "the logger knows them by number"


def test_every_attribute_of_rtx_that_is_touched_is_there():
    found = ask("tensorrt_rtx_bindings", {})
    assert found["missing"] == []
    features = "core, memory size v2, named nodes, rtx, typed, weights size"
    assert found["features"] == features.split(", ")
    assert found["precisions"] == TYPED_PRECISIONS
    assert found["flags"] == TYPED_FLAGS
    assert found["capabilities"] == ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"]
    assert found["title"] == f"TensorRT-RTX {found['version']}"


def test_8_6_takes_flags_and_has_no_bf16(answers):
    found = answers(*WHEELS[0][:2])
    assert found["strong_bit"] == -1
    assert found["network_flags"] == 1, "an explicit batch, which 8.6 must be asked for"
    assert found["precisions"] == ["fp32", "tf32", "fp16", "int8"]
    assert found["flags"] == {
        "fp32": [[], ["TF32"]], "tf32": [["TF32"], []], "fp16": [["FP16"], []],
        "int8": [["INT8", "FP16"], []],
    }  # fmt: skip
    assert "rtx" not in found["features"]
    assert found["extra"] == []


@pytest.mark.parametrize(("wheel", "major"), [one[:2] for one in WHEELS[1:]])
def test_10_and_11_take_types_from_the_file(answers, wheel, major):
    found = answers(wheel, major)
    assert found["network_flags"] == 1 << found["strong_bit"]
    assert found["precisions"] == TYPED_PRECISIONS
    assert found["flags"] == TYPED_FLAGS
    assert found["old_gpu"] == ["fp32", "fp16", "int8"], "TF32 and BF16 came with Ampere"


def test_the_bit_of_strong_typing_moved_between_10_and_11(answers):
    assert answers(*WHEELS[2][:2])["network_flags"] == 2
    assert answers(*WHEELS[3][:2])["network_flags"] == 1


def test_a_compatibility_that_a_version_lacks_is_refused_by_name(answers):
    old, new = answers(*WHEELS[0][:2]), answers(*WHEELS[3][:2])
    kind, words = old["same"][1:]
    assert kind == "usage"
    assert words == "TensorRT 8.6.1 has no hardware_compatibility same_compute_capability"
    assert new["same"] == ["SAME_COMPUTE_CAPABILITY"]
    assert old["ampere"] == new["ampere"] == ["AMPERE_PLUS"]


# What our variables hold, by the last word of their names.
CLASSES = {
    "builder": "Builder", "network": "INetworkDefinition", "parser": "OnnxParser",
    "config": "IBuilderConfig", "engine": "ICudaEngine", "context": "IExecutionContext",
    "runtime": "Runtime", "inspector": "EngineInspector", "profile": "IOptimizationProfile",
    "cache": "ITimingCache", "runtime_config": "IRuntimeConfig", "tensor": "ITensor",
    "layer": "ILayer",
}  # fmt: skip
# These names mean modules or objects of ours there, not TensorRT's.
OURS = {
    ("runtime.py", "builder"), ("runtime.py", "inspector"), ("builder.py", "inspector"),
    ("builder.py", "network"), ("builder.py", "cache"), ("builder.py", "context"),
    ("device.py", "context"), ("probing.py", "builder"), ("inspector.py", "tensor"),
    ("inspector.py", "layer"), ("layers.py", "layer"), ("layers.py", "inspector"),
}  # fmt: skip


def touched(file: Path) -> set[str]:
    """Paths such as "IBuilderConfig.set_flag" or "DataType.FLOAT" that `file` uses."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Attribute):
            continue
        names, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        names.append(inner.id if isinstance(inner, ast.Name) else "")
        names.reverse()
        if "trt" in names[:2] or "_trt" in names[:2]:
            after = names[names.index("trt" if "trt" in names else "_trt") + 1 :]
            # The parts of a longer path come by again, shorter; classes prove themselves.
            if len(after) > 1 or after == ["__version__"]:
                found.add(".".join(after[:2]))
            continue
        name = names[-2].lstrip("_")
        owner = CLASSES.get(name.removeprefix("engine_"))
        if owner and (file.name, name) not in OURS:
            found.add(f"{owner}.{names[-1]}")
    return found


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*.py")), ids=lambda file: file.name)
def test_the_list_of_attributes_is_complete(file):
    listed = {path for paths in versions.ATTRIBUTES.values() for path in paths}
    assert touched(file) - listed == set()


def test_the_list_is_checked_against_what_is_really_used():
    everything = set().union(*(touched(file) for file in PACKAGE.glob("*.py")))
    assert {"IExecutionContext.execute_async_v3", "DataType.FLOAT"} <= everything
    assert len(everything) > 40


def test_a_compute_capability_that_rtx_lacks_is_refused():
    trt = pytest.importorskip("tensorrt_rtx_bindings")
    with pytest.raises(WorkerError, match=r"9\.0 is not supported by TensorRT-RTX 1\.\d \(7\.5,"):
        versions._set_target(trt, None, "9.0")


def test_a_module_that_is_there_but_does_not_load_is_not_taken_for_missing(tmp_path, monkeypatch):
    package = tmp_path / "tensorrt_rtx"
    package.mkdir()
    (package / "__init__.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        versions.load("tensorrt-rtx")
