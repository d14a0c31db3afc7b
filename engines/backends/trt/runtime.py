"""Runs an engine file: TensorRT's execution context on PyCUDA's memory and stream."""

from __future__ import annotations

import atexit
import contextlib
import gc
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.backends import cuda
from engines.backends.base import Backend, Facts, Job, Say, nothing
from engines.backends.split import DeviceTimes
from engines.backends.trt import builder, inspector, layers, versions
from engines.backends.trt.device import Device, open_device
from engines.backends.trt.logger import RECORD, logger_of
from engines.worker.failure import WorkerError

if TYPE_CHECKING:
    from engines.backends.layers import LayerTimes

AGAIN = "build it again: b, or infer-tui build --force"
# Built again with the same options it would be for that other GPU again.
FOREIGN = "set compute_capability=current, or run it on such a GPU"
Batches = tuple[int, int, int]


class TensorRt(Backend):
    """An engine file on one stream, its compute part replayed as a CUDA graph where asked for."""

    has_stream = True

    def __init__(self, job: Job, say: Say = nothing) -> None:
        super().__init__(job, say)
        self._device: Device | None = None
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        self._graph: cuda.Graph | None = None
        self._graph_refused = ""
        self._layers: dict[str, int] = {}

    def load(self) -> None:
        try:
            self._load()
        except BaseException as error:
            # Its frames hold buffers and the stream, which must go before the context does.
            traceback.clear_frames(error.__traceback__)
            # What broke the load may break this too, and is what the user must read.
            with contextlib.suppress(Exception):
                self.close()
            raise

    def _load(self) -> None:
        options = self.job.options
        self._trt = versions.load(self.job.engine)
        logger = logger_of(self._trt, verbose=options["verbose_log"])
        data = read_engine(self.job.engine_file)
        self._engine_bytes = len(data)
        self._device = open_device(options["gpu"])
        # PyCUDA aborts a process that ends with its context still there, however it ends.
        atexit.register(self.close)
        self._gpu = cuda.gpu(options["gpu"])["name"]
        RECORD.start()
        self._runtime = self._trt.Runtime(logger)
        self._runtime.engine_host_code_allowed = bool(options.get("version_compatible"))
        self._engine = deserialize(self._trt, self._runtime, data)
        self._input_name, self._output_name = tensor_names(self._trt, self._engine)
        profiles = batch_profiles(self._engine, self._input_name)
        index = choose_profile(profiles, self.job.batch)
        self._profile_index, self._profile = index, profiles[index]
        self._prepare_buffers()
        self._context = self._open_context(index)
        self._layers = self._known_layers()
        if not versions.is_rtx(self._trt):
            builder.check_precision(self.job.precision, self._layers)
        self._prepare_requests()

    def _prepare_buffers(self) -> None:
        job = self.job
        shape = (job.batch, 3, job.input_size, job.input_size)
        self._opened.prepare(shape, (job.batch, job.model["classes"]))

    def _open_context(self, profile: int) -> Any:
        """An execution context for the job's batch, on the device's buffers."""
        trt, device = self._trt, self._opened
        RECORD.start()
        context = versions.execution_context(trt, self._engine, self.job.options["cuda_graph"])
        if context is None:
            raise self._no_context()
        # Ranges for a profiler cost time in every enqueue, where the file was built with details.
        context.nvtx_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY
        if profile and not context.set_optimization_profile_async(profile, device.stream):
            raise self._refusal(f"optimisation profile {profile}")
        device.synchronize()
        shape = device.host_input.shape
        if not context.set_input_shape(self._input_name, shape):
            raise self._refusal(f"an input of shape {shape}")
        if missing := context.infer_shapes():
            raise self._refusal(f"its inputs: {', '.join(missing)} is left open")
        found = tuple(int(size) for size in context.get_tensor_shape(self._output_name))
        if found != device.host_output.shape:
            raise WorkerError(
                f"the engine file's output has shape {found}, expected {device.host_output.shape}",
                AGAIN,
                kind="engine-file",
            )
        for name, pointer in (
            (self._input_name, device.input_pointer),
            (self._output_name, device.output_pointer),
        ):
            if not context.set_tensor_address(name, pointer):
                raise self._refusal(f"an address for {name}")
        return context

    def _prepare_requests(self) -> None:
        """Run once, which CUDA graphs need before a capture, then capture if that is asked for."""
        device = self._opened
        self._compute = self._enqueue
        device.host_input[...] = 0
        # Not by `request`: a failure's traceback would keep its function, and so the buffers.
        device.times(self._compute, 1)
        if self.job.options["cuda_graph"] and not versions.is_rtx(self._trt):
            try:
                self._graph = device.graph(self._enqueue)
                self._compute = self._graph.launch
            except WorkerError as error:
                reason = RECORD.reason()
                self._graph_refused = f"{error}: {reason}" if reason else str(error)
        self.infer = device.request(self._compute)  # type: ignore[method-assign]
        self.submit = device.submission(self._compute)  # type: ignore[method-assign]

    def _enqueue(self) -> None:
        self._run(self._context)

    def _run(self, context: Any) -> None:
        if not context.execute_async_v3(self._opened.stream):
            raise self._refusal("to run")

    @property
    def _opened(self) -> Device:
        if self._device is None:
            raise WorkerError("the engine is not loaded", kind="protocol")
        return self._device

    def _refusal(self, what: str) -> WorkerError:
        return WorkerError(
            f"{versions.title(self._trt)} refuses {what}: {RECORD.reason() or 'no reason given'}"
        )

    def _no_context(self) -> WorkerError:
        logged = "\n".join(RECORD.errors)
        if builder.MEMORY.search(logged):
            return builder.out_of_memory("the execution context", logged)
        return self._refusal("to make an execution context")

    def _known_layers(self) -> dict[str, int]:
        """Layers by precision; none for TensorRT-RTX, which has only one."""
        if versions.is_rtx(self._trt):
            return {}
        return inspector.count(inspector.layers_of(self._layer_information()))

    def _layer_information(self) -> str:
        """The inspector's JSON: as the build wrote it down, else as the inspector tells now."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return Path(self.job.engine_file + builder.LAYERS).read_text()
        engine_inspector = self._engine.create_engine_inspector()
        engine_inspector.execution_context = self._context
        return str(engine_inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    def set_input(self, batch: NDArray[np.float32]) -> None:
        np.copyto(self._opened.host_input, batch)

    def infer(self) -> None:
        """One request. `load` puts a function here that has nothing left to look up."""
        raise WorkerError("the engine is not loaded", kind="protocol")

    def wait(self) -> None:
        self._opened.synchronize()

    def output(self) -> NDArray[np.float32]:
        return self._opened.host_output

    def device_times(self, iterations: int) -> DeviceTimes:
        return self._opened.times(self._compute, iterations)

    def layer_times(self, iterations: int) -> LayerTimes:
        """By TensorRT's profiler, in a context that nothing else has run in."""
        context = self._open_context(self._profile_index)
        profiler = layers.profiler_of(self._trt)
        context.profiler = profiler
        # Otherwise each enqueue waits for the device by itself, and reports at once.
        context.enqueue_emits_profile = False

        def enqueue() -> None:
            self._run(context)

        def report() -> list[tuple[str, float]]:
            profiler.reported = []
            if not context.report_to_profiler():
                raise self._refusal("to report its layers")
            reported: list[tuple[str, float]] = profiler.reported
            return reported

        about = layers.known(self._layer_information())
        profiled = layers.Profiled(self._opened, self._enqueue, enqueue, report, about)
        found = profiled.times(iterations)
        if versions.is_rtx(self._trt):
            found.notes.append(layers.ONE_NODE)
        return found

    def memory(self) -> dict[str, int]:
        """What the engine needs on the GPU besides its kernels and the context."""
        found = {"activations": versions.activation_bytes(self._engine)}
        weights = versions.weight_bytes(self._trt, self._engine)
        return found if weights is None else {**found, "weights": weights}

    def facts(self) -> Facts:
        facts: Facts = {
            "provider": versions.title(self._trt),
            "gpu": self._gpu,
            "profile": "/".join(map(str, self._profile)),
            "engine_mib": round(self._engine_bytes / versions.MIB, 2),
            "activation_mib": round(versions.activation_bytes(self._engine) / versions.MIB, 2),
            "cuda_graph": self._graph is not None
            or (versions.is_rtx(self._trt) and bool(self.job.options["cuda_graph"])),
            **{f"layers_{name}": number for name, number in self._layers.items()},
        }
        if self._graph_refused:
            facts["cuda_graph_refused"] = self._graph_refused
        return facts

    def versions(self) -> dict[str, str]:
        return {
            self.job.engine: str(self._trt.__version__),
            "pycuda": metadata.version("pycuda"),
        }

    def close(self) -> None:
        """Graph, context, engine, runtime, buffers, stream, and CUDA's context at last.

        All of it, whatever fails on the way: PyCUDA aborts where its context is left.
        """
        atexit.unregister(self.close)
        device, self._device = self._device, None
        if device is None:
            return
        try:
            self._let_go()
        finally:
            device.close()

    def _let_go(self) -> None:
        """Drop everything that needs the device."""
        # The functions made in `load` hold buffers.
        for made in ("infer", "submit", "_compute"):
            self.__dict__.pop(made, None)
        graph, self._graph = self._graph, None
        try:
            if graph is not None:
                graph.close()
        finally:
            self._context = None
            self._engine = None
            self._runtime = None
            gc.collect()


def read_engine(path: str) -> bytes:
    """The engine file; WorkerError where it can't be read."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise WorkerError(
            f"can't read the engine file: {error.strerror}", AGAIN, kind="engine-file"
        ) from error
    if not data:
        raise WorkerError("the engine file is empty", AGAIN, kind="engine-file")
    return data


def deserialize(trt: Any, runtime: Any, data: bytes) -> Any:
    """The engine in `data`; WorkerError where this TensorRT can't load it on this GPU."""
    reason = versions.invalidity(trt, runtime, data)
    engine = None if reason else runtime.deserialize_cuda_engine(data)
    if engine is not None:
        return engine
    logged = "\n".join(RECORD.errors)
    if not reason and builder.MEMORY.search(logged):
        raise builder.out_of_memory("loading the engine", logged)
    reason = reason or RECORD.reason() or "no reason given"
    hint = FOREIGN if versions.OTHER_GPU in reason else AGAIN
    raise WorkerError(
        f"{versions.title(trt)} can't load the engine file: {reason}", hint, kind="engine-file"
    )


def tensor_names(trt: Any, engine: Any) -> tuple[str, str]:
    """The names of the input and the output; WorkerError unless there is one float32 of each."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    modes = {name: engine.get_tensor_mode(name) for name in names}
    inputs = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
    outputs = [name for name in names if modes[name] == trt.TensorIOMode.OUTPUT]
    types = {engine.get_tensor_dtype(name).name for name in names}
    if len(inputs) != 1 or len(outputs) != 1 or types != {"FLOAT"}:
        found = ", ".join(f"{name} {engine.get_tensor_dtype(name).name}" for name in names)
        raise WorkerError(
            f"the engine file has {found}, expected one FLOAT input and one FLOAT output",
            AGAIN,
            kind="engine-file",
        )
    return inputs[0], outputs[0]


def batch_profiles(engine: Any, name: str) -> list[Batches]:
    """Smallest, best and largest batch of each optimisation profile, by the input `name`."""
    found = []
    for index in range(engine.num_optimization_profiles):
        smallest, best, largest = engine.get_tensor_profile_shape(name, index)
        found.append((int(smallest[0]), int(best[0]), int(largest[0])))
    return found


def choose_profile(profiles: list[Batches], batch: int) -> int:
    """The index of the profile to run `batch` with; WorkerError where none contains it.

    The one made for this batch, else the one made for the next larger batch, else the nearest.
    """
    fitting = [index for index, (low, _, high) in enumerate(profiles) if low <= batch <= high]
    if not fitting:
        ranges = ", ".join(f"{low} to {high}" for low, _, high in profiles)
        plural = "s" if len(profiles) > 1 else ""
        raise WorkerError(
            f"batch {batch} is outside the engine's optimisation profile{plural} ({ranges})",
            hint=f"build another with max_batch={batch}: b, or infer-tui build",
            kind="usage",
        )

    def distance(index: int) -> tuple[bool, int]:
        best = profiles[index][1]
        return best < batch, abs(best - batch)

    return min(fitting, key=distance)
