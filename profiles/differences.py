"""What differs between two runs besides what they measured, in lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from engines.gpus import GpuFacts
from engines.machine import Machine
from engines.plan import RunPlan
from engines.results import EngineResult
from profiles.schema import Profile
from profiles.spelling import NOT_KNOWN, percent, spelled

GIB = 2**30
DIGEST_SHOWN = 12
# What stands for a value that is not there, by what that means.
NOT_SET, NOT_SAID, BY_DEFAULT = "not set", "not said", "default"
# What `Measurement` says, in words; those that are shares, and what no value means where it says.
MEASUREMENT = {
    "interleave": "by turns",
    "blocks": "blocks of each engine",
    "block_seconds": "seconds of a block",
    "threshold": "changes that are SAME",
    "iterations": "iterations",
    "seconds": "seconds",
    "min_seconds": "least seconds",
    "max_seconds": "most seconds",
    "median_half_width": "median known to",
    "warmup_min_seconds": "least seconds of warm-up",
    "warmup_min_iterations": "least iterations of warm-up",
    "warmup_max_seconds": "most seconds of warm-up",
    "energy": "energy",
    "in_flight": "throughput with requests in flight",
    "cpus": "processors",
}
SHARES = ("threshold", "median_half_width")
WITHOUT = {"in_flight": "not measured", "cpus": "all"}


class Difference(NamedTuple):
    """What differs, with the baseline's value and the candidate's."""

    what: str
    a: str
    b: str

    def told(self, candidate: str = "B") -> str:
        """Which run has what, in a line; the baseline is A."""
        return f"{self.what}: A {self.a}, {candidate} {self.b}"


def unlike(a: Profile, b: Profile) -> list[str]:
    """Why the two are not runs of one thing; empty where they are, as far as is known."""
    pairs: dict[str, tuple[object, object]] = {
        "model": (a.model.name, b.model.name),
        "width": (a.plan.model.width, b.plan.model.width),
        "input size": (a.plan.model.input_size, b.plan.model.input_size),
        "classes": (a.plan.model.classes, b.plan.model.classes),
    }
    if a.model.input_shape and b.model.input_shape:
        # The input size is part of the shape; one line for one difference is enough.
        pairs["input shape"] = (_shape(a.model.input_shape), _shape(b.model.input_shape))
    if a.model.digest and b.model.digest:
        pairs["weights"] = (a.model.digest[:DIGEST_SHOWN], b.model.digest[:DIGEST_SHOWN])
    found = [f"{name} {x} against {y}" for name, (x, y) in pairs.items() if x != y]
    if len(found) > 1 and any(line.startswith("input size") for line in found):
        found = [line for line in found if not line.startswith("input shape")]
    return found


def between_machines(a: Machine, b: Machine) -> list[Difference]:
    """Each difference of hardware and system software."""
    plain = [field.name for field in msgspec.structs.fields(a) if field.name != "gpus"]
    return [*_changes("machine", a, b, plain, NOT_KNOWN), *_between_gpus(a.gpus, b.gpus)]


def is_other_machine(a: Machine, b: Machine) -> bool:
    """Whether the host or its hardware is another one, rather than its software only."""
    return _hardware(a) != _hardware(b)


def between_plans(a: RunPlan, b: RunPlan) -> list[Difference]:
    """Each difference in how the two were measured; their engines are matched one by one."""
    found = list(_changes("plan", a, b, ["input_seed"], NOT_SET))
    for name, what in MEASUREMENT.items():
        x, y = getattr(a.measurement, name), getattr(b.measurement, name)
        if x != y:
            x, y = (percent(one, 2) if name in SHARES else one for one in (x, y))
            found.append(_difference(f"measurement: {what}", x, y, WITHOUT.get(name, NOT_SET)))
    return found


def between_runs(a: Profile, b: Profile) -> list[Difference]:
    """Every difference outside the results themselves, and weights that nobody can tell apart."""
    found = between_machines(a.machine, b.machine)
    weights = [one.model.digest[:DIGEST_SHOWN] if one.model.digest else "" for one in (a, b)]
    if not all(weights):
        found.append(_difference("model weights", weights[0], weights[1], NOT_SAID))
    found += between_plans(a.plan, b.plan)
    facts = ["tool_version", "tool_commit", "input", "ending"]
    found += _changes("run", a.run, b.run, facts, NOT_SAID)
    found += _of_variables(a.run.variables, b.run.variables)
    return found


def between_results(a: EngineResult, b: EngineResult) -> list[Difference]:
    """What ran differently in two results that are compared: options, versions, facts."""
    found = _of_tables("option ", a.spec.options, b.spec.options, BY_DEFAULT)
    if elsewhere := a.spec.device != b.spec.device:
        found.append(_difference("device", a.spec.device, b.spec.device, NOT_SAID))
    found += _of_tables("", a.versions, b.versions, NOT_SAID)
    # Why a run is where it is tells nothing where both are there, nor how requests in flight were
    # kept where one had none.
    idle = set() if elsewhere else {"instead_of_cuda"}
    idle |= set() if a.throughputs and b.throughputs else {"requests_in_flight"}
    facts = [{name: one.facts[name] for name in one.facts if name not in idle} for one in (a, b)]
    found += _of_tables("", facts[0], facts[1], NOT_SAID)
    return [one._replace(what=f"{a.label}: {one.what}") for one in found]


def _hardware(machine: Machine) -> tuple[object, ...]:
    gpus = [(gpu.name, gpu.uuid) for gpu in machine.gpus]
    return machine.hostname, machine.cpu, machine.physical_cores, gpus


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _changes(
    where: str, a: msgspec.Struct, b: msgspec.Struct, names: list[str], missing: str
) -> Iterator[Difference]:
    for name in names:
        x, y = getattr(a, name), getattr(b, name)
        if x != y:
            unit = name.endswith("_bytes")
            x, y = (_size(x), _size(y)) if unit else (x, y)
            yield _difference(f"{where} {spelled(name.removesuffix('_bytes'))}", x, y, missing)


def _of_tables(
    kind: str, a: Mapping[str, object], b: Mapping[str, object], missing: str
) -> list[Difference]:
    return [
        _difference(f"{kind}{spelled(name)}", a.get(name), b.get(name), missing)
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _of_variables(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    """Environment variables by their own names; one that is set to nothing is not one unset."""
    shown = [{name: f"'{value}'" for name, value in one.items()} for one in (a, b)]
    return [
        Difference(f"variable {name}", *(one.get(name, NOT_SET) for one in shown))
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _between_gpus(a: tuple[GpuFacts, ...], b: tuple[GpuFacts, ...]) -> Iterator[Difference]:
    if len(a) != len(b):
        yield Difference("machine GPUs", _names(a), _names(b))
        return
    for one, other in zip(a, b, strict=True):
        names = [field.name for field in msgspec.structs.fields(one)]
        yield from _changes(f"GPU {one.index}", one, other, names, NOT_KNOWN)


def _names(gpus: tuple[GpuFacts, ...]) -> str:
    return ", ".join(gpu.name for gpu in gpus) or "none"


def _difference(what: str, a: object, b: object, missing: str) -> Difference:
    return Difference(what, _shown(a, missing), _shown(b, missing))


def _shown(value: object, missing: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value))
    return missing if value is None or value == "" else str(value)


def _size(value: int | None) -> str | None:
    return None if value is None else f"{value / GIB:.1f} GiB"
