"""How many processors this process may really use. Standard library only."""

from __future__ import annotations

import math
import os
from pathlib import Path

CPU_FOLDER = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def allowed_processors() -> list[int]:
    """The logical processors that the scheduler may give to this process."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical_cores() -> int:
    """Physical cores among the allowed processors, no more than the container's CPU quota.

    Two hardware threads of a core count once: they share the units that convolutions use.
    """
    cores: set[str] = set()
    for number in allowed_processors():
        topology = CPU_FOLDER / f"cpu{number}" / "topology"
        try:
            package = (topology / "physical_package_id").read_text().strip()
            core = (topology / "core_id").read_text().strip()
        except OSError:
            return min(len(allowed_processors()), quota())
        cores.add(f"{package}/{core}")
    return max(1, min(len(cores), quota()))


def quota() -> int:
    """The processors that cgroup v2 grants (`docker run --cpus`), or a large number if no limit."""
    try:
        limit, period = CGROUP_QUOTA.read_text().split()
        return max(1, math.ceil(int(limit) / int(period)))
    except (OSError, ValueError):
        return 1_000_000
