"""The colour and the glyph of each engine: the same for an index in every panel and plot.

The hues are those of Okabe and Ito, which people with any of the common colour vision
deficiencies tell apart. Each has a lighter and a darker shade, so that it keeps a contrast of at
least 3:1 (WCAG 2.2, 1.4.11) on the dark and on the light themes. Colour never stands alone: every
engine has a glyph as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from textual.app import App

# Red, green and blue in 0..255; an index of the terminal's own palette; or its default colour.
Rgb = tuple[int, int, int]
Color = Rgb | int | None
Scheme = Literal["dark", "light", "ansi", "none"]

# Orange, sky blue, bluish green, reddish purple, vermillion, blue, yellow. Neighbours in this
# order differ in lightness too.
_DARK: tuple[Rgb, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 176, 128),
    (211, 133, 178),
    (229, 104, 19),
    (58, 139, 204),
    (240, 228, 66),
)
_LIGHT: tuple[Rgb, ...] = (
    (166, 98, 0),
    (19, 110, 168),
    (0, 112, 82),
    (158, 66, 118),
    (176, 62, 0),
    (0, 74, 140),
    (112, 100, 0),
)
# Yellow, cyan, green, magenta, red, blue, white: the nearest of the terminal's own sixteen.
_ANSI: tuple[int, ...] = (3, 6, 2, 5, 1, 4, 7)
_ANSI_FAINT = 8

_GLYPHS = "●■▲◆▼★◉▣"
_ASCII_GLYPHS = "ABCDEFGH"

# What faint shades are mixed with: near the panels' backgrounds, which differ little.
_GROUND: dict[Scheme, Rgb] = {"dark": (30, 30, 30), "light": (216, 216, 216)}
_FAINT_SHARE = 0.5


def scheme_of(app: App[object]) -> Scheme:
    """Which set of colours suits `app`'s theme and terminal now."""
    if app.no_color:
        return "none"
    if app.native_ansi_color:
        return "ansi"
    return "dark" if app.current_theme.dark else "light"


def engine_color(index: int, scheme: Scheme) -> Color:
    """The colour of the engine at `index` of the run; colours repeat after seven."""
    if scheme == "none":
        return None
    if scheme == "ansi":
        return _ANSI[index % len(_ANSI)]
    shades = _DARK if scheme == "dark" else _LIGHT
    return shades[index % len(shades)]


def faint_color(index: int, scheme: Scheme) -> Color:
    """The colour of what does not count of that engine, such as its warm-up."""
    color = engine_color(index, scheme)
    if isinstance(color, int):
        return _ANSI_FAINT
    if color is None:
        return None
    red, green, blue = (
        round(one * _FAINT_SHARE + ground * (1 - _FAINT_SHARE))
        for one, ground in zip(color, _GROUND[scheme], strict=True)
    )
    return red, green, blue


def engine_glyph(index: int, *, ascii_only: bool = False) -> str:
    """The one-cell sign of the engine at `index` of the run.

    There are eight signs for seven colours, so that sign and colour together repeat only after
    fifty-six engines.
    """
    glyphs = _ASCII_GLYPHS if ascii_only else _GLYPHS
    return glyphs[index % len(glyphs)]
