"""Which engines there are, what each can be told, and whether it can run here.

The catalogue is static and imports no framework. Whether an engine can run is a question for the
interpreter that would run it, so `probe` asks a worker (`engines.probing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engines.errors import UsageError, nearest
from engines.plan import DEVICES, PRECISIONS, Device, EngineSpec, OptionValue, Precision

Readiness = Literal["checking", "ready", "unavailable"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an engine: a choice, a whole number or a yes/no, with its default."""

    name: str
    help: str
    default: OptionValue
    choices: tuple[str, ...] = ()
    minimum: int = 0

    @property
    def kind(self) -> Literal["choice", "bool", "int"]:
        if self.choices:
            return "choice"
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
        elif text in self.choices:
            return text
        raise UsageError(f"{self.name} is {text!r}, expected {self.expected}")

    def check(self, value: OptionValue) -> OptionValue:
        """`value` itself if this option can take it, otherwise UsageError."""
        if self.kind == "choice":
            right = value in self.choices
        elif self.kind == "bool":
            right = isinstance(value, bool)
        else:
            right = isinstance(value, int) and not isinstance(value, bool) and value >= self.minimum
        if not right:
            raise UsageError(f"{self.name} is {value!r}, expected {self.expected}")
        return value

    @property
    def expected(self) -> str:
        """What a value may be, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        return "true or false" if self.kind == "bool" else f"a whole number from {self.minimum}"


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine of the catalogue.

    `precisions` maps each device it can use to the precisions it has there. `needs_onnx` engines
    load an exported ONNX file, `needs_build` ones an engine file built from it.
    """

    name: str
    title: str
    precisions: Mapping[Device, tuple[Precision, ...]]
    options: tuple[Option, ...] = ()
    needs_onnx: bool = False
    needs_build: bool = False

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


THREADS = Option(
    "threads", "CPU threads an operator may use; 0 takes the physical cores", default=0
)
CHANNELS_LAST = Option(
    "channels_last", "keep tensors in NHWC order, which convolutions prefer", default=True
)

EAGER = Engine(
    name="eager",
    title="PyTorch eager",
    precisions={"cpu": ("fp32", "bf16"), "cuda": ("fp32", "tf32", "fp16", "bf16")},
    options=(THREADS, CHANNELS_LAST),
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
    ),
)

ONNXRUNTIME = Engine(
    name="onnxruntime",
    title="ONNX Runtime",
    precisions={"cpu": ("fp32",), "cuda": ("fp32", "tf32", "fp16")},
    options=(
        Option(
            "graph_optimization_level",
            "which graph rewrites are applied at load",
            default="all",
            choices=("disable", "basic", "extended", "all"),
        ),
        Option(
            "intra_op_threads", "threads inside an operator; 0 takes the physical cores", default=0
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
    ),
    needs_onnx=True,
)

TENSORRT = Engine(
    name="tensorrt",
    title="TensorRT",
    precisions={"cuda": ("fp32", "tf32", "fp16", "bf16", "int8")},
    needs_onnx=True,
    needs_build=True,
)

TENSORRT_RTX = Engine(
    name="tensorrt-rtx",
    title="TensorRT-RTX",
    precisions={"cuda": ("fp32", "tf32", "fp16", "bf16", "int8")},
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


def precision(name: str) -> Precision:
    """The precision called `name`; UsageError with the nearest name if there is none."""
    for one in PRECISIONS:
        if one == name:
            return one
    raise UsageError(f"unknown precision '{name}'", hint=nearest(name, PRECISIONS))


def device(name: str) -> Device:
    """The device called `name`; UsageError with the nearest name if there is none."""
    for one in DEVICES:
        if one == name:
            return one
    raise UsageError(f"unknown device '{name}'", hint=nearest(name, DEVICES))


def check(spec: EngineSpec) -> None:
    """Raise UsageError where `spec` asks for what its engine does not have."""
    engine = find(spec.engine)
    precision(spec.precision)
    if spec.environment:
        raise UsageError(
            f"environment '{spec.environment}' is not known here",
            hint="remove it: this version runs every engine in its own interpreter",
        )
    if spec.device != "auto" and spec.device not in engine.devices:
        raise UsageError(
            f"{engine.name} does not run on '{spec.device}'",
            hint="expected " + " or ".join(engine.devices),
        )
    devices = engine.devices if spec.device == "auto" else (spec.device,)
    known = [one for place in devices for one in engine.precisions[place]]
    if spec.precision not in known:
        raise UsageError(
            f"{engine.name} has no {spec.precision} on {' or '.join(devices)}",
            hint="expected one of " + ", ".join(dict.fromkeys(known)),
        )
    for name, value in spec.options.items():
        engine.option(name).check(value)


def possible(spec: EngineSpec) -> bool:
    """Whether `check` has nothing to say against `spec`."""
    try:
        check(spec)
    except UsageError:
        return False
    return True


def able_devices(spec: EngineSpec) -> tuple[Device, ...]:
    """The devices that `spec` may come to run on: its own, or all that have its precision."""
    if spec.device != "auto":
        return (spec.device,)
    precisions = find(spec.engine).precisions
    return tuple(device for device in precisions if spec.precision in precisions[device])


def pairs_of(spec: EngineSpec) -> tuple[tuple[str, Device], ...]:
    """The engine with each device that `spec` may come to run on."""
    return tuple((spec.engine, device) for device in able_devices(spec))


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether `engine` can run on `device` under one interpreter, and if not, why and what to do.

    `install` says what would make it available, empty where nothing is known to.
    """

    engine: str
    device: Device
    readiness: Readiness
    reason: str = ""
    install: str = ""
    versions: Mapping[str, str] | None = None
    environment: str = ""

    @property
    def ready(self) -> bool:
        return self.readiness == "ready"


def pending() -> tuple[Availability, ...]:
    """Every engine and device, before an answer has come."""
    return tuple(
        Availability(engine.name, place, "checking")
        for engine in CATALOGUE
        for place in engine.devices
    )
