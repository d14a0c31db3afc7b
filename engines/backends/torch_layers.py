"""PyTorch's times by layer: by hooks around modules, or by torch.profiler where code is compiled.

Hooks are on a model only while its layers are timed: the timed loop never meets them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engines.backends.ahead import TRIALS, Ahead
from engines.backends.layers import MS_PER_NS, WARMUPS, LayerTable, LayerTimes
from engines.worker.failure import WorkerError

if TYPE_CHECKING:
    import torch

Call = Callable[[], object]

A_MODULE = "a module of the model that has no modules in it"
ON_HOST = f"{A_MODULE}: the host's time for its call"
ON_DEVICE = (
    f"{A_MODULE}: the device's time between two events around its kernels, which were all"
    " enqueued before the first one ran; enqueue is the host's time for its call"
)
A_CALL = (
    "a call in the code that Inductor made, in its order: a fused C++ kernel of its own, or an"
    " operator of PyTorch's; the host's time for it"
)
A_KERNEL = "a kernel on the device, in the order of their start: its own time, without gaps"
BY_NAME = (
    "not every inference ran the same in the same order: a row holds all that goes by one name"
)

TYPES = {"float32": "FP32", "float16": "FP16", "bfloat16": "BF16", "int8": "INT8", "uint8": "INT8"}
# torch.profiler keeps every event as a Python object: more inferences take seconds to read.
MOST_PROFILED = 50
INFERENCE = "infer-tui: inference"
# How torch/_inductor/output_code.py names the call of one compiled graph.
COMPILED_GRAPH = "## Call CompiledFxGraph"
# In front of the names of Inductor's C++ kernels: the number of the compiled graph.
GRAPH_NUMBER = re.compile(r"^graph_\d+_")
# Of a convolution: its input and its weights.
MOST_SHAPES = 2
# How CUPTI names the copies that a request begins and ends with.
COPY_IN, COPY_OUT = "Memcpy HtoD", "Memcpy DtoH"
US_PER_MS = 1000.0


class ModuleCall(NamedTuple):
    """One call of a leaf module: its place in `Hooks.names`, and the two readings of the clock."""

    module: int
    began_ns: int
    ended_ns: int


class Hooks:
    """Reads the clock around every leaf module of a model, from `__enter__` to `__exit__`.

    `calls` grows by every call; `mark`, where it is given, is called before and after each, outside
    of what is clocked. A module that stands at several places goes by the first one's name.
    """

    def __init__(self, model: torch.nn.Module, mark: Callable[[], object] | None = None) -> None:
        leaves = [(name, one) for name, one in model.named_modules() if not any(one.children())]
        self.names = [name or type(one).__name__ for name, one in leaves]
        self.kinds = [type(one).__name__ for _, one in leaves]
        self.precisions = [""] * len(leaves)
        self.calls: list[ModuleCall] = []
        self._modules = [one for _, one in leaves]
        self._mark = mark
        self._began_ns = 0
        self._handles: list[Any] = []

    def __enter__(self) -> Hooks:
        for number, module in enumerate(self._modules):
            self._handles += [
                module.register_forward_pre_hook(self._before),
                module.register_forward_hook(self._after(number)),
            ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def take(self) -> list[ModuleCall]:
        """The calls since the last time."""
        taken, self.calls = self.calls, []
        return taken

    def _before(self, _module: object, _inputs: object) -> None:
        if self._mark is not None:
            self._mark()
        self._began_ns = time.perf_counter_ns()

    def _after(self, number: int) -> Callable[[object, object, Any], None]:
        def after(_module: object, _inputs: object, output: Any) -> None:
            ended_ns = time.perf_counter_ns()
            if self._mark is not None:
                self._mark()
            self.calls.append(ModuleCall(number, self._began_ns, ended_ns))
            if not self.precisions[number]:
                dtype = str(getattr(output, "dtype", "unknown")).removeprefix("torch.")
                self.precisions[number] = TYPES.get(dtype, dtype)

        return after


def time_modules(model: torch.nn.Module, infer: Call, iterations: int) -> LayerTimes:
    """Leaf modules by the host's clock, for a model that computes on the host."""
    table = LayerTable(iterations)
    whole_ms = []
    with Hooks(model) as hooks:
        for _ in range(WARMUPS):
            infer()
        hooks.take()
        for inference in range(iterations):
            began_ns = time.perf_counter_ns()
            infer()
            whole_ms.append((time.perf_counter_ns() - began_ns) * MS_PER_NS)
            for call in hooks.take():
                table.add(
                    inference,
                    call.module,
                    (call.ended_ns - call.began_ns) * MS_PER_NS,
                    name=hooks.names[call.module],
                    kind=hooks.kinds[call.module],
                    precision=hooks.precisions[call.module],
                )
    return LayerTimes(ON_HOST, "host", table.layers, whole_ms, whole_ms)


def host_times(request: Call, n: int) -> list[float]:
    """Milliseconds by the host's clock of `n` calls of `request`."""
    taken = []
    for _ in range(n):
        began_ns = time.perf_counter_ns()
        request()
        taken.append((time.perf_counter_ns() - began_ns) * MS_PER_NS)
    return taken


def time_modules_on_device(
    model: torch.nn.Module, compute: Call, request: Call, stream: int, iterations: int
) -> LayerTimes:
    """Leaf modules by the device's clock: `compute` enqueues one inference on `stream`.

    `request` is a whole request, which the host times for what the hooks cost.
    """
    table, whole_ms = LayerTable(iterations), []
    with Ahead(stream) as ahead:
        bare_ms = ahead.whole(compute)
        with Hooks(model, ahead.mark) as hooks:
            ahead.expect(compute)
            hooks.take()
            for inference in range(iterations):
                whole, *between = ahead.run(compute)
                whole_ms.append(whole)
                # Every other pair of marks is around a module, the rest from one to the next.
                for call, ms in zip(hooks.take(), between[::2], strict=True):
                    table.add(
                        inference,
                        call.module,
                        ms,
                        name=hooks.names[call.module],
                        kind=hooks.kinds[call.module],
                        precision=hooks.precisions[call.module],
                        enqueue_ms=(call.ended_ns - call.began_ns) * MS_PER_NS,
                    )
            notes = ahead.all_notes()
            host_ms = host_times(request, min(iterations, TRIALS))
        nothing = f"two events with nothing between them are {ahead.nothing_ms():.4f} ms apart"
    return LayerTimes(
        ON_DEVICE, "device", table.layers, whole_ms, host_ms, bare_ms, [nothing, *notes]
    )


def time_calls(infer: Call, iterations: int) -> LayerTimes:
    """What the code that Inductor made for the host calls, by torch.profiler.

    Its own kernels are seen only where they were compiled with `enable_kernel_profile`.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile, record_function

    n = min(iterations, MOST_PROFILED)
    for times in (WARMUPS, n):
        whole_ms = []
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
            for _ in range(times):
                began_ns = time.perf_counter_ns()
                with record_function(INFERENCE):
                    infer()
                whole_ms.append((time.perf_counter_ns() - began_ns) * MS_PER_NS)
    events = found.events() or ()
    inferences = [one for one in events if one.name == INFERENCE]
    sequences = [
        [
            (shaped(call), milliseconds(call))
            for graph in _under(inference, COMPILED_GRAPH)
            for call in graph.cpu_children
        ]
        for inference in sorted(inferences, key=lambda one: one.time_range.start)
    ]
    if len(sequences) != n or not any(sequences):
        raise WorkerError(
            f"torch.profiler of PyTorch {torch.__version__} shows no compiled graph",
            "time the layers of eager instead",
        )
    table, notes = tabulated(sequences, kind_of_call)
    return LayerTimes(A_CALL, "host", table.layers, whole_ms, whole_ms, notes=notes)


def _under(event: Any, prefix: str) -> Iterable[Any]:
    """The events within `event` whose name begins so, in order."""
    for child in sorted(event.cpu_children, key=lambda one: one.time_range.start):
        if child.name.startswith(prefix):
            yield child
        else:
            yield from _under(child, prefix)


def time_kernels(compute: Call, request: Call, stream: int, iterations: int) -> LayerTimes:
    """The kernels of whole requests on the device, by torch.profiler.

    Each request begins with its copy to the device, and with nothing else of that kind. `compute`
    enqueues one computation on `stream`, without copies.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    with Ahead(stream) as ahead:
        bare_ms = ahead.whole(compute)
    n = min(iterations, MOST_PROFILED)
    for times in (WARMUPS, n):
        with profile(activities=[ProfilerActivity.CUDA]) as found:
            host_ms = host_times(request, times)
    on_device = [one for one in found.events() or () if one.device_type.name == "CUDA"]
    requests = kernels_of_requests(on_device)
    if len(requests) != n or not all(requests):
        raise WorkerError(
            f"torch.profiler of PyTorch {torch.__version__} saw {len(requests)} requests on the"
            f" device, expected {n}",
            "CUPTI may be missing or taken by another profiler; time the layers of eager instead",
        )
    sequences = [[(one.name, milliseconds(one)) for one in events] for events in requests]
    table, notes = tabulated(sequences, kind_of_kernel)
    whole_ms = [
        (events[-1].time_range.end - events[0].time_range.start) / US_PER_MS for events in requests
    ]
    return LayerTimes(A_KERNEL, "device", table.layers, whole_ms, host_ms, bare_ms, notes)


def kernels_of_requests(events: Iterable[Any]) -> list[list[Any]]:
    """The device's events, without the copies that a request begins and ends with."""
    requests: list[list[Any]] = []
    for event in sorted(events, key=lambda one: one.time_range.start):
        if event.name.startswith(COPY_IN):
            requests.append([])
        elif requests and not event.name.startswith(COPY_OUT):
            requests[-1].append(event)
    return requests


def shaped(event: Any) -> str:
    """The name of a call, with the shapes of the tensors that it is given: operators of PyTorch
    that differ in nothing else are then told apart."""
    shapes = ["x".join(map(str, one)) for one in event.input_shapes or () if one]
    return f"{event.name} ({', '.join(shapes[:MOST_SHAPES])})" if shapes else str(event.name)


def milliseconds(event: Any) -> float:
    """How long an event of torch.profiler took."""
    return float(event.time_range.elapsed_us()) / US_PER_MS


def tabulated(
    sequences: Sequence[Sequence[tuple[str, float]]], kind_of: Callable[[str], str]
) -> tuple[LayerTable, list[str]]:
    """The (name, milliseconds) of each inference as a table: a row for each place in the sequence.

    Where inferences differ in their sequence, a row for each name, which a note says.
    """
    same = len({tuple(name for name, _ in one) for one in sequences}) == 1
    table = LayerTable(len(sequences))
    for inference, sequence in enumerate(sequences):
        for place, (name, ms) in enumerate(sequence):
            shown = GRAPH_NUMBER.sub("", name)
            table.add(inference, place if same else name, ms, name=shown, kind=kind_of(name))
    return table, [] if same else [BY_NAME]


def kind_of_call(name: str) -> str:
    """Whose code a call on the host is."""
    namespace, colons, _ = name.partition("::")
    if not colons:
        return "fused C++"
    return {"aten": "ATen", "mkldnn": "oneDNN"}.get(namespace, namespace)


def kind_of_kernel(name: str) -> str:
    """Whose code a kernel on the device is."""
    if name.startswith("triton_"):
        return "Triton"
    if "at::" in name:
        return "ATen"
    return "memory" if name.startswith(("Memcpy", "Memset")) else "library"
