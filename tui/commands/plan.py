"""The plan of a command line: a file, a preset, or options; options change the other two."""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import msgspec

from engines import environments, pinning, registry
from engines.catalogue import Engine
from engines.errors import UsageError
from engines.plan import EngineSpec, Measurement, OptionValue, Precision, RunPlan
from profiles import presets
from profiles.frontier import parse_limit
from profiles.reading import read_plan
from profiles.validation import convert
from tui.commands.model_spec import checked, model_spec

PERCENT = 100.0


def plan_of(arguments: argparse.Namespace) -> RunPlan:
    """The whole plan. Raises UsageError or FileError for anything that can't be run as asked."""
    base = _base(arguments)
    options = options_of(arguments.set)
    plan = msgspec.structs.replace(
        base,
        model=model_spec(arguments, base.model),
        measurement=_measurement(arguments, base.measurement),
        max_latency_ms=(
            parse_limit(arguments.max_latency) if arguments.max_latency else base.max_latency_ms
        ),
        engines=_engines(arguments, base.engines, options),
    )
    for spec in plan.engines:
        registry.check(checked(spec))
    environments.check(spec.environment for spec in plan.engines)
    return plan


def named_engines(arguments: argparse.Namespace) -> frozenset[str]:
    """The engines that the user asked for by name, rather than by a plan or by default."""
    return frozenset(engine_and_environment(text)[0].name for text in arguments.engine or ())


def _base(arguments: argparse.Namespace) -> RunPlan:
    if arguments.plan and arguments.preset:
        raise UsageError("a plan and a preset were given", hint="choose one of them")
    if arguments.plan:
        return read_plan(Path(arguments.plan))
    if arguments.preset:
        return presets.load(arguments.preset)
    return RunPlan()


def _measurement(arguments: argparse.Namespace, base: Measurement) -> Measurement:
    """`base` with what the options change. Raises UsageError where they contradict each other."""
    changes = {
        name: value
        for name in ("interleave", "blocks", "block_seconds", "energy", "in_flight", "cpus")
        if (value := getattr(arguments, name)) is not None
    }
    if arguments.threshold is not None:
        changes["threshold"] = share_of(arguments.threshold)
    ends = {"iterations": arguments.iterations, "seconds": arguments.seconds}
    ended = next((name for name, value in ends.items() if value is not None), "")
    by_turns = changes.get("interleave", base.interleave)
    if by_turns and ended:
        raise UsageError(
            f"--{ended} measures one engine after another, this run is by turns",
            hint="give --blocks and --block-seconds instead, or --no-interleave",
        )
    of_turns = [name for name in ("blocks", "block_seconds", "threshold") if name in changes]
    if of_turns and not by_turns:
        option = of_turns[0].replace("_", "-")
        raise UsageError(
            f"--{option} is for engines that are measured by turns", hint="add --interleave"
        )
    if ended or changes.get("interleave"):
        changes |= ends
    if not changes:
        return base
    changed = convert({**msgspec.to_builtins(base), **changes}, Measurement, "command line")
    if "cpus" in changes:
        pinning.check(changed.cpus)
    return changed


def share_of(percent: float, option: str = "--threshold", *, may_be_0: bool = False) -> float:
    """What `option` says in percent as a share; UsageError where it is none."""
    if not (0 < percent < PERCENT or (may_be_0 and percent == 0)):
        least = "from 0 to" if may_be_0 else "above 0 and"
        raise UsageError(
            f"{option} is {percent:g}", hint=f"expected a percentage {least} below 100"
        )
    return percent / PERCENT


def _engines(
    arguments: argparse.Namespace,
    base: tuple[EngineSpec, ...],
    options: dict[str, dict[str, OptionValue]],
) -> tuple[EngineSpec, ...]:
    """The plan's own entries, or the product of the engines, precisions and batches asked for."""
    by_default = not (arguments.engine or base)
    if by_default:
        base = tuple(EngineSpec(engine=engine.name) for engine in registry.CATALOGUE)
    elif arguments.engine:
        named = [engine_and_environment(text) for text in arguments.engine]
        base = tuple(EngineSpec(engine=one.name, environment=place) for one, place in named)
    unused = set(options) - {spec.engine for spec in base}
    if unused:
        raise UsageError(f"--set names {min(unused)}, which this plan does not run")
    device = registry.device(arguments.device) if arguments.device else None
    precisions: list[Precision] = [registry.precision(one) for one in arguments.precision or ()]
    specs = tuple(
        msgspec.structs.replace(
            spec,
            device=device or spec.device,
            precision=precision,
            batch=batch,
            options=spec.options | options.get(spec.engine, {}),
        )
        for spec in base
        for precision, batch in product(
            precisions or [spec.precision], arguments.batch or [spec.batch]
        )
    )
    # Nobody named these engines: those that lack the device or the precision are not meant.
    able = tuple(filter(registry.possible, specs)) if by_default else ()
    return able or specs


def engine_and_environment(text: str) -> tuple[Engine, str]:
    """What `ENGINE` or `ENGINE@ENVIRONMENT` names; UsageError where there is no such engine."""
    name, _, environment = text.partition("@")
    return registry.find(name), environment


def options_of(words: list[str]) -> dict[str, dict[str, OptionValue]]:
    """What `--set ENGINE.OPTION=VALUE` words say, by engine."""
    found: dict[str, dict[str, OptionValue]] = {}
    for word in words:
        place, equals, value = word.partition("=")
        name, dot, option = place.partition(".")
        if not (equals and dot):
            raise UsageError(f"--set has '{word}'", hint="expected ENGINE.OPTION=VALUE")
        engine = registry.find(name)
        found.setdefault(engine.name, {})[option] = engine.option(option).parse(value)
    return found


def options_for(engine: Engine, words: list[str]) -> dict[str, OptionValue]:
    """What `--set` words say of `engine`; UsageError where one names another engine."""
    found = options_of(words)
    options = found.pop(engine.name, {})
    if found:
        raise UsageError(f"--set names {min(found)}, expected {engine.name}")
    return options
