"""How a figure is written wherever it stands: in the engines' reasons as in tables and panels."""

from __future__ import annotations

import math


def cosine(value: float | None) -> str:
    """A cosine in five decimals, cut: 1 is printed for 1 only, and a tolerance for no less."""
    if value is None or not math.isfinite(value):
        return "" if value is None else str(value)
    return f"{math.floor(value * 1e5) / 1e5:.5f}"
