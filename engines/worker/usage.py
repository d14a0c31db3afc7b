"""What the kernel did to this process while it measured: told between inferences, never inside."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack, suppress
from pathlib import Path

# Of each of these threads a reading takes a microsecond between two blocks of samples.
MOST_THREADS = 64
LONGEST_LINE = 128


class Usage:
    """Counts from the last `restart`, of the threads that there are at the beginning.

    It keeps a file open for each of them, until `close`.
    """

    def __init__(self) -> None:
        self._scope = ExitStack()
        self._threads = self._opened()
        self.restart()

    def close(self) -> None:
        self._scope.close()

    def restart(self) -> None:
        self._before = resource.getrusage(resource.RUSAGE_SELF)
        self._waited_ns = self._waits()

    def since(self) -> dict[str, int]:
        """Involuntary context switches, page faults that had to wait for a disk, and for how many
        nanoseconds the thread that did so longest was ready to run and had no processor: that is
        left out where the kernel does not count it."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        counts = {
            "preempted": usage.ru_nivcsw - self._before.ru_nivcsw,
            "page_faults": usage.ru_majflt - self._before.ru_majflt,
        }
        both = zip(self._waits(), self._waited_ns, strict=True)
        if waits := [
            now - before for now, before in both if now is not None and before is not None
        ]:
            counts["waited_ns"] = max(waits)
        return counts

    def _opened(self) -> list[int]:
        """A file for each thread (Linux, Documentation/scheduler/sched-stats.rst)."""
        found: list[int] = []
        with suppress(OSError):
            # The oldest first: the one that runs the timed loop is among them.
            paths = Path("/proc/self/task").glob("*/schedstat")
            for path in sorted(paths, key=lambda one: int(one.parent.name))[:MOST_THREADS]:
                found.append(os.open(path, os.O_RDONLY))
                self._scope.callback(os.close, found[-1])
        return found

    def _waits(self) -> list[int | None]:
        return [_waited_ns(one) for one in self._threads]


def _waited_ns(thread: int) -> int | None:
    """For how long a thread has waited for a processor, the second of three numbers; None of one
    that has ended."""
    try:
        return int(os.pread(thread, LONGEST_LINE, 0).split()[1])
    except (OSError, ValueError, IndexError):
        return None
