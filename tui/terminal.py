"""What is said to a terminal beside the screen: its title, its clipboard; and how each is told.

Sequences are those of XTerm Control Sequences: OSC 2 sets the title, CSI 22;0t and 23;0t keep it
and give it back, OSC 52 sets the clipboard. Nothing here writes.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from typing import Literal

from rich.cells import set_cell_size

Environment = Mapping[str, str]

KEEP_TITLE, GIVE_TITLE_BACK = "\x1b[22;0t", "\x1b[23;0t"
TITLE_CELLS = 80
# Consoles and hardware terminals without a title; what they don't know they may print.
NO_TITLE = ("dumb", "linux", "ansi", "cons25", "vt")

# GNU screen drops what is longer than its string buffer: 256 bytes up to 4.0.3, with four for the
# envelope of each piece.
SCREEN_PIECE = 256 - 4
TMUX_WITHIN_S = 2.0

Taker = Literal["", "tmux", "screen", "tmux elsewhere"]


def printable(text: str, cells: int = TITLE_CELLS) -> str:
    """`text` in one line of at most `cells`, without a control that could end a sequence."""
    clean = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return set_cell_size(clean, cells).rstrip() if len(clean) > cells // 2 else clean


def takes_title(environment: Environment) -> bool:
    """Whether the terminal is one that has a title."""
    return not environment.get("TERM", "dumb").startswith(NO_TITLE)


def title_sequence(text: str) -> str:
    """What sets the terminal's title to `text`."""
    return f"\x1b]2;{printable(text)}\x07"


def between(environment: Environment) -> Taker:
    """Which multiplexer is between this program and the terminal.

    One on the other side of an SSH connection is known by TERM alone, which "screen" does not
    tell: tmux goes by that name as well.
    """
    if environment.get("TMUX"):
        return "tmux"
    if environment.get("STY"):
        return "screen"
    return "tmux elsewhere" if environment.get("TERM", "").startswith("tmux") else ""


def copy_sequence(text: str, environment: Environment) -> str:
    """What puts `text` on the terminal's clipboard, wrapped for what is between."""
    code = base64.b64encode(text.encode()).decode()
    # Ended by BEL: the other ending has an escape, which would end a wrapping before its time.
    sequence = f"\x1b]52;c;{code}\x07"
    match between(environment):
        case "tmux":
            return _through_tmux(sequence)
        case "tmux elsewhere":
            # It takes the one with `set-clipboard on`, the other with `allow-passthrough on`.
            return sequence + _through_tmux(sequence)
        case "screen":
            pieces = range(0, len(sequence), SCREEN_PIECE)
            return "".join(f"\x1bP{sequence[at : at + SCREEN_PIECE]}\x1b\\" for at in pieces)
        case _:
            return sequence


def _through_tmux(sequence: str) -> str:
    escaped = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{escaped}\x1b\\"


def give_to_tmux(text: str, environment: Environment) -> bool:
    """Have tmux take `text` as its newest buffer and put it on the clipboard of its terminal.

    As tmux comes (`set-clipboard external`, `allow-passthrough off`) it hears neither OSC 52 nor a
    wrapped one from a program; its own command it does from 3.2 on. May take two seconds: not for
    the thread of the UI.
    """
    if between(environment) != "tmux":
        return False
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TMUX_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
