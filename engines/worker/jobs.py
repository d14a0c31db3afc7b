"""What a worker can be asked to do: a handler takes a request and returns a JSON-able result."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.backends import build_engine, open_backend, probe_backend, split
from engines.worker import accuracy, clock, inputs, processors
from engines.worker.failure import WorkerError, explain
from engines.worker.loop import Deliver, Outcome, no_garbage_collection, timed_loop, timed_turn
from engines.worker.throughput import Lanes
from engines.worker.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.backends.base import Backend, Facts
    from engines.worker.session import Session

Request = dict[str, Any]
Result = dict[str, Any]
Handler = Callable[[Request, "Session"], Result]

KIB = 1024
SAY_EVERY_S = 1.0


def loaded(session: Session) -> Backend:
    """The engine of this process; an earlier `load` must have made it."""
    if session.backend is None:
        raise WorkerError("no engine is loaded in this worker", kind="protocol")
    return session.backend


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Gives a function that says how many milliseconds have passed since."""
    began = time.perf_counter_ns()
    yield lambda: (time.perf_counter_ns() - began) / 1e6


def probe(request: Request, session: Session) -> Result:
    """Say of each asked engine and device whether this interpreter can run it."""
    for engine, device in request["engines"]:
        session.say("probing", engine=engine, device=device)
        session.say("probed", engine=engine, device=device, **probe_backend(engine, device))
    return {}


def load(request: Request, session: Session) -> Result:
    """Load an engine, run it once, and say how long each part took and what it runs with."""
    session.say("progress", phase="loading")
    with stopwatch() as passed:
        backend = open_backend(request, session.say)
        backend.load()
        load_ms = passed()
    batch = inputs.images(request["input_seed"], 0, request["batch"], request["input_size"])
    backend.set_input(batch)
    compile_ms = None
    if backend.compiles:
        session.say("progress", phase="compiling")
        with stopwatch() as passed:
            backend.compile()
            compile_ms = passed()
    with stopwatch() as passed:
        backend.infer()
        first_ms = passed()
    session.backend = backend
    return {
        "load_ms": load_ms,
        "compile_ms": compile_ms,
        "first_inference_ms": first_ms,
        "facts": facts_of(backend),
        "versions": backend.versions(),
    }


def facts_of(backend: Backend) -> Facts:
    """What really runs, and on which processors."""
    return backend.facts() | processors.facts()


def check(request: Request, session: Session) -> Result:
    """Compare the loaded engine's logits with the reference's; says at most once a second how far
    it is.
    """
    backend = loaded(session)
    session.say("progress", phase="checking")
    said = time.monotonic()
    reference = np.load(request["reference"], allow_pickle=False)
    batch, seed, size = request["batch"], request["input_seed"], request["input_size"]

    def infer_batch(start: int) -> NDArray[np.float32]:
        backend.set_input(inputs.images(seed, start, batch, size))
        backend.infer()
        nonlocal said
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            detail = f"{start + batch} of {len(reference)} images"
            session.say("progress", phase="checking", detail=detail)
        return backend.output().copy()

    found = accuracy.evaluate(infer_batch, reference, batch, request["precision"])
    backend.set_input(inputs.images(seed, 0, batch, size))
    return found


def measure(request: Request, session: Session) -> Result:
    """Run the timed loop, for warm-up, for real or for the energy of it, until its limit or until
    told to stop.

    With `rewarm_seconds` as much warm-up comes before it, in the same loop, on the processor at
    `place` of those allowed.
    """
    backend = loaded(session)
    phase = request["phase"]
    if session.origin_ns is None:
        session.origin_ns = time.perf_counter_ns()
    session.say("progress", phase=phase, clock=clock.word(session.origin_ns))
    with closing(Usage()) as usage:
        outcome = _timed(request, session, backend, usage)
    return {
        **outcome._asdict(),
        "facts": facts_of(backend),
        "peak_host_bytes": peak_host_bytes(),
        "memory": backend.memory(),
    }


def _timed(request: Request, session: Session, backend: Backend, usage: Usage) -> Outcome:
    """The timed loop that `request` asks for; each block goes out with what `usage` counted."""

    def deliver_as(phase: str) -> Deliver:
        def deliver(start_s: float, latencies_ms: NDArray[np.float64]) -> None:
            disturbed = usage.since()
            samples = latencies_ms.astype("<f8").tobytes()
            session.say("samples", samples, phase=phase, start_s=start_s, **disturbed)
            usage.restart()

        return deliver

    phase = request["phase"]
    if "rewarm_seconds" in request:
        processors.begin_on(request["place"])
        return timed_turn(
            backend.infer,
            deliver_as("warm-up"),
            deliver_as(phase),
            session.stopped,
            rewarm_seconds=request["rewarm_seconds"],
            seconds=request["seconds"],
            origin_ns=session.origin_ns,
        )
    return timed_loop(
        backend.infer,
        deliver_as(phase),
        session.stopped,
        iterations=request.get("iterations"),
        seconds=request.get("seconds"),
        origin_ns=session.origin_ns,
    )


def times(request: Request, session: Session) -> Result:
    """Where the time of a request goes on the device; `device` is None where nobody can tell."""
    backend = loaded(session)
    session.say("progress", phase="timing the device")
    with no_garbage_collection():
        found = backend.device_times(request["iterations"])
    if found is None:
        return {"device": None}
    return {"device": {"n": len(found["host"]), **split.summary(found)}}


def throughput(request: Request, session: Session) -> Result:
    """Measure with each number of `in_flight` requests in turn, `seconds` each.

    Says a `flown` for each: its latencies in ms as little-endian float64, or the `reason` why
    there are none; after one that failed no larger number is tried. Engines made for it are gone
    when it ends.
    """
    backend = loaded(session)
    batch, seed, size = request["batch"], request["input_seed"], request["input_size"]
    lanes = Lanes(backend, lambda start: inputs.images(seed, start, batch, size))
    try:
        for count in request["in_flight"]:
            if session.stopped():
                break
            session.say("progress", phase="throughput", detail=f"{count} in flight")
            try:
                lanes.grow_to(count)
                flown = lanes.run(count, request["seconds"], session.stopped)
            except Exception as error:
                traceback.print_exc()
                sys.stderr.flush()
                session.say("flown", in_flight=count, reason=explain(error)["message"])
                break
            data = flown.latencies_ms.astype("<f8").tobytes()
            session.say("flown", data, in_flight=count, seconds=flown.seconds)
        return {"facts": lanes.facts()}
    finally:
        lanes.close()


def layers(request: Request, session: Session) -> Result:
    """Where the time of an inference goes by layer, by the engine's own profiler."""
    backend = loaded(session)
    session.say("progress", phase="profiling")
    with no_garbage_collection():
        found = backend.layer_times(request["iterations"])
    if not found.layers:
        raise WorkerError(f"the profiler of {backend.job.engine} reported no layer")
    return found.summary()


def peak_host_bytes() -> int:
    """The largest resident set of this process so far, in bytes; Linux counts it in KiB.

    `ru_maxrss` would be the driver's where that is larger: it survives fork and exec.
    """
    try:
        with open("/proc/self/status") as file:
            peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
        return int(peak) * KIB
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def weights(request: Request, _session: Session) -> Result:
    """Write the state dict that every engine loads, and say which weights it holds."""
    from engines.worker import model

    return model.write_weights(request)


def describe(request: Request, _session: Session) -> Result:
    """The model's layer table and totals."""
    from engines.worker import model

    return model.describe(request)


def graph(request: Request, _session: Session) -> Result:
    """Draw the model's graph to a file."""
    from engines.worker import model

    return model.graph(request)


def export(request: Request, _session: Session) -> Result:
    """Export the model to ONNX."""
    from engines.export import export_onnx

    return export_onnx(request)


def convert(request: Request, _session: Session) -> Result:
    """Make the ONNX file of another precision."""
    from engines.conversion import convert_onnx

    return convert_onnx(request)


def build(request: Request, session: Session) -> Result:
    """Build an engine file from an ONNX file."""
    session.say("progress", phase="loading")
    return build_engine(request, session.say)


def reference(request: Request, _session: Session) -> Result:
    """Write the FP32 reference's logits of the seeded images, shape (images, classes)."""
    eager = {"engine": "eager", "precision": "fp32", "device": "cpu"}
    options = {**request["options"], "threads": processors.few_cores()}
    backend = open_backend({**request, **eager, "options": options})
    backend.load()
    rows = []
    for start in range(0, request["images"], request["batch"]):
        batch = inputs.images(request["input_seed"], start, request["batch"], request["input_size"])
        backend.set_input(batch)
        backend.infer()
        rows.append(backend.output().copy())
    logits = np.concatenate(rows)[: request["images"]]
    if not np.isfinite(logits).all():
        raise WorkerError(
            "the FP32 reference itself returns values that are not finite",
            "check the weights: no engine can be judged against them",
        )
    with open(request["path"], "wb") as file:
        np.save(file, logits, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return {"images": len(logits), "versions": backend.versions()}


HANDLERS: dict[str, Handler] = {
    "probe": probe,
    "load": load,
    "check": check,
    "measure": measure,
    "weights": weights,
    "describe": describe,
    "graph": graph,
    "export": export,
    "convert": convert,
    "build": build,
    "times": times,
    "layers": layers,
    "reference": reference,
    "throughput": throughput,
}
