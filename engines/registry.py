"""What an entry of a plan may ask of its engine, and whether an engine can run here.

Whether it can is a question for the interpreter that would run it: `engines.probing` asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engines.catalogue import (
    CATALOGUE,
    CHANNELS_LAST,
    COMPILE,
    EAGER,
    ONNXRUNTIME,
    TENSORRT,
    TENSORRT_RTX,
    Engine,
    Option,
    find,
)
from engines.errors import EngineUnavailable, UsageError, nearest
from engines.plan import DEVICES, PRECISIONS, Device, EngineSpec, Precision

__all__ = [
    "CATALOGUE",
    "CHANNELS_LAST",
    "COMPILE",
    "EAGER",
    "ONNXRUNTIME",
    "TENSORRT",
    "TENSORRT_RTX",
    "Availability",
    "Engine",
    "Option",
    "find",
]

Readiness = Literal["checking", "ready", "unavailable"]


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
    # By its letters "gpu" would be near "cpu".
    meant = "cuda" if name.lower() == "gpu" else name
    raise UsageError(f"unknown device '{name}'", hint=nearest(meant, DEVICES))


def check(spec: EngineSpec) -> None:
    """Raise UsageError where `spec` asks for what its engine does not have."""
    engine = find(spec.engine)
    precision(spec.precision)
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
            hint="expected one of " + _listed(engine, devices),
        )
    for name, value in spec.options.items():
        option = engine.option(name)
        option.check(value)
        if not set(option.devices) & set(devices):
            raise UsageError(
                f"{engine.name} has no option '{name}' on {spec.device}",
                hint=f"it is for {' and '.join(option.devices)}",
            )
    profiles_of(spec)


def _listed(engine: Engine, devices: Sequence[Device]) -> str:
    """The precisions of `engine` on `devices`; those that it has on a GPU only are set apart."""
    everywhere = [one for one in engine.precisions.get("cpu", ()) if "cpu" in devices]
    on_gpu = [one for place in devices for one in engine.precisions[place] if one not in everywhere]
    if not (everywhere and on_gpu):
        return ", ".join(everywhere or on_gpu)
    return f"{', '.join(everywhere)}, or on a GPU {', '.join(on_gpu)}"


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


# An engine, a device and an environment: what can be asked of an interpreter.
Question = tuple[str, Device, str]


def questions_of(spec: EngineSpec) -> tuple[Question, ...]:
    """What must be known before `spec` can run: its engine on each device it may come to run on."""
    return tuple((spec.engine, device, spec.environment) for device in able_devices(spec))


def profiles_of(spec: EngineSpec) -> tuple[tuple[int, int, int], ...]:
    """The (smallest, best, largest) batch of each optimisation profile that `spec` is built with.

    By default one profile of the entry's own batch alone, which gives the fastest engine. Raises
    UsageError where the options contradict each other or leave the entry's batch out.
    """
    engine = find(spec.engine)
    if not engine.needs_build:
        return ()
    settings = engine.settings(spec)
    chosen = [int(settings[f"{which}_batch"]) for which in ("min", "opt", "max")]
    if listed := str(settings["profile_batches"]):
        if any(chosen):
            raise UsageError(
                f"{engine.name} has both profile_batches and min, opt or max_batch",
                hint="set one of the two",
            )
        profiles = _ladder([int(one) for one in listed.split(",")], engine.name)
    else:
        low, best, high = chosen
        low, high = low or min(spec.batch, high or spec.batch), high or max(spec.batch, low)
        profiles = ((low, best or min(max(spec.batch, low), high), high),)
    for low, best, high in profiles:
        if not low <= best <= high:
            raise UsageError(
                f"{engine.name} has an optimisation profile of {low} to {high}, best {best}",
                hint="expected min_batch ≤ opt_batch ≤ max_batch",
            )
    if not any(low <= spec.batch <= high for low, _, high in profiles):
        ranges = ", ".join(f"{low} to {high}" for low, _, high in profiles)
        raise UsageError(
            f"batch {spec.batch} is outside the optimisation profile of {engine.name} ({ranges})",
            hint="raise max_batch, or lower min_batch",
        )
    return profiles


def build_title(spec: EngineSpec) -> str:
    """What the engine file of `spec` is called: its engine, interpreter, precision and batches."""
    where = f" [{spec.environment}]" if spec.environment else ""
    batches = " + ".join(
        str(best) if low == high else f"{low} to {high}" for low, best, high in profiles_of(spec)
    )
    return f"{find(spec.engine).title}{where} {spec.precision}, batch {batches}"


def _ladder(batches: list[int], name: str) -> tuple[tuple[int, int, int], ...]:
    """A profile up to each of `batches`, from where the one before ends, best at its largest."""
    if batches != sorted(set(batches)) or batches[0] < 1:
        raise UsageError(
            f"{name} has profile_batches {','.join(map(str, batches))}",
            hint="expected rising batch sizes, such as 1,8,32",
        )
    starts = [1, *(batch + 1 for batch in batches[:-1])]
    return tuple((low, high, high) for low, high in zip(starts, batches, strict=True))


def onnx_precision(spec: EngineSpec, *, typed: bool) -> Precision:
    """Which ONNX file `spec` is made from.

    A typed builder (TensorRT 10 with strong typing, 11, RTX) and ONNX Runtime take the precision
    from the file; an older builder takes the FP32 file and flags. TF32 is a way to multiply FP32.
    """
    takes_from_file = typed or spec.engine == ONNXRUNTIME.name or spec.precision == "int8"
    if spec.precision == "tf32" or not takes_from_file:
        return "fp32"
    return spec.precision


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether `engine` can run on `device` under one interpreter, and if not, why and what to do.

    `install` says what would make it available, empty where nothing is known to. `precisions` are
    those it has there, None where they are the catalogue's. `builds` says whether engine files can
    be built for the GPU that is here, `builds_for_named` whether for a named one, which needs none;
    `typed` whether its builder is strongly typed. `gpus` hold `name`, `compute_capability` and
    `memory_bytes` of each GPU, as CUDA counts them.
    """

    engine: str
    device: Device
    readiness: Readiness
    reason: str = ""
    install: str = ""
    versions: Mapping[str, str] | None = None
    environment: str = ""
    precisions: tuple[Precision, ...] | None = None
    builds: bool = False
    builds_for_named: bool = False
    typed: bool = False
    gpus: tuple[Mapping[str, Any], ...] = ()

    @property
    def ready(self) -> bool:
        return self.readiness == "ready"

    @property
    def able_to_build(self) -> bool:
        """Whether engine files can be built at all, be it for another GPU."""
        return self.builds or self.builds_for_named

    @property
    def gpu(self) -> Mapping[str, Any] | None:
        """The first GPU, None where there is none."""
        return self.gpus[0] if self.gpus else None

    def gpu_of(self, spec: EngineSpec) -> Mapping[str, Any] | None:
        """The GPU that `spec` runs on, None where there is none of that number."""
        index = int(find(self.engine).settings(spec).get("gpu", 0))
        return self.gpus[index] if index < len(self.gpus) else None

    def gpu_uuid(self, spec: EngineSpec) -> str:
        """That GPU's identity, which NVML knows it by too; empty for an entry on the CPU."""
        gpu = self.gpu_of(spec) if self.device == "cuda" else None
        return str(gpu.get("uuid", "")) if gpu else ""

    @property
    def question(self) -> Question:
        return (self.engine, self.device, self.environment)

    @property
    def known_precisions(self) -> tuple[Precision, ...]:
        """The precisions that this interpreter has of the engine on this device."""
        listed = find(self.engine).precisions[self.device]
        if self.precisions is None:
            return listed
        return tuple(one for one in listed if one in self.precisions)

    def lacks(self, spec: EngineSpec) -> str:
        """Why `spec` can't run there although the engine can, in words; empty where it can."""
        if spec.precision in self.known_precisions:
            return ""
        versions = " ".join(f"{name} {version}" for name, version in (self.versions or {}).items())
        have = ", ".join(self.known_precisions) or "none"
        return f"{versions or self.engine} has no {spec.precision} here: it has {have}"

    def refuses(self, spec: EngineSpec) -> str:
        """Why `spec` can't be run there, in words: what the engine lacks, or a GPU that its engine
        file is not for. Such a file can still be built."""
        named = str(find(self.engine).settings(spec).get("compute_capability", "current"))
        gpu = self.gpu_of(spec)
        if named == "current" or gpu is None or named == gpu["compute_capability"]:
            return self.lacks(spec)
        return (
            f"its engine file is for compute capability {named},"
            f" this GPU has {gpu['compute_capability']}"
        )


def unavailable(spec: EngineSpec, answer: Availability | None) -> EngineUnavailable:
    """That `spec` can't run here, and why; `answer` is about the device that it would run on."""
    name = f"{spec.engine}@{spec.environment}" if spec.environment else spec.engine
    if answer is None:
        return EngineUnavailable(f"{name} is not available here: it did not answer")
    if answer.ready:
        return EngineUnavailable(answer.refuses(spec))
    on_cpu = find(spec.engine).precisions.get("cpu", ()) if answer.device == "cuda" else ()
    if not on_cpu:
        why = f"{name} is not available here: {answer.reason}"
    elif spec.precision in on_cpu:
        why = f"{name} is not available on a GPU here: {answer.reason}"
    else:
        why = (
            f"{name} has no {spec.precision} on the CPU, where it has {' and '.join(on_cpu)};"
            f" on a GPU it is not available here: {answer.reason}"
        )
    return EngineUnavailable(why, hint=f"needs: {answer.install}" if answer.install else "")


def pending() -> tuple[Availability, ...]:
    """Every engine and device, before an answer has come."""
    return tuple(
        Availability(engine.name, place, "checking")
        for engine in CATALOGUE
        for place in engine.devices
    )
