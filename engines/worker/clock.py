"""Which clock a process reads: two that say the same may compare its readings. No NumPy."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TypedDict

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_NAMESPACE = "/proc/self/ns/time"


class ClockWord(TypedDict):
    """What a worker says of its clock: `now_ns` by `time.perf_counter_ns`, and whose clock that is.

    `origin_ns` is the reading from which it counts the seconds of its samples.
    """

    clock: str
    now_ns: int
    origin_ns: int


def identity() -> str:
    """A name of this kernel's CLOCK_MONOTONIC, which Python's `perf_counter_ns` and `monotonic_ns`
    both read on Linux; empty where there is no telling.

    A time namespace may shift it, so that belongs to the name.
    """
    try:
        boot = BOOT_ID.read_text().strip()
    except OSError:
        return ""
    try:
        return f"{boot} {os.readlink(TIME_NAMESPACE)}"
    except OSError:  # kernels before 5.6 have no time namespaces
        return boot


def word(origin_ns: int) -> ClockWord:
    return ClockWord(clock=identity(), now_ns=time.perf_counter_ns(), origin_ns=origin_ns)
