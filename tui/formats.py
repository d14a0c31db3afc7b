"""How figures are written for a reader: short, with their unit, always the same way."""

from __future__ import annotations

from pathlib import Path

KIB = 1024


def milliseconds(value: float | None) -> str:
    """A latency without its unit, in four significant digits: 0.5583, 5.321, 53.21, 5,321."""
    if value is None:
        return "-"
    for limit, digits in ((1, 4), (10, 3), (100, 2), (1000, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"


def byte_size(count: float | None) -> str:
    """Bytes in binary units: 940 B, 13.4 MiB."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < KIB:
            return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= KIB
    return f"{value:.1f} TiB"


def quantity(count: float) -> str:
    """A large count in three digits: 940, 3.50 M, 301 M, 1.02 G."""
    value = float(count)
    if abs(value) < 1000:
        return f"{value:.0f}"
    units = iter(("k", "M", "G"))
    unit = ""
    while abs(value) >= 1000 and unit != "G":
        value, unit = value / 1000, next(units)
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} {unit}"


def duration(seconds: float | None) -> str:
    """Time that passes: 0.4 s, 12 s, 1:05 min, 1:02:03 h."""
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h"


def clock(seconds: float) -> str:
    """Time on a running clock: 00:07, 12:31, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def rate(per_second: float | None) -> str:
    """Inferences a second in at least three digits: 18.8, 188, 1,880."""
    if per_second is None:
        return "-"
    return f"{per_second:,.1f}" if per_second < 100 else f"{per_second:,.0f}"


def factor(ratio: float | None) -> str:
    """A speed-up: 1.00x, 12.3x."""
    if ratio is None:
        return "-"
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.1f}x" if ratio < 100 else f"{ratio:.0f}x"


def shape(sizes: tuple[int, ...]) -> str:
    """A tensor's shape: 1x3x224x224."""
    return "x".join(str(size) for size in sizes)


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 engine, 3 engines."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shortened(text: str, width: int, *, keep_end: bool = False) -> str:
    """`text` within `width` cells; what is cut off is marked. A path keeps its end."""
    if len(text) <= width:
        return text
    if width < 2:
        return text[:width]
    return "…" + text[-(width - 1) :] if keep_end else text[: width - 1] + "…"


def folder_name(folder: Path) -> str:
    """A folder as its owner knows it: from the home folder on where it is in there."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
