"""Asks each interpreter that would run an engine whether it can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engines import environments, paths
from engines.control import Control
from engines.errors import Cancelled, InferTuiError, WorkerFailed
from engines.plan import EngineSpec
from engines.process import WorkerProcess
from engines.registry import CATALOGUE, Availability, Question, questions_of

Answers = Mapping[Question, Availability]


def every_question(named: Iterable[str] | None = None) -> tuple[Question, ...]:
    """Each engine with each device it can use, in the app's own interpreter and in each of `named`,
    by default all that the user has configured.

    The app's own comes first, and CPU before GPU: those answer fastest. On the CPU what loads an
    ONNX file comes before torch, whose import takes seconds: the first answer is there in a
    quarter of the time. Raises FileError where the configuration can't be read.
    """
    return tuple(
        (engine.name, device, environment)
        for environment in ("", *(environments.load() if named is None else named))
        for device in ("cpu", "cuda")
        for engine in sorted(CATALOGUE, key=lambda one: device != "cpu" or not one.needs_onnx)
        if device in engine.devices
    )


def answers_about(
    specs: Iterable[EngineSpec], known: Iterable[Availability], control: Control
) -> Answers:
    """What must be known before `specs` can run: what is `known`, and answers to the rest."""
    answers = {one.question: one for one in known if one.readiness != "checking"}
    wanted = dict.fromkeys(question for spec in specs for question in questions_of(spec))
    missing = [question for question in wanted if question not in answers]
    for answer in probe(missing, control) if missing else ():
        answers[answer.question] = answer
    return answers


def probe(
    questions: Iterable[Question] | None = None, control: Control | None = None
) -> Iterator[Availability]:
    """Yield one answer for each of `questions` (default: all), as they come.

    An import that kills its worker makes that one engine unavailable; the others are asked again
    in a new worker. An interpreter that can't be started is the answer for all of its engines.
    """
    asked = list(every_question() if questions is None else questions)
    control = control or Control()
    logs = paths.ready(paths.state_folder() / "logs")
    for environment in dict.fromkeys(environment for *_, environment in asked):
        left = [one for one in asked if one[2] == environment]
        log = logs / (f"probe-{environment}.log" if environment else "probe.log")
        while left:
            try:
                yield from _probe_in_one_worker(left, log, control, environment)
            except Cancelled:
                raise
            except InferTuiError as error:
                for question in left:
                    yield _unavailable(question, error)
                break


def _probe_in_one_worker(
    left: list[Question], log: Path, control: Control, environment: str
) -> Iterator[Availability]:
    """Answer and take out as many of `left` as one worker lives for, at least one."""
    with WorkerProcess(log, control, environment) as worker:
        # Without a first word from it the interpreter itself is the reason, for every engine.
        worker.greet()
        try:
            pairs = [(engine, device) for engine, device, _ in left]
            for message, _ in worker.ask("probe", engines=pairs):
                if message["event"] == "probed":
                    question = (message["engine"], message["device"], environment)
                    left.remove(question)
                    yield _answer(question, message)
        except WorkerFailed as error:
            if error.kind == "missing-module":
                # What a worker itself needs, such as NumPy: no engine will fare better.
                raise
            yield _unavailable(left.pop(0), error)


def _answer(question: Question, found: dict[str, Any]) -> Availability:
    engine, device, environment = question
    precisions = found.get("precisions")
    return Availability(
        engine=engine,
        device=device,
        readiness="ready" if found["ready"] else "unavailable",
        reason=found["reason"],
        install=for_interpreter(found["install"], environment),
        versions=found["versions"],
        environment=environment,
        precisions=None if precisions is None else tuple(precisions),
        builds=bool(found.get("builds")),
        builds_for_named=bool(found.get("builds_for_named")),
        typed=bool(found.get("typed")),
        gpus=tuple(found.get("gpus", ())),
    )


def _unavailable(question: Question, error: InferTuiError) -> Availability:
    engine, device, environment = question
    return Availability(
        engine,
        device,
        "unavailable",
        reason=error.message,
        install=for_interpreter(error.hint, environment),
        environment=environment,
    )


def for_interpreter(install: str, environment: str) -> str:
    """`install` with the interpreter it is meant for: the shell's own python may be another."""
    if not environment:
        return install
    with contextlib.suppress(InferTuiError):
        return install.replace("python -m pip", f"{environments.load()[environment]} -m pip")
    return install
