"""A session of ONNX Runtime on its CUDA provider."""

from __future__ import annotations

import ctypes
import gc
import re
from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends import cuda, onnxruntime_layers, split
from engines.backends.base import Facts
from engines.backends.onnxruntime import CPU, CUDA, OnnxRuntime, nodes
from engines.backends.onnxruntime_needs import trouble
from engines.worker import inputs
from engines.worker.failure import MEMORY, WorkerError, first_line

DEVICE = "cuda"  # as ONNX Runtime's bindings call it
# Options of the CUDA provider that are not the user's to set, and what is instead.
OURS = {
    "device_id": "choose it with the option gpu",
    "enable_cuda_graph": "choose it with the option cuda_graph",
    "has_user_compute_stream": "the stream is the one that is measured",
    "use_tf32": "the precision decides: off for fp32, on for the others",
    "user_compute_stream": "the stream is the one that is measured",
}
# How ONNX Runtime words its refusals, 1.23 to 1.32.
NO_CONVOLUTION = "Failed to initialize CUDNN Frontend"
NODES_ON_CPU = "nodes that are assigned to the default CPU EP"
UNKNOWN_OPTION = re.compile(r'Unknown provider option: "([^"]*)"')
WRONG_VALUE = re.compile(r'Failed to parse provider option "([^"]*)"')
WANTED_BYTES = re.compile(r"(?:requested buffer of size|requested bytes of) (\d+)")
# How far a replay's logits may be from a plain run's, as a share of the largest: the kernels are
# the same, but some add up in an order of the moment, which costs FP16 its last bits.
REPLAY_ERROR = 0.01
FLOAT32_BYTES = 4
GIB = 1 << 30


def provider_options(text: str) -> dict[str, str]:
    """The pairs of `text`, such as "gpu_mem_limit=1000000,fuse_conv_bias=1"; the user's own."""
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if pair)
    for name in pairs:
        if name in OURS:
            raise WorkerError(
                f"provider_options sets {name}, which is not the user's to set",
                OURS[name],
                kind="usage",
            )
    return pairs


def worded(error: Exception) -> WorkerError | None:
    """What ONNX Runtime's `error` means to the user, where there are better words for it."""
    text = str(error)
    if found := UNKNOWN_OPTION.search(text):
        return WorkerError(
            f"ONNX Runtime's CUDA provider has no option {found[1]}",
            "take it out of provider_options, or correct its name",
            kind="usage",
        )
    if found := WRONG_VALUE.search(text):
        return WorkerError(
            f"ONNX Runtime's CUDA provider does not take that value of {found[1]}",
            "correct it in provider_options",
            kind="usage",
        )
    if NO_CONVOLUTION in text:
        return WorkerError(
            "cuDNN has no convolution for these options of the CUDA provider",
            "leave prefer_nhwc off, and fuse_conv_bias out of provider_options",
            kind="usage",
        )
    if isinstance(error, WorkerError) or not MEMORY.search(text):
        return None
    wanted = WANTED_BYTES.search(text)
    free, total = cuda.memory()
    needed = f"{int(wanted[1]) / GIB:.2f} GiB more were needed, " if wanted else ""
    return WorkerError(
        f"out of GPU memory: {needed}{free / GIB:.2f} of {total / GIB:.1f} GiB are free",
        "choose a smaller batch",
        kind="out-of-gpu-memory",
    )


def end_capture(stream: int) -> None:
    """End what capture may be under way in `stream` and drop it; where none is, nothing happens."""
    graph = ctypes.c_void_p()
    cuda.library().cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))
    if graph.value:
        cuda.call("cuGraphDestroy", graph)


class CudaSession(OnnxRuntime):
    """A session on one GPU that computes in a stream of ours.

    A request is copied from page-locked memory to the device, computed and copied back, all in
    that stream, which is waited for once at the end.
    """

    has_stream = True
    _stream: Any = None

    def load(self) -> None:
        import onnxruntime as ort

        index = self.job.options["gpu"]
        self._held = ExitStack()
        self._extra = provider_options(self.job.options["provider_options"])
        if (reason := trouble(ort, index)) is not None:
            raise WorkerError(*reason)
        self._held.callback(cuda.PrimaryContext(index).close)
        self._allocate()
        self._held.callback(self._stop)
        self._refused = self._load_with_graph(ort) if self.job.options["cuda_graph"] else ""
        if self._session is None:
            self._start(ort, graph=False)

    def _allocate(self) -> None:
        """Memory for one request, on the device and page-locked on the host."""
        job = self.job
        shape = (job.batch, inputs.CHANNELS, job.input_size, job.input_size)
        self._input_shape, self._output_shape = shape, (job.batch, job.model["classes"])
        shapes = (self._input_shape, self._output_shape)
        sizes = [FLOAT32_BYTES * int(np.prod(one)) for one in shapes]
        self._device_in, self._device_out = (self._keep(cuda.DeviceMemory(size)) for size in sizes)
        self._host_in, self._host_out = (self._keep(cuda.PinnedMemory(size)) for size in sizes)
        self._input = self._host_in.array(self._input_shape, np.float32)
        self._output = self._host_out.array(self._output_shape, np.float32)

    def _keep(self, memory: Any) -> Any:
        self._held.callback(memory.close)
        return memory

    def _load_with_graph(self, ort: Any) -> str:
        """Load with a captured CUDA graph; why it can't be had, in words, or "" where it can."""
        try:
            self._start(ort, graph=True)
            self._prove_replay(ort)
        except Exception as error:
            if getattr(error, "kind", "") in ("usage", "fallback"):
                raise  # no fault of the graph's
            reason = first_line(error)
        else:
            return ""
        self._stop()
        return reason

    def _start(self, ort: Any, graph: bool) -> None:
        """Open a session in a stream of its own and bind the memory to it."""
        self._stream = cuda.Stream()
        self._session = self._open(ort, graph)
        self._run_options = ort.RunOptions()
        # We wait for the stream ourselves, behind the copy to the host.
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._binding = self._session.io_binding()
        index = self.job.options["gpu"]
        source, logits = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name
        for bind, name, shape, memory in (
            (self._binding.bind_input, source, self._input_shape, self._device_in),
            (self._binding.bind_output, logits, self._output_shape, self._device_out),
        ):
            bind(name, DEVICE, index, np.float32, shape, memory.pointer)

    def _open(self, ort: Any, graph: bool) -> Any:
        """A session of CUDA's nodes alone, unless the user allows some on the CPU.

        CPU is not listed at first, because ONNX Runtime falls back to it without a word.
        """
        allowed = self.job.options["allow_cpu_fallback"]
        try:
            return self._session_on(ort, graph, [])
        except Exception as error:
            if (failure := worded(error)) is not None:
                raise failure from error
            if NODES_ON_CPU not in str(error):
                raise
        session = self._session_on(ort, graph and allowed, [CPU])
        if session.get_providers()[0] != CUDA:
            raise WorkerError(
                "ONNX Runtime could not start its CUDA provider", "its own words are in the log"
            )
        if allowed:
            return session
        kinds = nodes(session).get(CPU, Counter())
        listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise WorkerError(
            f"{kinds.total() or 'some'} nodes would run on the CPU{': ' * bool(listed)}{listed}",
            "set allow_cpu_fallback=true to let them",
            kind="fallback",
        )

    def _session_on(self, ort: Any, graph: bool, others: list[str]) -> Any:
        options = self._session_options(ort)
        if not others:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        providers = [(CUDA, self._provider_options(graph)), *others]
        return ort.InferenceSession(self.job.onnx, options, providers=providers, enable_fallback=0)

    def _provider_options(self, graph: bool) -> dict[str, str]:
        """The CUDA provider's options, all of them texts; the user's win over ours."""
        chosen = self.job.options
        return {
            "device_id": str(chosen["gpu"]),
            "user_compute_stream": str(self._stream.handle),
            "do_copy_in_default_stream": "1",
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": chosen["cudnn_conv_algo_search"],
            "prefer_nhwc": "1" if chosen["prefer_nhwc"] else "0",
            # cuDNN adds the bias in the convolution's kernel in this order only.
            "fuse_conv_bias": "1" if chosen["prefer_nhwc"] else "0",
            # Off, it takes the tensor cores from FP16 convolutions as well.
            "use_tf32": "0" if self.job.precision == "fp32" else "1",
            "enable_cuda_graph": "1" if graph else "0",
            **self._extra,
        }

    def _prove_replay(self, ort: Any) -> None:
        """Capture the graph, and check that a replay answers the input that it finds.

        A graph that was captured with other addresses, or of nothing, would replay in no time
        and be taken for a fast engine.
        """
        plain, first = ort.RunOptions(), ort.RunOptions()
        # A run with this number is neither captured nor replayed.
        plain.add_run_config_entry("gpu_graph_id", "-1")
        image = inputs.images(0, 0, 1, self.job.input_size)
        wanted = [self._answer(one, plain) for one in (image, -image)]
        self._answer(image, first)  # ONNX Runtime allocates, captures and replays in one call
        found = [self._answer(one, self._run_options) for one in (image, -image)]
        stale = np.array_equal(found[0], found[1]) and not np.array_equal(wanted[0], wanted[1])
        limit = REPLAY_ERROR * float(np.max(np.abs(np.nan_to_num(wanted))))
        if stale or not np.allclose(found, wanted, rtol=0, atol=limit, equal_nan=True):
            raise WorkerError(
                "a replay of the CUDA graph gives other logits than a run without", kind="graph"
            )

    def _answer(self, image: NDArray[np.float32], run_options: Any) -> NDArray[np.float32]:
        """The logits of a batch that is `image`, shape (1, 3, size, size), all over."""
        self._input[:] = image
        self._request(run_options)
        return np.array(self._output)

    def set_input(self, batch: NDArray[np.float32]) -> None:
        self._input[:] = batch

    def infer(self) -> None:
        self._request(self._run_options)

    def _request(self, run_options: Any) -> None:
        self._copy_in()
        self._compute(run_options)
        self._copy_out()
        self._stream.synchronize()

    def _copy_in(self) -> None:
        there = self._device_in
        cuda.copy_in(there.pointer, self._host_in.pointer, there.size, self._stream.handle)

    def _compute(self, run_options: Any) -> None:
        try:
            self._session.run_with_iobinding(self._binding, run_options)
        except Exception as error:
            if (failure := worded(error)) is not None:
                raise failure from error
            raise

    def _copy_out(self) -> None:
        here = self._host_out
        cuda.copy_out(here.pointer, self._device_out.pointer, here.size, self._stream.handle)

    def submit(self) -> None:
        self._copy_in()
        self._compute(self._run_options)
        self._copy_out()

    def wait(self) -> None:
        self._stream.synchronize()

    def device_times(self, iterations: int) -> split.DeviceTimes:
        parts = split.Parts(
            copy_in=self._copy_in,
            compute=partial(self._compute, self._run_options),
            copy_out=lambda _: self._copy_out(),
            wait=self._stream.synchronize,
            stream=self._stream.handle,
        )
        return split.timed(parts, iterations)

    def _start_profiled(self) -> str:
        import onnxruntime as ort

        self._stop()
        # The kernels of a replay are not told apart.
        self._start(ort, graph=False)
        return onnxruntime_layers.on_cuda()

    def facts(self) -> Facts:
        in_force = self._session.get_provider_options()[CUDA]
        found = super().facts() | {
            "gpu": cuda.gpu(self.job.options["gpu"])["name"],
            "cuda_graph": self.job.options["cuda_graph"] and not self._refused,
            "use_tf32": in_force.get("use_tf32") == "1",
            "prefer_nhwc": in_force.get("prefer_nhwc") == "1",
            "fuse_conv_bias": in_force.get("fuse_conv_bias") == "1",
            "cudnn_conv_algo_search": in_force.get("cudnn_conv_algo_search", "unknown"),
        }
        return found | ({"cuda_graph_refused": self._refused} if self._refused else {})

    def versions(self) -> dict[str, str]:
        import onnxruntime

        return {**super().versions(), "cuda": str(onnxruntime.cuda_version)}

    def close(self) -> None:
        """The session before its stream, the memory after both, the context last."""
        for array in ("_input", "_output"):
            vars(self).pop(array, None)  # they lie in the memory that goes
        self._held.close()

    def _stop(self) -> None:
        """Release the session and its stream, whatever state they are in."""
        if self._stream is None:
            return
        # A capture that failed half-way forbids this thread to free memory until it is ended.
        end_capture(self._stream.handle)
        self._binding = self._session = None
        gc.collect()
        self._stream.close()
        self._stream = None
