"""Pictures in the terminal: asking for a protocol, finding the answer, and what is sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pictures import Kitty, sixels
from tui.pictures import kitty, sixel
from tui.pictures.asking import KITTY_QUESTION, Ability, Listener, question
from tui.pictures.picture import STRIP_ROWS, Picture

XTERM = {"TERM": "xterm-256color"}
KITTY_ANSWER = "\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[?62;c"
SIXEL_ANSWER = "\x1b[6;16;8t\x1b[?2;0;1000;800S\x1b[?62;4;22c"


@pytest.mark.parametrize(
    ("environment", "asked", "kitty_too"),
    [
        (XTERM, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "linux"}, False, False),
        ({}, False, False),
        ({"TERM": "screen.xterm-256color", "STY": "1.pts"}, False, False),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux,1,0"}, True, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux,1,0"}, True, False),
        # tmux or screen on the near side of an SSH connection.
        ({"TERM": "screen-256color"}, True, False),
        ({**XTERM, "TERM_PROGRAM": "Apple_Terminal"}, True, False),
    ],
)
def test_who_is_asked_what(environment: dict[str, str], asked: bool, kitty_too: bool) -> None:
    found = question(environment)
    assert (KITTY_QUESTION in found) is kitty_too
    assert found.endswith("\x1b[c") is asked
    assert bool(found) is asked


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (KITTY_ANSWER, Ability("kitty", (10, 20))),
        (SIXEL_ANSWER, Ability("sixel", (8, 16), (1000, 800))),
        (KITTY_ANSWER.replace("\x1b[?62;c", "") + SIXEL_ANSWER, Ability("kitty", (8, 16))),
        ("\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\\x1b[?62;4c", Ability("sixel")),
        ("\x1b[?2;3S\x1b[?1;2;4c", Ability("sixel")),
    ],
)
def test_an_answer_is_understood_in_whatever_pieces(answer: str, expected: Ability) -> None:
    for cut in range(len(answer) + 1):
        listener = Listener()
        # What is typed before, between and after is all that is left.
        left = listener.take("j" + answer[:cut]) + listener.take(answer[cut:] + "\x1b[Bq")
        assert left == "j\x1b[Bq", cut
        assert listener.ability == expected


def test_a_terminal_without_pictures_says_so_by_its_attributes() -> None:
    listener = Listener()
    # 64 is a level of conformance and 42 another attribute.
    assert listener.take("\x1b[?64;1;2;42c") == ""
    assert listener.ability is not None
    assert listener.ability.protocol == ""
    assert "neither" in listener.ability.why_not


@pytest.mark.parametrize("keys", ["\x1b", "\x1b[A", "\x1b[6~", "\x1b[I", "\x1bg", "[?1;2c"])
def test_keys_go_on_their_way(keys: str) -> None:
    listener = Listener()
    assert listener.take(keys) + listener.give_up() == keys
    assert listener.ability is None


def test_half_an_answer_never_becomes_keys() -> None:
    listener = Listener()
    assert listener.take("\x1b_Gi=31;") == ""
    assert listener.give_up() == ""
    assert listener.take("OK\x1b\\\x1b[?62c") == ""
    assert listener.ability == Ability("kitty")


@pytest.mark.parametrize("shape", [(1, 1), (6, 5), (7, 40), (13, 3), (30, 64)])
def test_sixels_are_the_pixels_they_were_made_of(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(sum(shape))
    palette = [(0, 0, 0), (255, 255, 255), (173, 217, 230), (204, 255, 112)]
    pixels = random.integers(0, 4, shape).astype(np.uint8)
    # Runs, as pictures have them.
    pixels[:, : shape[1] // 2] = 1
    sent = "\x1b[3;5H" + sixel.encode(pixels, palette)
    ((row, column, found),) = sixels(sent.encode())
    assert (row, column) == (2, 4)
    exact = np.array(palette)[pixels]
    # Colours are sent in percent.
    assert np.abs(np.asarray(found).astype(int) - exact).max() <= 2


def drawn(path: Path, width: int = 640, height: int = 700) -> Path:
    """A picture of lines and two grounds, such as Graphviz draws."""
    picture = Image.new("RGB", (width, height), "white")
    for at in range(0, height - 20, 40):
        picture.paste((173, 216, 230), (at % (width - 80), at, at % (width - 80) + 80, at + 15))
    picture.paste((0, 0, 0), (width // 2, 0, width // 2 + 2, height))
    picture.save(path)
    return path


def test_kitty_gets_a_picture_in_pieces_and_shows_a_part_where_it_is_told(tmp_path: Path) -> None:
    scaled = Picture(drawn(tmp_path / "a.png")).scaled(1.0, (10, 20))
    assert (scaled.columns, scaled.rows, scaled.strips) == (64, 35, 5)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    file = tmp_path / "noise.png"
    Image.fromarray(noise).save(file)
    raw = kitty.transmit(7, scaled.strip(1)) + kitty.transmit(8, file.read_bytes())
    assert raw.count("\x1b_G") > 3, "noise takes several pieces"
    raw += kitty.show(7, kitty.Part(100, 20, 200, 40, 3, 2, 20, 2))
    screen = Kitty().read(raw.encode())
    assert screen.pictures[7].size == (640, STRIP_ROWS * 20)
    assert (np.asarray(screen.pictures[8]) == noise).all()
    row, column, part = screen.shown[7]
    assert (row, column, part.size) == (2, 3, (200, 40))
    hidden = screen.read(kitty.hide(7).encode())
    assert not hidden.shown
    assert 7 in hidden.pictures
    assert 7 not in screen.read(kitty.forget(7).encode()).pictures


def test_strips_are_the_whole_picture_and_a_part_of_it_is_the_same_as_sixels(
    tmp_path: Path,
) -> None:
    path = drawn(tmp_path / "a.png")
    scaled = Picture(path).scaled(1.0, (10, 20))
    whole = Image.new("RGB", (640, 700))
    for index in range(scaled.strips):
        number = index + 1
        strip = Kitty().read(kitty.transmit(number, scaled.strip(index)).encode())
        whole.paste(strip.pictures[number], (0, index * STRIP_ROWS * 20))
    exact = np.asarray(Image.open(path)).astype(int)
    assert np.abs(np.asarray(whole).astype(int) - exact).max() <= 12, "sixteen colours are enough"
    raw = "\x1b[1;1H" + scaled.sixels(20, 3, 30, 9)
    ((_, _, part),) = sixels(raw.encode())
    expected = np.asarray(whole.crop((200, 60, 500, 240))).astype(int)
    assert np.abs(np.asarray(part).astype(int) - expected).max() <= 2


def test_black_stays_black_and_white_white(tmp_path: Path) -> None:
    """Labels are read by their contrast."""
    scaled = Picture(drawn(tmp_path / "a.png")).scaled(0.5, (10, 20))
    strip = Kitty().read(kitty.transmit(1, scaled.strip(0)).encode()).pictures[1].convert("L")
    darkest, lightest = strip.getextrema()
    assert darkest < 40
    assert lightest > 245


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(OSError, match="identify"):
        Picture(path)
