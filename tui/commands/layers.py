"""`infer-tui layers`: where an engine's time goes. Data goes to stdout, narration to stderr."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Generator
from contextlib import closing

from engines import environments, registry
from engines.control import Control
from engines.errors import EXIT_OK, EXIT_REGRESSION, UsageError
from engines.events import Event
from engines.layers import LayerProfile, Ranked, profile_layers, ranked
from engines.machine import describe_machine
from engines.plan import EngineSpec, RunPlan
from profiles import layers as words
from profiles.spelling import percent
from tui.commands.model_spec import checked, model_spec
from tui.commands.plan import engine_and_environment, options_for
from tui.commands.progress import Progress
from tui.commands.run import narrate, refuse_unavailable
from tui.commands.signals import stopped_by_signals
from tui.commands.tables import markdown_table, text_table, width_of_output
from tui.formats import milliseconds, shortened

NUMBERS = ("#", "calls", "ms", "share", "sum", "enqueue ms")
# A name is never cut shorter than this, whatever the width.
SHORTEST_NAME = 20


def main(arguments: argparse.Namespace) -> int:
    plan = plan_of(arguments)
    if arguments.top is not None and arguments.top < 1:
        raise UsageError(f"--top is {arguments.top}", hint="expected a whole number from 1")
    (spec,) = plan.engines
    known = refuse_unavailable(plan, frozenset({spec.engine}))
    control, machine = Control(), describe_machine()
    with (
        stopped_by_signals(control),
        Progress(sys.stderr, arguments.progress) as progress,
        closing(profile_layers(plan, control, known)) as work,
    ):
        profile = _finish(work, progress)
    if machine.gpus and (reason := profile.facts.get("instead_of_cuda")):
        narrate(f"{profile.label} ran on the CPU: {reason}")
    rows = ranked(profile, arguments.sort)[: arguments.top]
    if arguments.format == "json":
        document = words.to_dict(profile, machine)
        document["layers"] = [document["layers"][row.place - 1] for row in rows]
        print(json.dumps(document, indent=2))
    elif arguments.format == "md":
        print(_markdown(profile, rows))
    else:
        print(_text(profile, rows, width_of_output()))
    if profile.invalid:
        narrate(f"{profile.label} is INVALID: {profile.invalid}")
        return EXIT_REGRESSION
    return EXIT_OK


def plan_of(arguments: argparse.Namespace) -> RunPlan:
    """A plan of the one engine; UsageError or FileError for what can't be run as asked."""
    engine, environment = engine_and_environment(arguments.engine)
    spec = EngineSpec(
        engine=engine.name,
        device=registry.device(arguments.device or "auto"),
        precision=registry.precision(arguments.precision or "fp32"),
        batch=arguments.batch,
        environment=environment,
        options=options_for(engine, arguments.set),
    )
    registry.check(checked(spec))
    environments.check([environment])
    return RunPlan(model=model_spec(arguments), engines=(spec,))


def _finish(work: Generator[Event, None, LayerProfile], progress: Progress) -> LayerProfile:
    while True:
        try:
            progress.show(next(work))
        except StopIteration as answer:
            profile: LayerProfile = answer.value
            return profile


def _columns(profile: LayerProfile, rows: list[Ranked]) -> dict[str, list[str]]:
    """The cells by heading; columns that would say nothing are left out."""
    columns = {
        "#": [str(row.place) for row in rows],
        "layer": [row.layer.name for row in rows],
        "kind": [row.layer.kind for row in rows],
        "type": [row.layer.precision for row in rows],
        "provider": [row.layer.provider for row in rows],
        "calls": [f"{row.layer.calls:g}" for row in rows],
        "ms": [milliseconds(row.layer.ms) for row in rows],
        "share": [percent(row.share, 1) for row in rows],
        "sum": [percent(row.cumulative, 1) for row in rows],
        "enqueue ms": [
            "" if row.layer.enqueue_ms is None else milliseconds(row.layer.enqueue_ms)
            for row in rows
        ],
    }
    says_nothing = {"calls": {"1"}, "type": {""}, "provider": {""}, "enqueue ms": {""}}
    return {name: cells for name, cells in columns.items() if set(cells) != says_nothing.get(name)}


def _text(profile: LayerProfile, rows: list[Ranked], width: int) -> str:
    columns = _columns(profile, rows)
    others = sum(
        max(len(name), *map(len, cells)) + 2 for name, cells in columns.items() if name != "layer"
    )
    room = max(SHORTEST_NAME, width - others)
    columns["layer"] = [shortened(name, room, keep_end=True) for name in columns["layer"]]
    numbers = [place for place, name in enumerate(columns) if name in NUMBERS]
    table = text_table(list(columns), list(zip(*columns.values(), strict=True)), numbers)
    above = [_title(profile), *words.sentences(profile)]
    lines = [line for one in above for line in textwrap.wrap(one, max(width, SHORTEST_NAME))]
    return "\n".join([*lines, "", table])


def _markdown(profile: LayerProfile, rows: list[Ranked]) -> str:
    columns = _columns(profile, rows)
    numbers = [place for place, name in enumerate(columns) if name in NUMBERS]
    table = markdown_table(list(columns), list(zip(*columns.values(), strict=True)), numbers)
    sentences = "\n".join(f"- {one}" for one in words.sentences(profile))
    return f"**{_title(profile)}**\n\n{sentences}\n\n{table}"


def _title(profile: LayerProfile) -> str:
    return (
        f"{profile.model.label}, {profile.label}: {len(profile.layers)} layers,"
        f" their medians in all {milliseconds(profile.total_ms)} ms by the {profile.clock}'s clock;"
        f" {words.kinds(profile)}"
    )
