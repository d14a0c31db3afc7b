"""What ONNX Runtime's CUDA provider needs of the machine, and whether it is there."""

from __future__ import annotations

import ctypes
import glob
import os
import sys
from contextlib import suppress
from typing import Any

from engines.backends import cuda
from engines.backends.onnxruntime import CUDA, folders_of

INSTALL = "python -m pip uninstall -y onnxruntime; python -m pip install onnxruntime-gpu"
TENSORRT = "TensorrtExecutionProvider"
# What the TensorRT provider links, of ONNX Runtime 1.31 as readelf shows it.
TENSORRT_LIBRARY = "libnvinfer.so.10"


def linked_versions(ort: Any) -> dict[str, str]:
    """The CUDA that `ort` was built for, and whether its TensorRT provider finds its library."""
    found = {"cuda": str(ort.cuda_version)} if ort.cuda_version else {}
    if TENSORRT in ort.get_available_providers():
        there = loads(TENSORRT_LIBRARY)
        found["tensorrt provider"] = (
            TENSORRT_LIBRARY if there else f"needs {TENSORRT_LIBRARY}, not found"
        )
    return found


def trouble(ort: Any, index: int) -> tuple[str, str] | None:
    """Why this ONNX Runtime can't use GPU `index`, and what to do; None where it can.

    The libraries of the CUDA provider are loaded on the way, so that it finds them.
    """
    if (problem := cuda.problem(ort.cuda_version or None, index)) is not None:
        return problem
    if CUDA not in ort.get_available_providers():
        hidden = folders_of("onnxruntime-gpu")
        behind = f" and hides onnxruntime-gpu in {min(hidden)}" if hidden else ""
        return f"onnxruntime {ort.__version__} has no CUDA provider{behind}", INSTALL
    if (missing := missing_library(str(ort.cuda_version))) is not None:
        library, package = missing
        return f"the CUDA provider needs {library}", f"python -m pip install {package}"
    return None


def missing_library(built_for: str) -> tuple[str, str] | None:
    """Load what the CUDA provider needs; the first library not found and its package, if any.

    `built_for` is the provider's CUDA version, such as "13.0". ONNX Runtime's own `preload_dlls`
    looks for NVIDIA's packages beside itself alone, this on the whole import path.
    """
    major = int(built_for.partition(".")[0])
    # Until CUDA 12 NVIDIA's packages name it. The cuFFT of a CUDA is one major version behind.
    suffix = "" if major >= 13 else f"-cu{major}"
    needed = {
        f"libcublasLt.so.{major}": f"nvidia-cublas{suffix}",
        f"libcublas.so.{major}": f"nvidia-cublas{suffix}",
        f"libcudart.so.{major}": f"nvidia-cuda-runtime{suffix}",
        "libcurand.so.10": f"nvidia-curand{suffix}",
        f"libcufft.so.{major - 1}": f"nvidia-cufft{suffix}",
        f"libnvrtc.so.{major}": f"nvidia-cuda-nvrtc{suffix}",
        "libcudnn.so.9": f"nvidia-cudnn-cu{major}",
    }
    # Builds for CUDA 13 load cuFFT where a model has a Fourier transform, and cuDNN loads NVRTC
    # where it compiles a kernel: this model runs without either.
    optional = {f"libnvrtc.so.{major}"} | ({f"libcufft.so.{major - 1}"} if major >= 13 else set())
    for library, package in needed.items():
        if not loads(library) and library not in optional:
            return library, package
    return None


def loads(library: str) -> bool:
    """Load `library` of one of NVIDIA's packages, or else of the system; whether it was found."""
    folders = (os.path.join(glob.escape(folder), "nvidia", "*", "lib") for folder in sys.path)
    found = [path for one in folders for path in sorted(glob.glob(os.path.join(one, library)))]
    for path in (*found, library):
        with suppress(OSError):
            ctypes.CDLL(path)
            return True
    return False
