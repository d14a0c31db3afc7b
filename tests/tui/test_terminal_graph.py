"""The model's graph in real terminals: with kitty's protocol, by sixel, with neither, and mute."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyte
import pytest
from PIL import Image

from tests.pictures import Kitty, sixels
from tests.terminal import Terminal
from tests.tui.test_pictures import drawn
from tests.tui.test_terminal_run import COMMAND
from tui import actions
from tui.pictures.asking import (
    ATTRIBUTES_QUESTION,
    CELL_QUESTION,
    KITTY_QUESTION,
    LIMIT_QUESTION,
)

# As terminals come, with nothing between them and the app.
ALONE = {"TMUX": "", "STY": "", "TERM_PROGRAM": "", "SSH_CONNECTION": "", "SSH_TTY": ""}
CELL = (10, 20)
KITTY, CELLS, LIMIT, ATTRIBUTES = (
    one.encode() for one in (KITTY_QUESTION, CELL_QUESTION, LIMIT_QUESTION, ATTRIBUTES_QUESTION)
)
MUTE: dict[bytes, bytes] = {}
PLAIN = {CELLS: b"\x1b[6;20;10t", ATTRIBUTES: b"\x1b[?62;22c"}
AS_KITTY = {**PLAIN, KITTY: b"\x1b_Gi=31;OK\x1b\\"}
AS_SIXEL = {**PLAIN, LIMIT: b"\x1b[?2;0;4000;4000S", ATTRIBUTES: b"\x1b[?62;4;22c"}

# No sign of the app.
MARK = "Ж"

# Drawing by torch and Graphviz takes seconds and is tested by itself.
START = """
import os, sys
from pathlib import Path
from engines import model
model.draw_graph = lambda spec, path, control=None, picture=None: model.GraphDrawn(
    path, "", Path(os.environ["PICTURE"]))
from tui import cli
sys.exit(cli.main())
"""

STAND_IN = """#!/bin/sh
cat > /dev/null
for word; do
    case "$word" in -T*) cat "{folder}/picture.${{word#-T}}" ;; esac
done
"""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Wider than both screens, so much that its labels could not be read on 80 columns."""
    return drawn(tmp_path / "picture.png", 1600, 2400)


class Opened(Terminal):
    """The app in a terminal that gives these answers."""

    def __init__(
        self,
        answers: Mapping[bytes, bytes],
        picture: Path,
        *words: str,
        environment: Mapping[str, str] = {},
        **options: int,
    ) -> None:
        command = [sys.executable, "-c", START, *words]
        environment = {**ALONE, "PICTURE": str(picture), **environment}
        super().__init__(
            command, answers=answers, environment=environment, cwd=picture.parent, **options
        )

    def draw(self) -> None:
        """Press `g` and agree to the file that is proposed."""
        self.wait_for("to run", 60)
        self.wait_for("MACs" if self._screen.columns == 120 else "b1")
        self.press("g")
        self.wait_for("Draw the model's graph")
        self.press("\r")


def same(found: Image.Image, path: Path, box: tuple[int, int, int, int]) -> bool:
    exact = np.asarray(Image.open(path).crop(box)).astype(int)
    return found.size == (box[2] - box[0], box[3] - box[1]) and bool(
        np.abs(np.asarray(found).astype(int) - exact).max() <= 12
    )


def shown_by_kitty(terminal: Terminal) -> Kitty:
    """What is shown after the last command that was sent whole."""
    raw = bytes(terminal.raw)
    return Kitty().read(raw[: raw.rindex(b"\x1b8") + 2])


def test_kitty_shows_the_graph_scrolls_it_for_little_and_forgets_it(picture: Path) -> None:
    with Opened(AS_KITTY, picture, columns=80, rows=24) as terminal:
        terminal.draw()
        terminal.wait_for("rows 1-22 of 120")
        terminal.wait_sent(rb"a=p,i=\d+,.*a=p,i=\d+,.*a=p,i=\d+,[^\x1b]*\x1b\\\x1b8")
        screen = shown_by_kitty(terminal)
        assert {one[1] for one in screen.shown.values()} == {1}, "beside the margin"
        # In full size, from the middle of what is at the top.
        left = 410
        part = screen.screen(80, 24, CELL).crop((10, 20, 790, 460))
        assert same(part, picture, (left, 0, left + 780, 440))
        # A row further costs its commands, and not its pixels; a page further the next strips.
        before = terminal.bytes_sent
        terminal.press("j")
        terminal.wait_for("rows 2-23 of 120")
        terminal.wait_sent(rb"y=20,[^\x1b]*\x1b\\.*\x1b8")
        assert terminal.bytes_sent - before < 1000
        part = shown_by_kitty(terminal).screen(80, 24, CELL).crop((10, 20, 790, 460))
        assert same(part, picture, (left, 20, left + 780, 460))
        # Whatever comes over it takes it away, and gives it back.
        terminal.press("?")
        terminal.wait_for("Every key, by panel")
        terminal.wait_sent(rb"a=d,d=i")
        assert not Kitty().read(bytes(terminal.raw)).shown
        terminal.press("\x1b")
        terminal.wait_for("rows 2-23 of 120")
        terminal.press("z")
        terminal.wait_for("whole width 49 %")
        terminal.press("\x1b")
        terminal.wait_for("2 Engines")
        terminal.wait_for("space select")
        terminal.press("q")
        assert terminal.wait_closed() == 0
        over = Kitty().read(terminal.wait_sent(rb"\x1b\[\?1049l"))
        assert not over.shown
        assert not over.pictures, "nothing is left in the terminal's memory"


def test_sixel_shows_the_graph(picture: Path) -> None:
    with Opened(AS_SIXEL, picture) as terminal:
        terminal.draw()
        terminal.wait_for("rows 1-38 of 89")
        terminal.wait_sent(rb"\x1bP0;1q[^\x1b]*\x1b\\")
        row, column, first = sixels(bytes(terminal.raw))[-1]
        assert (row, column) == (1, 1)
        assert first.size == (1180, 760)
        terminal.press("z")
        terminal.wait_for("full size 100 %")
        # The middle stays where it is: at first there is more on both sides.
        for _ in range(3):
            sent = bytes(terminal.raw).count(b"\x1bP0;1q")
            terminal.press("h")
            terminal.wait_sent(rb"(?s)(?:\x1bP0;1q.*?){%d}\x1b\\" % (sent + 1))
        *_, (_, _, part) = sixels(bytes(terminal.raw)[-150_000:])
        assert same(part.crop((0, 0, 1180, 200)), picture, (0, 140, 1180, 340))
        assert b"\x1b_Ga=t" not in terminal.raw
        terminal.press("y")
        terminal.wait_for("the graph's path")
        assert "mobilenetv2.svg" in Path(os.environ["XDG_STATE_HOME"],
                                         "infer-tui", "copied.txt").read_text()  # fmt: skip


def still_there(terminal: Terminal, columns: range, rows: range) -> int:
    """In how many of these cells the last sixel picture stands: nothing was written there since."""
    screen = pyte.Screen(120, 40)
    stream = pyte.ByteStream(screen)
    for y in rows:
        stream.feed(f"\x1b[{y + 1};{columns[0] + 1}H{MARK * len(columns)}".encode())
    raw = bytes(terminal.raw)
    stream.feed(raw[raw.rindex(b"\x1b\\") + 2 :])
    return "".join(screen.display).count(MARK)


def test_a_sixel_picture_is_written_over_when_it_goes(picture: Path) -> None:
    with Opened(AS_SIXEL, picture) as terminal:
        terminal.draw()
        terminal.wait_for("rows 1-38 of 89")
        terminal.wait_sent(rb"\x1bP0;1q[^\x1b]*\x1b\\\x1b8")
        row, column, first = sixels(bytes(terminal.raw))[-1]
        place = (
            range(column, column + first.width // CELL[0]),
            range(row, row + first.height // CELL[1]),
        )
        assert still_there(terminal, *place) == 118 * 38
        # Under another screen, under a toast, and when the page is left; with the way back.
        for key, shown, back in (
            ("?", "Every key, by panel", "\x1b"),
            ("y", "the graph's path", "j"),
            ("\x1b", "2 Engines", ""),
        ):
            sent = bytes(terminal.raw).count(b"\x1bP0;1q")
            terminal.press(key)
            terminal.wait_for(shown)
            terminal.wait_for(lambda _: not still_there(terminal, *place))
            if back:
                terminal.press(back)
                terminal.wait_sent(rb"(?s)(?:\x1bP0;1q.*?){%d}\x1b\\" % (sent + 1))


def test_every_key_of_the_graph_does_something(picture: Path) -> None:
    with Opened(AS_KITTY, picture, columns=80, rows=24) as terminal:
        terminal.draw()
        terminal.wait_sent(rb"a=p,i=\d+")
        # In full size, with more on both sides; each of them shows another part or another size.
        walked = ("right", "left", "l", "h", "z")
        names = {"right": "\x1b[C", "left": "\x1b[D"}
        for key in walked:
            sent = bytes(terminal.raw).count(b"a=p,i=")
            terminal.press(names.get(key, key))
            terminal.wait_sent(rb"(?s)(?:a=p,i=.*?){%d}" % (sent + 1))
        terminal.wait_for("whole width")
    # What agrees to a large picture is pressed with one.
    keys = {key for one in actions.of("graph") for key in one.keys.split(",")}
    assert keys == {*walked, "enter"}


@pytest.mark.parametrize(
    ("answers", "words"), [(PLAIN, "neither"), (MUTE, "did not say")], ids=["neither", "mute"]
)
def test_without_pictures_the_path_and_the_reason_are_told(
    answers: Mapping[bytes, bytes], words: str, picture: Path
) -> None:
    with Opened(answers, picture) as terminal:
        terminal.draw()
        # The toast comes row by row; its last says how to see the graph all the same.
        text = terminal.wait_for(lambda text: "Graph written" in text and "browser" in text)
        assert "mobilenetv2.svg" in text
        assert words in text
        raw = bytes(terminal.raw)
        assert raw.count(KITTY) == 1
        assert b"\x1b_G" not in raw.replace(KITTY, b"")
        assert b"\x1bP" not in raw
        # The answers were no keys: still the bench, with nothing opened over it.
        assert "Draw the model" not in text
        assert "2 Engines" in text


def test_inside_screen_nothing_is_asked(picture: Path) -> None:
    environment = {"TERM": "screen", "STY": "1.pts-0.here"}
    with Opened(AS_KITTY, picture, environment=environment) as terminal:
        terminal.draw()
        assert "no protocol" in terminal.wait_for("Graph written")
        assert not any(one in bytes(terminal.raw) for one in (KITTY, CELLS, ATTRIBUTES))


def test_a_large_picture_is_sent_over_a_slow_line_when_the_user_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 1000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with Opened(AS_KITTY, tmp_path / "noise.png", "--slow-line") as terminal:
        terminal.draw()
        # The line is slow: one row comes after the other.
        assert "KiB" in terminal.wait_for("to send")
        terminal.wait_for("mobilenetv2.svg")
        assert b"\x1b_Ga=t" not in terminal.raw
        terminal.press("\r")
        terminal.wait_sent(rb"a=p,i=\d+,[^\x1b]*\x1b\\\x1b8")
        assert Kitty().read(bytes(terminal.raw)).shown


def test_the_graph_of_the_real_model_is_written_and_shown(tmp_path: Path) -> None:
    """By torch and torchviz; where there is no Graphviz, by what stands in for it."""
    program = tmp_path / "bin" / "dot"
    program.parent.mkdir()
    (tmp_path / "picture.svg").write_text("<svg/>")
    drawn(tmp_path / "picture.png", 1000, 2400)
    program.write_text(STAND_IN.format(folder=tmp_path))
    program.chmod(0o755)
    environment = {**ALONE, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    with Terminal([COMMAND], answers=AS_KITTY, environment=environment, cwd=tmp_path) as terminal:
        terminal.wait_for("to run", 60)
        terminal.press("g")
        terminal.wait_for("Draw the model's graph")
        terminal.press("\r")
        terminal.wait_for("Graph of mobilenetv2", 60)
        terminal.wait_sent(rb"a=p,i=\d+,[^\x1b]*\x1b\\\x1b8")
        assert Kitty().read(bytes(terminal.raw)).shown
    assert (tmp_path / "mobilenetv2.svg").read_text() == "<svg/>"
