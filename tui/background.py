"""What the app asks for in threads of its own: blocking calls here, answers as messages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
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
    from engines.statistics import LatencyHistogram
    from profiles.comparison import ProfileComparison
    from profiles.schema import Profile
    from profiles.several import SeveralComparison, Side
    from profiles.within import RunVerdicts
    from tui.controller import Controller
    from tui.last_answers import Answer
    from tui.live import LiveRun

    Latencies = Mapping[tuple[int, int], LatencyHistogram]

Post = Callable[[Message], object]


@dataclass
class EngineAnswered(Message):
    """Whether one engine can run here."""

    availability: Availability


@dataclass
class EnginesExpected(Message):
    """What the engines answered at the last start, while they are asked again."""

    answers: tuple[Answer, ...]


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
    """The facts of `model`, or why they can't be had."""

    facts: ModelFacts | None
    problem: str = ""
    model: ModelSpec | None = None


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
    """Ask every engine whether it can run, and post each answer; before, what it was last time.

    Where the user's environments can't be read, the app's own interpreter is asked all the same.
    """
    from tui import last_answers

    if expected := last_answers.read():
        post(EnginesExpected(expected))
    from engines.probing import every_question, probe

    try:
        questions = every_question()
    except InferTuiError as error:
        post(ConfigRefused(str(error)))
        questions = every_question(named=())
    answers: list[Availability] = []
    try:
        for availability in probe(questions, control):
            answers.append(availability)
            post(EngineAnswered(availability))
    except Cancelled:
        return
    except (InferTuiError, OSError) as error:
        post(ProbeEnded(str(error)))
        return
    post(ProbeEnded())
    last_answers.write(answers)


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
        post(ModelDescribed(describe(model, control), model=model))
    except Cancelled:
        return
    except (InferTuiError, OSError) as error:
        post(ModelDescribed(None, str(error), model))


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
    """The comparison that was asked for; `latencies` are those of an entry of a run, by the run's
    place in the comparison, the baseline's 0, and the entry's in its plan."""

    comparison: SeveralComparison | ProfileComparison | RunVerdicts
    latencies: Latencies


def compare(controller: Controller, runs: Sequence[Path | None], post: Post) -> None:
    """Compare runs with the first of them and post the outcome; None stands for the session's own.

    A run with itself: its engines with each other, which must have taken turns.
    """
    from profiles.comparison import compare_profiles
    from profiles.several import compare_several
    from profiles.within import judge_run

    try:
        baseline = _side(controller, runs[0])
        if list(runs[1:]) == [runs[0]]:
            found = judge_run(baseline.profile, baseline.samples, notes=baseline.notes)
            post(Compared(found, _latencies([baseline])))
            return
        others = [_side(controller, one) for one in runs[1:]]
        latencies = _latencies([baseline, *others])
        if len(others) > 1:
            post(Compared(compare_several(baseline, others), latencies))
            return
        (other,) = others
        pair = compare_profiles(
            baseline.profile,
            other.profile,
            baseline.samples,
            other.samples,
            notes=(*baseline.notes, *other.notes),
        )
        post(Compared(pair, latencies))
    except (InferTuiError, OSError) as error:
        post(Problem("Not compared", str(error)))


def _side(controller: Controller, path: Path | None) -> Side:
    """A run with its samples; where they are gone, its notes say so."""
    from profiles.several import Side

    if path is None:
        if controller.drive is None:
            raise InferTuiError("there is no run in this session")
        return Side(*controller.drive.snapshot(controller.facts, "this run"))
    from profiles.reading import read_profile
    from profiles.writing import read_samples

    profile = read_profile(path)
    try:
        return Side(profile, read_samples(profile, path))
    except InferTuiError as error:
        return Side(profile, {}, (str(error),))


def _latencies(runs: Sequence[Side]) -> Latencies:
    """What the histograms of a comparison are drawn from, of bounded size."""
    from engines.statistics import LatencyHistogram

    found: dict[tuple[int, int], LatencyHistogram] = {}
    for run, side in enumerate(runs):
        for (entry, phase), series in side.samples.items():
            if phase == "measuring" and len(series.latencies_ms):
                found[run, entry] = LatencyHistogram()
                found[run, entry].add(series.latencies_ms)
    return found


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
