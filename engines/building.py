"""Engine files: which one an entry of a plan needs, whether it is kept, and how it is built."""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engines import paths, registry
from engines.artifacts import Artifact, Cache, Making, Meta, Miss
from engines.control import Control
from engines.errors import EngineUnavailable, FileError, InferTuiError, WorkerFailed
from engines.events import JobDone, JobFailed, JobStarted, Progress
from engines.gpus import Gpus
from engines.plan import EngineSpec, ModelSpec
from engines.preparation import Preparation, Work, model_slot, onnx_order, weights_order
from engines.process import WorkerProcess
from engines.registry import Availability, Engine

# Raised when the way an engine file is built changes, so that old ones are not taken for new.
BUILD_RECIPE = "1"
ENGINE_FILE = "model.engine"
# In the fingerprint as one part, whichever of them said it.
BATCH_OPTIONS = ("min_batch", "opt_batch", "max_batch", "profile_batches")

# A verbose log takes tens of megabytes.
KEPT_LOGS = 40


@dataclass(frozen=True, slots=True)
class BuildState:
    """Whether the engine file of an entry is kept; where it is not, `why`."""

    kind: Literal["built", "missing", "stale"]
    why: str = ""
    meta: Meta | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The engine file of one entry: its place in the cache and what it is made from."""

    slot: str
    title: str
    parts: dict[str, str]


def target_of(
    model: ModelSpec, spec: EngineSpec, answer: Availability, onnx_sha256: str, driver: str
) -> Target:
    """What the engine file of `spec` is known by. `answer` says which GPU and which version."""
    engine = registry.find(spec.engine)
    settings = engine.settings(spec)
    profiles = " ".join("/".join(map(str, one)) for one in registry.profiles_of(spec))
    gpu = dict(answer.gpu_of(spec) or {})
    # An engine for named GPUs depends neither on the one that is here nor on its driver.
    if settings.get("compute_capability", "current") != "current":
        gpu, driver = {"compute_capability": settings["compute_capability"]}, "any"
    parts = {
        "onnx": onnx_sha256,
        engine.title: (answer.versions or {}).get(engine.name, "unknown"),
        "precision": spec.precision,
        "batches": profiles,
        **{
            option.name: str(settings[option.name])
            for option in engine.options
            if option.builds and option.name not in (*BATCH_OPTIONS, "compute_capability")
        },
        "gpu": str(gpu.get("name", "any")),
        "compute capability": str(gpu.get("compute_capability", "unknown")),
        "driver": driver,
        "recipe": BUILD_RECIPE,
    }
    batches = profiles.replace("/", "-").replace(" ", "+")
    return Target(
        slot=f"{model_slot(model)}-{spec.engine}-{spec.precision}-b{batches}",
        title=registry.build_title(spec),
        parts=parts,
    )


def state_of(
    model: ModelSpec, spec: EngineSpec, answer: Availability, input_seed: int = 0
) -> BuildState:
    """Whether the engine file of `spec` is kept, without making or opening anything.

    Reads records only; a file that is damaged is found out when it is needed.
    """
    cache = Cache()
    try:
        weights = weights_order(model)
        found = cache.peek(weights.kind, weights.slot, weights.parts)
        if isinstance(found, Meta):
            precision = registry.onnx_precision(spec, typed=answer.typed)
            onnx = onnx_order(model, found.facts["digest"], precision, input_seed)
            found = cache.peek(onnx.kind, onnx.slot, onnx.parts)
        if isinstance(found, Meta):
            target = target_of(model, spec, answer, found.sha256, driver_version())
            found = cache.peek("build", target.slot, target.parts)
    except FileError as error:
        return BuildState("missing", error.message)
    if isinstance(found, Meta):
        return BuildState("built", meta=found)
    return BuildState("stale" if found.why.startswith("changed") else "missing", found.why)


@functools.cache
def driver_version() -> str:
    """The NVIDIA driver's version, or that there is none; it stays while a process lives."""
    with Gpus() as gpus:
        return gpus.driver or "none"


def check_can_build(engine: Engine, spec: EngineSpec, answer: Availability) -> None:
    """Raise EngineUnavailable where no engine file of `spec` can be built, before any work."""
    named = engine.settings(spec).get("compute_capability", "current") != "current"
    if not (answer.builds_for_named if named else answer.builds):
        hint = answer.install
        if answer.builds_for_named:
            hint = "name the GPUs to build for: compute_capability, such as 8.9"
        raise EngineUnavailable(f"{engine.title} can't build here: {answer.reason}", hint=hint)
    if not named and answer.gpu_of(spec) is None:
        raise EngineUnavailable(
            f"there is no GPU {engine.settings(spec)['gpu']}: CUDA counts "
            f"{len(answer.gpus)}, from 0",
            hint="choose another gpu",
        )
    if lacking := answer.lacks(spec):
        raise EngineUnavailable(lacking)


def build(
    model: ModelSpec,
    spec: EngineSpec,
    answer: Availability,
    control: Control,
    *,
    input_seed: int = 0,
    anew: bool = False,
) -> Work:
    """Have the engine file of `spec`, with all that it is made from; yields what happens.

    Built in a process of its own that is killed at once when the user stops it; with `anew` built
    although one is kept, which stays until the new one is whole. Raises InferTuiError.
    """
    check_can_build(registry.find(spec.engine), spec, answer)
    log = _new_log(spec)
    cache = Cache()
    with Preparation(control, log.with_name(f"{log.stem}-onnx.log"), cache) as making:
        weights = yield from making.weights(model)
        precision = registry.onnx_precision(spec, typed=answer.typed)
        onnx = yield from making.onnx(model, weights, precision, input_seed)
    return (yield from have_engine(model, spec, answer, onnx, cache, control, log=log, anew=anew))


def have_engine(
    model: ModelSpec,
    spec: EngineSpec,
    answer: Availability,
    onnx: Artifact,
    cache: Cache,
    control: Control,
    *,
    log: Path,
    entry: int | None = None,
    anew: bool = False,
) -> Work:
    """Find or build the engine file of `spec` from the ONNX file that it needs."""
    driver = driver_version()
    target = target_of(model, spec, answer, onnx.meta.sha256, driver)
    job = f"build: {target.slot} {spec.environment}"
    began = time.monotonic()
    found = cache.find("build", target.slot, target.parts)
    why = found.why if isinstance(found, Miss) else "asked for" if anew else ""
    yield JobStarted(
        job=job,
        kind="build",
        title=target.title,
        entry=entry,
        expected_s=cache.last_seconds("build", target.slot),
        why=why,
        log=str(log),
    )
    cached = isinstance(found, Artifact) and not anew
    if isinstance(found, Miss) or anew:
        try:
            with cache.making("build", target.slot, target.parts, control, anew=anew) as making:
                if isinstance(making, Making):
                    request = _request(spec, answer, onnx, making, cache, model, driver)
                    found = yield from _build(job, spec, request, making, control, log)
                else:
                    found, cached = making, True
        except InferTuiError as error:
            error = with_gpu_users(error)
            tail = getattr(error, "log_tail", "")
            yield JobFailed(job, "build", error.message, error.hint, entry, tail)
            raise error from None
    assert isinstance(found, Artifact)
    yield JobDone(
        job=job,
        kind="build",
        seconds=time.monotonic() - began,
        cached=cached,
        entry=entry,
        size_bytes=found.meta.size_bytes,
        path=str(found.path),
        facts=found.meta.facts,
    )
    return found


def _request(
    spec: EngineSpec,
    answer: Availability,
    onnx: Artifact,
    making: Making,
    cache: Cache,
    model: ModelSpec,
    driver: str,
) -> dict[str, Any]:
    engine = registry.find(spec.engine)
    settings = engine.settings(spec)
    timing = ""
    if settings.get("timing_cache"):
        names = [engine.name, making.parts[engine.title], making.parts["gpu"], driver]
        timing = str(paths.ready(cache.root / "timing") / f"{_file_name(names)}.cache")
    return {
        "engine": spec.engine,
        "precision": spec.precision,
        "onnx": str(onnx.path),
        "path": str(making.folder / ENGINE_FILE),
        "options": settings,
        "profiles": registry.profiles_of(spec),
        "input_size": model.input_size,
        "timing_cache": timing,
    }


def _file_name(words: list[str]) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9.]+", "_", word) for word in words)


def _build(
    job: str,
    spec: EngineSpec,
    request: dict[str, Any],
    making: Making,
    control: Control,
    log: Path,
) -> Work:
    # Nothing a builder has so far is worth keeping, so that it need not be asked to stop.
    with WorkerProcess(log, control, spec.environment, patience_s=0.0) as worker:
        yield Progress(job, "starting")
        worker.greet()
        asking = worker.ask("build", **request)
        while True:
            try:
                message, _ = next(asking)
            except StopIteration as answer:
                return making.keep(ENGINE_FILE, worker.took_s, answer.value)
            yield Progress(job, message["phase"], str(message.get("detail", "")))


def with_gpu_users(error: InferTuiError) -> InferTuiError:
    """`error` with the processes that hold the GPU named, where it is one of memory."""
    if getattr(error, "kind", "") not in ("out-of-gpu-memory", "gpu-taken"):
        return error
    with Gpus() as gpus:
        users = gpus.processes()
    if not users:
        return error
    named = ", ".join(map(str, users[:3]))
    tail = getattr(error, "log_tail", "")
    hint = f"{error.hint}; on the GPU: {named}".removeprefix("; ")
    return WorkerFailed(error.message, hint=hint, log_tail=tail, kind=getattr(error, "kind", ""))


def _new_log(spec: EngineSpec) -> Path:
    logs = paths.ready(paths.state_folder() / "logs" / "builds")
    for old in sorted(logs.glob("*.log"))[:-KEPT_LOGS]:
        with contextlib.suppress(OSError):
            old.unlink()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    words = [stamp, spec.engine, spec.environment, spec.precision, f"b{spec.batch}"]
    return logs / f"{'-'.join(filter(None, words))}-{secrets.token_hex(3)}.log"
