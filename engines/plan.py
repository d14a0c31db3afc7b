"""What is to be run: plain, immutable, typed records that TOML files and the app both make.

A plan travels between people and machines, so it never names a program: `environment` names an
entry of the user's own configuration file, and that file alone says which interpreter it is.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SCHEMA = 1

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "tf32", "fp16", "bf16", "int8"]
OptionValue = bool | int | float | str

PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "fp16", "bf16", "int8")
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")

# The article's own run: 100 inferences of batch 1.
ARTICLE_ITERATIONS = 100

Positive = Annotated[int, Meta(ge=1)]
# Each request in flight has an engine of its own; beyond this a GPU is full of them.
InFlight = Annotated[int, Meta(ge=1, le=64)]
# Linux can be built for 8192 processors at most (NR_CPUS).
LAST_PROCESSOR = 8191
# A day: what is longer is a slip of the finger, and infinity no clock can hold.
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every record that a file may hold: immutable and strict about its keys."""


class ModelSpec(Record, frozen=True, kw_only=True):
    """Which model, and with which weights.

    `weights` is the path of a state dict; empty means the built-in seeded weights made from `seed`.
    `input_size` is the side of the square RGB input in pixels. `calibration` is the path of a .npy
    file of float32 images, shape (n, 3, size, size), that INT8 scales are taken from; empty means
    seeded ones.
    """

    name: str = "mobilenetv2"
    width: Annotated[float, Meta(gt=0)] = 1.0
    input_size: Annotated[int, Meta(ge=32)] = 224
    classes: Positive = 1000
    weights: str = ""
    seed: Annotated[int, Meta(ge=0)] = 0
    calibration: str = ""

    @property
    def label(self) -> str:
        return f"{self.name} {self.width:g} @ {self.input_size}"


class EngineSpec(Record, frozen=True, kw_only=True):
    """One entry of a comparison: an engine on a device in a precision at a batch size.

    `device` "auto" means CUDA where this engine can use it, otherwise the CPU; a plan that is
    being run has it resolved. `options` are the engine's own, see `engines.registry`.
    """

    engine: str
    device: Device = "auto"
    precision: Precision = "fp32"
    batch: Positive = 1
    environment: str = ""
    options: dict[str, OptionValue] = {}

    @property
    def label(self) -> str:
        """A short name for this entry; `labels` makes it unique within a plan."""
        parts = [self.engine, self.precision, f"b{self.batch}"]
        if self.device != "auto":
            parts.insert(1, self.device)
        if self.environment:
            parts.append(f"[{self.environment}]")
        return " ".join(parts)


class Measurement(Record, frozen=True, kw_only=True):
    """How long to warm up and to measure.

    With `iterations` or `seconds` the measurement ends there. With neither it ends when the
    median is known: see `engines.statistics.StopRule`. Times are in seconds.

    With `interleave` all engines stay loaded and take turns: `blocks` blocks of `block_seconds`
    each, in random order, so that what the machine drifts by hits all alike; the blocks then say
    when it ends, so `iterations` and `seconds` can't be given as well. Each engine is compared
    with the first: medians that differ by less than `threshold`, a share, are the same.

    `energy` adds a pass that reads the GPU's energy counter, `in_flight` one for each number of
    requests in flight. `cpus` pins the workers to these logical processors, such as "0-3,8"; empty
    leaves them free. Raises ValueError for options that contradict each other.
    """

    iterations: Positive | None = None
    seconds: Seconds | None = None
    min_seconds: Annotated[float, Meta(ge=0)] = 3.0
    max_seconds: Seconds = 60.0
    median_half_width: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    warmup_min_seconds: Annotated[float, Meta(ge=0)] = 0.5
    warmup_min_iterations: Positive = 20
    warmup_max_seconds: Seconds = 10.0
    interleave: bool = False
    # At least as many as a verdict on blocks needs. The same time in more and shorter blocks finds
    # more, and shows whether the ratio drifts: rounds that do were called FASTER or SLOWER in 8 of
    # 100 simulated runs of 18, in 3 of 36 (docs/statistics.md). A quarter of a second spans two or
    # three steps of the energy and throttle counters.
    blocks: Annotated[int, Meta(ge=6, le=1000)] = 36
    block_seconds: Seconds = 0.25
    threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    energy: bool = False
    in_flight: tuple[InFlight, ...] = ()
    cpus: str = ""

    @property
    def until_known(self) -> bool:
        """Whether an engine is measured until its median is known, not for so long or so often."""
        return self.iterations is None and self.seconds is None and not self.interleave

    def __post_init__(self) -> None:
        if self.interleave and (self.iterations is not None or self.seconds is not None):
            given = "iterations" if self.iterations is not None else "seconds"
            raise ValueError(
                f"interleave and {given} are both given; blocks and block_seconds say how long"
                " engines that take turns are measured"
            )
        check_processors(self.cpus)


def check_processors(cpus: str) -> None:
    """Raise ValueError where `cpus` is no list of logical processors such as "0-3,8", or empty."""
    for part in cpus.split(",") if cpus else ():
        limits = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part, re.ASCII)
        first, last = (int(limits[1]), int(limits[2] or limits[1])) if limits else (1, 0)
        if not first <= last <= LAST_PROCESSOR:
            raise ValueError(
                f"cpus is '{cpus}', expected numbers of processors and ranges of them, such as"
                f" 0-3,8, none above {LAST_PROCESSOR}"
            )


class RunPlan(Record, frozen=True, kw_only=True):
    """A whole run: one model, its input, how to measure, and the engines to compare.

    `max_latency_ms` is the limit under which the report names the best entry.
    """

    schema: int = SCHEMA
    name: str = ""
    model: ModelSpec = ModelSpec()
    input_seed: Annotated[int, Meta(ge=0)] = 0
    measurement: Measurement = Measurement()
    max_latency_ms: Annotated[float, Meta(gt=0)] | None = None
    engines: tuple[EngineSpec, ...] = ()

    def labels(self) -> tuple[str, ...]:
        """A unique short name for each entry, in order."""
        return unique_labels(self.engines)


def unique_labels(specs: tuple[EngineSpec, ...]) -> tuple[str, ...]:
    """The entries' labels; entries that would share one also show the options they differ in."""
    plain = [spec.label for spec in specs]
    labels: list[str] = []
    for spec, label in zip(specs, plain, strict=True):
        if plain.count(label) > 1 and spec.options:
            label += " " + ",".join(f"{key}={value}" for key, value in sorted(spec.options.items()))
        copies = labels.count(label) + sum(one.startswith(f"{label} #") for one in labels)
        labels.append(f"{label} #{copies + 1}" if copies else label)
    return tuple(labels)
