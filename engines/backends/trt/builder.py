"""Builds an engine file from an ONNX file, and says what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.backends import cuda
from engines.backends.base import Say
from engines.backends.trt import inspector, versions
from engines.backends.trt.logger import RECORD, logger_of
from engines.backends.trt.network import Network
from engines.backends.trt.timing_cache import TimingCache
from engines.files import replace
from engines.worker.failure import WorkerError

GIB = 2**30
LAYERS = ".layers.json"  # what the inspector's answer adds to the engine file's name
MEMORY = re.compile(
    r"out ?of ?memory|cudaErrorMemoryAllocation|insufficient (?:GPU |device )?memory"
    r"|memory is insufficient|GPU memory .* could not be allocated",
    re.IGNORECASE,
)
# "Tactic Device request: 4097MB Available: 2048MB", "Requested size was 123 bytes",
# "Requested amount of GPU memory (123 bytes) could not be allocated".
TACTIC = re.compile(r"request: (\d+) ?MB Available: (\d+) ?MB", re.IGNORECASE)
# A build of this model takes less; with less than this free, memory is what a user looks at first.
LITTLE = 2 << 30
FREE_THE_GPU = "free the GPU (nvidia-smi shows who holds it), or choose a smaller batch"
REQUESTED = re.compile(r"Requested (?:size was |amount of GPU memory \()(\d+) bytes")


def build(engine: str, request: dict[str, Any], say: Say) -> dict[str, Any]:
    """Write the engine file that `request` asks for; what it holds, in figures.

    No progress monitor is set: it takes part in the timing of kernels, and so in their choice.
    Raises WorkerError of kind onnx, precision, out-of-gpu-memory, usage or error.
    """
    trt = versions.load(engine)
    options = request["options"]
    logger = logger_of(trt, verbose=options["verbose_log"])
    with _gpu(trt, options) as gpu_name:
        try:
            result = _build(trt, logger, request, say, gpu_name)
        finally:
            RECORD.start()  # nothing that is logged from here on is this build's
    return {"versions": {engine: str(trt.__version__)}, **result}


def _build(
    trt: Any, logger: Any, request: dict[str, Any], say: Say, gpu_name: str
) -> dict[str, Any]:
    """The build itself: TensorRT's objects end with it, before the GPU's context does."""
    options = request["options"]
    _start(say, "parsing")
    builder = new_builder(trt, logger)
    network = Network(trt, builder, logger, request["onnx"])
    network.check_types(request["precision"])
    config = builder.create_builder_config()
    network.add_profiles(builder, config, request["profiles"])
    versions.apply_options(trt, config, options)
    versions.apply_precision(trt, config, request["precision"])
    cache = TimingCache(_kept(request))
    cache.attach(config)
    warned = RECORD.warnings

    _start(say, "building")
    serialized = builder.build_serialized_network(network.network, config)
    if serialized is None:
        raise _failed(trt, options)
    warned += RECORD.warnings
    logged_activation = RECORD.activation_bytes
    cache.save(config)
    data = bytes(serialized)

    _start(say, "inspecting")
    found = _inspect(trt, logger, data, network, request, gpu_name)
    replace(Path(request["path"]), data)
    return {
        "layers": found.layers,
        "layers_note": found.note,
        "layer_count": found.layer_count,
        "activation_bytes": found.activation_bytes or logged_activation,
        "io": network.io(),
        "profiles": request["profiles"],
        "warnings": warned,
        "timing_cache": cache.state,
    }


def _start(say: Say, phase: str) -> None:
    say("progress", phase=phase, detail="")
    RECORD.start(lambda line: say("progress", phase=phase, detail=line))


def _kept(request: dict[str, Any]) -> str:
    """Where the timing cache is; nowhere at level 0, which does not read it (IBuilderConfig)."""
    return request["timing_cache"] if request["options"]["builder_level"] else ""


@contextmanager
def _gpu(trt: Any, options: dict[str, Any]) -> Iterator[str]:
    """Build on the GPU that was asked for; gives its name, empty where none is needed or there."""
    index = options["gpu"]
    if (problem := cuda.problem(None, index)) is not None:
        if options.get("compute_capability", "current") == "current":
            reason, install = problem
            raise WorkerError(f"{versions.title(trt)} needs a GPU to build for: {reason}", install)
        yield ""
        return
    context = cuda.PrimaryContext(index)
    try:
        yield cuda.gpu(index)["name"]
    finally:
        context.close()


def new_builder(trt: Any, logger: Any) -> Any:
    """A builder; WorkerError where TensorRT can't make one, which it says by a TypeError."""
    try:
        return trt.Builder(logger)
    except TypeError as error:
        raise WorkerError(
            f"{versions.title(trt)} can't start its builder: {RECORD.reason() or 'no reason given'}"
        ) from error


def _failed(trt: Any, options: dict[str, Any]) -> WorkerError:
    """Why `build_serialized_network` gave nothing."""
    everything = "\n".join(RECORD.errors)
    if MEMORY.search(everything) or TACTIC.search(everything):
        return out_of_memory("the build", everything)
    hint = "the log has more; verbose_log=true has all"
    if options["workspace_mib"]:
        hint = f"workspace_mib is {options['workspace_mib']}: try more, or 0 for no limit"
    reason = RECORD.reason() or "no reason given"
    free = _free_bytes()
    # 8.6 may say nothing at all of memory that it was refused.
    if free is not None and free < LITTLE:
        reason = f"{reason}; only {size_text(free)} of the GPU's memory is free"
        hint = FREE_THE_GPU
    return WorkerError(f"{versions.title(trt)} can't build the engine: {reason}", hint)


def out_of_memory(what: str, text: str) -> WorkerError:
    """That `what` ran out of GPU memory, with what was needed and free where that is known."""
    if found := TACTIC.search(text):
        needed, free = (size_text(int(number) * versions.MIB) for number in found.groups())
        parts = [f"{needed} needed, {free} free"]
    elif found := REQUESTED.search(text):
        parts = [f"{size_text(int(found[1]))} needed", *_free()]
    else:
        parts = _free()
    figures = f": {', '.join(parts)}" if parts else ""
    return WorkerError(
        f"{what} ran out of GPU memory{figures}",
        hint=FREE_THE_GPU,
        kind="out-of-gpu-memory",
    )


def size_text(size: int) -> str:
    """`size` bytes in GiB, or in MiB where they are few."""
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / versions.MIB:.1f} MiB"


def _free() -> list[str]:
    """What is free, where a context is current to ask."""
    free = _free_bytes()
    return [] if free is None else [f"{size_text(free)} free"]


def _free_bytes() -> int | None:
    try:
        return cuda.memory()[0]
    except (OSError, cuda.CudaError):
        return None


class Inspected:
    """What an engine is made of; `note` says why its layers are not known where they are not."""

    def __init__(self, note: str = "") -> None:
        self.note = note
        self.layers: dict[str, int] = {}
        self.layer_count: int | None = None
        self.activation_bytes: int | None = None


def _inspect(
    trt: Any, logger: Any, data: bytes, network: Network, request: dict[str, Any], gpu_name: str
) -> Inspected:
    """Load the new engine, write its layers beside it, and check its precision."""
    if not gpu_name:
        return Inspected("the layers are not known: there is no GPU here to load the engine on")
    runtime = trt.Runtime(logger)
    runtime.engine_host_code_allowed = bool(request["options"].get("version_compatible"))
    reason = versions.invalidity(trt, runtime, data)
    engine = None if reason else runtime.deserialize_cuda_engine(data)
    if engine is None:
        reason = reason or RECORD.reason()
        return Inspected(f"the layers are not known: this GPU can't load the engine: {reason}")
    found = Inspected()
    found.activation_bytes = versions.activation_bytes(engine)
    best = request["profiles"][0][1]
    text = engine_information(trt, engine, network.input.name, best)
    layers = inspector.layers_of(text)
    if not layers:
        found.note = "the layers are not known: TensorRT's inspector lists none"
        return found
    replace(Path(request["path"] + LAYERS), text.encode())
    found.layer_count = len(layers)
    if versions.is_rtx(trt):
        found.note = "TensorRT-RTX compiles the network as a whole: its layers are not counted"
        return found
    found.layers = inspector.count(layers)
    check_precision(request["precision"], found.layers)
    return found


def engine_information(trt: Any, engine: Any, name: str, batch: int) -> str:
    """The inspector's JSON of `engine`, with the input `name` at `batch`: without a shape it gives
    no types."""
    engine_inspector = engine.create_engine_inspector()
    context = versions.execution_context(trt, engine, cuda_graph=False)
    if context is not None:
        shape = tuple(engine.get_tensor_shape(name))
        context.set_input_shape(name, (batch, *shape[1:]))
        engine_inspector.execution_context = context
    return str(engine_inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def check_precision(precision: str, layers: dict[str, int]) -> None:
    """WorkerError where `layers`, by precision, hold none of `precision`."""
    if inspector.missing(precision, layers):
        raise WorkerError(
            f"TensorRT built no layer in {precision}: the engine has {inspector.described(layers)}",
            hint="TensorRT found every layer faster in another precision; run that one instead",
            kind="precision",
        )
