"""What differs between two runs besides what they measured, in lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from engines.gpus import GpuFacts
from engines.machine import Machine
from engines.plan import RunPlan
from engines.results import EngineResult
from profiles.schema import Profile

GIB = 2**30
DIGEST_SHOWN = 12


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


def between_machines(a: Machine, b: Machine) -> list[str]:
    """Each difference of hardware and system software."""
    plain = [field.name for field in msgspec.structs.fields(a) if field.name != "gpus"]
    return [*_changes("machine", a, b, plain), *_between_gpus(a.gpus, b.gpus)]


def is_other_machine(a: Machine, b: Machine) -> bool:
    """Whether the host or its hardware is another one, rather than its software only."""
    return _hardware(a) != _hardware(b)


def between_plans(a: RunPlan, b: RunPlan) -> list[str]:
    """Each difference in how the two were measured; their engines are matched one by one."""
    lines = list(_changes("plan", a, b, ["input_seed"]))
    measurement = [field.name for field in msgspec.structs.fields(a.measurement)]
    return lines + list(_changes("measurement", a.measurement, b.measurement, measurement))


def between_runs(a: Profile, b: Profile) -> list[str]:
    """Every difference outside the results themselves."""
    lines = between_machines(a.machine, b.machine)
    if not (a.model.digest and b.model.digest):
        lines.append("model: one run does not say which weights it used")
    lines += between_plans(a.plan, b.plan)
    lines += _changes("run", a.run, b.run, ["tool_version", "tool_commit", "input", "ending"])
    lines += _of_variables(a.run.variables, b.run.variables)
    return lines


def between_results(a: EngineResult, b: EngineResult) -> list[str]:
    """What ran differently in two results that are compared: options, versions, facts."""
    lines = _of_tables("option", a.spec.options, b.spec.options)
    if a.spec.device != b.spec.device:
        lines.append(_change("device", a.spec.device, b.spec.device))
    lines += _of_tables("", a.versions, b.versions)
    lines += _of_tables("", a.facts, b.facts)
    return [f"{a.label}: {line}" for line in lines]


def _hardware(machine: Machine) -> tuple[object, ...]:
    gpus = [(gpu.name, gpu.uuid) for gpu in machine.gpus]
    return machine.hostname, machine.cpu, machine.physical_cores, gpus


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _changes(where: str, a: msgspec.Struct, b: msgspec.Struct, names: list[str]) -> Iterator[str]:
    for name in names:
        x, y = getattr(a, name), getattr(b, name)
        if x != y:
            unit = name.endswith("_bytes")
            change = _change(name, _size(x) if unit else x, _size(y) if unit else y)
            yield f"{where}: {change}"


def _of_tables(kind: str, a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    names = dict.fromkeys([*a, *b])
    return [
        _change(f"{kind} {name}".strip(), a.get(name), b.get(name))
        for name in names
        if a.get(name) != b.get(name)
    ]


def _of_variables(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    """Environment variables by their own names; one that is set to nothing is not one unset."""
    shown = [{name: f"'{value}'" for name, value in one.items()} for one in (a, b)]
    return [
        f"variable {name} {' → '.join(one.get(name, 'unset') for one in shown)}"
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _between_gpus(a: tuple[GpuFacts, ...], b: tuple[GpuFacts, ...]) -> Iterator[str]:
    if len(a) != len(b):
        yield f"machine: {_change('GPUs', _names(a), _names(b))}"
        return
    for one, other in zip(a, b, strict=True):
        names = [field.name for field in msgspec.structs.fields(one)]
        yield from _changes(f"GPU {one.index}", one, other, names)


def _names(gpus: tuple[GpuFacts, ...]) -> str:
    return ", ".join(gpu.name for gpu in gpus) or "none"


def _change(name: str, a: object, b: object) -> str:
    return f"{name.replace('_', ' ')} {_shown(a)} → {_shown(b)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return "unset" if value is None or value == "" else str(value)


def _size(value: int | None) -> str | None:
    return None if value is None else f"{value / GIB:.1f} GiB"
