"""Colours that everybody can tell apart, on dark and on light."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from tui.palette import Color, Scheme, engine_color, engine_glyph, faint_color

Floats = NDArray[np.float64]


def luminance(color: Color) -> float:
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def linear(color: Color) -> Floats:
    assert isinstance(color, tuple)
    part = np.array(color) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(rgb: Floats) -> Floats:
    """CIE L*a*b* of linear RGB under D65."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(matrix) @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


# Machado, Oliveira and Fernandes (2009), severity 1.0.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [
        [0.3673, 0.8606, -0.2280],
        [0.2801, 0.6725, 0.0474],
        [-0.0118, 0.0429, 0.9689],
    ],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
BACKGROUNDS: dict[Scheme, list[Color]] = {
    "dark": [(18, 18, 18), (30, 30, 30), (16, 20, 27)],
    "light": [(224, 224, 224), (251, 250, 247), (243, 241, 236)],
}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_engine_stands_out_from_the_background(scheme: Scheme) -> None:
    for index, background in itertools.product(range(7), BACKGROUNDS[scheme]):
        ends = sorted((luminance(engine_color(index, scheme)), luminance(background)))
        assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 3.0


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_first_engines_differ_for_every_kind_of_sight(scheme: Scheme, vision: str) -> None:
    seen = [lab(np.array(VISION[vision]) @ linear(engine_color(at, scheme))) for at in range(4)]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 10


def test_glyph_and_colour_together_tell_56_engines_apart() -> None:
    signs = {(engine_glyph(at), engine_color(at, "dark")) for at in range(56)}
    assert len(signs) == 56


def test_without_colour_there_is_none_and_ansi_themes_use_the_terminals_own() -> None:
    assert engine_color(3, "none") is faint_color(3, "none") is None
    assert {engine_color(at, "ansi") for at in range(7)} <= set(range(16))
    assert faint_color(0, "ansi") == 8
    assert engine_glyph(2, ascii_only=True) == "C"
