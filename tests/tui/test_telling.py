"""What is said to the terminal beside the screen: sequences, and when they are sent."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from engines import paths
from tests.tui.app_support import EAGER, ORT, ScriptedRun, opened, plan_of, text_of, until
from tui import background, telling, terminal
from tui.app import InferTuiApp
from tui.background import Copied
from tui.pace import LARGEST_COPY
from tui.screens.help import HelpScreen

TEXT = "entry  p50 ms\neager  0.42 ±1 %\n"
CODE = base64.b64encode(TEXT.encode()).decode()
PLAIN = f"\x1b]52;c;{CODE}\x07"
WRAPPED = f"\x1bPtmux;\x1b\x1b]52;c;{CODE}\x07\x1b\\"


@pytest.mark.parametrize(
    ("environment", "sequence"),
    [
        ({"TERM": "xterm-256color"}, PLAIN),
        ({"TERM": "screen-256color"}, PLAIN),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, WRAPPED),
        ({"TERM": "tmux-256color"}, PLAIN + WRAPPED),
        ({"TERM": "screen", "STY": "1.pts-0.host"}, f"\x1bP{PLAIN}\x1b\\"),
    ],
)
def test_a_copy_is_wrapped_for_what_is_between(environment: dict[str, str], sequence: str) -> None:
    assert terminal.copy_sequence(TEXT, environment) == sequence


def test_screen_gets_pieces_that_its_buffer_holds() -> None:
    text = "x" * 5_000
    sent = terminal.copy_sequence(text, {"STY": "1.host"})
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", sent, re.DOTALL)
    assert sum(map(len, pieces)) + 4 * len(pieces) == len(sent), "nothing is between them"
    assert max(map(len, pieces)) <= 252
    code = "".join(pieces).removeprefix("\x1b]52;c;").removesuffix("\x07")
    assert base64.b64decode(code).decode() == text


@pytest.mark.parametrize(
    "foreign",
    ["a\x07b", "a\x1b\\b", "a\x1b]0;owned\x07b", "a\x9cb", "a\nb", "a\u202eb", "a\x00b"],
)
def test_foreign_text_can_not_end_a_title_or_begin_another(foreign: str) -> None:
    sent = terminal.title_sequence(f"infer-tui: {foreign}")
    assert sent.startswith("\x1b]2;infer-tui: a")
    assert sent.endswith("b\x07")
    assert sent[4:-1].isprintable()


def test_a_title_is_one_short_line() -> None:
    assert len(terminal.printable("漢" * 200)) == 40
    assert terminal.printable("a" * 200) == "a" * 80
    assert terminal.printable("a  b\t c") == "a b c"


@pytest.mark.parametrize(
    ("term", "takes"),
    [("xterm-256color", True), ("tmux-256color", True), ("linux", False), ("vt220", False),
     ("dumb", False)],
)  # fmt: skip
def test_only_a_terminal_with_a_title_is_given_one(term: str, takes: bool) -> None:
    assert terminal.takes_title({"TERM": term}) is takes


def copied(text: str, limit: int = LARGEST_COPY) -> Copied:
    found: list[Copied] = []
    background.copy(text, "it", ".txt", limit, found.append)
    (message,) = found
    return message


def test_a_copy_lies_in_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    message = copied(TEXT)
    assert (message.taker, message.size) == ("terminal", len(TEXT.encode()))
    assert message.path == paths.state_folder() / "copied.txt"
    assert message.path.read_text() == TEXT


def test_what_is_too_large_goes_to_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    largest = "x" * LARGEST_COPY
    assert len(copied(largest).sequence) <= 100_010
    message = copied(largest + "x")
    assert (message.taker, message.sequence) == ("", "")
    assert message.path.read_text() == largest + "x"


def test_where_no_file_can_be_written_the_terminal_still_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    paths.state_folder().parent.write_text("a file where the folder should be")
    message = copied(TEXT)
    assert message.path is None
    assert "can't make the folder" in message.problem
    assert message.sequence


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the app writes to the terminal beside its frames."""
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("STY", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    sent: list[str] = []
    monkeypatch.setattr(InferTuiApp, "tell", lambda _, sequence: sent.append(sequence))
    monkeypatch.setattr(InferTuiApp, "bell", lambda _: sent.append("\x07"))
    return sent


def titles(told: list[str]) -> list[str]:
    return re.findall(r"\x1b\]2;([^\x07]*)\x07", "".join(told))


async def test_the_title_says_what_goes_and_how_it_ended(
    scripted: ScriptedRun, told: list[str]
) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        assert told == [], "nothing was done yet"
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        await until(pilot, lambda: titles(told)[-1:] == ["infer-tui: done"])
        assert told[0].startswith(terminal.KEEP_TITLE)
        count = len(told)
        await pilot.press("6", "2")
        assert len(told) == count, "idle"
    assert told[-1] == terminal.GIVE_TITLE_BACK
    assert "".join(told).count(terminal.KEEP_TITLE) == 1


async def test_the_title_names_the_entry_that_is_measured(
    scripted: ScriptedRun, told: list[str]
) -> None:
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live.current)
        app.tell_terminal()
        assert titles(told)[-1] == "infer-tui: running 1/2 eager cpu fp32 b1"
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        scripted.go_on.set()
        await until(pilot, lambda: titles(told)[-1] == "infer-tui: done", "whatever is shown")


async def test_a_stopped_and_a_failed_run_are_told_apart(
    scripted: ScriptedRun, told: list[str]
) -> None:
    async with opened(plan_of(EAGER)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.current)
        await pilot.press("x")
        await until(pilot, lambda: titles(told)[-1] == "infer-tui: stopped")
        scripted.error = ValueError("a fault")
        await pilot.press("r")
        await until(pilot, lambda: titles(told)[-1] == "infer-tui: failed")


@pytest.mark.parametrize(
    ("asked", "least_s", "rings"), [(True, -1, 1), (True, 600, 0), (False, -1, 0)]
)
async def test_it_rings_when_asked_and_when_it_took_long(
    scripted: ScriptedRun, told: list[str], monkeypatch: pytest.MonkeyPatch,
    asked: bool, least_s: float, rings: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(telling, "BELL_AFTER_S", least_s)
    scripted.wait = False
    async with opened(plan_of(EAGER), bell=asked) as (_, pilot):
        await pilot.press("r")
        await until(pilot, lambda: titles(told)[-1:] == ["infer-tui: done"])
        assert told.count("\x07") == rings


async def test_y_copies_the_row_with_its_header(scripted: ScriptedRun, told: list[str]) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        told.clear()
        await pilot.press("6", "down", "y")
        await until(pilot, lambda: any("]52;" in one for one in told))
        (sequence,) = [one for one in told if "]52;" in one]
        text = base64.b64decode(sequence[7:-1]).decode()
        header, line = text.splitlines()
        assert "p50 ms" in header
        assert "onnxruntime cpu fp32 b1" in line
        await until(pilot, lambda: "Copied the result of onnxruntime" in text_of(app))
        assert "sent to the terminal's clipboard" in text_of(app)


async def test_an_opened_profile_is_copied_as_markdown(
    scripted: ScriptedRun, told: list[str], tmp_path: Path
) -> None:
    scripted.wait = False
    async with opened(plan_of(EAGER, ORT)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.controller.live and app.controller.live.ending)
        app.open_saved(app.controller.save(tmp_path / "a.toml"))
        await until(pilot, lambda: app.controller.drive is None, "the profile")
        told.clear()
        await pilot.press("6", "Y")
        await until(pilot, lambda: told)
        table = base64.b64decode(told[0][7:-1]).decode()
        assert len([line for line in table.splitlines() if line.startswith("|")]) == 4
        assert (paths.state_folder() / "copied.md").read_text() == table


async def test_pages_copy_their_row_and_all_of_it(replayed: None, told: list[str]) -> None:
    async with opened() as (_, pilot):
        await pilot.press("m", "y")
        await until(pilot, lambda: (paths.state_folder() / "copied.txt").exists())
        await until(pilot, lambda: told)
        assert "features" in base64.b64decode(told[0][7:-1]).decode()
        await pilot.press("Y")
        await until(pilot, lambda: len(told) == 2)
        table = (paths.state_folder() / "copied.md").read_text()
        assert table.startswith("| layer | kind |")
        assert "| features.0.0 | Conv2d |" in table


def test_a_label_from_elsewhere_is_made_printable(told: list[str]) -> None:
    """A plan travels: the name of its environment does too."""
    app = InferTuiApp()
    app._outcome = "\x1b]0;owned\x07"
    app.tell_terminal()
    assert titles(told) == ["infer-tui: ]0;owned"]
