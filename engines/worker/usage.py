"""What the kernel did to this process while it measured: told between inferences, never inside."""

from __future__ import annotations

import resource


class Usage:
    """Counts from the last `restart`. One reading takes about a microsecond, more with many
    threads, all of which it counts."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._before = resource.getrusage(resource.RUSAGE_SELF)

    def since(self) -> dict[str, int]:
        """Involuntary context switches, and page faults that had to wait for a disk."""
        now = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "preempted": now.ru_nivcsw - self._before.ru_nivcsw,
            "page_faults": now.ru_majflt - self._before.ru_majflt,
        }
