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

from engines import environments, paths, pinning, registry
from engines.artifacts import Artifact, Cache
from engines.building import have_engine
from engines.control import Control
from engines.entry import Entry, Made, load_request
from engines.errors import Cancelled, InferTuiError, UsageError
from engines.events import EngineFinished, Event, RunFinished, RunStarted
from engines.interleaving import Interleaving
from engines.machine import memory_available
from engines.model import facts_of
from engines.monitor import Monitor
from engines.plan import Device, EngineSpec, OptionValue, Precision, RunPlan, unique_labels
from engines.preparation import Preparation
from engines.probing import Answers, answers_about
from engines.registry import Availability
from engines.results import EngineResult

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
    environments.check(spec.environment for spec in plan.engines)
    pinning.check(plan.measurement.cpus)
    return Run(plan, control, known).events()


NOTHING_MADE = Made()
# By the index of the entry; an error where its conversion failed.
Conversions = dict[int, "Made | InferTuiError"]


class Run:
    """The state of one run."""

    def __init__(self, plan: RunPlan, control: Control, known: Iterable[Availability]) -> None:
        self._plan = self._asked = plan
        self._control = control
        self._known = tuple(known)
        self._answers: Answers = {}
        self._id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self._logs = new_log_folder(self._id)
        self._cache = Cache()

    def events(self) -> Events:
        began = time.monotonic()
        ending: Any = "complete"
        self._answers = answers_about(self._plan.engines, self._known, self._control)
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
            facts = facts_of(self._plan.model, weights, summary)
            check_memory(self._plan, facts, self._gpu_bytes())
            references = {}
            for images in dict.fromkeys(self._images(index) for index in ready):
                references[images] = yield from making.reference(
                    self._plan.model, weights, self._plan.input_seed, images, REFERENCE_BATCH
                )
            made = yield from self._onnx_files(making, weights, ready)
        made = yield from self._engine_files(made, ready)
        with pinning.driver_kept_off(self._plan.measurement.cpus), Monitor() as self._monitor:
            yield from self._measured(labels, ready, weights, made, references)

    def _measured(
        self,
        labels: tuple[str, ...],
        ready: list[int],
        weights: Artifact,
        made: Conversions,
        references: Mapping[int, Artifact],
    ) -> Events:
        """Measure what is made, one entry after another or by turns."""
        entries = []
        for index in ready:
            spec, label = self._plan.engines[index], labels[index]
            found = made.get(index, NOTHING_MADE)
            if isinstance(found, InferTuiError):
                yield EngineFinished(index, self._not_run(spec, label, found))
            else:
                reference = references[self._images(index)]
                entries.append(self._entry(index, label, weights, found, reference))
        if self._plan.measurement.interleave:
            turns = Interleaving(entries, self._plan.measurement, self._id, self._control)
            yield from turns.events()
            return
        for entry in entries:
            if self._control.cancelled:
                stopped = self._not_run(entry.spec, entry.label, Cancelled())
                yield EngineFinished(entry.index, stopped)
            else:
                yield from entry.alone()

    def _gpu_bytes(self) -> int | None:
        """The memory of the GPU that engines run on, None where there is none."""
        gpus = [gpu for answer in self._answers.values() if answer.ready for gpu in answer.gpus]
        return max((int(gpu["memory_bytes"]) for gpu in gpus), default=None)

    def _images(self, index: int) -> int:
        """How many images the accuracy of this entry is checked on."""
        return checked_images(self._plan.engines[index].batch)

    def _onnx_files(
        self, making: Preparation, weights: Artifact, ready: list[int]
    ) -> Generator[Event, None, Conversions]:
        """The ONNX file of each entry that needs one; what fails fails only those entries."""
        made: Conversions = {}
        by_precision: dict[Precision, Made | InferTuiError] = {}
        for index in ready:
            spec = self._plan.engines[index]
            if not registry.find(spec.engine).needs_onnx:
                continue
            precision = registry.onnx_precision(spec, typed=self._answer(spec).typed)
            if precision not in by_precision:
                try:
                    artifact = yield from making.onnx(
                        self._plan.model, weights, precision, self._plan.input_seed
                    )
                    by_precision[precision] = Made(onnx=artifact)
                except Cancelled:
                    raise
                except InferTuiError as error:
                    by_precision[precision] = error
            made[index] = by_precision[precision]
        return made

    def _engine_files(
        self, made: Conversions, ready: list[int]
    ) -> Generator[Event, None, Conversions]:
        """The engine file of each entry that needs one, one build at a time, before any entry is
        measured: a build beside a measurement would spoil both."""
        for index in ready:
            spec, found = self._plan.engines[index], made.get(index)
            if not registry.find(spec.engine).needs_build or not isinstance(found, Made):
                continue
            if self._control.cancelled:
                break
            assert found.onnx is not None
            try:
                engine = yield from have_engine(
                    self._plan.model,
                    spec,
                    self._answer(spec),
                    found.onnx,
                    self._cache,
                    self._control,
                    log=self._logs / f"{index}-{spec.engine}-build.log",
                    entry=index,
                )
                made[index] = Made(onnx=found.onnx, engine=engine)
            except Cancelled:
                break
            except InferTuiError as error:
                made[index] = error
        return made

    def _entry(
        self, index: int, label: str, weights: Artifact, made: Made, reference: Artifact
    ) -> Entry:
        spec = self._plan.engines[index]
        return Entry(
            index=index,
            label=label,
            spec=spec,
            measurement=self._plan.measurement,
            load=load_request(self._plan, spec, weights, made, self._cache),
            reference=str(reference.path),
            log=self._logs / f"{index}-{spec.engine}.log",
            weights=weights,
            made=made,
            cache=self._cache,
            control=self._control,
            monitor=self._monitor,
            gpu=self._answer(spec).gpu_uuid(spec),
            facts=self._reason_for_cpu(index),
        )

    def _reason_for_cpu(self, index: int) -> dict[str, OptionValue]:
        """The fact why an entry that was free to use the GPU runs on the CPU, if it does."""
        device = self._plan.engines[index].device
        reason = why_cpu(self._asked.engines[index], device, self._answers)
        return {"instead_of_cuda": reason} if reason else {}

    def _ready(self, spec: EngineSpec) -> bool:
        return can_run(spec, spec.device, self._answers)

    def _answer(self, spec: EngineSpec) -> Availability:
        """What is known of the engine of an entry that is ready."""
        return self._answers[spec.engine, spec.device, spec.environment]

    def _unavailable(self, spec: EngineSpec, label: str) -> EngineResult:
        answer = self._answers.get((spec.engine, spec.device, spec.environment))
        lacking = answer.refuses(spec) if answer and answer.ready else ""
        return EngineResult(
            label=label,
            spec=spec,
            status="unavailable",
            reason=lacking or (answer.reason if answer else "it did not answer"),
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
        if can_run(spec, device, answers):
            return device
    return "cpu" if "cpu" in able else able[0]


def can_run(spec: EngineSpec, device: Device, answers: Answers) -> bool:
    """Whether `spec` can run on `device`, by what its interpreter answered."""
    answer = answers.get((spec.engine, device, spec.environment))
    return answer is not None and answer.ready and not answer.refuses(spec)


def why_cpu(asked: EngineSpec, device: Device, answers: Answers) -> str:
    """Why `asked`, which was free to use the GPU, came to the CPU; empty where it did not."""
    if asked.device != "auto" or device != "cpu":
        return ""
    answer = answers.get((asked.engine, "cuda", asked.environment))
    return (answer.reason or answer.refuses(asked)) if answer else ""


def checked_images(batch: int) -> int:
    """How many images the accuracy check takes: the next multiple of `batch`."""
    return batch * math.ceil(CHECKED_IMAGES / batch)


def check_memory(plan: RunPlan, facts: Any, gpu_bytes: int | None = None) -> None:
    """Raise UsageError where a batch can't fit: its input and largest activations alone are more
    than what is free on the host, or than all of the GPU's `gpu_bytes`. A batch that passes may
    still be too large; its engine's row then says so.
    """
    image_bytes = 4 * math.prod(facts.input_shape[-3:])
    for spec in plan.engines:
        needed = spec.batch * (image_bytes + facts.peak_activation_bytes) + facts.weight_bytes
        available, free = memory_available(), "are free"
        if spec.device == "cuda" and gpu_bytes is not None:
            # FP16 and INT8 may take half of what the facts say, which are of FP32.
            available, free, needed = gpu_bytes, "are all that the GPU has", needed // 2
        if needed > available:
            largest = max(1, (available - facts.weight_bytes) // (needed // spec.batch))
            raise UsageError(
                f"batch {spec.batch} of {plan.model.label} needs at least "
                f"{needed / GIB:.1f} GiB, {available / GIB:.1f} GiB {free}",
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
