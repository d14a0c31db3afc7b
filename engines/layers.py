"""Times by layer: one engine, in workers of its own, apart from every timed run.

A profiler slows what it watches, and each engine's own calls something else a layer. So these times
never stand in a run: they say where the time goes, not how long a request takes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from engines import environments, registry
from engines.artifacts import Artifact, Cache
from engines.benchmark import Benchmark
from engines.building import have_engine, with_gpu_users
from engines.control import Control
from engines.entry import Made, load_request
from engines.errors import Cancelled, InferTuiError, UsageError
from engines.events import Event, JobDone, JobFailed, JobStarted, Progress
from engines.model import facts_of
from engines.plan import EngineSpec, ModelSpec, OptionValue, Record, RunPlan
from engines.preparation import Preparation
from engines.probing import Answers, answers_about
from engines.process import WorkerProcess
from engines.registry import Availability
from engines.runner import (
    REFERENCE_BATCH,
    can_run,
    check_memory,
    checked_images,
    new_log_folder,
    resolve,
    why_cpu,
)
from engines.sampling import Taken, ask, sample

# Seconds of inferences without a profiler, and with one, and how many that may be.
BARE_SECONDS, BARE_BOUNDS = 0.7, (11, 1000)
PROFILED_SECONDS, PROFILED_BOUNDS = 2.0, (10, 200)
# Medians without the profiler, before and after, that differ by more than this part say that
# something else changed as well.
DRIFT = 0.1
# What replays a CUDA graph, and what makes the same kernels without one.
WITHOUT_GRAPH: dict[tuple[str, OptionValue], OptionValue] = {
    ("cuda_graph", True): False,
    ("mode", "reduce-overhead"): "default",
    ("mode", "max-autotune"): "max-autotune-no-cudagraphs",
}
GRAPH_OFF = "its CUDA graph is off: a replay is one launch, in which no layer is told apart"
# CUDA's driver reads it when it starts: then each launch waits for its kernel, so that a profiler
# that has only the host's clock sees more than the launches.
BLOCKING = {"CUDA_LAUNCH_BLOCKING": "1"}

Order = Literal["time", "order", "name", "kind"]
ORDERS: tuple[Order, ...] = ("time", "order", "name", "kind")


class LayerRecord(Record, frozen=True, kw_only=True):
    """One layer, in milliseconds for one inference.

    `ms` is the median over the profiled inferences, by which layers are ranked: a call that was
    disturbed once does not show in it. Means add up, medians do not: `mean_ms` is what the rows'
    share of the whole is judged by. `calls` are for one inference. `precision` and `provider` are
    empty where the engine does not say. `enqueue_ms` is the host's time for handing the layer over,
    where `ms` is the device's.
    """

    name: str
    kind: str
    ms: float
    mean_ms: float
    calls: float = 1.0
    precision: str = ""
    provider: str = ""
    enqueue_ms: float | None = None


class LayerProfile(Record, frozen=True, kw_only=True):
    """Where an engine's time goes, over `n` profiled inferences.

    `row` says what one layer is and `clock` whose time it has. `whole_ms` is the mean, by that
    clock, of what the layers are parts of; `bare_ms` the median of the same without the profiler,
    where the device's clock took it. `host_ms` is the host latency of a request without the
    profiler, the mean of its median before and its median after, and `profiled_ms` the median with
    it. `invalid` says why the engine's outputs are not to be trusted, if they are not.
    """

    label: str
    model: ModelSpec
    spec: EngineSpec
    n: int
    row: str
    clock: Literal["host", "device"]
    layers: tuple[LayerRecord, ...]
    whole_ms: float
    host_ms: float
    profiled_ms: float
    bare_ms: float | None = None
    notes: tuple[str, ...] = ()
    invalid: str = ""
    facts: dict[str, OptionValue] = {}
    versions: dict[str, str] = {}

    @property
    def total_ms(self) -> float:
        """All layers together, in medians: what shares are of."""
        return sum(one.ms for one in self.layers)

    @property
    def accounted(self) -> float:
        """The layers' part of the whole, by means, in 0..1 and above where layers overlap."""
        return sum(one.mean_ms for one in self.layers) / self.whole_ms if self.whole_ms else 0.0

    @property
    def slowdown(self) -> float:
        """By how much the profiler slowed a request, as a part of its latency; 0.1 is 10 %."""
        return self.profiled_ms / self.host_ms - 1.0

    def share(self, layer: LayerRecord) -> float:
        """The part of all layers' time that is `layer`'s, in 0..1."""
        return layer.ms / self.total_ms if self.total_ms else 0.0


def by_kind(layers: Iterable[LayerRecord]) -> tuple[LayerRecord, ...]:
    """The layers of each kind as one, in the order in which the kinds first come."""
    kinds: dict[str, list[LayerRecord]] = {}
    for one in layers:
        kinds.setdefault(one.kind or "other", []).append(one)
    return tuple(
        LayerRecord(
            name=f"{kind} × {len(members)}",
            kind=kind,
            ms=sum(one.ms for one in members),
            mean_ms=sum(one.mean_ms for one in members),
            calls=sum(one.calls for one in members),
            precision=_common(one.precision for one in members),
            provider=_common(one.provider for one in members),
            enqueue_ms=None
            if any(one.enqueue_ms is None for one in members)
            else sum(one.enqueue_ms or 0.0 for one in members),
        )
        for kind, members in kinds.items()
    )


def _common(words: Iterable[str]) -> str:
    found = set(words)
    return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A layer in a sorted table: its place in the inference, its share, and that of all so far."""

    place: int
    layer: LayerRecord
    share: float
    cumulative: float


def ranked(
    profile: LayerProfile,
    order: Order = "time",
    *,
    reverse: bool = False,
    layers: Sequence[LayerRecord] | None = None,
) -> list[Ranked]:
    """The layers of `profile`, or these of it, sorted: the longest first, or by place or words."""
    numbered = list(enumerate(profile.layers if layers is None else layers, 1))
    keys: dict[Order, Callable[[tuple[int, LayerRecord]], Any]] = {
        "time": lambda one: (-one[1].ms, one[0]),
        "order": lambda one: one[0],
        "name": lambda one: (one[1].name, one[0]),
        "kind": lambda one: (one[1].kind, -one[1].ms),
    }
    found, so_far = [], 0.0
    for place, layer in sorted(numbered, key=keys[order], reverse=reverse):
        share = profile.share(layer)
        so_far += share
        found.append(Ranked(place, layer, share, so_far))
    return found


def profile_layers(
    plan: RunPlan, control: Control, known: Iterable[Availability] = ()
) -> Generator[Event, None, LayerProfile]:
    """Time the layers of the plan's one engine; yields what happens and returns the times.

    What the engine needs is converted and built as for a run. Blocks between events. Raises
    InferTuiError where it can't be done, Cancelled where the user stops it. Closing the iterator
    ends all children.
    """
    if len(plan.engines) != 1:
        raise UsageError(f"layers are timed of one engine, found {len(plan.engines)}")
    (asked,) = plan.engines
    registry.check(asked)
    environments.check([asked.environment])
    answers = answers_about([asked], known, control)
    (spec,) = resolve(plan, answers).engines
    if not can_run(spec, spec.device, answers):
        answer = answers.get((spec.engine, spec.device, spec.environment))
        raise registry.unavailable(spec, answer)
    return (yield from LayersJob(plan, asked, spec, answers, control).events())


def without_graph(spec: EngineSpec) -> EngineSpec:
    """`spec` with its CUDA graph off, in which a profiler can't tell layers apart."""
    settings = registry.find(spec.engine).settings(spec)
    off = {
        name: WITHOUT_GRAPH[name, value]
        for name, value in settings.items()
        if spec.device == "cuda" and (name, value) in WITHOUT_GRAPH
    }
    return msgspec.structs.replace(spec, options=spec.options | off)


class LayersJob:
    """The work of `profile_layers` once it is known that the engine can run."""

    def __init__(
        self,
        plan: RunPlan,
        asked: EngineSpec,
        spec: EngineSpec,
        answers: Answers,
        control: Control,
    ) -> None:
        self._spec = without_graph(spec)
        self._notes = [GRAPH_OFF] if self._spec != spec else []
        self._why_cpu = why_cpu(asked, spec.device, answers)
        self._plan = msgspec.structs.replace(plan, engines=(self._spec,))
        self._answer = answers[spec.engine, spec.device, spec.environment]
        self._control = control
        self._cache = Cache()
        self._logs = new_log_folder(
            f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}-layers"
        )

    def events(self) -> Generator[Event, None, LayerProfile]:
        weights, reference, made = yield from self._make()
        load = load_request(self._plan, self._spec, weights, made, self._cache) | {"layers": True}
        log = self._logs / f"{self._spec.engine}.log"
        job, began = f"layers: {self._spec.label}", time.monotonic()
        yield JobStarted(job, "layers", f"layers of {self._spec.label}", log=str(log))
        try:
            profile = yield from self._profile(job, log, load, str(reference.path))
        except InferTuiError as error:
            error = with_gpu_users(error)
            tail = getattr(error, "log_tail", "")
            yield JobFailed(job, "layers", error.message, error.hint, log_tail=tail)
            raise error from None
        yield JobDone(job, "layers", time.monotonic() - began)
        return profile

    def _make(self) -> Generator[Event, None, tuple[Artifact, Artifact, Made]]:
        """All that the engine is loaded from, and the reference that its outputs are held to."""
        plan, spec, onnx, engine = self._plan, self._spec, None, None
        about = registry.find(spec.engine)
        with Preparation(self._control, self._logs / "preparation.log", self._cache) as making:
            weights = yield from making.weights(plan.model)
            summary = yield from making.summary(plan.model)
            gpu = self._answer.gpu_of(spec)
            memory = int(gpu["memory_bytes"]) if gpu else None
            check_memory(plan, facts_of(plan.model, weights, summary), memory)
            reference = yield from making.reference(
                plan.model, weights, plan.input_seed, checked_images(spec.batch), REFERENCE_BATCH
            )
            if about.needs_onnx:
                precision = registry.onnx_precision(spec, typed=self._answer.typed)
                onnx = yield from making.onnx(plan.model, weights, precision, plan.input_seed)
        if about.needs_build and onnx is not None:
            engine = yield from have_engine(
                plan.model,
                spec,
                self._answer,
                onnx,
                self._cache,
                self._control,
                log=self._logs / f"{spec.engine}-build.log",
            )
        return weights, reference, Made(onnx=onnx, engine=engine)

    def _profile(
        self, job: str, log: Path, load: dict[str, Any], reference: str
    ) -> Generator[Event, None, LayerProfile]:
        """Load, check and warm up as a run does; then without the profiler, and with it."""
        spec, control = self._spec, self._control
        benchmark = Benchmark(
            job=job,
            entry=0,
            label=spec.label,
            spec=spec,
            measurement=self._plan.measurement,
            load=load,
            reference=reference,
        )
        # Waiting for each launch would slow the inferences without a profiler as well.
        apart = registry.find(spec.engine).profiled_by_host and spec.device == "cuda"
        with WorkerProcess(log, control, spec.environment) as worker:
            yield from benchmark.prepare(worker)
            warm_up = benchmark.result().warm_up
            assert warm_up is not None
            each_ms = 1000 * warm_up.seconds / warm_up.n
            request = {"iterations": _count(PROFILED_SECONDS, each_ms, PROFILED_BOUNDS)}
            before_ms = yield from _bare(worker, job, each_ms)
            found = {} if apart else (yield from ask(worker, job, "layers", **request))
            after_ms = yield from _bare(worker, job, each_ms)
        if apart:
            with WorkerProcess(log, control, spec.environment, settings=BLOCKING) as worker:
                yield Progress(job, "starting")
                worker.greet()
                yield from ask(worker, job, "load", **load)
                found = yield from ask(worker, job, "layers", **request)
        if control.cancelled:
            raise Cancelled
        result = benchmark.result()
        host_ms = (before_ms + after_ms) / 2
        if abs(after_ms - before_ms) > DRIFT * host_ms:
            self._notes.append(
                "this machine's speed changed meanwhile: a request without the profiler took"
                f" {before_ms:.3f} ms before and {after_ms:.3f} ms after"
            )
        facts = result.facts | ({"instead_of_cuda": self._why_cpu} if self._why_cpu else {})
        return msgspec.convert(
            {
                **found,
                "label": spec.label,
                "model": self._plan.model,
                "spec": spec,
                "host_ms": host_ms,
                "notes": [*self._notes, *found["notes"]],
                "invalid": result.reason if result.status == "invalid" else "",
                "facts": facts,
                "versions": result.versions,
            },
            LayerProfile,
        )


def _bare(worker: WorkerProcess, job: str, each_ms: float) -> Generator[Event, None, float]:
    """The median latency of a request without a profiler, in milliseconds."""
    taken = Taken()
    iterations = _count(BARE_SECONDS, each_ms, BARE_BOUNDS)
    yield from sample(worker, job, 0, "measuring", {"measuring": taken}, iterations=iterations)
    if worker.cancelled:
        raise Cancelled
    return float(np.median(taken.all()))


def _count(seconds: float, each_ms: float, bounds: tuple[int, int]) -> int:
    """How many inferences of `each_ms` take `seconds`, within `bounds`."""
    return int(np.clip(1000 * seconds / max(each_ms, 1e-3), *bounds))
