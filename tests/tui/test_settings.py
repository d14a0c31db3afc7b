"""What the user's configuration says of the app, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import pytest

from engines import configuration, environments, paths
from engines.errors import FileError, UsageError
from tests.tui.test_command_line import infer_tui
from tui import actions, settings
from tui.cli import parser
from tui.commands.app import check_theme, theme_of_terminal, with_arguments


def write(text: str) -> Path:
    file = paths.ready(paths.config_folder()) / configuration.CONFIG
    file.write_text(text)
    return file


def test_a_first_start_needs_no_file() -> None:
    assert settings.load() == settings.Settings()


def test_every_table_stands_beside_the_others() -> None:
    write("""
[environments.trt86]
python = "/opt/python"
[keymap]
"bench.run" = "r, f5"
bench.measure = "?,i"
"app.help" = "f1"
[app]
bell = true
mouse = false
""")
    found = settings.load()
    assert found.keymap == {
        "bench.run": "r,f5", "bench.measure": "question_mark,i", "app.help": "f1",
    }  # fmt: skip
    assert (found.bell, found.mouse, found.ascii) == (True, False, False)
    assert environments.load() == {"trt86": "/opt/python"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[keymap]\n'bench.runn' = 'f5'",
         "keymap: unknown action 'bench.runn'; did you mean 'bench.run'"),
        ("[keymap]\n'bench.run' = 5", "keymap: bench.run is 5, expected keys in quotes"),
        ("[keymap]\n'bench.run' = 'x'", "key 'x' is given to both bench.run and bench.stop"),
        ("[keymap]\n'bench.run' = 'escpe'",
         "has the key 'escpe', which is none; did you mean 'escape'"),
        ("[keymap]\n'app.quit' = ''", "action 'app.quit' has no key"),
        ("keymap = 3", "keymap is 3, expected a table"),
        ("[app]\nbel = true", "unknown key 'bel' in app; did you mean 'bell'?"),
        ("[app]\nbell = 1", "app.bell is 1, expected true or false"),
        ("[keymaps]\n", "unknown key 'keymaps' in the file; did you mean 'keymap'"),
        ("[keymap", "is not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_words_with_the_file(text: str, message: str) -> None:
    file = write(text)
    with pytest.raises(FileError) as caught:
        settings.load()
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_example_of_the_documentation_is_one_that_works() -> None:
    page = Path(__file__).parents[2] / "docs" / "terminal.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    write(example)
    found = settings.load()
    assert found.keymap["bench.run"] == "r,f5"
    assert found.keymap["bench.graph"] == ""
    assert found.bell


def test_the_command_line_goes_before_the_file() -> None:
    write("[app]\nbell = true\nascii = true\nmouse = false")
    said: argparse.Namespace = parser().parse_args(["--no-bell", "--mouse"])
    found = with_arguments(settings.load(), said)
    assert (found.bell, found.mouse, found.ascii) == (False, True, True)


def test_the_app_does_not_open_on_a_keymap_that_is_not_understood() -> None:
    from tests.terminal import Terminal
    from tests.tui.test_terminal_run import COMMAND

    write("[keymap]\n'bench.runn' = 'f5'")
    with Terminal([COMMAND]) as terminal:
        assert terminal.wait_closed() == 2
        assert "did you mean 'bench.run'?" in terminal.text.replace("\n", "")


def test_keys_are_printed_as_they_are_in_force() -> None:
    write("[keymap]\n'bench.run' = 'r,f5'\n'bench.open' = ''")
    done = infer_tui("keys", "--json")
    assert done.returncode == 0, done.stderr
    found = {one["id"]: one for one in json.loads(done.stdout)["actions"]}
    assert set(found) == {one.id for one in actions.ACTIONS}
    assert found["bench.run"]["keys"] == ["r", "f5"]
    assert found["bench.run"]["default"] == ["r"]
    assert found["bench.open"]["keys"] == []
    text = infer_tui("keys").stdout
    (line,) = [one for one in text.splitlines() if one.startswith("bench.run ")]
    assert line.split()[:3] == ["bench.run", "r,f5", "r"]


@pytest.mark.parametrize(
    ("environment", "remembered", "theme"),
    [
        ({"TERM": "xterm"}, "", "ansi-dark"),
        ({"TERM": "linux"}, "", "ansi-dark"),
        ({"TERM": "xterm-256color"}, "", None),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "", None),
        ({"TERM": "xterm", "TEXTUAL_COLOR_SYSTEM": "256"}, "", None),
        ({"TERM": "xterm-256color", "TEXTUAL_COLOR_SYSTEM": "standard"}, "", "ansi-dark"),
        ({"TERM": "xterm"}, "infer-light", None),
        ({"TERM": "xterm", "TEXTUAL_THEME": "nord"}, "", None),
    ],
)
def test_a_terminal_of_sixteen_colours_is_drawn_in_its_own(
    environment: dict[str, str], remembered: str, theme: str | None
) -> None:
    assert theme_of_terminal(environment, remembered) == theme


@pytest.mark.parametrize(
    ("name", "hint"),
    [("infer-ligth", "did you mean 'infer-light'?"), ("#", "expected one of infer-")],
)
def test_a_theme_that_there_is_not_is_named_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"unknown theme '{name}'") as caught:
        check_theme(name)
    assert hint in caught.value.hint
    for known in ("infer-light", "nord", "ansi-dark"):
        check_theme(known)
