"""One entry of a plan, measured in a worker of its own: load, check, warm up, measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines import conditions, statistics
from engines.conditions import Block
from engines.errors import Cancelled, InferTuiError
from engines.events import Event, Progress
from engines.monitor import Monitor, Watch
from engines.passes import energy, split, throughput
from engines.plan import EngineSpec, Measurement
from engines.process import WorkerProcess
from engines.results import (
    AccuracyRecord,
    ConditionsRecord,
    EngineResult,
    LatencyRecord,
    MemoryRecord,
    PercentileRecord,
    Status,
    StopRecord,
    WarmUpRecord,
)
from engines.sampling import Phase, Taken, ask, sample
from engines.wording import cosine

Steps = Generator[Event, None, None]

# A GPU that still calls itself idle has clocks that are yet to rise. One that is hardly used may
# say so for ever, so that it is waited for no longer than clocks take.
IDLE_PATIENCE_S = 3.0


class Benchmark:
    """The life of one entry. `steps` yields its events; `result` says what it came to so far.

    `gpu` is the UUID of the GPU that it runs on, which `monitor` reads meanwhile; empty for none.
    """

    def __init__(
        self,
        *,
        job: str,
        entry: int,
        label: str,
        spec: EngineSpec,
        measurement: Measurement,
        load: dict[str, Any],
        reference: str,
        monitor: Monitor | None = None,
        gpu: str = "",
    ) -> None:
        self.job, self.entry, self.label, self.spec = job, entry, label, spec
        self._measurement = measurement
        self._load_fields = load
        self._reference = reference
        self._monitor, self._gpu = monitor, gpu
        self._watch: Watch | None = None
        self._taken = Taken()
        self._rewarm = Taken()
        self._found: dict[str, Any] = {}

    def steps(self, worker: WorkerProcess) -> Steps:
        """Everything in order. Raises WorkerFailed or Cancelled; what was measured stays."""
        yield from self.prepare(worker)
        yield from self._measure(worker)
        yield from self.extra_passes(worker)

    def prepare(self, worker: WorkerProcess) -> Steps:
        """Load the engine, check its outputs and warm it up."""
        yield Progress(self.job, "starting")
        if self._monitor is not None and self._gpu:
            self._watch = self._monitor.watch(self._gpu, worker.pid)
        worker.greet()
        loaded = yield from ask(worker, self.job, "load", **self._load_fields)
        if self._watch is not None:
            self._watch.loaded()
        self._found |= {
            name: loaded[name] for name in ("load_ms", "compile_ms", "first_inference_ms")
        }
        self._found |= {"facts": loaded["facts"], "versions": loaded["versions"]}
        checked = yield from ask(
            worker, self.job, "check", reference=self._reference, **self._load_fields
        )
        self._found["accuracy"] = msgspec.convert(checked, AccuracyRecord)
        yield from self._warm_up(worker)

    def turn(
        self, worker: WorkerProcess, in_round: int, rewarm_seconds: float, place: float
    ) -> Steps:
        """One block while other engines wait for theirs, right after a re-warm that is not counted.

        It begins on the processor at `place`, from 0 to below 1, of those that are allowed. Raises
        as `steps` does.
        """
        plan = self._measurement
        yield from self._sample(
            worker,
            "measuring",
            self._taken,
            None,
            in_round=in_round,
            detail=f"round {in_round + 1} of {plan.blocks}",
            rewarm_seconds=rewarm_seconds,
            place=place,
            seconds=plan.block_seconds,
        )
        yield Progress(self.job, "waiting for its turn")

    @property
    def peak_host_bytes(self) -> int:
        """The largest that the worker has been so far, 0 before its warm-up ended."""
        return int(self._found.get("peak_host_bytes", 0))

    def end_turns(self, *, stopped: bool) -> None:
        """There are no more rounds, or the user has `stopped` them: record how it ended."""
        plan, done = self._measurement, len(self._taken.rounds)
        asked = f"{plan.blocks} blocks of {plan.block_seconds:g} s were asked for"
        self._found["stop"] = StopRecord(
            reason=Cancelled().message if stopped else asked,
            seconds=self._taken.seconds,
            unmet=(f"{done} of {plan.blocks} blocks",) if done < plan.blocks else (),
        )

    @property
    def turns(self) -> Mapping[int, NDArray[np.float64]]:
        """The latencies of each round so far, in ms."""
        return self._taken.by_round()

    def extra_passes(self, worker: WorkerProcess) -> Steps:
        """What is asked of the engine besides its latency, by requests that no sample counts.

        The measurement is complete: a pass that fails is a fact of the entry and undoes nothing.
        """
        mean_s = self._taken.seconds / max(1, self._taken.n)
        passes: dict[str, Callable[[], Generator[Event, None, dict[str, Any]]]] = {}
        if self.spec.device == "cuda":
            passes["device_times"] = lambda: split.steps(worker, self.job, mean_s)
        if self._measurement.energy:
            passes["energy"] = lambda: self._energy(worker)
        if in_flight := self._measurement.in_flight:
            # The last: what stands beside the engine would show in any other pass.
            passes["throughput"] = lambda: throughput.steps(
                worker, self.job, self.spec.batch, in_flight, self._load_fields
            )
        for name, one in passes.items():
            if worker.cancelled:
                return
            try:
                found = yield from one()
                facts = {**self._found.get("facts", {}), **found.pop("facts", {})}
                self._found |= {**found, "facts": facts}
            except InferTuiError as error:
                self._found["facts"] = {**self._found["facts"], f"{name}_failed": error.message}

    def result(self, error: InferTuiError | None = None) -> EngineResult:
        """What is known now; `error` is what ended the work, None where it ran to its end."""
        status, reason, hint = self._status(error)
        latency, throughput = None, None
        self.end_watch()
        blocks = self._taken.times
        found, tags = self._conditions(blocks)
        if self._taken.n:
            rounds = tuple(self._taken.rounds.values())
            latency = latency_record(self._taken.all(), blocks, tags, rounds)
            throughput = 1000.0 * self.spec.batch / latency.mean_ms
        return EngineResult(
            label=self.label,
            spec=self.spec,
            status=status,
            reason=reason,
            hint=hint,
            latency=latency,
            throughput=throughput,
            conditions=found,
            **self._found,
        )

    def end_watch(self) -> None:
        """Nothing more has to be read of its GPU; may be called twice."""
        if self._watch is not None:
            self._watch.end()

    def _conditions(self, blocks: Sequence[Block]) -> tuple[ConditionsRecord | None, list[str]]:
        """What disturbed the measurement, and for each of its `blocks` by which cause, if any."""
        taken, watch = self._taken, self._watch
        origin_ns = taken.timeline.origin_ns if taken.timeline is not None else 0
        log = watch.log() if watch is not None else conditions.GpuLog()
        found, tags = conditions.judge(blocks, log, origin_ns, taken.asleep_ns / 1e9)
        if watch is None and self._gpu and self._monitor is not None:
            found = msgspec.structs.replace(found, problem=self._monitor.problem)
        return (found if found.says_anything else None), tags

    def _energy(self, worker: WorkerProcess) -> Generator[Event, None, dict[str, Any]]:
        if self.spec.device == "cuda":
            return energy.of_gpu(worker, self.job, self._watch, self.spec.batch)
        return energy.of_processors(worker, self.job, self.spec.batch)

    def _status(self, error: InferTuiError | None) -> tuple[Status, str, str]:
        if isinstance(error, Cancelled):
            return "stopped", error.message, ""
        if error is not None:
            return "failed", error.message, error.hint
        accuracy: AccuracyRecord | None = self._found.get("accuracy")
        if accuracy is not None and not accuracy.within_tolerance:
            return "invalid", why_invalid(accuracy), "compare its logits with the reference's"
        stop: StopRecord | None = self._found.get("stop")
        if stop is not None and stop.reason == Cancelled().message:
            return "stopped", stop.reason, ""
        return "ok", "", ""

    def _warm_up(self, worker: WorkerProcess) -> Steps:
        rule = statistics.WarmUpRule(
            min_seconds=self._measurement.warmup_min_seconds,
            min_iterations=self._measurement.warmup_min_iterations,
            max_seconds=self._measurement.warmup_max_seconds,
        )
        taken = Taken()
        verdict = rule.decide(taken.all(), 0.0)
        began_ns = time.monotonic_ns()

        def ended() -> bool:
            nonlocal verdict
            waiting = self._waits_for_clocks(taken, began_ns)
            verdict = rule.decide(taken.all(), taken.seconds, waiting)
            return verdict.over

        yield from self._sample(
            worker, "warm-up", taken, ended, seconds=self._measurement.warmup_max_seconds
        )
        if not verdict.over and not worker.cancelled:
            # The last block may end a little before the limit that ended the phase. A verdict
            # that is there already stands: the samples since only came while it was told.
            verdict = rule.decide(taken.all(), self._measurement.warmup_max_seconds)
        self._found["warm_up"] = WarmUpRecord(
            n=taken.n, seconds=taken.seconds, settled=verdict.settled, reason=verdict.reason
        )
        if self._watch is not None:
            self._found["memory"] = self._watch.memory()
        if worker.cancelled:
            raise Cancelled

    def _waits_for_clocks(self, taken: Taken, began_ns: int) -> str:
        """Why the warm-up can't have settled yet, whatever its latencies look like."""
        if self._watch is None or taken.seconds > IDLE_PATIENCE_S:
            return ""
        return "the GPU still calls itself idle" if self._watch.idles(began_ns) else ""

    def _measure(self, worker: WorkerProcess) -> Steps:
        """Fill `self._taken` as it goes, so that an early end leaves what there is."""
        plan, taken = self._measurement, self._taken
        decided: statistics.Stop | None = None
        if plan.iterations is not None or plan.seconds is not None:
            yield from self._sample(
                worker, "measuring", taken, None, iterations=plan.iterations, seconds=plan.seconds
            )
        else:
            rule = statistics.StopRule(
                min_seconds=plan.min_seconds,
                max_seconds=plan.max_seconds,
                half_width=plan.median_half_width,
            )

            def ended() -> bool:
                nonlocal decided
                decided = rule.decide(taken.all(), taken.seconds)
                return decided is not None

            yield from self._sample(worker, "measuring", taken, ended, seconds=plan.max_seconds)
            decided = decided or rule.decide(taken.all(), max(taken.seconds, plan.max_seconds))
        self._found["stop"] = StopRecord(
            reason=self._why_stopped(worker, decided),
            seconds=taken.seconds,
            unmet=decided.unmet if decided and not worker.cancelled else (),
        )

    def _why_stopped(self, worker: WorkerProcess, decided: statistics.Stop | None) -> str:
        """What ended the measurement: the user first, whatever limit the plan had."""
        plan = self._measurement
        if worker.cancelled:
            return Cancelled().message
        if decided is not None:
            return decided.reason
        if plan.iterations is not None:
            return f"{plan.iterations} iterations were asked for"
        return f"{plan.seconds:g} s were asked for"

    def _sample(
        self,
        worker: WorkerProcess,
        phase: Phase,
        taken: Taken,
        ended: Callable[[], bool] | None,
        **limits: Any,
    ) -> Steps:
        both: dict[str, Taken] = {"warm-up": self._rewarm, phase: taken}
        found = yield from sample(
            worker, self.job, self.entry, phase, both, ended, watch=self._watch, **limits
        )
        self._found |= {name: found[name] for name in ("facts", "peak_host_bytes")}
        memory: MemoryRecord | None = self._found.get("memory")
        if memory is not None or found["memory"]:
            # What NVML saw, with what the engine's own library knows.
            known = msgspec.structs.replace(memory or MemoryRecord(), **found["memory"])
            self._found["memory"] = known


def latency_record(
    latencies_ms: NDArray[np.float64],
    blocks: Sequence[Block] = (),
    tags: Sequence[str] = (),
    rounds: Sequence[int] = (),
) -> LatencyRecord:
    """The summary of `latencies_ms` as a profile keeps it.

    `blocks` say when they were taken and `tags` what disturbed each: that tells outliers' causes.
    `rounds` are how many are of each round, where the engine took turns.
    """
    summary = statistics.summarise(latencies_ms, rounds)
    *_, mild_fence_ms, _ = summary.outliers.fences_ms
    return LatencyRecord(
        n=summary.n,
        mean_ms=summary.mean,
        min_ms=summary.minimum,
        max_ms=summary.maximum,
        stdev_ms=summary.stdev,
        percentiles=tuple(
            PercentileRecord(
                percentile=one.percentile,
                needs=one.floor,
                value_ms=one.value,
                low_ms=one.low,
                high_ms=one.high,
            )
            for one in summary.percentiles
        ),
        drift=summary.drift,
        outliers_mild=summary.outliers.mild,
        outliers_severe=summary.outliers.severe,
        outlier_causes=conditions.outlier_causes(latencies_ms, blocks, tags, mild_fence_ms),
    )


def why_invalid(accuracy: AccuracyRecord) -> str:
    """Which tolerance the engine's outputs are outside of, with the figures."""
    if accuracy.nan_count:
        return f"its output has {accuracy.nan_count} values that are not finite"
    return (
        f"its outputs differ from the FP32 reference: cosine {cosine(accuracy.cosine)}, "
        f"expected at least {accuracy.tolerance_cosine:g}"
    )
