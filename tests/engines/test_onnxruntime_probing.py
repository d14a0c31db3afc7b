"""What ONNX Runtime needs, and what is said where it is not there."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import onnxruntime
import pytest

from engines.backends import cuda
from engines.backends import onnxruntime as backend
from engines.backends import onnxruntime_needs as needs


def installed(folder: Path, *packages: str) -> None:
    for package in packages:
        described = folder / f"{package.replace('-', '_')}-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0")


def test_two_wheels_in_one_folder_are_refused_and_in_two_are_not(tmp_path, monkeypatch):
    installed(tmp_path / "apart", "onnxruntime-gpu")
    monkeypatch.syspath_prepend(str(tmp_path / "apart"))
    assert backend.probe("cpu")["ready"]
    installed(tmp_path / "mixed", "onnxruntime", "onnxruntime-gpu")
    monkeypatch.syspath_prepend(str(tmp_path / "mixed"))
    found = backend.probe("cpu")
    assert not found["ready"]
    assert "overwrite each other" in found["reason"]


@pytest.mark.skipif(cuda.problem() is None, reason="here is a GPU")
def test_without_a_gpu_the_probe_says_so():
    found = backend.probe("cuda")
    assert not found["ready"]
    assert found["reason"] == cuda.NO_DRIVER
    assert found["versions"]["onnxruntime"] == onnxruntime.__version__


def test_the_probe_names_every_gpu(monkeypatch):
    found = [{"index": 0, "compute_capability": "7.5"}, {"index": 1, "compute_capability": "9.0"}]
    monkeypatch.setattr(needs, "trouble", lambda *_: None)
    monkeypatch.setattr(cuda, "device_count", lambda: 2)
    monkeypatch.setattr(cuda, "gpu", lambda index=0: found[index])
    answer = backend.probe("cuda")
    assert answer["gpu"] == found[0]
    assert answer["gpus"] == found
    assert answer["precisions"] == ["fp32", "fp16"], "of the first"


def test_a_build_for_the_cpu_names_the_one_that_it_hides(tmp_path, monkeypatch):
    installed(tmp_path, "onnxruntime-gpu")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(cuda, "problem", lambda *_: None)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    reason, install = needs.trouble(onnxruntime, 0)
    assert "has no CUDA provider" in reason
    assert str(tmp_path) in reason
    assert "uninstall -y onnxruntime;" in install


LIBRARIES = {
    "13.0": ("libcublasLt.so.13", "libcublas.so.13", "libcudart.so.13", "libcurand.so.10"),
    "12.8": (
        "libcublasLt.so.12", "libcublas.so.12", "libcudart.so.12", "libcurand.so.10",
        "libcufft.so.11",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("built_for", "without", "package"),
    [
        ("13.0", "libcublasLt.so.13", "nvidia-cublas"),
        ("13.0", "libcudnn.so.9", "nvidia-cudnn-cu13"),
        ("12.8", "libcufft.so.11", "nvidia-cufft-cu12"),
        ("12.8", "libcudart.so.12", "nvidia-cuda-runtime-cu12"),
    ],
)
def test_a_missing_library_is_named_with_its_package(
    tmp_path, monkeypatch, built_for, without, package
):
    some_library = Path(onnxruntime.__file__).parent / "capi/libonnxruntime_providers_shared.so"
    folder = tmp_path / "nvidia" / "any" / "lib"
    folder.mkdir(parents=True)
    for name in (*LIBRARIES[built_for], "libcudnn.so.9"):
        shutil.copy(some_library, folder / name)
    # None of the machine's own: only what this folder holds is there.
    monkeypatch.setattr(needs.sys, "path", [str(tmp_path)])
    loaded = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda path: loaded(str(Path(path).resolve(strict=True))))
    monkeypatch.chdir(tmp_path)
    assert needs.missing_library(built_for) is None
    (folder / without).unlink()
    assert needs.missing_library(built_for) == (without, package)
