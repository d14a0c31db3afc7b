"""What the app asks for in threads of its own: blocking calls here, answers as messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textual.message import Message

from engines.errors import Cancelled, InferTuiError

if TYPE_CHECKING:
    from engines.building import BuildState
    from engines.control import Control
    from engines.model import ModelFacts
    from engines.plan import EngineSpec, ModelSpec
    from engines.registry import Availability
    from profiles.comparison import ProfileComparison
    from profiles.samples import RawSamples
    from profiles.schema import Profile
    from profiles.within import RunVerdicts
    from tui.controller import Controller
    from tui.live import LiveRun

Post = Callable[[Message], object]


@dataclass
class EngineAnswered(Message):
    """Whether one engine can run here."""

    availability: Availability


@dataclass
class ProbeEnded(Message):
    """Every engine was asked; `problem` says why some have not answered."""

    problem: str = ""


@dataclass
class ConfigRefused(Message):
    """The user's environments are not known: `reason` says what is wrong with their file."""

    reason: str


@dataclass(frozen=True)
class FilesQuestion:
    """The entries of one row whose engine files are looked for."""

    key: tuple[str, str, str]
    specs: tuple[EngineSpec, ...]
    answer: Availability


@dataclass
class FilesSeen(Message):
    """Whether the engine files of one row's entries are kept; `number` is that of the look."""

    number: int
    question: FilesQuestion
    states: tuple[BuildState, ...]


@dataclass
class ModelDescribed(Message):
    """The facts of a model, or why they can't be had."""

    facts: ModelFacts | None
    problem: str = ""


@dataclass
class ProfileOpened(Message):
    """A saved profile, as the panels show a run."""

    path: Path
    profile: Profile
    live: LiveRun
    note: str = ""


@dataclass
class Problem(Message):
    """Something the user asked for could not be done."""

    title: str
    reason: str


def ask_engines(control: Control, post: Post) -> None:
    """Ask every engine whether it can run, and post each answer.

    Where the user's environments can't be read, the app's own interpreter is asked all the same.
    """
    from engines.probing import every_question, probe

    try:
        questions = every_question()
    except InferTuiError as error:
        post(ConfigRefused(str(error)))
        questions = every_question(named=())
    try:
        for availability in probe(questions, control):
            post(EngineAnswered(availability))
    except Cancelled:
        return
    except (InferTuiError, OSError) as error:
        post(ProbeEnded(str(error)))
        return
    post(ProbeEnded())


def states_of(model: ModelSpec, question: FilesQuestion, input_seed: int) -> tuple[BuildState, ...]:
    """Whether each entry's engine file is kept. Reads files: never in the UI's own thread."""
    from engines.building import BuildState, state_of

    states = []
    for spec in question.specs:
        try:
            states.append(state_of(model, spec, question.answer, input_seed))
        except (InferTuiError, OSError) as error:
            states.append(BuildState("missing", str(error)))
    return tuple(states)


def look_at_files(
    model: ModelSpec,
    questions: Sequence[FilesQuestion],
    input_seed: int,
    number: int,
    post: Post,
) -> None:
    """Post whether the engine files of each row are kept."""
    for question in questions:
        post(FilesSeen(number, question, states_of(model, question, input_seed)))


def describe_model(model: ModelSpec, control: Control, post: Post) -> None:
    """Have the model described and post its facts."""
    from engines.model import describe

    try:
        post(ModelDescribed(describe(model, control)))
    except Cancelled:
        return
    except (InferTuiError, OSError) as error:
        post(ModelDescribed(None, str(error)))


def open_profile(path: Path, post: Post) -> None:
    """Read a profile with its samples and post it as a run that can be shown."""
    from profiles.reading import read_profile
    from profiles.writing import read_samples

    try:
        profile = read_profile(path)
    except (InferTuiError, OSError) as error:
        post(Problem("Not opened", str(error)))
        return
    note = ""
    try:
        samples = read_samples(profile, path)
    except (InferTuiError, OSError) as error:
        samples, note = {}, str(error)
    from profiles.samples import Series
    from tui.live import LiveRun

    measured, warm_up = (
        {entry: take(one) for (entry, phase), one in samples.items() if phase == wanted}
        for wanted, take in (
            ("measuring", lambda series: series.latencies_ms),
            ("warm-up", Series.before_rounds),
        )
    )
    labels = [result.label for result in profile.results]
    live = LiveRun.from_results(labels, profile.results, measured, warm_up)
    live.ending, live.seconds = profile.run.ending, profile.run.seconds
    live.plan, live.run_id = profile.plan, profile.run.id
    post(ProfileOpened(path, profile, live, note))


@dataclass
class Compared(Message):
    """The comparison that was asked for."""

    comparison: ProfileComparison | RunVerdicts


def compare(controller: Controller, a: Path | None, b: Path | None, post: Post) -> None:
    """Compare two runs and post the outcome; None stands for the run of this session.

    A run with itself: its engines with each other, which must have taken turns.
    """
    from profiles.comparison import compare_profiles
    from profiles.within import judge_run

    notes: list[str] = []
    try:
        if a == b:
            post(Compared(judge_run(*_side(controller, a, notes), notes=notes)))
            return
        baseline, candidate = _side(controller, a, notes), _side(controller, b, notes)
        post(
            Compared(
                compare_profiles(baseline[0], candidate[0], baseline[1], candidate[1], notes=notes)
            )
        )
    except (InferTuiError, OSError) as error:
        post(Problem("Not compared", str(error)))


def _side(
    controller: Controller, path: Path | None, notes: list[str]
) -> tuple[Profile, RawSamples]:
    """A run with its samples; where they are gone, `notes` says so."""
    if path is None:
        if controller.drive is None:
            raise InferTuiError("there is no run in this session")
        return controller.drive.snapshot(controller.facts, "this run")
    from profiles.reading import read_profile
    from profiles.writing import read_samples

    profile = read_profile(path)
    try:
        return profile, read_samples(profile, path)
    except InferTuiError as error:
        notes.append(str(error))
        return profile, {}


@dataclass
class Copied(Message):
    """A text that was asked for lies in a file and goes to a clipboard.

    `taker` is who puts it there: tmux, the terminal when it is sent `sequence`, or nobody, for a
    text that is too large. Where there is no file, `problem` says why.
    """

    what: str
    size: int
    taker: Literal["tmux", "terminal", ""]
    sequence: str = ""
    path: Path | None = None
    problem: str = ""


def copy(text: str, what: str, ending: str, limit: int, post: Post) -> None:
    """Write `text` to a file, give it to tmux where that is there, and post how it went."""
    from tui import terminal

    size = len(text.encode())
    path, problem = _written(text, ending)
    if size > limit:
        post(Copied(what, size, "", "", path, problem))
    elif terminal.give_to_tmux(text, os.environ):
        post(Copied(what, size, "tmux", "", path, problem))
    else:
        sequence = terminal.copy_sequence(text, os.environ)
        post(Copied(what, size, "terminal", sequence, path, problem))


def _written(text: str, ending: str) -> tuple[Path | None, str]:
    """The file that holds `text` now, or why none does."""
    from engines import files, paths

    try:
        path = paths.ready(paths.state_folder()) / f"copied{ending}"
        files.replace(path, text.encode(), durable=False)
    except (InferTuiError, OSError) as error:
        return None, str(error)
    return path, ""


@dataclass
class TableMade(Message):
    """The Markdown of a run's results, to be copied."""

    text: str
    what: str


def copy_results(controller: Controller, post: Post) -> None:
    """Make the Markdown of the run in the panels, whole, and post it."""
    from profiles.reading import read_profile
    from profiles.report import to_markdown

    try:
        if controller.drive is not None:
            profile, _ = controller.drive.snapshot(controller.facts, "this run")
        elif controller.saved_as is not None:
            profile = read_profile(controller.saved_as)
        else:
            return
        post(TableMade(to_markdown(profile), "all results"))
    except (InferTuiError, OSError) as error:
        post(Problem("Not copied", str(error)))
