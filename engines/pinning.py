"""Processors for the workers that measure, and others for the process that drives them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from engines.errors import UsageError
from engines.plan import LAST_PROCESSOR
from engines.worker.processors import allowed_processors, parse, written

# With fewer processors there is none to spare for the driver.
LEAST_TO_PART = 4

# What this process may run on when it is not kept off some of it.
_all: list[int] = []


def own_processors() -> list[int]:
    """The processors that this process may use, those included that it keeps off just now."""
    return _all or allowed_processors()


def check(cpus: str) -> None:
    """Raise UsageError where `cpus`, such as "0-3,8", names none, or one that is not here."""
    if not cpus:
        return
    allowed = own_processors()
    here = f"expected some of {written(allowed)}"
    if max(map(int, re.findall(r"\d+", cpus)), default=0) > LAST_PROCESSOR:
        raise UsageError(f"cpus is '{cpus}', which names more than Linux can have", hint=here)
    named = parse(cpus)
    if not named:
        raise UsageError(f"cpus is '{cpus}', which names no processor", hint=here)
    if missing := [number for number in named if number not in allowed]:
        raise UsageError(
            f"cpus names processor {written(missing)}, which this process may not use",
            hint=here,
        )


@contextlib.contextmanager
def driver_kept_off(cpus: str) -> Iterator[None]:
    """Keep this process, and what it starts meanwhile, off the processors of pinned workers.

    Where `cpus` is empty nothing is done: the workers then run everywhere, and a driver that is
    tied to one processor would meet a worker there for a whole run, where a free one is woken up
    on an idle processor. Nor is anything done with fewer than four processors, or where the
    workers have them all.
    """
    free = set(allowed_processors())
    rest = free - set(parse(cpus))
    if not cpus or len(free) < LEAST_TO_PART or not rest:
        yield
        return
    _all[:] = sorted(free)
    _move(rest)
    try:
        yield
    finally:
        _move(free)
        _all.clear()


def _move(processors: set[int]) -> None:
    """Let every thread of this process run on `processors` alone; new ones inherit it."""
    for thread in os.listdir("/proc/self/task"):
        # It may have ended since it was listed.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(thread), processors)
