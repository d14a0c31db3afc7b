"""Which protocol a terminal shows pictures by: the question, and its answers among the keys.

Only the terminal knows: TERM says nothing, and SSH carries no other variable. It is asked for an
answer to a picture of kitty's protocol, for the size of a cell and of the largest sixel picture,
and last for its primary device attributes (DA1), which every terminal has and whose attribute 4 is
sixel. Answers come in the order of the questions, so DA1 ends them. They come where keys come, and
over a slow line late: `Listener` finds them there however late and in whatever pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tui.terminal import NO_TITLE, between

Protocol = Literal["", "kitty", "sixel"]

# https://sw.kovidgoyal.net/kitty/graphics-protocol/#querying-support-and-available-transmission-mediums
KITTY_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
# XTerm Control Sequences: XTWINOPS 16, XTSMGRAPHICS 2;1, DA1.
CELL_QUESTION, LIMIT_QUESTION, ATTRIBUTES_QUESTION = "\x1b[16t", "\x1b[?2;1;0S", "\x1b[c"
SIXEL_ATTRIBUTE = "4"

_ANSWER = re.compile(
    r"\x1b_Gi=31;(?P<kitty>[^\x1b]*)\x1b\\"
    r"|\x1b\[6;(?P<height>\d+);(?P<width>\d+)t"
    r"|\x1b\[\?2;(?P<status>\d+);?(?P<limit>[\d;]*)S"
    r"|\x1b\[\?(?P<attributes>[\d;]*)c"
)
# What may grow into an answer. A lone escape may be the key.
_BEGUN = re.compile(r"\x1b(?:_(?:G[^\x1b]*\x1b?)?|\[(?:\?[\d;]*|6(?:;\d*){0,2})?)?\Z")
# An answer is at most this long; what goes on is none.
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Ability:
    """How the terminal shows pictures; `why_not` where it doesn't.

    `cell` is the width and height of a cell in pixels, (0, 0) where unknown; `limit` those of the
    largest sixel picture, (0, 0) where none is known.
    """

    protocol: Protocol = ""
    cell: tuple[int, int] = (0, 0)
    limit: tuple[int, int] = (0, 0)
    why_not: str = ""


def question(environment: Mapping[str, str]) -> str:
    """What asks the terminal, or nothing where an answer can't help or asking could do harm.

    Consoles of old print what they don't know, as Apple's terminal does with kitty's question.
    GNU screen shows no picture. tmux answers for itself, and would drop a picture of kitty's that
    is not wrapped and could not place one that is; by sixel it shows pictures from 3.4 on.
    """
    term = environment.get("TERM", "dumb")
    if term.startswith(NO_TITLE) or between(environment) == "screen":
        return ""
    asked = CELL_QUESTION + LIMIT_QUESTION + ATTRIBUTES_QUESTION
    multiplexed = between(environment) or term.startswith("screen")
    if multiplexed or environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return asked
    return KITTY_QUESTION + asked


class Listener:
    """Takes the answers out of what the terminal sends, which is otherwise keys.

    It is not called before something was asked. `ability` is None until DA1 has come.
    """

    def __init__(self) -> None:
        self.ability: Ability | None = None
        self._held = ""
        self._kitty = self._sixel = False
        self._cell = self._limit = (0, 0)

    @property
    def waits(self) -> bool:
        """Whether what came last may be the beginning of an answer."""
        return bool(self._held)

    def take(self, text: str) -> str:
        """`text` without answers, and without what may be the beginning of one."""
        text, self._held = self._held + text, ""
        text = _ANSWER.sub(self._heard, text)
        begun = _BEGUN.search(text)
        if begun is not None and len(begun[0]) <= _LONGEST:
            self._held = begun[0]
            text = text[: begun.start()]
        return text

    def give_up(self) -> str:
        """What was held back, once nothing has come after it: a lone escape is the key.

        More than that is no key, and is held until it is whole.
        """
        held = self._held
        if held in ("\x1b", "\x1b[", "\x1b_"):
            self._held = ""
            return held
        return ""

    def _heard(self, answer: re.Match[str]) -> str:
        if answer["kitty"] is not None:
            self._kitty = answer["kitty"] == "OK"
        elif answer["width"] is not None:
            self._cell = (int(answer["width"]), int(answer["height"]))
        elif answer["status"] is not None:
            sizes = answer["limit"].split(";")
            if answer["status"] == "0" and len(sizes) == 2 and all(sizes):
                self._limit = (int(sizes[0]), int(sizes[1]))
        else:
            self._sixel = SIXEL_ATTRIBUTE in answer["attributes"].split(";")[1:]
            self.ability = self._found()
        return ""

    def _found(self) -> Ability:
        """kitty's protocol before sixel: it keeps what was sent, so that scrolling costs little."""
        if self._kitty:
            return Ability("kitty", self._cell)
        if not self._sixel:
            why = "this terminal has neither kitty's graphics protocol nor sixel"
            return Ability(why_not=why)
        return Ability("sixel", self._cell, self._limit)
