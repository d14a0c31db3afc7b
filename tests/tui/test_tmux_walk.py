"""Every key of every screen and panel, pressed in the real app in a real tmux, at both sizes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engines import paths
from tests.tmux import Tmux
from tests.tui.history_support import save_all
from tests.tui.test_terminal_run import COMMAND, ENDLESS, PLAN
from tests.tui.walk import STEPS
from tui import actions

CHANGES, NOTHING = "~", "="
LEAVING_KEYS = {"q", "ctrl+q", "y", "enter"}
LEAVING = """
wait . to run
wait . -checking
bench.run r x stop
wait . measuring
app.quit q Leave?
"""
# Each of the keys that leave ends a walk of its own. The graph's are walked where pictures are
# shown, in `test_terminal_graph`.
ELSEWHERE = {"leave.leave"} | {one.id for one in actions.of("graph")}


@dataclass
class Walker:
    """Does the steps of a walk, and knows which keys of which actions it has pressed."""

    tmux: Tmux
    small: bool
    walked: set[tuple[str, str]] = field(default_factory=set)

    def walk(self, lines: str) -> None:
        for line in lines.splitlines():
            if words := line.partition("#")[0].split(maxsplit=2):
                self._step(*words)

    def _step(self, what: str, key: str, expected: str = "") -> None:
        """One line: an action, its key, and what is then shown; `~` is any change, `=` none.

        With a bar the second is what a small screen shows. `type` types its text, `wait` waits.
        """
        if " | " in expected:
            expected = expected.split(" | ")[self.small]
        before = ""
        if expected == CHANGES:
            self.tmux.settle()
            before = self.tmux.look()
        if what == "type":
            self.tmux.type(key)
        elif what == "grow":
            for log in (paths.state_folder() / "logs").rglob("*.log"):
                with log.open("a") as file:
                    file.writelines(f"warning of line {number}\n" for number in range(8))
        elif what != "wait":
            self.tmux.press(key)
            self.walked.add((what, key))
        if expected == NOTHING:
            # What is drawn next belongs to another key, which shows that this one was heard.
            return
        assert self.tmux.wait(lambda: self._shows(expected, before)), (
            f"'{key}' ({what}) never showed {expected!r}; the screen was:\n{self.tmux.text()}"
        )
        assert "Traceback" not in self.tmux.text()

    def _shows(self, expected: str, before: str) -> bool:
        if expected == CHANGES:
            return self.tmux.look() != before
        text = " ".join(self.tmux.text().split())
        return (expected[1:] not in text) if expected.startswith("-") else expected in text


def started(folder: Path, *, small: bool, measurement: str) -> Tmux:
    plan = folder / "plan.toml"
    plan.write_text(PLAN.format(measurement=measurement))
    columns, rows = (80, 24) if small else (120, 40)
    return Tmux([COMMAND, "--plan", str(plan)], folder, columns=columns, rows=rows)


def all_keys() -> set[tuple[str, str]]:
    """Every action and key that `infer-tui keys --json` lists."""
    done = subprocess.run([COMMAND, "keys", "--json"], capture_output=True, text=True, check=True)
    return {(one["id"], key) for one in json.loads(done.stdout)["actions"] for key in one["keys"]}


def assert_given_back(tmux: Tmux) -> None:
    """The app has ended well, and the terminal is a shell's again."""
    assert tmux.wait(lambda: "ended with 0" in tmux.text()), tmux.text()
    assert not tmux.alternate_screen()
    tmux.type("typed after")
    assert tmux.wait(lambda: "typed after" in tmux.text()), "what is typed is echoed again"
    log = paths.state_folder() / "logs" / "app.log"
    assert "Traceback" not in log.read_text(errors="replace")


@pytest.mark.parametrize("small", [False, True], ids=["120x40", "80x24"])
def test_every_key_does_something_and_the_terminal_is_given_back(
    small: bool, tmp_path: Path
) -> None:
    save_all()
    with started(tmp_path, small=small, measurement=ENDLESS) as tmux:
        walker = Walker(tmux, small)
        walker.walk(STEPS)
        ends = ("ended with", "Leave?")
        assert tmux.wait(lambda: any(one in tmux.text() for one in ends)), tmux.text()
        if "Leave?" in tmux.text():
            # The last run had measured something when it was stopped.
            tmux.press("q")
        assert_given_back(tmux)
    left = {one for one in all_keys() if one[0] not in ELSEWHERE} - walker.walked
    assert not left, "every key of every action is walked"
    assert walker.walked <= all_keys(), "and none that is gone"


@pytest.mark.parametrize(
    ("key", "small"), [("q", False), ("ctrl+q", True), ("y", True), ("enter", False)]
)
def test_every_key_that_leaves_in_mid_run_gives_the_terminal_back(
    key: str, small: bool, tmp_path: Path
) -> None:
    with started(tmp_path, small=small, measurement=ENDLESS) as tmux:
        Walker(tmux, small).walk(f"{LEAVING}leave.leave {key} ended with")
        assert_given_back(tmux)


def test_every_key_that_leaves_is_walked() -> None:
    assert {key for action, key in all_keys() if action == "leave.leave"} == LEAVING_KEYS
