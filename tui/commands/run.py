"""`infer-tui run`: measure without the app. Data goes to stdout, narration to stderr."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from engines import registry
from engines.control import Control
from engines.errors import (
    EXIT_INTERRUPTED,
    EXIT_INVALID,
    EXIT_OK,
    EXIT_REGRESSION,
    FileError,
    InferTuiError,
    UsageError,
)
from engines.events import EngineFinished, Event
from engines.machine import describe_machine
from engines.model import kept_facts
from engines.plan import RunPlan
from engines.probing import probe
from engines.registry import Availability
from engines.results import EngineResult
from engines.runner import run
from profiles.frontier_table import frontier_exit_code
from profiles.reading import is_profile
from profiles.recorder import Recorder
from profiles.rescue import rescue
from profiles.schema import Profile
from profiles.store import Store
from profiles.writing import write_profile
from tui import __version__
from tui.commands.plan import named_engines, plan_of
from tui.commands.printing import print_report
from tui.commands.progress import Progress
from tui.commands.signals import stopped_by_signals
from tui.commands.target import check_target


def main(arguments: argparse.Namespace) -> int:
    plan = plan_of(arguments)
    check_save(arguments)
    known = refuse_unavailable(plan, named_engines(arguments))
    machine, control, recorder = describe_machine(), Control(), Recorder()
    failure: InferTuiError | OSError | None = None
    with stopped_by_signals(control):
        try:
            with Progress(sys.stderr, arguments.progress) as progress:
                for event in closing_events(plan, control, known):
                    recorder.apply(event)
                    progress.show(event)
                    if isinstance(event, EngineFinished) and machine.gpus:
                        say_why_cpu(event.result)
        except (InferTuiError, OSError) as error:
            failure = error
            if not recorder.measured:
                raise
        profile = recorder.profile(
            machine,
            kept_facts(plan.model),
            tool_version=__version__,
            command=shlex.join(["infer-tui", *sys.argv[1:]]),
        )
        saved, problem = save(profile, recorder, arguments)
    print_report(saved or profile, arguments.format)
    for line in what_does_not_count(profile):
        narrate(line)
    for trouble in (failure, problem):
        if trouble is not None:
            raise trouble
    return exit_code(profile, control, gate=arguments.threshold is not None)


def closing_events(
    plan: RunPlan, control: Control, known: Iterable[Availability]
) -> Iterator[Event]:
    """The run's events; leaving the loop early, for whatever reason, ends its children."""
    with closing(run(plan, control, known)) as events:
        yield from events


def check_save(arguments: argparse.Namespace) -> None:
    """Refuse a file that can't be written, or must not be, before an hour is measured."""
    if arguments.save is not None:
        check_target(arguments.save, "a profile", is_profile, overwrite=arguments.overwrite)
    elif arguments.overwrite:
        raise UsageError("--overwrite is for the file of --save", hint="name one, or leave it out")


def save(
    profile: Profile, recorder: Recorder, arguments: argparse.Namespace
) -> tuple[Profile | None, FileError | None]:
    """Save where asked, otherwise in the store; a refusal is told, and the next place taken.

    The last place is a folder for temporary files.

    A run that measured nothing is kept only where a file was asked for.
    """
    if arguments.no_save or not (arguments.save or recorder.measured):
        return None, None
    problem, samples = None, recorder.samples()
    if arguments.save:
        path = Path(arguments.save).expanduser()
        try:
            written = write_profile(profile, samples, path, overwrite=arguments.overwrite)
        except FileError as error:
            problem = error
        else:
            narrate(f"saved {path}")
            return written, None
    try:
        stored = Store().save(profile, samples)
    except FileError as error:
        problem = problem or error
        try:
            stored = rescue(profile, samples)
        except FileError:
            return None, problem
    narrate(f"saved {stored.path}")
    return stored.profile, problem


def refuse_unavailable(plan: RunPlan, named: frozenset[str]) -> tuple[Availability, ...]:
    """Refuse an engine that was asked for by name and can't run; returns what was found out.

    Engines of a plan or of the default list may be unavailable: they become rows that say why.
    """
    asked = [spec for spec in plan.engines if spec.engine in named]
    questions = dict.fromkeys(one for spec in asked for one in registry.questions_of(spec))
    answers = tuple(probe(questions)) if questions else ()
    for spec in asked:
        own = [one for one in answers if one.question in registry.questions_of(spec)]
        able = [one for one in own if one.ready]
        if not able or all(one.refuses(spec) for one in able):
            raise registry.unavailable(spec, (able or own)[0])
    return answers


def exit_code(profile: Profile, control: Control, *, gate: bool) -> int:
    """0 done, 130 stopped; 3 nothing or not all measured, or under conditions that void it; 1 an
    engine outside its tolerance, or none within the plan's latency limit.

    As a `gate` also 1 where an engine is slower than the first, and 3 where that can't be told.
    """
    if control.cancelled:
        return EXIT_INTERRUPTED
    statuses = [result.status for result in profile.results]
    verdicts = [result.versus.verdict for result in profile.results if result.versus and gate]
    if "invalid" in statuses or "SLOWER" in verdicts:
        return EXIT_REGRESSION
    unclear = "UNCLEAR" in verdicts or bool(what_does_not_count(profile))
    if "failed" in statuses or "ok" not in statuses or unclear:
        return EXIT_INVALID
    limit_ms = profile.plan.max_latency_ms
    return EXIT_OK if limit_ms is None else frontier_exit_code(profile, limit_ms)


def say_why_cpu(result: EngineResult) -> None:
    """On a machine with a GPU nobody should take figures of the CPU for the GPU's."""
    if reason := result.facts.get("instead_of_cuda"):
        narrate(f"{result.label} ran on the CPU: {reason}")


def what_does_not_count(profile: Profile) -> list[str]:
    """Why a run ends with exit code 3 though everything was measured; a line for each entry.

    A median that is not known is a reason only where it was to be measured until it is: who gives
    a number of iterations may mean very few.
    """
    until_known = profile.plan.measurement.until_known
    lines = []
    for result in profile.results:
        why = result.latency.median_unknown if until_known and result.latency else ""
        if result.conditions is not None and result.conditions.invalid:
            why = result.conditions.sentences[0]
        if why:
            lines.append(f"{result.label} does not count: {why}")
    return lines


def narrate(text: str) -> None:
    """Tell the person at the terminal, if one is still there."""
    with suppress(OSError):
        print(f"infer-tui: {text}", file=sys.stderr)
