"""One entry of a plan on its way from a worker to a result, and the events that say so."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engines import registry
from engines.artifacts import Artifact, Cache
from engines.benchmark import Benchmark, Steps
from engines.building import with_gpu_users
from engines.control import Control
from engines.errors import Cancelled, InferTuiError
from engines.events import EngineFinished, Event, JobDone, JobFailed, JobStarted
from engines.monitor import Monitor
from engines.plan import EngineSpec, Measurement, OptionValue, RunPlan
from engines.process import WorkerProcess
from engines.results import EngineResult, VersusRecord


@dataclass(frozen=True, slots=True)
class Made:
    """What one entry's engine is loaded from, besides the weights."""

    onnx: Artifact | None = None
    engine: Artifact | None = None


def load_request(
    plan: RunPlan, spec: EngineSpec, weights: Artifact, made: Made, cache: Cache
) -> dict[str, Any]:
    """The fields of a `load` request for `spec`, an entry of `plan`."""
    return {
        "engine": spec.engine,
        "device": spec.device,
        "precision": spec.precision,
        "batch": spec.batch,
        "options": registry.find(spec.engine).settings(spec),
        "model": msgspec.to_builtins(plan.model),
        "input_size": plan.model.input_size,
        "input_seed": plan.input_seed,
        "weights": str(weights.path),
        "onnx": str(made.onnx.path) if made.onnx else "",
        "engine_file": str(made.engine.path) if made.engine else "",
        "cache": str(cache.root / "inductor"),
    }


class Entry:
    """One entry that can be measured: `index` is its place in the plan.

    `load` is the request that loads its engine, `reference` the file of the FP32 reference's
    logits. `facts` are added to what the worker says of the engine, `versus` is the verdict on it.
    """

    def __init__(
        self,
        *,
        index: int,
        label: str,
        spec: EngineSpec,
        measurement: Measurement,
        load: dict[str, Any],
        reference: str,
        log: Path,
        weights: Artifact,
        made: Made,
        cache: Cache,
        control: Control,
        monitor: Monitor,
        gpu: str,
        facts: dict[str, OptionValue],
    ) -> None:
        self.index, self.label, self.spec = index, label, spec
        self.job = f"benchmark {index}"
        self.facts = facts
        self._measurement, self._load, self._reference = measurement, load, reference
        self._log, self._cache, self._control = log, cache, control
        self._weights, self._made = weights, made
        self._monitor, self._gpu = monitor, gpu
        self._began = time.monotonic()
        self.versus: VersusRecord | None = None
        self.benchmark = self._new_benchmark(measurement)

    def _new_benchmark(self, measurement: Measurement) -> Benchmark:
        return Benchmark(
            job=self.job,
            entry=self.index,
            label=self.label,
            spec=self.spec,
            measurement=measurement,
            load=self._load,
            reference=self._reference,
            monitor=self._monitor,
            gpu=self._gpu,
        )

    def started(self) -> JobStarted:
        """The event of its beginning."""
        self._began = time.monotonic()
        return JobStarted(
            self.job,
            "benchmark",
            self.label,
            self.index,
            expected_s=self._cache.last_seconds("benchmark", self._slot),
            log=str(self._log),
        )

    def worker(self) -> WorkerProcess:
        """A new worker for it. Raises WorkerFailed where none can be started."""
        cpus = self._measurement.cpus
        return WorkerProcess(self._log, self._control, self.spec.environment, cpus=cpus)

    def alone(self) -> Steps:
        """The whole of it by itself, from its worker's first word to its result."""
        yield self.started()
        yield from self.measure_alone()

    def measure_alone(self) -> Steps:
        """The same for an entry whose beginning was told before."""
        error: InferTuiError | None = None
        try:
            with self.worker() as worker:
                yield from self.benchmark.steps(worker)
        except InferTuiError as caught:
            error = caught
        result, ended = self.close(error)
        yield ended
        yield EngineFinished(self.index, result)

    def start_over(self, **facts: OptionValue) -> None:
        """Forget what was measured and be measured alone; `facts` say why."""
        self.facts |= facts
        self.benchmark.end_watch()
        alone = msgspec.structs.replace(self._measurement, interleave=False)
        self.benchmark = self._new_benchmark(alone)

    def close(self, error: InferTuiError | None) -> tuple[EngineResult, Event]:
        """Its result and the event of its end; `error` is what ended it, None where nothing did."""
        error = error and with_gpu_users(error)
        result = with_artifacts(self.benchmark.result(error), self._weights, self._made)
        result = msgspec.structs.replace(
            result, facts={**result.facts, **self.facts}, versus=self.versus
        )
        if result.load_ms is not None:
            ready_s = (result.load_ms + (result.compile_ms or 0.0)) / 1000.0
            self._cache.remember("benchmark", self._slot, ready_s)
        if error is None or isinstance(error, Cancelled):
            seconds = time.monotonic() - self._began
            return result, JobDone(self.job, "benchmark", seconds, entry=self.index)
        tail = getattr(error, "log_tail", "")
        failed = JobFailed(self.job, "benchmark", error.message, error.hint, self.index, tail)
        return result, failed

    @property
    def _slot(self) -> str:
        """What the cache remembers its loading time by."""
        # max-autotune takes minutes where another mode takes seconds.
        spec = self.spec
        mode = registry.find(spec.engine).settings(spec).get("mode", "")
        return f"{spec.engine}-{spec.device}-{spec.precision}-b{spec.batch}-{mode}".rstrip("-")


def with_artifacts(result: EngineResult, weights: Artifact, made: Made) -> EngineResult:
    """Add what the engine was made from, and how long each conversion took."""
    digests = {"weights": weights.meta.facts["digest"]}
    if made.onnx:
        digests["onnx"] = made.onnx.meta.sha256
    if made.engine:
        digests["engine"] = made.engine.meta.sha256
    return msgspec.structs.replace(
        result,
        artifacts=digests,
        export_ms=made.onnx.meta.seconds * 1000.0 if made.onnx else None,
        build_ms=made.engine.meta.seconds * 1000.0 if made.engine else None,
    )
