"""Every page and state can be read: in both themes, and in the sixteen colours of a terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.pilot import Pilot

from tests.tui import test_history_looks, test_model_looks
from tests.tui.app_support import Wide
from tests.tui.history_support import save_all
from tests.tui.test_app_looks import BROKEN, COMPLETE, DISTURBED, RUNNING, FrozenApp, showing

# W3C, Web Content Accessibility Guidelines 2.2, 1.4.3: text, and text that is large or strong. The
# row of the cursor is told by its ground, and its muted parts may be fainter.
LEAST, LEAST_ON_ANOTHER_GROUND = 4.5, 3.0
# What lies behind a dialog is meant to step back.
BEHIND = ("dialog", "details")

Prepare = Callable[[Pilot[None]], object]
STATES: dict[str, Callable[[], Prepare]] = {
    "empty": lambda: showing([]),
    "running": lambda: showing(RUNNING, "6"),
    "complete": lambda: showing(COMPLETE, "4"),
    "broken": lambda: showing(BROKEN, "6", "down"),
    "disturbed": lambda: showing(DISTURBED, "5", "v"),
    "dialog": lambda: showing([], "i"),
    "details": lambda: showing(COMPLETE, "6", "enter"),
    "help": lambda: showing([], "question_mark"),
    "model": lambda: test_model_looks.showing("j", "space"),
    "model searched": lambda: test_model_looks.showing("slash", *"conv"),
    "history": lambda: test_history_looks.showing("end"),
    "nothing saved": lambda: test_history_looks.showing(),
    "compared": lambda: test_history_looks.showing("c", marked=("monday", "wednesday")),
}


def luminance(color: Color) -> float:
    """Relative luminance as WCAG 2.2 defines it, 0 to 1."""
    linear = [
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4
        for one in color.normalized
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(front: Color, ground: Color) -> float:
    """Contrast ratio as WCAG 2.2 defines it, 1 to 21."""
    dark, light = sorted((luminance(front), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def segments(app: FrozenApp) -> list[tuple[int, Segment]]:
    """What is drawn, with its styles as the terminal gets them, by row."""
    strips = app.screen._compositor.render_strips(app.size)
    return [(y, one) for y, strip in enumerate(strips) for one in strip if one.text.strip()]


@pytest.mark.parametrize("theme", ["infer-dark", "infer-light"])
@pytest.mark.parametrize("state", [one for one in STATES if one not in BEHIND])
async def test_everything_stands_out_from_its_ground(state: str, theme: str) -> None:
    """Every word and figure; frames and the dots of warm-up are not meant to."""
    if state != "nothing saved":
        save_all(broken=True)
    app = FrozenApp(theme=theme)
    async with app.run_test(size=Wide) as pilot:
        await STATES[state]()(pilot)
        poor = {}
        plain_grounds = {Color.parse(app.theme_variables["background"]).hex}
        for y, segment in segments(app):
            style = segment.style
            if style is None or style.color is None or style.bgcolor is None:
                continue
            front, ground = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            if style.reverse:
                front, ground = ground, front
            found = contrast(front, ground)
            plain = ground.hex in plain_grounds
            least = LEAST if plain else LEAST_ON_ANOTHER_GROUND
            if any(one.isalnum() for one in segment.text) and found < least:
                poor[segment.text.strip()] = (round(found, 2), front.hex, ground.hex, y)
        assert not poor


@pytest.mark.parametrize("state", STATES)
async def test_sixteen_colours_are_the_terminals_own(state: str) -> None:
    """Its black and white are chosen to be read: nothing else is a ground, and no state needs a
    colour of more than sixteen."""
    if state != "nothing saved":
        save_all(broken=True)
    app = FrozenApp(theme="ansi-dark")
    async with app.run_test(size=Wide) as pilot:
        await STATES[state]()(pilot)
        for _, segment in segments(app):
            for color in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                assert color is None or color.is_default or (color.number or 0) < 16, segment
            assert (
                segment.style is None
                or segment.style.color != segment.style.bgcolor
                or (segment.style.color is None or segment.style.color.is_default)
            ), segment
