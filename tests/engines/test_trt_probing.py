"""What TensorRT and TensorRT-RTX answer of this machine, and of GPUs that are not here."""

from __future__ import annotations

import sys

import pytest

from engines.backends import cuda, tensorrt, tensorrt_rtx

no_gpu = pytest.mark.skipif(cuda.problem() is None, reason="there is a GPU here")
# As much of TensorRT as a probe touches; its own libraries build nothing without a GPU.
TENSORRT = """
from types import SimpleNamespace
__version__ = "8.6.1"
NetworkDefinitionCreationFlag = SimpleNamespace(__members__={"EXPLICIT_BATCH": 0})
class ILogger: pass
class Builder:
    def __init__(self, logger): pass
"""


@pytest.fixture
def rtx():
    return pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")


@pytest.fixture
def gpus(monkeypatch):
    """Puts GPUs of these compute capabilities here, and gives their facts."""

    def of(*capabilities):
        found = [
            {"index": index, "name": f"GPU {index}", "compute_capability": capability}
            for index, capability in enumerate(capabilities)
        ]
        monkeypatch.setattr(cuda, "problem", lambda *_: None)
        monkeypatch.setattr(cuda, "device_count", lambda: len(found))
        monkeypatch.setattr(cuda, "gpu", lambda index=0: found[index])
        return found

    return of


@pytest.fixture
def tensorrt_is(tmp_path, monkeypatch):
    """Makes a module of TensorRT's name with this source."""

    def source(text):
        (tmp_path / "tensorrt.py").write_text(text)
        monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    return source


@no_gpu
def test_without_a_gpu_rtx_builds_only_for_one_that_is_named(rtx):
    found = tensorrt_rtx.probe("cuda")
    assert not found["ready"]
    assert "driver" in found["reason"]
    assert (found["builds"], found["builds_for_named"]) == (False, True)
    assert found["typed"]
    assert found["precisions"] == ["fp32", "tf32", "fp16", "bf16", "int8"]
    assert found["versions"] == {"tensorrt-rtx": rtx.__version__}
    assert "gpus" not in found


@no_gpu
def test_a_gpu_that_rtx_does_not_support_is_named_and_not_built_for(rtx, gpus):
    here = gpus("9.0", "8.9")
    found = tensorrt_rtx.probe("cuda")
    assert found["reason"].startswith("compute capability 9.0 is not supported by TensorRT-RTX 1.")
    assert found["reason"].endswith("(7.5, 8.0, 8.6, 8.9, 12.0, 12.1)")
    assert not found["ready"]
    assert (found["builds"], found["builds_for_named"]) == (False, True)
    assert (found["gpu"], found["gpus"]) == (here[0], here)


@no_gpu
def test_precisions_are_those_of_the_gpu(rtx, gpus):
    gpus("7.5")
    assert tensorrt_rtx.probe("cuda")["precisions"] == ["fp32", "fp16", "int8"]
    gpus("8.9")
    assert "bf16" in tensorrt_rtx.probe("cuda")["precisions"]


def test_without_pycuda_tensorrt_builds_and_does_not_run(tensorrt_is, gpus, monkeypatch):
    here = gpus("9.0")
    tensorrt_is(TENSORRT)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    found = tensorrt.probe("cuda")
    assert (found["ready"], found["reason"]) == (False, "pycuda is not installed")
    assert "python -m pip install pycuda" in found["install"]
    assert (found["builds"], found["builds_for_named"]) == (True, False)
    assert (found["gpu"], found["gpus"]) == (here[0], here)
    assert not found["typed"]


def test_tensorrt_builds_nothing_without_a_gpu(tensorrt_is, monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda *_: (cuda.NO_DRIVER, cuda.GET_DRIVER))
    tensorrt_is(TENSORRT)
    found = tensorrt.probe("cuda")
    assert found["reason"] == cuda.NO_DRIVER
    assert (found["builds"], found["builds_for_named"]) == (False, False)


def test_a_library_that_does_not_load_says_why_and_the_gpus_are_told(tensorrt_is, gpus):
    here = gpus("9.0", "9.0")
    tensorrt_is("raise ImportError('libnvinfer.so.8: cannot open shared object file')\n")
    found = tensorrt.probe("cuda")
    assert found["reason"] == (
        "TensorRT does not load: libnvinfer.so.8: cannot open shared object file"
    )
    assert "pip install tensorrt" in found["install"]
    assert found["gpus"] == here
    assert not found.get("builds")
