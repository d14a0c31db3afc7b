"""What frameworks say when something is missing or full, word for word, and what we make of it."""

from __future__ import annotations

import ast
import errno
import runpy
import subprocess
import sys

import pytest

from engines.backends import cuda
from engines.launch import WORKER
from engines.worker.failure import WorkerError, explain

GIB = 2**30

# c10/cuda/CUDACachingAllocator.cpp, as raised by torch
TORCH_FULL = (
    "CUDA out of memory. Tried to allocate 75.13 GiB. GPU 0 has a total capacity of 139.81 GiB of "
    "which 63.24 GiB is free. Process 3299062 has 76.56 GiB memory in use. Of the allocated memory "
    "75.13 GiB is allocated by PyTorch, and 18.76 MiB is reserved by PyTorch but unallocated."
)
# onnxruntime/core/framework/bfc_arena.cc; the arenas of the host and of the GPU share it
ARENA_FULL = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv "
    "node. Name:'/features/conv' Status Message: /onnxruntime_src/onnxruntime/core/framework/"
    "bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, "
    "onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 4294967296\n"
)
# onnxruntime/core/providers/cuda/cuda_call.cc
ORT_CUDA_FULL = (
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=box ; "
    "file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_allocator.cc ; line=39 ; "
    "expr=cudaMalloc((void**)&p, size);"
)
NO_CUBLAS = (
    "[ONNXRuntimeError] : 1 : FAIL : Failed to load library libonnxruntime_providers_cuda.so with "
    "error: libcublasLt.so.13: cannot open shared object file: No such file or directory"
)
# torch/_inductor/exc.py
NO_TRITON = (
    "backend='inductor' raised:\nTritonMissing: Cannot find a working triton installation. Either "
    "the package is not installed or it is too old. More information on installing Triton can be "
    "found at: https://github.com/triton-lang/triton"
)
OLD_GPU = (
    "backend='inductor' raised:\nGPUTooOldForTriton: Found Tesla P100-PCIE-16GB which is too old "
    "to be supported by the triton GPU compiler, which is used as the backend. Triton only "
    "supports devices of CUDA Capability >= 7.0, but your device is of CUDA capability 6.0"
)


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class PycudaMemoryError(Exception):
    """Like pycuda's `_driver.MemoryError`, which is none of Python's."""


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with a current context, of which 2 of 80 GiB are free."""
    monkeypatch.setattr(cuda, "memory", lambda: (2 * GIB, 80 * GIB))


@pytest.fixture
def no_gpu(monkeypatch):
    def memory():
        raise OSError("libcuda.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(cuda, "memory", memory)


def test_torch_names_all_figures_itself(no_gpu):
    found = explain(OutOfMemoryError(TORCH_FULL))
    assert found["kind"] == "out-of-gpu-memory"
    assert found["message"] == (
        "out of GPU memory: needs 75.13 GiB more, 63.24 GiB of 139.81 GiB are free"
    )
    assert found["hint"] == "choose a smaller batch, or free the GPU: nvidia-smi"


def test_sizes_below_a_gibibyte_are_told_in_the_same_unit(no_gpu):
    small = TORCH_FULL.replace("75.13 GiB. GPU", "512.00 MiB. GPU").replace("63.24 GiB", "9.00 MiB")
    assert (
        "needs 0.50 GiB more, 0.01 GiB of 139.81 GiB" in explain(OutOfMemoryError(small))["message"]
    )


def test_what_is_free_is_asked_of_the_driver_where_the_text_does_not_tell(gpu):
    found = explain(RuntimeError(ARENA_FULL))
    assert found["kind"] == "out-of-gpu-memory"
    assert found["message"] == (
        "out of GPU memory: needs 4.00 GiB more, 2.00 GiB of 80.00 GiB are free"
    )


def test_the_same_words_without_a_gpu_are_about_the_host(no_gpu):
    found = explain(RuntimeError(ARENA_FULL))
    assert found["kind"] == "out-of-memory"
    assert found["message"].startswith("out of memory: [ONNXRuntimeError]")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously"),
        RuntimeError(ORT_CUDA_FULL),
        RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=box"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Error Code 1: Cuda Runtime (out of memory)"),
        RuntimeError("[executionContext.cpp] Error Code 2: OutOfMemory (no further information)"),
        PycudaMemoryError("cuMemAlloc failed: out of memory"),
        WorkerError("cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY", kind="out-of-gpu-memory"),
        RuntimeError("cudaErrorMemoryAllocation"),
    ],
)
def test_every_framework_s_words_for_a_full_gpu(error, gpu):
    found = explain(error)
    assert found["kind"] == "out-of-gpu-memory"
    assert found["message"] == "out of GPU memory: 2.00 GiB of 80.00 GiB are free"


def test_a_full_gpu_without_any_figure_keeps_the_frameworks_words(no_gpu):
    found = explain(RuntimeError(ORT_CUDA_FULL))
    assert found["message"].startswith("out of GPU memory: CUDA failure 2: out of memory")


def test_tensorrt_names_what_it_asked_for(gpu):
    text = "Requested amount of GPU memory (57662592 bytes) could not be allocated."
    assert "needs 0.05 GiB more, 2.00 GiB" in explain(RuntimeError(text))["message"]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate)"
        ),
        MemoryError("Unable to allocate 29.1 TiB for an array with shape (2000000, 2000000)"),
        RuntimeError("std::bad_alloc"),
        WorkerError("cuMemHostAlloc: CUDA_ERROR_OUT_OF_MEMORY", kind="out-of-gpu-memory"),
        PycudaMemoryError("cuMemHostAlloc failed: out of memory"),
    ],
)
def test_the_host_s_memory_is_not_the_gpu_s_even_beside_one(error, gpu):
    found = explain(error)
    assert found["kind"] == "out-of-memory"
    assert found["hint"] == "choose a smaller batch"


def test_a_real_allocation_that_can_not_be_is_the_host_s():
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert explain(caught.value)["kind"] == "out-of-memory"


def test_our_own_words_stay_as_they_are(gpu):
    error = WorkerError("out of GPU memory: needs 3 GiB", "less", kind="out-of-gpu-memory")
    assert explain(error) == {
        "kind": "out-of-gpu-memory",
        "message": "out of GPU memory: needs 3 GiB",
        "hint": "less",
    }


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        (NO_CUBLAS, "libcublasLt.so.13", "python -m pip install nvidia-cublas"),
        (
            "libcublasLt.so.12: cannot open shared object file: No such file or directory",
            "libcublasLt.so.12",
            "python -m pip install nvidia-cublas-cu12",
        ),
        (
            "libcudnn.so.9: cannot open shared object file: No such file or directory",
            "libcudnn.so.9",
            "python -m pip install nvidia-cudnn-cu13",
        ),
        (
            "libcuda.so.1: cannot open shared object file: No such file or directory",
            "libcuda.so.1",
            "install the NVIDIA driver, which brings it",
        ),
        (
            "libmpi.so.40: cannot open shared object file: No such file or directory",
            "libmpi.so.40",
            "install the package that brings it, or name its folder in LD_LIBRARY_PATH",
        ),
    ],
)
def test_a_missing_library_is_named_with_what_brings_it(text, name, hint):
    found = explain(ImportError(text))
    assert found == {
        "kind": "missing-library",
        "message": f"the shared library {name} is not found",
        "hint": hint,
    }


def test_the_loader_s_own_words_are_understood():
    import ctypes

    with pytest.raises(OSError, match="nowhere") as caught:
        ctypes.CDLL("libnowhere-to-be-found.so.7")
    assert explain(caught.value)["message"] == (
        "the shared library libnowhere-to-be-found.so.7 is not found"
    )


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCUDA kernel errors might",
        "all CUDA-capable devices are busy or unavailable",
        "cuDevicePrimaryCtxRetain: CUDA_ERROR_DEVICE_UNAVAILABLE",
    ],
)
def test_a_gpu_that_another_process_holds(text):
    found = explain(RuntimeError(text))
    assert found["kind"] == "gpu-taken"
    assert found["message"] == "another process holds the GPU exclusively"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (NO_TRITON, "missing-module", "found no Triton that works"),
        (OLD_GPU, "error", "Triton needs compute capability 7.0 or newer"),
        (
            "InductorError: RuntimeError: Failed to find C compiler. Please specify via CC "
            "environment variable or set triton.knobs.build.impl.",
            "no-compiler",
            "found no C compiler, which Triton needs",
        ),
        (
            "InvalidCxxCompiler: No working C++ compiler found in "
            "torch._inductor.config.cpp.cxx: (None, 'g++')",
            "no-compiler",
            "no working C++ compiler",
        ),
        (
            "libcuda.so cannot found!\nPlease make sure GPU is set up and then run",
            "missing-library",
            "Triton does not find the driver's library libcuda.so.1",
        ),
        (
            "CUDA error: no kernel image is available for execution on the device",
            "error",
            "built without kernels for this GPU",
        ),
    ],
)
def test_what_a_gpu_s_frameworks_lack_is_told_in_words(text, kind, words):
    found = explain(RuntimeError(text))
    assert found["kind"] == kind
    assert words in found["message"]
    assert found["hint"]
    assert "\n" not in found["message"]


def test_torch_itself_says_so_without_triton():
    from torch._inductor.exc import TritonMissing

    assert explain(TritonMissing(None))["kind"] == "missing-module"


def test_a_full_disk_is_told_though_a_framework_wrapped_it():
    wrapped = RuntimeError("backend='inductor' raised")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert explain(wrapped)["message"] == "can't write in the cache: No space left on device"


def test_anything_else_keeps_its_class_and_our_checks_do_not():
    assert explain(KeyError("x"))["message"] == "KeyError: 'x'"
    assert explain(ValueError("batch is 0"))["message"] == "batch is 0"
    assert explain(ModuleNotFoundError("No module named 'torch'"))["kind"] == "missing-module"


def test_an_interpreter_without_numpy_is_told_what_to_install():
    found = explain(ModuleNotFoundError("No module named 'numpy'", name="numpy"))
    assert found["message"] == "the Python package numpy is not installed in this interpreter"
    assert found["hint"] == "python -m pip install numpy"


@pytest.mark.parametrize("version", ["3.9.1", "3.6.15"])
def test_an_interpreter_that_is_too_old_says_so_and_nothing_else(version):
    numbers = tuple(map(int, version.split(".")))
    code = (
        f"import runpy, sys; sys.version_info = {(*numbers, 'final', 0)};"
        f"runpy.run_path({str(WORKER)!r}, run_name='__main__')"
    )
    # A worker that did start would end its process group, which must not be that of the tests.
    ended = subprocess.run(
        (sys.executable, "-c", code), stdin=subprocess.DEVNULL, start_new_session=True,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 86
    assert ended.stdout == ""
    assert ended.stderr == (f"this interpreter is Python {version}, a worker needs 3.10 or newer\n")


def test_the_oldest_interpreter_that_will_do_and_newer_ones_are_not_too_old():
    age_problem = runpy.run_path(str(WORKER))["age_problem"]
    assert [age_problem(one) for one in ((3, 10, 0), (3, 13, 2), (4, 0, 0))] == ["", "", ""]
    assert age_problem((3, 9, 99)) != ""


def test_the_first_file_of_a_worker_is_read_by_old_interpreters():
    tree = ast.parse(WORKER.read_text(), feature_version=(3, 6))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in modules, "its annotations came with 3.7"
