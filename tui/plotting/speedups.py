"""Speed-ups as bars, with the number and the verdict on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.formats import factor, shortened
from tui.palette import Color
from tui.plotting.figure import Figure, Plot, axis_rows_below
from tui.rows import blank, fitted, overlaid
from tui.scales import Scale, ratio_scale

# Narrower bars tell nothing that the numbers beside them don't.
_LEAST_BAR = 12
_LEAST_LABEL = 8
_GAP = 2
_MOST_THICK = 2


@dataclass(frozen=True, slots=True)
class SpeedUp:
    """One engine's speed-up against the baseline, None while it is not known; `words` follow it."""

    glyph: str
    color: Color
    label: str
    ratio: float | None
    words: str = ""


def speed_up_plot(
    speed_ups: Sequence[SpeedUp],
    width: int,
    height: int,
    *,
    frame: Color = None,
    ascii_only: bool = False,
    log: bool | None = None,
) -> Plot:
    """A bar an engine in `width` x `height` cells, in the order given.

    On a linear axis bars begin at zero, so that twice as long is twice as fast; on a logarithmic
    one, which `log` asks for, at 1x: what is slower than the baseline reaches to the left. An
    upright line stands at 1x. Engines for which there is no row are left out.
    """
    axis_rows = axis_rows_below(width, height)
    shown = list(speed_ups[: max(height - axis_rows, 0)])
    ratios = [one.ratio for one in shown if one.ratio is not None and _drawable(one.ratio)]
    if not ratios or width < 1:
        return Plot(blank(width, height))
    labels, bars = _widths(shown, width)
    scale = ratio_scale(min(ratios), max(ratios), max(2, bars // 6), log=bool(log))
    rows = blank(width, height)
    if bars:
        figure = Figure(bars, height, frame, ascii_only)
        figure.axes(scale, below=axis_rows)
        rows = [fitted([(" " * labels, None), *row], width) for row in figure.rows()]
        at_one = labels + min(int(float(scale.place(1.0)) * bars), bars - 1)
        for at in range(height - axis_rows):
            rows[at] = overlaid(rows[at], at_one, [("|" if ascii_only else "│", frame)])
    each = (height - axis_rows) // len(shown)
    for index, one in enumerate(shown):
        top = index * each
        drawn = _bar(one, scale, bars, ascii_only) if bars else ""
        start = len(drawn) - len(drawn.lstrip())
        for at in range(top, top + max(1, min(each - 1, _MOST_THICK))):
            rows[at] = overlaid(rows[at], labels + start, [(drawn.strip(), one.color)])
        name = shortened(one.label, max(labels - 2 - _GAP, 0))
        rows[top] = overlaid(rows[top], 0, [(f"{one.glyph} ", one.color), (name, None)])
        # Its blank keeps the line at 1x off the number.
        rows[top] = overlaid(rows[top], labels + len(drawn), [(f" {_text(one)}", None)])
    return Plot(rows, scale)


def _drawable(ratio: float) -> bool:
    return math.isfinite(ratio) and ratio > 0


def _text(speed_up: SpeedUp) -> str:
    """What stands behind a bar."""
    known = speed_up.ratio is not None and _drawable(speed_up.ratio)
    return f"{factor(speed_up.ratio) if known else ''} {speed_up.words}".strip()


def _widths(shown: Sequence[SpeedUp], width: int) -> tuple[int, int]:
    """Cells for the labels with the gap behind them, and for the bars; none without room."""
    longest = max(cell_len(one.label) for one in shown) + 2 + _GAP
    behind = max(cell_len(_text(one)) for one in shown) + 1
    labels = min(longest, max(width * 2 // 5, _LEAST_LABEL))
    if width - labels - behind < _LEAST_BAR:
        labels = min(longest, max(width - behind - _LEAST_BAR, 2))
    bars = width - labels - behind
    if bars < _LEAST_BAR:
        return min(longest, max(width - behind, 2)), 0
    return labels, bars


def _bar(speed_up: SpeedUp, scale: Scale, width: int, ascii_only: bool) -> str:
    """A bar with the blanks before it; a linear one ends to half a cell."""
    if speed_up.ratio is None or not _drawable(speed_up.ratio):
        return ""
    end = float(scale.place(speed_up.ratio)) * width
    if not scale.log:
        halves = max(round(2 * end), 1)
        full = speed_up.glyph if ascii_only else "█"
        return full * (halves // 2) + (full if ascii_only else "▌") * (halves % 2)
    first, last = sorted((float(scale.place(1.0)) * width, end))
    start = min(int(first), width - 1)
    sign = speed_up.glyph if ascii_only else "█"
    return " " * start + sign * max(round(last) - start, 1)
