"""Who else is on a GPU: telling strangers from the workers of this very run.

In a container NVML may give the numbers that processes have on the host, or none at all. So a
worker of ours may be in the list under a number that nobody here knows: it is then known by having
come while it was loading.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from engines.gpu import GpuProcess


class Neighbours:
    """Those who compute on one GPU, as looks at its list of processes tell. Never raises."""

    def __init__(self) -> None:
        self._workers: set[int] = set()
        self._aliases: set[int] = set()
        self._before: dict[int, frozenset[int]] = {}

    def coming(self, worker: int, users: Sequence[GpuProcess]) -> None:
        """The process `worker` of ours is about to load an engine; `users` are there already."""
        self._workers.add(worker)
        self._before[worker] = frozenset(one.pid for one in users)

    def came(self, worker: int, users: Sequence[GpuProcess]) -> None:
        """`worker` has loaded its engine: where none of `users` is it by its number, one that has
        come since is taken for it."""
        if any(_belongs_to(one.pid, worker) for one in users):
            return
        new = [one.pid for one in users if one.pid not in self._before.get(worker, frozenset())]
        unknown = [pid for pid in new if not self.ours(pid)]
        self._aliases.update(unknown[:1])

    def ours(self, pid: int) -> bool:
        """Whether `pid` is a worker of this run, a child of one, or what a worker is taken for."""
        return pid in self._aliases or any(_belongs_to(pid, one) for one in self._workers)

    def strangers(self, users: Sequence[GpuProcess]) -> list[GpuProcess]:
        """Those of `users` that are not ours. On a split GPU (MIG) only those of our own instance:
        the others' computations do not take our cores."""
        instances = {one.instance for one in users if self.ours(one.pid)}
        return [
            one
            for one in users
            if not self.ours(one.pid) and (one.instance is None or one.instance in instances)
        ]

    def computing(
        self, users: Sequence[GpuProcess], shares: Mapping[int, int] | None, *, worked: bool
    ) -> list[GpuProcess]:
        """The strangers among `users` who computed, by each process's share of the GPU's time.

        Holding memory, as a forgotten notebook does, is not computing. Where the driver gives no
        `shares`, or gives none of ours although we `worked`, they prove nothing: then every
        stranger counts.
        """
        strangers = self.strangers(users)
        trusted = shares is not None and (not worked or any(map(self.ours, shares)))
        if shares is None or not trusted:
            return strangers if worked else []
        return [one for one in strangers if shares.get(one.pid, 0) > 0]


def _belongs_to(pid: int, worker: int) -> bool:
    """Whether `pid` is `worker` or one of its children: a worker leads a session of its own."""
    if pid == worker:
        return True
    try:
        return os.getsid(pid) == worker
    except OSError:
        return False
