"""Engines of one plan that take turns: all of them loaded, one measuring, the others asleep.

What a machine drifts by (clocks, temperature, neighbours) then hits all of them alike, and a
comparison by rounds cancels it. A worker that waits for its turn is blocked in a read and in a
lock: it takes no processor time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from engines.benchmark import Steps
from engines.control import Control
from engines.entry import Entry
from engines.errors import Cancelled, InferTuiError
from engines.events import EngineFinished, Progress, RoundStarted
from engines.machine import memory_available
from engines.plan import Measurement
from engines.process import WorkerProcess
from engines.results import EngineResult
from engines.versus import baseline_of, not_interleaved, verdicts

# An engine runs this long before each of its blocks, without being counted. When others have run
# its weights are out of the caches, its threads asleep and the GPU's clock where the others left
# it; and for 200 ms the threads of the one before may still spin in wait for work (KMP_BLOCKTIME
# of Intel's and LLVM's OpenMP). Measured on an H200 and two cores of a CPU (docs/statistics.md):
# a GPU's engine is itself after 20 ms, a CPU's after 250.
REWARM_S = 0.25
REWARM_GPU_S = 0.05
# What an engine fails with that has no room beside the others, see `engines.worker.failure`; a GPU
# in exclusive mode has room for one.
NO_ROOM = ("out-of-gpu-memory", "out-of-memory", "gpu-taken")
MIB = 1 << 20


@dataclass(slots=True)
class Seat:
    """An entry whose engine is loaded, and the worker that holds it."""

    entry: Entry
    worker: WorkerProcess


class Interleaving:
    """Measures `entries` in rounds of one block each, in an order drawn anew from `seed`.

    An engine that finds no room beside the others is measured alone when they are done. One whose
    worker dies is a failed entry, and the others go on.
    """

    def __init__(
        self, entries: Sequence[Entry], measurement: Measurement, seed: str, control: Control
    ) -> None:
        self._entries, self._measurement, self._control = entries, measurement, control
        self._order = random.Random(seed)  # noqa: S311  # an order, no secret
        self._places = random.Random(f"places of {seed}")  # noqa: S311
        self._seats: dict[int, Seat] = {}
        self._results: dict[int, EngineResult] = {}
        self._left_out: dict[int, tuple[Entry, str]] = {}
        self._baseline: str | None = None

    def events(self) -> Steps:
        """All of it, to the last entry's result; closing the iterator ends every worker."""
        try:
            for entry in self._entries:
                yield from self._load(entry)
            yield from self._rounds()
            yield from self._extra_passes()
        finally:
            for seat in self._seats.values():
                seat.worker.kill()
        yield from self._results_with_verdicts()
        for entry, why in self._left_out.values():
            yield from self._alone(entry, why)

    def _load(self, entry: Entry) -> Steps:
        """Load, check and warm up; then the engine waits for its turn."""
        if self._control.cancelled:
            self._results[entry.index], _ = entry.close(Cancelled())
            return
        yield entry.started()
        if (lacking := self._lacking_memory()) is not None:
            yield from self._leave_out(entry, lacking)
            return
        try:
            worker = entry.worker()
        except InferTuiError as error:
            yield from self._over(entry, error)
            return
        self._seats[entry.index] = Seat(entry, worker)
        try:
            yield from entry.benchmark.prepare(worker)
        except InferTuiError as error:
            yield from self._lost(entry, error)
        else:
            yield Progress(entry.job, "waiting for its turn")

    def _lacking_memory(self) -> str | None:
        """Why another engine may have no room in the host's memory, None where it should have.

        Asked before, because the kernel would not end the one that is loading but the largest.
        """
        peaks = [seat.entry.benchmark.peak_host_bytes for seat in self._seats.values()]
        largest, free = max(peaks, default=0), memory_available()
        if free >= largest:
            return None
        return (
            f"{free / MIB:,.0f} MiB of host memory are free, the largest of the others"
            f" takes {largest / MIB:,.0f}"
        )

    def _rounds(self) -> Steps:
        for number in range(self._measurement.blocks):
            order = sorted(self._seats)
            if not order or self._control.cancelled:
                return
            self._order.shuffle(order)
            yield RoundStarted(number, self._measurement.blocks, tuple(order))
            yield from self._round(order, number)

    def _round(self, order: Sequence[int], number: int) -> Steps:
        # Processors differ, and where a process sleeps it wakes: all engines of a round begin on
        # the same one, or the difference would be taken for theirs.
        place = self._places.random()
        for index in order:
            if self._control.cancelled:
                return
            yield from self._turn(self._seats[index], number, place)

    def _turn(self, seat: Seat, number: int, place: float) -> Steps:
        rewarm_s = REWARM_GPU_S if seat.entry.spec.device == "cuda" else REWARM_S
        try:
            yield from seat.entry.benchmark.turn(seat.worker, number, rewarm_s, place)
        except InferTuiError as error:
            yield from self._lost(seat.entry, error)

    def _extra_passes(self) -> Steps:
        """What else is asked of each engine; those that are done make room for the others."""
        for index in sorted(self._seats):
            seat = self._seats[index]
            stopped = self._control.cancelled
            if not seat.entry.benchmark.turns:
                yield from self._lost(seat.entry, Cancelled())
                continue
            seat.entry.benchmark.end_turns(stopped=stopped)
            if stopped:
                self._seats.pop(index).worker.kill()
            else:
                yield from seat.entry.benchmark.extra_passes(seat.worker)
                self._seats.pop(index).worker.close()
            yield from self._over(seat.entry, None)

    def _lost(self, entry: Entry, error: InferTuiError) -> Steps:
        """The engine of `entry` is gone: measure it alone where it only lacked room."""
        self._seats.pop(entry.index).worker.kill()
        turns = entry.benchmark.turns
        if getattr(error, "kind", "") in NO_ROOM and self._seats and not turns:
            yield from self._leave_out(entry, error.message)
            return
        if turns:
            entry.benchmark.end_turns(stopped=isinstance(error, Cancelled))
        yield from self._over(entry, error)

    def _leave_out(self, entry: Entry, why: str) -> Steps:
        self._left_out[entry.index] = (entry, why)
        entry.start_over(not_interleaved=why)
        yield Progress(entry.job, "waiting for its turn", f"alone, at the end: {why}")

    def _over(self, entry: Entry, error: InferTuiError | None) -> Steps:
        self._results[entry.index], ended = entry.close(error)
        yield ended

    def _results_with_verdicts(self) -> Steps:
        """Every entry that took turns, or should have, with its verdict."""
        entries = [entry for entry in self._entries if entry.index in self._results]
        results = [self._results[entry.index] for entry in entries]
        turns = [entry.benchmark.turns for entry in entries]
        self._baseline = baseline_of(results, turns)
        found = verdicts(results, turns, self._measurement.threshold)
        for entry, result, versus in zip(entries, results, found, strict=True):
            yield EngineFinished(entry.index, msgspec.structs.replace(result, versus=versus))

    def _alone(self, entry: Entry, why: str) -> Steps:
        """Measure an engine that found no room; no verdict on it can be had."""
        if self._baseline is not None:
            entry.versus = not_interleaved(self._baseline, self._measurement.threshold, why)
        if self._control.cancelled:
            result, ended = entry.close(Cancelled())
            yield ended
            yield EngineFinished(entry.index, result)
        else:
            yield from entry.measure_alone()
