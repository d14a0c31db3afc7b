"""The one door through which the app and the command line run a plan."""

from __future__ import annotations

import contextlib
import math
import secrets
import shutil
import time
from collections.abc import Generator, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engines import paths, registry
from engines.artifacts import Artifact, Cache
from engines.benchmark import Benchmark
from engines.control import Control
from engines.errors import Cancelled, InferTuiError, UsageError, WorkerFailed
from engines.events import (
    EngineFinished,
    Event,
    JobDone,
    JobFailed,
    JobStarted,
    RunFinished,
    RunStarted,
)
from engines.machine import memory_available
from engines.model import facts_of
from engines.plan import Device, EngineSpec, RunPlan, unique_labels
from engines.preparation import Preparation
from engines.probing import Pair, probe
from engines.process import WorkerProcess
from engines.registry import Availability
from engines.results import EngineResult

Answers = Mapping[Pair, Availability]
Events = Generator[Event, None, None]

# Enough images for top-1 agreement to be told to 2 %, few enough to take about a second.
CHECKED_IMAGES = 64
# The reference is computed in batches of this many: larger ones gain nothing on a CPU.
REFERENCE_BATCH = 8
KEPT_LOG_FOLDERS = 20
# A folder of logs that nothing was added to for a day belongs to no run that still goes.
LONGEST_RUN_S = 86_400
GIB = 1 << 30


def run(plan: RunPlan, control: Control, known: Iterable[Availability] = ()) -> Events:
    """Run `plan` and yield what happens, to the last event `RunFinished`.

    Blocks between events: iterate it in a thread of its own. `known` spares asking again whether
    an engine is available. An engine that fails is a result; the others go on. Raises
    InferTuiError where nothing can be run at all: a plan that asks for what does not exist,
    weights of another network, a batch that can't fit. Closing the iterator ends all children.
    """
    if not plan.engines:
        raise UsageError("the plan names no engine", hint="add one, such as '-e onnxruntime'")
    for spec in plan.engines:
        registry.check(spec)
    return Run(plan, control, known).events()


class Run:
    """The state of one run."""

    def __init__(self, plan: RunPlan, control: Control, known: Iterable[Availability]) -> None:
        self._plan = plan
        self._control = control
        self._answers = {
            (one.engine, one.device): one for one in known if one.readiness != "checking"
        }
        self._id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self._logs = new_log_folder(self._id)
        self._cache = Cache()
        self._export_s: float | None = None

    def events(self) -> Events:
        began = time.monotonic()
        ending: Any = "complete"
        self._ask_missing()
        self._plan = resolve(self._plan, self._answers)
        labels = unique_labels(self._plan.engines)
        yield RunStarted(self._plan, labels, self._id)
        try:
            yield from self._jobs(labels)
        except Cancelled:
            ending = "stopped"
        except InferTuiError:
            yield RunFinished("failed", time.monotonic() - began)
            raise
        if self._control.cancelled:
            ending = "stopped"
        yield RunFinished(ending, time.monotonic() - began)

    def _ask_missing(self) -> None:
        """Ask about the engines that nobody has asked about yet."""
        wanted = dict.fromkeys(
            pair for spec in self._plan.engines for pair in registry.pairs_of(spec)
        )
        missing = [pair for pair in wanted if pair not in self._answers]
        for answer in probe(missing, self._control) if missing else ():
            self._answers[answer.engine, answer.device] = answer

    def _jobs(self, labels: tuple[str, ...]) -> Events:
        ready = [index for index, spec in enumerate(self._plan.engines) if self._ready(spec)]
        for index, spec in enumerate(self._plan.engines):
            if index not in ready:
                yield EngineFinished(index, self._unavailable(spec, labels[index]))
        if not ready:
            return
        with Preparation(self._control, self._logs / "preparation.log", self._cache) as making:
            weights = yield from making.weights(self._plan.model)
            summary = yield from making.summary(self._plan.model)
            check_memory(self._plan, facts_of(self._plan.model, weights, summary))
            references = {}
            for images in dict.fromkeys(self._images(index) for index in ready):
                references[images] = yield from making.reference(
                    self._plan.model, weights, self._plan.input_seed, images, REFERENCE_BATCH
                )
            onnx, refused = yield from self._onnx(making, weights, ready)
        for index in ready:
            spec = self._plan.engines[index]
            if self._control.cancelled:
                yield EngineFinished(index, self._not_run(spec, labels[index], Cancelled()))
            elif refused and registry.find(spec.engine).needs_onnx:
                yield EngineFinished(index, self._not_run(spec, labels[index], refused))
            else:
                yield from self._one(
                    index, labels[index], weights, onnx, references[self._images(index)]
                )

    def _images(self, index: int) -> int:
        """How many images the accuracy of this entry is checked on."""
        return checked_images(self._plan.engines[index].batch)

    def _onnx(
        self, making: Preparation, weights: Artifact, ready: list[int]
    ) -> Generator[Event, None, tuple[Artifact | None, InferTuiError | None]]:
        """The ONNX file if an engine needs one; a failed export fails only those engines."""
        if not any(registry.find(self._plan.engines[index].engine).needs_onnx for index in ready):
            return None, None
        try:
            artifact = yield from making.onnx(self._plan.model, weights)
        except WorkerFailed as error:
            return None, error
        self._export_s = artifact.meta.seconds
        return artifact, None

    def _one(
        self, index: int, label: str, weights: Artifact, onnx: Artifact | None, reference: Artifact
    ) -> Events:
        """One engine, from its worker's first word to its result."""
        spec = self._plan.engines[index]
        job = f"benchmark {index}"
        log = self._logs / f"{index}-{spec.engine}.log"
        slot = f"{spec.engine}-{spec.device}"
        benchmark = Benchmark(
            job=job,
            entry=index,
            label=label,
            spec=spec,
            measurement=self._plan.measurement,
            load=self._load_request(spec, weights, onnx),
            reference=str(reference.path),
        )
        began = time.monotonic()
        yield JobStarted(
            job,
            "benchmark",
            label,
            index,
            expected_s=self._cache.last_seconds("benchmark", slot),
            log=str(log),
        )
        error: InferTuiError | None = None
        try:
            with WorkerProcess(log, self._control) as worker:
                yield from benchmark.steps(worker)
        except InferTuiError as caught:
            error = caught
        result = self._with_artifacts(benchmark.result(error), weights, onnx)
        if error is None or isinstance(error, Cancelled):
            self._cache.remember("benchmark", slot, time.monotonic() - began)
            yield JobDone(job, "benchmark", time.monotonic() - began, entry=index)
        else:
            tail = getattr(error, "log_tail", "")
            yield JobFailed(job, "benchmark", error.message, error.hint, index, tail)
        yield EngineFinished(index, result)

    def _load_request(
        self, spec: EngineSpec, weights: Artifact, onnx: Artifact | None
    ) -> dict[str, Any]:
        model = self._plan.model
        return {
            "engine": spec.engine,
            "device": spec.device,
            "precision": spec.precision,
            "batch": spec.batch,
            "options": registry.find(spec.engine).settings(spec),
            "model": msgspec.to_builtins(model),
            "input_size": model.input_size,
            "input_seed": self._plan.input_seed,
            "weights": str(weights.path),
            "onnx": str(onnx.path) if onnx else "",
            "cache": str(self._cache.root / "inductor"),
        }

    def _with_artifacts(
        self, result: EngineResult, weights: Artifact, onnx: Artifact | None
    ) -> EngineResult:
        """Add what the engine was made from; the export's time goes to those that needed it."""
        made = {"weights": weights.meta.facts["digest"]}
        if onnx is None or not registry.find(result.spec.engine).needs_onnx:
            return msgspec.structs.replace(result, artifacts=made)
        return msgspec.structs.replace(
            result,
            artifacts=made | {"onnx": onnx.meta.sha256},
            export_ms=onnx.meta.seconds * 1000.0,
        )

    def _ready(self, spec: EngineSpec) -> bool:
        answer = self._answers.get((spec.engine, spec.device))
        return answer is not None and answer.ready

    def _unavailable(self, spec: EngineSpec, label: str) -> EngineResult:
        answer = self._answers.get((spec.engine, spec.device))
        return EngineResult(
            label=label,
            spec=spec,
            status="unavailable",
            reason=answer.reason if answer else "it did not answer",
            hint=answer.install if answer else "",
        )

    def _not_run(self, spec: EngineSpec, label: str, error: InferTuiError) -> EngineResult:
        status: Any = "stopped" if isinstance(error, Cancelled) else "failed"
        return EngineResult(
            label=label, spec=spec, status=status, reason=error.message, hint=error.hint
        )


def resolve(plan: RunPlan, answers: Answers) -> RunPlan:
    """`plan` with each "auto" device turned into CUDA where that is ready, otherwise the CPU.

    An engine without a CPU stays on the device it has, where it will be reported as unavailable.
    """
    return msgspec.structs.replace(
        plan,
        engines=tuple(
            msgspec.structs.replace(spec, device=_device(spec, answers)) for spec in plan.engines
        ),
    )


def _device(spec: EngineSpec, answers: Answers) -> Device:
    if spec.device != "auto":
        return spec.device
    able = registry.able_devices(spec)
    for device in sorted(able, key=lambda one: one != "cuda"):
        answer = answers.get((spec.engine, device))
        if answer is not None and answer.ready:
            return device
    return "cpu" if "cpu" in able else able[0]


def checked_images(batch: int) -> int:
    """How many images the accuracy check takes: the next multiple of `batch`."""
    return batch * math.ceil(CHECKED_IMAGES / batch)


def check_memory(plan: RunPlan, facts: Any) -> None:
    """Raise UsageError where a batch can't fit: its input and largest activations alone are more
    than what is free. A batch that passes may still be too large; its engine's row then says so.
    """
    available = memory_available()
    image_bytes = 4 * math.prod(facts.input_shape[-3:])
    for spec in plan.engines:
        needed = spec.batch * (image_bytes + facts.peak_activation_bytes) + facts.weight_bytes
        if needed > available:
            largest = max(1, (available - facts.weight_bytes) // (needed // spec.batch))
            raise UsageError(
                f"batch {spec.batch} of {plan.model.label} needs at least "
                f"{needed / GIB:.1f} GiB, {available / GIB:.1f} GiB are free",
                hint=f"choose a batch of at most {largest}",
            )


def new_log_folder(run_id: str) -> Path:
    """A folder for this run's logs; the oldest runs' folders are removed."""
    logs = paths.ready(paths.state_folder() / "logs")
    kept = sorted(one for one in logs.iterdir() if one.is_dir())
    for old in kept[: max(0, len(kept) - KEPT_LOG_FOLDERS + 1)]:
        # Another run may be writing to it, or removing it just now.
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > LONGEST_RUN_S:
                shutil.rmtree(old, ignore_errors=True)
    return paths.ready(logs / run_id)
