"""Says in one line what an exception of a framework means, and what to do about it.

The patterns are of the words that PyTorch, Triton, ONNX Runtime, TensorRT and PyCUDA use.
"""

from __future__ import annotations

import errno
import re
from typing import NamedTuple, TypedDict


class Failure(TypedDict):
    """The fields of a `failed` event."""

    kind: str
    message: str
    hint: str


class WorkerError(Exception):
    """A failure whose words are already meant for the user."""

    def __init__(self, message: str, hint: str = "", kind: str = "error") -> None:
        super().__init__(message)
        self.hint = hint
        self.kind = kind


GPU_MEMORY_KIND = "out-of-gpu-memory"
GPU_MEMORY_HINT = "choose a smaller batch, or free the GPU: nvidia-smi"
GPU_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|CUDA failure 2: out of memory"
    r"|Cuda Runtime \(out of memory\)|Error Code \d+: OutOfMemory|Requested amount of GPU memory"
    r"|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|cuMemAlloc\w* failed: out of memory"
    r"|CUBLAS_STATUS_ALLOC_FAILED|DEVICE_ALLOCATION_FAILED"
)
# ONNX Runtime's arenas say the same of host and of GPU memory.
EITHER_MEMORY = re.compile(r"memory for requested buffer of size|smaller than requested bytes of")
# Page-locked memory is the host's, though CUDA's driver hands it out and names the same error.
PAGE_LOCKED = re.compile(r"cuMemHostAlloc|cudaHostAlloc|cudaMallocHost")
MEMORY = re.compile(
    r"can't allocate memory|out of memory|std::bad_alloc|Unable to allocate|Failed to allocate"
    r"|smaller than requested bytes of",
    re.IGNORECASE,
)
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SIZE = r"([\d.]+) (bytes|KiB|MiB|GiB)"
WANTED = (
    re.compile(rf"Tried to allocate {SIZE}"),
    re.compile(rf"Requested size: {SIZE}"),
    re.compile(r"requested buffer of size (\d+)"),
    re.compile(r"requested bytes of (\d+)"),
    re.compile(r"Requested amount of GPU memory \((\d+) bytes\)"),
    re.compile(r"Requested size was (\d+) bytes"),
)
FREE_OF_TOTAL = re.compile(rf"total capacity of {SIZE} of which {SIZE} is free")

REFUSED_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
NO_MODULE = re.compile(r"No module named '?([\w.]+)")
NO_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
# The pip packages that bring NVIDIA's libraries, by how the libraries' names begin.
PACKAGES = {
    "libcudnn": "nvidia-cudnn-cu13",
    "libcublas.so.13": "nvidia-cublas",
    "libcublasLt.so.13": "nvidia-cublas",
    "libcublas.so.12": "nvidia-cublas-cu12",
    "libcublasLt.so.12": "nvidia-cublas-cu12",
    "libcurand.so.10": "nvidia-curand",
    "libcufft.so.12": "nvidia-cufft",
    "libcufft.so.11": "nvidia-cufft-cu12",
    "libcudart.so.13": "nvidia-cuda-runtime",
    "libcudart.so.12": "nvidia-cuda-runtime-cu12",
    "libnvrtc.so.13": "nvidia-cuda-nvrtc",
    "libnvrtc.so.12": "nvidia-cuda-nvrtc-cu12",
}


class Rule(NamedTuple):
    """What a text that matches `pattern` means."""

    pattern: re.Pattern[str]
    kind: str
    message: str
    hint: str


RULES = (
    Rule(
        re.compile(r"Failed to find C compiler"),
        "no-compiler",
        "torch.compile found no C compiler, which Triton needs on a GPU",
        "apt install gcc python3-dev (or set CC to a compiler)",
    ),
    Rule(
        re.compile(r"InvalidCxxCompiler|No working C\+\+ compiler|CppCompileError"),
        "no-compiler",
        "torch.compile found no working C++ compiler, or no headers of Python",
        "apt install g++ python3-dev; the compiler's own words are in the log",
    ),
    Rule(
        re.compile(r"fatal error: Python\.h"),
        "no-compiler",
        "torch.compile found no headers of Python, which Triton needs on a GPU",
        "apt install python3-dev, for this version of Python",
    ),
    Rule(
        re.compile(r"TritonMissing|Cannot find a working triton installation"),
        "missing-module",
        "torch.compile found no Triton that works, which it needs on a GPU",
        "python -m pip install triton, in the version that this torch asks for",
    ),
    Rule(
        re.compile(r"GPUTooOldForTriton|too old to be supported by the triton GPU compiler"),
        "error",
        "this GPU is too old for torch.compile: Triton needs compute capability 7.0 or newer",
        "measure eager, onnxruntime or tensorrt on it",
    ),
    Rule(
        re.compile(r"libcuda\.so cannot found"),
        "missing-library",
        "Triton does not find the driver's library libcuda.so.1",
        "set TRITON_LIBCUDA_PATH to its folder, or run ldconfig as root",
    ),
    Rule(
        re.compile(
            r"busy or unavailable|CUDA_ERROR_DEVICE_UNAVAILABLE|cudaErrorDevicesUnavailable"
        ),
        "gpu-taken",
        "another process holds the GPU exclusively",
        "end it, or set the compute mode to default: nvidia-smi -c 0",
    ),
    Rule(
        re.compile(r"no kernel image is available|cudaErrorNoKernelImageForDevice"),
        "error",
        "the framework was built without kernels for this GPU's compute capability",
        "install a build of it that supports this GPU",
    ),
)


def explain(error: BaseException) -> Failure:
    """The failure that `error` is, in one line."""
    whole = f"{type(error).__name__}: {error}"
    if (memory := _out_of_memory(error, whole)) is not None:
        return memory
    text = first_line(error)
    if isinstance(error, WorkerError):
        return Failure(kind=error.kind, message=text, hint=error.hint)
    if (full := _refused_write(error)) is not None:
        return Failure(
            kind="file",
            message=f"can't write in the cache: {full.strerror}",
            hint="free some space, or set XDG_CACHE_HOME to another folder",
        )
    if library := NO_LIBRARY.search(whole):
        return _missing_library(library[1])
    for rule in RULES:
        if rule.pattern.search(whole):
            return Failure(kind=rule.kind, message=rule.message, hint=rule.hint)
    if isinstance(error, ModuleNotFoundError) and (missing := NO_MODULE.search(whole)):
        return Failure(
            kind="missing-module",
            message=f"the Python package {missing[1]} is not installed in this interpreter",
            hint=f"python -m pip install {missing[1]}",
        )
    # Our own checks raise ValueError with words meant for the user; a framework's class says more.
    named = text if type(error) is ValueError else f"{type(error).__name__}: {text}"
    return Failure(kind="error", message=named, hint="")


def _out_of_memory(error: BaseException, whole: str) -> Failure | None:
    """The failure where memory ran out, the GPU's or the host's; None where none did.

    A WorkerError keeps its own words, but for the driver's bare name of the error.
    """
    if isinstance(error, WorkerError) and "CUDA_ERROR_OUT_OF_MEMORY" not in whole:
        return None
    host = PAGE_LOCKED.search(whole) is not None
    if not host and _is_of_the_gpu(whole):
        return _out_of_gpu_memory(error)
    if host or isinstance(error, MemoryError) or MEMORY.search(whole):
        return Failure(
            kind="out-of-memory",
            message=f"out of memory: {first_line(error)}",
            hint="choose a smaller batch",
        )
    return None


def _is_of_the_gpu(whole: str) -> bool:
    """Whether the text says that GPU memory ran out; a context tells where it leaves that open."""
    if GPU_MEMORY.search(whole):
        return True
    return EITHER_MEMORY.search(whole) is not None and _gpu_memory() is not None


def _out_of_gpu_memory(error: BaseException) -> Failure:
    """With what was asked for and what is free, as far as the text or the driver tells."""
    text, figures = str(error), []
    wanted = next((found for pattern in WANTED if (found := pattern.search(text))), None)
    if wanted is not None:
        figures.append(f"needs {_gib(_bytes(*wanted.groups()))} more")
    if told := FREE_OF_TOTAL.search(text):
        total, free = _bytes(told[1], told[2]), _bytes(told[3], told[4])
        figures.append(f"{_gib(free)} of {_gib(total)} are free")
    elif (memory := _gpu_memory()) is not None:
        figures.append(f"{_gib(memory[0])} of {_gib(memory[1])} are free")
    message = "out of GPU memory: " + (", ".join(figures) or first_line(error))
    return Failure(kind=GPU_MEMORY_KIND, message=message, hint=GPU_MEMORY_HINT)


def _bytes(number: str, unit: str = "bytes") -> float:
    return float(number) * UNITS[unit]


def _gib(size: float) -> str:
    return f"{size / UNITS['GiB']:.2f} GiB"


def _gpu_memory() -> tuple[int, int] | None:
    """Free and total bytes of the GPU whose context is current here; None where none is."""
    from engines.backends import cuda

    try:
        return cuda.memory()
    except (OSError, AttributeError, WorkerError):
        return None


def _missing_library(name: str) -> Failure:
    """A shared library that the loader does not find, and the pip package that brings it."""
    package = next((PACKAGES[known] for known in PACKAGES if name.startswith(known)), "")
    hint = "install the package that brings it, or name its folder in LD_LIBRARY_PATH"
    if name.startswith("libcuda.so"):
        hint = "install the NVIDIA driver, which brings it"
    elif package:
        hint = f"python -m pip install {package}"
    return Failure(
        kind="missing-library", message=f"the shared library {name} is not found", hint=hint
    )


def _refused_write(error: BaseException | None) -> OSError | None:
    """The full or read-only file system behind `error`, None where that is not its cause."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in REFUSED_WRITES:
            return error
        error = error.__cause__ or error.__context__
    return None


def first_line(error: BaseException) -> str:
    """The first line of the error's text that says something, cut to a screen's width or so."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next((line for line in lines if line), type(error).__name__)
    return line if len(line) <= 300 else line[:297] + "..."
