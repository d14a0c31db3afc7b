"""What probes of PyTorch and torch.compile say of a machine, its GPU and its compilers."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch

from engines.backends import cuda, probe_backend, pytorch, torch_compile
from tests.engines.torch_support import GPU


@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_a_machine_without_a_driver_says_so(engine, monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda *_: (cuda.NO_DRIVER, cuda.GET_DRIVER))
    found = probe_backend(engine, "cuda")
    assert (found["ready"], found["reason"]) == (False, cuda.NO_DRIVER)
    assert found["versions"] == {"torch": torch.__version__}


def test_a_cpu_build_beside_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda *_: None)
    monkeypatch.setattr(torch.version, "cuda", None)
    found = pytorch.probe("cuda")
    assert found["reason"] == f"torch {torch.__version__} is a CPU build"
    assert "pip install" in found["install"]


@pytest.fixture
def cuda_build(monkeypatch):
    """A torch that was built for CUDA, as far as a probe can see, and a GPU."""
    monkeypatch.setattr(cuda, "problem", lambda *_: None)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91900)
    monkeypatch.setattr(cuda, "gpus", lambda: [GPU, GPU | {"index": 1}])


def test_a_gpu_s_probe_tells_its_precisions_and_versions(cuda_build):
    before = torch.cuda.is_initialized()
    found = pytorch.probe("cuda")
    assert found["ready"]
    assert [found["gpu"], *found["gpus"]] == [GPU, GPU, GPU | {"index": 1}]
    assert found["precisions"] == ["fp32", "tf32", "fp16", "bf16"]
    assert found["versions"] == {"torch": torch.__version__, "cuda": "13.0", "cudnn": "9.19.0"}
    assert torch.cuda.is_initialized() == before, "a probe makes no context"


def test_an_older_gpu_has_fewer_precisions():
    assert pytorch.precisions_of("7.5") == ["fp32", "fp16"]
    assert pytorch.precisions_of("8.0") == pytorch.precisions_of("12.1")
    assert "bf16" in pytorch.precisions_of("10.0"), "compared as numbers, not as text"


def test_torch_compile_needs_triton_on_a_gpu(cuda_build, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    found = torch_compile.probe("cuda")
    assert not found["ready"]
    assert "pip install triton" in found["install"]


def test_torch_compile_refuses_a_gpu_that_triton_does_not_know(cuda_build, monkeypatch):
    old = GPU | {"name": "Tesla P100", "compute_capability": "6.0"}
    monkeypatch.setattr(cuda, "gpus", lambda: [old])
    found = torch_compile.probe("cuda")
    assert found["reason"] == (
        "torch.compile needs compute capability 7.0 or newer, this Tesla P100 has 6.0"
    )


@pytest.fixture
def triton(tmp_path, monkeypatch):
    """A package of Triton's name; no more than that it imports is asked of it here."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "triton.py").touch()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    yield folder / "triton.py"
    sys.modules.pop("triton", None)


def test_triton_builds_with_cc_or_gcc_or_clang(triton, monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    assert shutil.which("gcc"), "this test needs gcc"
    assert torch_compile.missing_for_triton() is None
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "C compiler" in torch_compile.missing_for_triton()[0]
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "C compiler" in torch_compile.missing_for_triton()[0]
    (tmp_path / "clang").symlink_to("/bin/sh")
    assert torch_compile.missing_for_triton() is None


def test_triton_that_does_not_load_is_told_with_its_reason(triton):
    triton.write_text("raise ImportError('libcudart.so.13: cannot open shared object file: x')")
    reason, install = torch_compile.missing_for_triton()
    assert "does not load: libcudart.so.13" in reason
    assert install == "python -m pip install nvidia-cuda-runtime"
