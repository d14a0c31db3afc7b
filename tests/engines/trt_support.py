"""For the tests of TensorRT: a tiny model as ONNX, and bindings without their libraries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engines.export import export_onnx
from engines.plan import ModelSpec

# The C functions that the bindings look for when they are imported. The libraries that hold them
# are hundreds of megabytes, and building needs a GPU; names, enums and classes need neither.
STUB = """
void *createInferBuilder_INTERNAL() { return 0; }
void *createInferRefitter_INTERNAL() { return 0; }
void *createInferRuntime_INTERNAL() { return 0; }
void *createNvOnnxParserRefitter_INTERNAL() { return 0; }
void *createNvOnnxParser_INTERNAL() { return 0; }
void *getBuilderPluginRegistry() { return 0; }
void *getPluginRegistry() { return 0; }
int getNvOnnxParserVersion() { return 0; }
int initLibNvInferPlugins() { return 0; }
/* TensorRT 8.6 alone */
void _ZN11nvuffparser15createUffParserEv() {}
void _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi() {}
void _ZN14nvcaffeparser117createCaffeParserEv() {}
void _ZN14nvcaffeparser123shutdownProtobufLibraryEv() {}
"""
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin", "libnvparsers")


def bindings(folder: Path, wheel: str, major: str) -> dict[str, str]:
    """The environment in which `tensorrt_bindings` of the binding wheel `wheel` imports."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here to make stub libraries with")
    download = subprocess.run(
        (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
         "--disable-pip-version-check", "-d", folder, wheel),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if download.returncode:
        pytest.skip(f"pip can't fetch {wheel}: {download.stderr.strip().splitlines()[-1]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    source = folder / "stub.c"
    source.write_text(STUB)
    for name in LIBRARIES:
        soname = f"{name}.so.{major}"
        subprocess.run(
            ("gcc", "-w", "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", folder / soname,
             source),
            check=True,
        )  # fmt: skip
    return {"LD_LIBRARY_PATH": str(folder), "SITE": str(folder / "site")}


def export_tiny(path: Path, spec: ModelSpec) -> Path:
    """The float32 ONNX file of a model with seeded weights."""
    fields = {"width": spec.width, "input_size": spec.input_size, "classes": spec.classes}
    export_onnx({"model": fields, "weights": "", "path": str(path)})
    return path


def to_fp16(source: Path, target: Path) -> Path:
    """`source` with everything but its input and output in float16."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
    return target


def build_request(onnx: Path, path: Path, **changes: Any) -> dict[str, Any]:
    """A `build` request for TensorRT-RTX that needs no GPU; `options` in `changes` are added."""
    options = {
        "gpu": 0, "builder_level": 3, "workspace_mib": 0, "compute_capability": "8.0",
        "verbose_log": False, "cuda_graph": True, **changes.pop("options", {}),
    }  # fmt: skip
    return {
        "engine": "tensorrt-rtx", "precision": "fp32", "onnx": str(onnx), "path": str(path),
        "options": options, "profiles": [[1, 1, 1]], "input_size": 96, "timing_cache": "",
        **changes,
    }  # fmt: skip
