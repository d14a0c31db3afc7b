"""Asks the interpreter that would run an engine whether it can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from engines import paths
from engines.control import Control
from engines.errors import WorkerFailed
from engines.plan import Device
from engines.process import WorkerProcess
from engines.registry import CATALOGUE, Availability

Pair = tuple[str, Device]


def every_pair() -> tuple[Pair, ...]:
    """Each engine of the catalogue with each device it can use, CPU first: those answer fastest."""
    pairs = [(engine.name, place) for engine in CATALOGUE for place in engine.devices]
    return tuple(sorted(pairs, key=lambda pair: pair[1] != "cpu"))


def probe(
    pairs: Iterable[Pair] | None = None, control: Control | None = None
) -> Iterator[Availability]:
    """Yield one answer for each of `pairs` (default: all), as they come.

    An import that kills its worker makes that one engine unavailable; the others are asked again
    in a new worker.
    """
    left = list(every_pair() if pairs is None else pairs)
    control = control or Control()
    log = paths.ready(paths.state_folder() / "logs") / "probe.log"
    while left:
        yield from _probe_in_one_worker(left, log, control)


def _probe_in_one_worker(left: list[Pair], log: Path, control: Control) -> Iterator[Availability]:
    """Answer and take out as many of `left` as one worker lives for, at least one."""
    with WorkerProcess(log, control) as worker:
        try:
            worker.greet()
            for message, _ in worker.ask("probe", engines=list(left)):
                if message["event"] == "probed":
                    pair = (message["engine"], message["device"])
                    left.remove(pair)
                    yield Availability(
                        engine=pair[0],
                        device=pair[1],
                        readiness="ready" if message["ready"] else "unavailable",
                        reason=message["reason"],
                        install=message["install"],
                        versions=message["versions"],
                    )
        except WorkerFailed as error:
            engine, device = left.pop(0)
            yield Availability(engine, device, "unavailable", reason=error.message)
