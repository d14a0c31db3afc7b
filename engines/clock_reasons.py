"""NVML's reasons for a clock below its maximum: the one table that panels, rules and records read.

The bits are nvmlClocksEventReasons of nvml.h, part of its ABI; drivers before 535 call them
throttle reasons. Newer drivers may set bits that nobody here has a name for: they are kept, and
shown as hexadecimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["throttling", "power", "information"]


@dataclass(frozen=True, slots=True)
class ClockReason:
    """One bit: NVML's name, what a panel calls it, and what it means for a measurement.

    `throttling` is heat, or hardware that protects itself: such a block does not count for the
    engine. `power` is a power limit, which at the highest clocks is everyday regulation.
    """

    bit: int
    name: str
    words: str
    kind: Kind


REASONS = (
    ClockReason(0x001, "GpuIdle", "idle", "information"),
    ClockReason(0x002, "ApplicationsClocksSetting", "clocks set", "information"),
    ClockReason(0x004, "SwPowerCap", "power cap", "power"),
    ClockReason(0x008, "HwSlowdown", "hardware slowdown", "throttling"),
    ClockReason(0x010, "SyncBoost", "sync boost", "information"),
    ClockReason(0x020, "SwThermalSlowdown", "heat", "throttling"),
    ClockReason(0x040, "HwThermalSlowdown", "hardware heat", "throttling"),
    ClockReason(0x080, "HwPowerBrakeSlowdown", "power brake", "throttling"),
    ClockReason(0x100, "DisplayClockSetting", "display clock", "information"),
    # These two under their old name alone.
    ClockReason(0x200, "BoardLimit", "board limit", "information"),
    ClockReason(0x400, "Reliability", "reliability voltage", "information"),
)
IDLE = 0x001
THROTTLING = sum(one.bit for one in REASONS if one.kind == "throttling")
POWER = sum(one.bit for one in REASONS if one.kind == "power")
KNOWN = sum(one.bit for one in REASONS)


def names(mask: int) -> tuple[str, ...]:
    """NVML's names of the bits in `mask`; those without a name as hexadecimal, such as 0x800."""
    return (*(one.name for one in REASONS if mask & one.bit), *_unknown(mask))


def limits(mask: int) -> tuple[str, ...]:
    """What holds the clock down, in a panel's words: idling and clocks that were set do not."""
    held = (one.words for one in REASONS if mask & one.bit and one.kind != "information")
    return (*held, *_unknown(mask))


def _unknown(mask: int) -> list[str]:
    rest = mask & ~KNOWN
    return [f"{1 << place:#x}" for place in range(rest.bit_length()) if rest >> place & 1]
