"""Where the time of a request goes, as rows: each part's figure, and all of them on one bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from profiles.spelling import percent
from tui.formats import milliseconds
from tui.widgets.panel import Piece, Row, row

if TYPE_CHECKING:
    from engines.results import DeviceRecord

BAR_CELLS = 30
NAME_WIDTH = 22
# A part's name, its sign on the bar and its tone. The signs tell the parts apart by themselves,
# and have their counterparts in ASCII: see `tui.widgets.panel.in_ascii`.
PARTS: tuple[tuple[str, str, str], ...] = (
    ("copy in", "◂", "accent"),
    ("compute", "█", "strong"),
    ("copy out", "▸", "accent"),
    ("unaccounted", "·", "muted"),
)


def split_rows(device: DeviceRecord) -> Iterator[Row]:
    """A row for each part with its share of the host time, and the stacked bar beside the host's.

    Without a host time, as in older profiles, there are no shares.
    """
    values = [device.copy_in_ms, device.compute_ms, device.copy_out_ms]
    if device.host_ms is None or device.unaccounted_ms is None:
        for (name, _, _), value in zip(PARTS, values, strict=False):
            yield _line(name, value)
    else:
        values.append(device.unaccounted_ms)
        cells = bar_cells(values, BAR_CELLS)
        signs = [(sign * n, tone) for (_, sign, tone), n in zip(PARTS, cells, strict=True)]
        for (name, _, _), value, sign in zip(PARTS, values, signs, strict=True):
            yield _line(name, value, value / device.host_ms if device.host_ms else 0.0, sign)
        yield _line("host", device.host_ms, 1.0, *signs)
    yield (*_line("enqueue", device.enqueue_ms), ("   host time to hand compute over", "muted"))


def bar_cells(values: Sequence[float], cells: int) -> list[int]:
    """How many of `cells` each of `values` takes: its share, at least one for what is not zero.

    The shares are rounded by largest remainders, so that the bar is always as long; `cells` are
    at least as many as `values`.
    """
    values = [max(0.0, value) for value in values]
    total = sum(values)
    if not total:
        return [0] * len(values)
    exact = [value / total * cells for value in values]
    found = [max(int(one), 1 if value else 0) for one, value in zip(exact, values, strict=True)]
    while (missing := cells - sum(found)) > 0:
        found[max(range(len(found)), key=lambda at: exact[at] - found[at])] += 1
    for _ in range(-missing):
        longer = [at for at, one in enumerate(found) if one > 1]
        found[max(longer, key=lambda at: found[at] - exact[at])] -= 1
    return found


def _line(name: str, value: float, share: float | None = None, *bar: Piece) -> Row:
    shown = "" if share is None else f"{percent(share):>7}  "
    return row((name.ljust(NAME_WIDTH), "muted"), f"{milliseconds(value):>8}", shown, *bar)
