"""Folds the events of a run into a profile and its raw samples, whatever becomes of the run."""

from __future__ import annotations

import time
from array import array
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines import origin
from engines.benchmark import latency_record
from engines.errors import UsageError
from engines.events import (
    EngineFinished,
    Event,
    JobFailed,
    JobStarted,
    RoundStarted,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.machine import Machine
from engines.plan import OptionValue, RunPlan
from engines.results import EngineResult, StopRecord
from engines.worker.inputs import KIND
from profiles.samples import BEFORE_ROUNDS, Phase, Series
from profiles.schema import Ending, ModelIdentity, Profile, RunRecord
from profiles.validation import LARGEST_WHOLE

if TYPE_CHECKING:
    from engines.model import ModelFacts

MILLISECONDS = 1000.0


class Recorder:
    """Give every event of one run to `apply`; ask for `profile` and `samples` at any time.

    A second run needs a recorder of its own. Not thread-safe: one thread applies and asks.
    """

    def __init__(self) -> None:
        self._plan: RunPlan | None = None
        self._labels: tuple[str, ...] = ()
        self._run_id = ""
        self._started = datetime.now(UTC)
        self._clock_start = time.monotonic()
        self._finished: RunFinished | None = None
        self._results: dict[int, EngineResult] = {}
        self._failures: dict[int, JobFailed] = {}
        self._begun: set[int] = set()
        self._series: dict[tuple[int, Phase], _GrowingSeries] = {}
        self._rounds: list[tuple[int, ...]] = []

    @property
    def plan(self) -> RunPlan | None:
        """The plan being run, None before the run has started."""
        return self._plan

    @property
    def started(self) -> datetime:
        """When the run has started; before that, when this recorder was made."""
        return self._started

    @property
    def measured(self) -> bool:
        """Whether any samples have come."""
        return bool(self._series)

    def apply(self, event: Event) -> None:
        """Take in one event. Samples that nobody can write to are kept as they come, uncopied."""
        match event:
            case Samples(entry=entry, phase=phase):
                series = self._series.get((entry, phase))
                if series is None:
                    series = self._series[entry, phase] = _GrowingSeries()
                series.append(event.latencies_ms, event.start_s, event.round, event.preempted)
            case RoundStarted():
                self._rounds.append(event.order)
            case RunStarted():
                if self._plan is not None:
                    raise ValueError("a recorder takes one run")
                self._plan, self._labels, self._run_id = event.plan, event.labels, event.run_id
                self._started, self._clock_start = datetime.now(UTC), time.monotonic()
            case JobStarted(entry=int(entry)):
                self._begun.add(entry)
            case JobFailed(entry=int(entry)):
                self._failures[entry] = event
            case EngineFinished():
                self._results[event.entry] = event.result
            case RunFinished():
                self._finished = event

    def samples(self) -> dict[tuple[int, Phase], Series]:
        """What was measured so far, as a read-only copy; later events do not change it."""
        return {key: series.view() for key, series in sorted(self._series.items())}

    def profile(
        self,
        machine: Machine,
        model: ModelFacts | None = None,
        *,
        name: str = "",
        tool_version: str = "",
        command: str = "",
    ) -> Profile:
        """The run so far as a profile, without samples; `write_profile` adds their file.

        Every entry of the plan has its result: one that never came to its end is 'stopped' or
        'failed' with what was measured until then. UsageError where no run has started.
        """
        if self._plan is None:
            raise UsageError("there is nothing to save yet", hint="run something first")
        plan = self._plan
        run = RunRecord(
            id=self._run_id,
            name=name,
            started=self._started.replace(microsecond=0),
            seconds=self._seconds(),
            ending=self._ending(),
            tool_version=tool_version,
            tool_commit=origin.commit(),
            command=command,
            input=KIND,
            variables=origin.variables(),
            rounds=tuple(self._rounds),
        )
        return Profile(
            run=run,
            machine=machine,
            model=_identity(plan, model),
            plan=plan,
            results=tuple(self._result(entry) for entry in range(len(plan.engines))),
        )

    def _seconds(self) -> float:
        return self._finished.seconds if self._finished else time.monotonic() - self._clock_start

    def _ending(self) -> Ending:
        return self._finished.ending if self._finished else "stopped"

    def _result(self, entry: int) -> EngineResult:
        found = self._results.get(entry) or self._unfinished(entry)
        # An engine that died has no summary of its own, but its samples were taken.
        return _as_a_file_can_hold(found if found.measured else self._with_latency(entry, found))

    def _unfinished(self, entry: int) -> EngineResult:
        assert self._plan is not None
        label, spec = self._labels[entry], self._plan.engines[entry]
        if failure := self._failures.get(entry):
            return EngineResult(
                label=label, spec=spec, status="failed", reason=failure.reason, hint=failure.hint
            )
        reason = "stopped before its end" if entry in self._begun else "not started"
        return EngineResult(
            label=label,
            spec=spec,
            status="stopped",
            reason=reason,
            hint="run it again for the whole measurement",
        )

    def _with_latency(self, entry: int, result: EngineResult) -> EngineResult:
        """`result` with a summary of the samples that were taken, if any were."""
        measured = self._series.get((entry, "measuring"))
        if measured is None or not measured.count:
            return result
        try:
            taken = measured.view()
            in_turns = [] if len(taken.before_rounds()) else taken.by_round().values()
            latency = latency_record(taken.latencies_ms, rounds=[len(one) for one in in_turns])
        except ValueError as error:
            return msgspec.structs.replace(result, reason=f"{result.reason}; {error}")
        seconds = latency.n * latency.mean_ms / MILLISECONDS
        return msgspec.structs.replace(
            result,
            latency=latency,
            throughput=latency.n * result.spec.batch / seconds if seconds else None,
            stop=result.stop or StopRecord(reason=result.reason, seconds=seconds),
        )


class _GrowingSeries:
    """Blocks of samples in the order they came; those that lie side by side are one piece."""

    def __init__(self) -> None:
        self.count = 0
        self._pieces: list[NDArray[np.float64]] = []
        self._block_first = array("q")
        self._block_start = array("d")
        self._preempted = array("q")
        self._block_round = array("q")

    def append(
        self,
        latencies_ms: NDArray[np.float64],
        start_s: float,
        in_round: int | None,
        preempted: int,
    ) -> None:
        self._keep(latencies_ms)
        self._block_first.append(self.count)
        self._block_start.append(start_s)
        self._preempted.append(preempted)
        self._block_round.append(BEFORE_ROUNDS if in_round is None else in_round)
        self.count += len(latencies_ms)

    def _keep(self, block: NDArray[np.float64]) -> None:
        if block.flags.writeable or not _plain_array(block):
            block = np.array(block, np.float64)
        joined = _joined(self._pieces[-1], block) if self._pieces else None
        if joined is None:
            self._pieces.append(block)
        else:
            # An object a block would take more than the few samples of a slow engine do.
            self._pieces[-1] = joined

    def view(self) -> Series:
        latencies = np.concatenate([np.empty(0), *self._pieces])
        latencies.flags.writeable = False
        rounds = np.array(self._block_round, np.int64)
        return Series(
            latencies,
            np.array(self._block_first, np.int64),
            np.array(self._block_start),
            rounds if (rounds != BEFORE_ROUNDS).any() else rounds[:0],
            np.array(self._preempted, np.int64),
        )


def _joined(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Both as one view where `other` follows `one` in the same array, otherwise None."""
    whole = one.base
    if whole is None or whole is not other.base or not _plain_array(whole):
        return None
    if _address(one) + one.nbytes != _address(other):
        return None
    first = (_address(one) - _address(whole)) // one.itemsize
    return whole[first : first + len(one) + len(other)]


def _plain_array(found: object) -> TypeGuard[NDArray[np.float64]]:
    """Whether `found` is an array of one dimension without gaps."""
    return (
        isinstance(found, np.ndarray)
        and found.ndim == 1
        and found.dtype == np.float64
        and found.flags.c_contiguous
    )


def _address(one: NDArray[np.float64]) -> int:
    return int(one.ctypes.data)


def _as_a_file_can_hold(result: EngineResult) -> EngineResult:
    """`result` with every fact as text that is not a plain value.

    Facts come from a worker's framework unchecked; a strange one must not cost the whole run.
    """
    return msgspec.structs.replace(
        result,
        facts={str(name): _plain(value) for name, value in result.facts.items()},
        versions={str(name): str(value) for name, value in result.versions.items()},
        artifacts={str(name): str(value) for name, value in result.artifacts.items()},
    )


def _plain(value: object) -> OptionValue:
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        return str(value)
    return value if isinstance(value, bool | int | float | str) else str(value)


def _identity(plan: RunPlan, facts: ModelFacts | None) -> ModelIdentity:
    if facts is None:
        return ModelIdentity(name=plan.model.name, label=plan.model.label)
    return ModelIdentity(
        name=facts.name,
        label=plan.model.label,
        source=facts.source,
        digest=facts.digest,
        parameters=facts.parameters,
        macs=facts.macs,
        input_shape=facts.input_shape,
    )
