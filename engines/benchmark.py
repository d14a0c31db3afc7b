"""One entry of a plan, measured in a worker of its own: load, check, warm up, measure."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines import statistics
from engines.errors import Cancelled, InferTuiError
from engines.events import Event, Progress, Samples
from engines.plan import EngineSpec, Measurement
from engines.process import WorkerProcess
from engines.results import (
    AccuracyRecord,
    DeviceRecord,
    EngineResult,
    LatencyRecord,
    PercentileRecord,
    Status,
    StopRecord,
    WarmUpRecord,
)

# How often the stop rules are asked: their statistics cost a few milliseconds each time.
DECIDE_EVERY_S = 0.5

# The pass with device events: half a second, within these numbers of requests.
DEVICE_TIMES_S = 0.5
DEVICE_TIMES_BOUNDS = (20, 500)

Phase = Literal["warm-up", "measuring"]
Steps = Generator[Event, None, None]


@dataclass(slots=True)
class Taken:
    """The samples of one phase so far, and the wall time they took in seconds."""

    blocks: list[NDArray[np.float64]] = field(default_factory=list)
    n: int = 0
    seconds: float = 0.0

    def add(self, block: NDArray[np.float64], end_s: float, began_s: float) -> None:
        self.blocks.append(block)
        self.n += len(block)
        self.seconds = end_s - began_s

    def all(self) -> NDArray[np.float64]:
        """Every latency in milliseconds, in order; the blocks become one on the way."""
        if len(self.blocks) != 1:
            self.blocks = [np.concatenate(self.blocks) if self.blocks else np.empty(0)]
        return self.blocks[0]


class Benchmark:
    """The life of one entry. `steps` yields its events; `result` says what it came to so far."""

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
    ) -> None:
        self.job, self.entry, self.label, self.spec = job, entry, label, spec
        self._measurement = measurement
        self._load_fields = load
        self._reference = reference
        self._taken = Taken()
        self._found: dict[str, Any] = {}

    def steps(self, worker: WorkerProcess) -> Steps:
        """Everything in order. Raises WorkerFailed or Cancelled; what was measured stays."""
        yield Progress(self.job, "starting")
        worker.greet()
        loaded = yield from self._ask(worker, "load", **self._load_fields)
        self._found |= {
            name: loaded[name] for name in ("load_ms", "compile_ms", "first_inference_ms")
        }
        self._found |= {"facts": loaded["facts"], "versions": loaded["versions"]}
        checked = yield from self._ask(
            worker, "check", reference=self._reference, **self._load_fields
        )
        self._found["accuracy"] = msgspec.convert(checked, AccuracyRecord)
        yield from self._warm_up(worker)
        yield from self._measure(worker)
        if self.spec.device == "cuda" and not worker.cancelled:
            yield from self._device_times(worker)

    def result(self, error: InferTuiError | None = None) -> EngineResult:
        """What is known now; `error` is what ended the work, None where it ran to its end."""
        status, reason, hint = self._status(error)
        latency, throughput = None, None
        if self._taken.n:
            latency = latency_record(self._taken.all())
            throughput = 1000.0 * self.spec.batch / latency.mean_ms
        return EngineResult(
            label=self.label,
            spec=self.spec,
            status=status,
            reason=reason,
            hint=hint,
            latency=latency,
            throughput=throughput,
            **self._found,
        )

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

    def _ask(
        self, worker: WorkerProcess, do: str, **fields: Any
    ) -> Generator[Event, None, dict[str, Any]]:
        """A request whose only events are of progress."""
        asking = worker.ask(do, **fields)
        while True:
            try:
                message, _ = next(asking)
            except StopIteration as answer:
                result: dict[str, Any] = answer.value
                return result
            yield Progress(self.job, message["phase"])

    def _warm_up(self, worker: WorkerProcess) -> Steps:
        rule = statistics.WarmUpRule(
            min_seconds=self._measurement.warmup_min_seconds,
            min_iterations=self._measurement.warmup_min_iterations,
            max_seconds=self._measurement.warmup_max_seconds,
        )
        taken = Taken()
        verdict = rule.decide(taken.all(), 0.0)

        def ended() -> bool:
            nonlocal verdict
            verdict = rule.decide(taken.all(), taken.seconds)
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
        if worker.cancelled:
            raise Cancelled

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

    def _device_times(self, worker: WorkerProcess) -> Steps:
        """Where the time goes on the device, by extra requests that no sample counts."""
        mean_s = self._taken.seconds / max(1, self._taken.n)
        iterations = int(np.clip(DEVICE_TIMES_S / max(mean_s, 1e-6), *DEVICE_TIMES_BOUNDS))
        try:
            found = yield from self._ask(worker, "times", iterations=iterations)
        except InferTuiError as error:
            # The measurement is complete: what an extra pass came to does not undo it.
            self._found["facts"] = {**self._found["facts"], "device_times_failed": error.message}
            return
        if found["device"] is not None:
            self._found["device"] = msgspec.convert(found["device"], DeviceRecord)

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
        self, worker: WorkerProcess, phase: Phase, taken: Taken, ended: Any, **limits: Any
    ) -> Steps:
        """Let the worker measure until its limits or until `ended` says so; announce each block."""
        asking = worker.ask("measure", phase=phase, **limits)
        began_s: float | None = None
        decide_at, told = time.monotonic() + DECIDE_EVERY_S, False
        while True:
            try:
                message, payload = next(asking)
            except StopIteration as answer:
                self._found["facts"] = answer.value["facts"]
                self._found["peak_host_bytes"] = answer.value["peak_host_bytes"]
                self._found["device_bytes"] = answer.value["device_bytes"]
                return
            if message["event"] == "progress":
                yield Progress(self.job, message["phase"])
                continue
            block = np.frombuffer(payload, dtype="<f8")
            start_s = float(message["start_s"])
            began_s = start_s if began_s is None else began_s
            taken.add(block, start_s + float(block.sum()) / 1000.0, began_s)
            yield Samples(self.job, self.entry, phase, start_s, block)
            if ended is not None and not told and time.monotonic() >= decide_at:
                decide_at = time.monotonic() + DECIDE_EVERY_S
                if ended():
                    worker.stop()
                    told = True


def latency_record(latencies_ms: NDArray[np.float64]) -> LatencyRecord:
    """The summary of `latencies_ms` as a profile keeps it."""
    summary = statistics.summarise(latencies_ms)
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
        outliers_mild=summary.outliers.mild,
        outliers_severe=summary.outliers.severe,
    )


def why_invalid(accuracy: AccuracyRecord) -> str:
    """Which tolerance the engine's outputs are outside of, with the figures."""
    if accuracy.nan_count:
        return f"its output has {accuracy.nan_count} values that are not finite"
    return (
        f"its outputs differ from the FP32 reference: cosine {accuracy.cosine:.5f}, "
        f"expected at least {accuracy.tolerance_cosine:g}"
    )
