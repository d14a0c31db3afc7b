"""ONNX Runtime's own profiler: a session that writes what each of its nodes took."""

from __future__ import annotations

import json
import os
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engines.backends.layers import MS_PER_NS, WARMUPS, LayerTable, LayerTimes
from engines.worker.failure import WorkerError

A_NODE = "a node of the graph as ONNX Runtime rewrote it"
ON_CPU = f"{A_NODE}: the host's time for it"
# CUDA_LAUNCH_BLOCKING of CUDA's programming guide: each launch waits for its kernel. The driver
# reads it when it starts, so that it must be in the environment before.
BLOCKING = "CUDA_LAUNCH_BLOCKING"
WAITED_FOR = (
    f"{A_NODE}: the host's time for it, with each of its kernels waited for, so that some"
    " microseconds of launch and wait are in it for every kernel"
)
ENQUEUED = f"{A_NODE}: the host's time for handing its kernels over, not that of the kernels"
WHOLE_MICROSECONDS = "ONNX Runtime counts whole microseconds and drops the rest"
SIDE_BY_SIDE = "operators ran side by side: their times add up to more than an inference"

# ONNX Runtime's names of tensor types, and ours.
TYPES = {
    "float": "FP32", "float16": "FP16", "bfloat16": "BF16", "int8": "INT8", "uint8": "INT8",
    "int32": "INT32", "int64": "INT64", "bool": "BOOL",
}  # fmt: skip
KERNEL_TIME = "_kernel_time"
RUN = "model_run"
US_PER_MS = 1000.0


@contextmanager
def profile_prefix() -> Iterator[str]:
    """How the profile's file shall begin: in a folder of its own, which goes with all it holds."""
    with tempfile.TemporaryDirectory(prefix="layers-") as folder:
        yield os.path.join(folder, "profile")


def time_nodes(
    infer: Callable[[], object], end: Callable[[], str], iterations: int
) -> tuple[list[float], list[dict[str, Any]]]:
    """Run the session that `infer` asks, then read what it wrote; `end` ends it and names the file.

    Returns the host's milliseconds of each request after the warm-up, and every event.
    """
    host_ms = []
    for inference in range(-WARMUPS, iterations):
        began_ns = time.perf_counter_ns()
        infer()
        if inference >= 0:
            host_ms.append((time.perf_counter_ns() - began_ns) * MS_PER_NS)
    with open(end(), encoding="utf-8") as file:
        return host_ms, json.load(file)


def layer_times(
    host_ms: list[float], events: list[dict[str, Any]], row: str, side_by_side: bool
) -> LayerTimes:
    """The nodes of the last runs in `events`, as many as there are in `host_ms`."""
    runs = sorted(one["ts"] for one in events if one["name"] == RUN)
    first = len(runs) - len(host_ms)
    table = LayerTable(len(host_ms))
    nodes = [one for one in events if one.get("cat") == "Node" and KERNEL_TIME in one["name"]]
    for node in sorted(nodes, key=lambda one: int(one["ts"])):
        # The events of a run come after its own, whose time is its beginning.
        inference = bisect_right(runs, node["ts"]) - 1 - first
        if inference < 0:
            continue
        about = node["args"]
        table.add(
            inference,
            (about.get("node_index"), node["name"]),
            node["dur"] / US_PER_MS,
            name=node["name"].removesuffix(KERNEL_TIME),
            kind=about.get("op_name", ""),
            precision=type_of(about),
            provider=about.get("provider", "").removesuffix("ExecutionProvider"),
        )
    if first < 0 or not table.layers:
        raise WorkerError(
            f"ONNX Runtime's profile holds {len(runs)} runs of {len(table.layers)} nodes,"
            f" expected {len(host_ms)} runs"
        )
    notes = [WHOLE_MICROSECONDS, *([SIDE_BY_SIDE] if side_by_side else [])]
    return LayerTimes(row, "host", table.layers, host_ms, host_ms, notes=notes)


def type_of(about: dict[str, Any]) -> str:
    """The type of a node's first input, such as "FP32"; empty where it has none or none is told."""
    inputs = about.get("input_type_shape") or [{}]
    name = next(iter(inputs[0]), "")
    return TYPES.get(name, name)


def on_cuda() -> str:
    """What a row is of a session on CUDA, by whether launches are waited for in this process."""
    return WAITED_FOR if os.environ.get(BLOCKING) == "1" else ENQUEUED
