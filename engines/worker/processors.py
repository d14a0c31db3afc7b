"""How many processors this process may really use. Standard library only."""

from __future__ import annotations

import math
import os
from pathlib import Path

CPU_FOLDER = Path("/sys/devices/system/cpu")
SMT = CPU_FOLDER / "smt" / "active"
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FEW = 8
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def allowed_processors() -> list[int]:
    """The logical processors that the scheduler may give to this process."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def begin_on(place: float) -> None:
    """Move this thread to the processor at `place`, from 0 to below 1, of those that are allowed.

    It may leave it again, as the scheduler likes, which seldom moves what runs. Without this a
    process that sleeps and wakes may stay for minutes where it once was, beside other work that
    its competitors do not meet.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, {allowed[int(place * len(allowed))]})
    finally:
        os.sched_setaffinity(0, allowed)


def physical_cores(numbers: list[int] | None = None) -> int:
    """Physical cores among these processors (the allowed ones), no more than the container's quota.

    Two hardware threads of a core count once: they share the units that convolutions use.
    """
    numbers = allowed_processors() if numbers is None else numbers
    cores: set[str] = set()
    for number in numbers:
        topology = CPU_FOLDER / f"cpu{number}" / "topology"
        try:
            package = (topology / "physical_package_id").read_text().strip()
            core = (topology / "core_id").read_text().strip()
        except OSError:
            return min(len(numbers), quota())
        cores.add(f"{package}/{core}")
    return max(1, min(len(cores), quota()))


def few_cores() -> int:
    """As many physical cores as work beside the measurement should take, `FEW` at most.

    On a machine with many cores that other work uses too, a team of them all is slower than a small
    one: 64 threads took a minute for 128 images on 64 busy processors, because each operator ends
    with the last of its threads.
    """
    return min(FEW, physical_cores())


def parse(text: str) -> list[int]:
    """The numbers in a list of processors as Linux writes it, such as "0-3,8": [0, 1, 2, 3, 8].

    A range that ends before it begins holds none, as nothing in `text` does.
    """
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)


def written(numbers: list[int]) -> str:
    """The list that `parse` would read `numbers` from, at its shortest."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)


def smt() -> bool | None:
    """Whether cores of this machine run two threads each; None where the kernel does not say."""
    text = _read(SMT)
    return None if text not in ("0", "1") else text == "1"


def governor(numbers: list[int]) -> str | None:
    """What chooses the clock of these processors, such as "performance"; None in most virtual
    machines, which do not have a say in it."""
    found = [
        _read(CPU_FOLDER / f"cpu{number}" / "cpufreq" / "scaling_governor") for number in numbers
    ]
    return " and ".join(dict.fromkeys(one for one in found if one)) or None


def heap_in_huge_pages() -> bool | None:
    """Whether malloc asks for huge pages and the kernel gives them; None where nobody can tell.

    "always [madvise] never" in that file means that who asks gets them.
    """
    mode = _read(HUGE_PAGES)
    if mode is None:
        return None
    asked = "glibc.malloc.hugetlb=1" in os.environ.get("GLIBC_TUNABLES", "")
    return "[always]" in mode or ("[madvise]" in mode and asked)


def facts() -> dict[str, bool | int | float | str]:
    """Where this process may run, as a result states it; what is not known is left out."""
    allowed = allowed_processors()
    found: dict[str, bool | int | str | None] = {
        "processors": written(allowed),
        "cores": physical_cores(),
        "smt": smt(),
        "governor": governor(allowed),
        "heap_in_huge_pages": heap_in_huge_pages(),
    }
    return {name: value for name, value in found.items() if value is not None}


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def quota() -> int:
    """The processors that cgroup v2 grants (`docker run --cpus`), or a large number if no limit."""
    try:
        limit, period = CGROUP_QUOTA.read_text().split()
        return max(1, math.ceil(int(limit) / int(period)))
    except (OSError, ValueError):
        return 1_000_000
