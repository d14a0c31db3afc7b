"""Every engine there is and what each can be told. Static: no framework is imported for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engines.errors import UsageError, nearest
from engines.plan import Device, EngineSpec, OptionValue, Precision


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an engine: a choice, a whole number, a yes/no or a text, with its default.

    `devices` are those it means something on. `builds` marks what an engine file is built with:
    changing it makes another file. `zero` says in a word or two what 0 means, where that is no
    number. A text must match `pattern`, which `shape` puts in words.
    """

    name: str
    help: str
    default: OptionValue
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int | None = None
    devices: tuple[Device, ...] = ("cpu", "cuda")
    builds: bool = False
    pattern: str = ""
    shape: str = ""
    zero: str = ""

    @property
    def kind(self) -> Literal["choice", "bool", "int", "text"]:
        if self.choices:
            return "choice"
        if isinstance(self.default, str):
            return "text"
        return "bool" if isinstance(self.default, bool) else "int"

    def parse(self, text: str) -> OptionValue:
        """The value that `text` (from a command line or a dialog) means; UsageError if none."""
        if self.kind == "bool":
            if text.lower() in ("true", "yes", "on", "1"):
                return True
            if text.lower() in ("false", "no", "off", "0"):
                return False
        elif self.kind == "int":
            try:
                return self.check(int(text))
            except ValueError:
                pass
        elif self.kind == "text":
            return self.check(text.strip())
        elif text in self.choices:
            return text
        raise UsageError(f"{self.name} is {text!r}, expected {self.expected}")

    def check(self, value: OptionValue) -> OptionValue:
        """`value` itself if this option can take it, otherwise UsageError."""
        if self.kind == "choice":
            right = value in self.choices
        elif self.kind == "bool":
            right = isinstance(value, bool)
        elif self.kind == "text":
            right = isinstance(value, str) and re.fullmatch(self.pattern, value) is not None
        else:
            right = (
                isinstance(value, int)
                and not isinstance(value, bool)
                and self.minimum <= value <= (value if self.maximum is None else self.maximum)
            )
        if not right:
            raise UsageError(f"{self.name} is {value!r}, expected {self.expected}")
        return value

    @property
    def expected(self) -> str:
        """What a value may be, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "text":
            return self.shape
        if self.kind == "bool":
            return "true or false"
        upper = "" if self.maximum is None else f" to {self.maximum}"
        return f"a whole number from {self.minimum}{upper}"


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine of the catalogue.

    `precisions` maps each device it can use to the precisions it has there. `needs_onnx` engines
    load an exported ONNX file, `needs_build` ones an engine file built from it. Of engines that are
    `profiled_by_host` the profiler has only the host's clock, on every device.
    """

    name: str
    title: str
    precisions: Mapping[Device, tuple[Precision, ...]]
    options: tuple[Option, ...] = ()
    needs_onnx: bool = False
    needs_build: bool = False
    profiled_by_host: bool = False

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(self.precisions)

    def option(self, name: str) -> Option:
        for option in self.options:
            if option.name == name:
                return option
        known = [option.name for option in self.options]
        expected = nearest(name, known) if known else "it has no options"
        raise UsageError(f"{self.name} has no option '{name}'", hint=expected)

    def settings(self, spec: EngineSpec) -> dict[str, OptionValue]:
        """Every option's value for `spec`: what it sets, and the defaults of the rest."""
        return {option.name: option.default for option in self.options} | spec.options


CUDA: tuple[Device, ...] = ("cuda",)
CPU: tuple[Device, ...] = ("cpu",)

THREADS = Option(
    "threads", "CPU threads an operator may use", 0, devices=CPU, zero="the physical cores"
)
CHANNELS_LAST = Option(
    "channels_last", "keep tensors in NHWC order, which convolutions prefer", default=True
)
# Off as PyTorch has it. Timed anew in each process, the choices differ: of equal engines on an H200
# one was 6 % faster than another, and every one of them slower than what cuDNN picks untimed.
CUDNN_BENCHMARK = Option(
    "cudnn_benchmark",
    "let cuDNN time its convolutions at load; processes then choose differently",
    default=False,
    devices=CUDA,
)
GPU = Option("gpu", "which GPU, as CUDA counts them", 0, devices=CUDA)

EAGER = Engine(
    name="eager",
    title="PyTorch eager",
    precisions={"cpu": ("fp32", "bf16"), "cuda": ("fp32", "tf32", "fp16", "bf16")},
    options=(
        THREADS,
        CHANNELS_LAST,
        Option(
            "cuda_graph",
            "capture the model once and replay it: no launch is paid again",
            default=False,
            devices=CUDA,
        ),
        CUDNN_BENCHMARK,
        GPU,
    ),
)

COMPILE = Engine(
    name="compile",
    title="torch.compile",
    precisions={"cpu": ("fp32", "bf16"), "cuda": ("fp32", "tf32", "fp16", "bf16")},
    options=(
        Option(
            "mode",
            "how hard to optimise; max-autotune can take minutes",
            default="default",
            choices=("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
        ),
        THREADS,
        CHANNELS_LAST,
        CUDNN_BENCHMARK,
        GPU,
    ),
)

ONNXRUNTIME = Engine(
    name="onnxruntime",
    title="ONNX Runtime",
    precisions={"cpu": ("fp32", "int8"), "cuda": ("fp32", "tf32", "fp16")},
    options=(
        Option(
            "graph_optimization_level",
            "which graph rewrites are applied at load",
            default="all",
            choices=("disable", "basic", "extended", "all"),
        ),
        Option(
            "intra_op_threads", "threads inside an operator", default=0, zero="the physical cores"
        ),
        Option(
            "inter_op_threads",
            "operators run side by side; above 1 the execution mode is parallel",
            default=1,
            minimum=1,
        ),
        Option(
            "spinning", "let idle threads spin: lower latency, a busier processor", default=True
        ),
        Option(
            "cuda_graph",
            "capture the session once and replay it: no launch is paid again",
            default=True,
            devices=CUDA,
        ),
        Option(
            "prefer_nhwc",
            "let CUDA convolutions run in NHWC order, with their bias in the same kernel",
            default=False,
            devices=CUDA,
        ),
        Option(
            "cudnn_conv_algo_search",
            "how cuDNN picks its convolutions",
            default="EXHAUSTIVE",
            choices=("EXHAUSTIVE", "HEURISTIC", "DEFAULT"),
            devices=CUDA,
        ),
        Option(
            "provider_options",
            "more options of the CUDA provider, as name=value,name=value",
            default="",
            devices=CUDA,
            pattern=r"(\w+=[^,=\s]+(,\w+=[^,=\s]+)*)?",
            shape="name=value pairs with commas between them",
        ),
        Option(
            "allow_cpu_fallback",
            "let nodes that CUDA lacks run on the CPU instead of failing",
            default=False,
            devices=CUDA,
        ),
        GPU,
    ),
    needs_onnx=True,
    profiled_by_host=True,
)

BUILDER_OPTIONS = (
    Option("min_batch", "smallest batch of the optimisation profile", 0,
           builds=True, zero="the entry's own"),
    Option("opt_batch", "batch that kernels are chosen for", 0,
           builds=True, zero="the entry's own"),
    Option("max_batch", "largest batch of the optimisation profile", 0,
           builds=True, zero="the entry's own"),
    Option(
        "profile_batches",
        "instead: an optimisation profile up to each of these batches, such as 1,8,32",
        default="",
        builds=True,
        pattern=r"(\d+(,\d+)*)?",
        shape="batch sizes with commas between them",
    ),
    Option("builder_level", "how long to look for faster kernels; 3 is TensorRT's own", 3,
           maximum=5, builds=True),
    Option("workspace_mib", "scratch memory a kernel may use, in MiB", 0,
           builds=True, zero="no limit"),
)  # fmt: skip
TIMING_CACHE = Option("timing_cache", "keep kernel timings: later builds are shorter", default=True)
VERBOSE = Option("verbose_log", "write TensorRT's verbose log of the build", default=False)
CUDA_GRAPH = Option(
    "cuda_graph", "capture the inference once and replay it: no launch is paid again", default=True
)

TENSORRT = Engine(
    name="tensorrt",
    title="TensorRT",
    precisions={"cuda": ("fp32", "tf32", "fp16", "bf16", "int8")},
    options=(
        CUDA_GRAPH,
        *BUILDER_OPTIONS,
        Option(
            "hardware_compatibility",
            "GPUs that the engine file may run on besides this one; slower",
            default="none",
            choices=("none", "ampere_plus", "same_compute_capability"),
            builds=True,
        ),
        Option(
            "version_compatible",
            "let later versions of TensorRT load the engine file; slower",
            default=False,
            builds=True,
        ),
        TIMING_CACHE,
        VERBOSE,
        GPU,
    ),
    needs_onnx=True,
    needs_build=True,
)

TENSORRT_RTX = Engine(
    name="tensorrt-rtx",
    title="TensorRT-RTX",
    precisions={"cuda": ("fp32", "tf32", "fp16", "bf16", "int8")},
    options=(
        CUDA_GRAPH,
        *BUILDER_OPTIONS,
        Option(
            "compute_capability",
            "the GPUs to build for; naming one needs no GPU",
            default="current",
            choices=("current", "7.5", "8.0", "8.6", "8.9", "12.0", "12.1"),
            builds=True,
        ),
        VERBOSE,
        GPU,
    ),
    needs_onnx=True,
    needs_build=True,
)

CATALOGUE: tuple[Engine, ...] = (EAGER, COMPILE, ONNXRUNTIME, TENSORRT, TENSORRT_RTX)


def find(name: str) -> Engine:
    """The engine called `name`; UsageError with the nearest name if there is none."""
    for engine in CATALOGUE:
        if engine.name == name:
            return engine
    raise UsageError(
        f"unknown engine '{name}'", hint=nearest(name, [engine.name for engine in CATALOGUE])
    )
