"""One of our engines under CUPTI: what its events say, and what the profiler's timeline says.

CUPTI stretches what it watches, kernels of a CUDA graph most of all. So its timeline is compared
with the events of the very requests that it watched; the same figure without it stands beside.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from loop import answer, request
from torch.profiler import ProfilerActivity, profile

ITERATIONS = 300
WARM_UP_S = 1.0
WORK = ("kernel", "gpu_memset", "gpu_memcpy")


def watched(backend, iterations):
    """The times by events of requests that CUPTI watches, and its timeline of them."""
    with profile(activities=[ProfilerActivity.CUDA]) as watcher:
        times = backend.device_times(iterations)
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        watcher.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    return times, sorted(
        (one for one in events if one.get("cat") in WORK), key=lambda one: one["ts"]
    )


def spans(work):
    """Milliseconds of each request in `work`, which is in order of time.

    From its first kernel's start to its last one's end, and from the end of its copy in to the
    start of its copy out, which is what the events stand around.
    """
    kernels, between = [], []
    inside = None
    for one in work:
        copying = one["cat"] == "gpu_memcpy"
        if copying and "HtoD" in one["name"]:
            inside, copied_in = [], one["ts"] + one["dur"]
        elif copying and "DtoH" in one["name"]:
            if inside:
                ends = [kernel["ts"] + kernel["dur"] for kernel in inside]
                kernels.append((max(ends) - inside[0]["ts"]) / 1e3)
                between.append((one["ts"] - copied_in) / 1e3)
            inside = None
        elif inside is not None:
            inside.append(one)
    return kernels, between


def main():
    asked = request()
    sys.path.insert(0, asked["root"])
    from engines.backends import open_backend, split
    from engines.worker import inputs

    load = asked["load"]
    torch.cuda.init()
    backend = open_backend(load)
    backend.load()
    backend.set_input(inputs.images(0, 0, load["batch"], load["input_size"]))
    if backend.compiles:
        backend.compile()
    end = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < end:
        backend.infer()
    alone = split.summary(backend.device_times(ITERATIONS))
    watched(backend, 20)  # CUPTI sets itself up
    times, work = watched(backend, ITERATIONS)
    kernels, between = spans(work)
    if len(kernels) != ITERATIONS:
        sys.exit(f"the timeline has {len(kernels)} requests, expected {ITERATIONS}")
    answer(
        alone_ms=alone["compute_ms"],
        events_ms=split.summary(times)["compute_ms"],
        kernels_ms=split.summary({**times, "compute": kernels})["compute_ms"],
        between_ms=split.summary({**times, "compute": between})["compute_ms"],
        kernels=sum(one["cat"] == "kernel" for one in work) / ITERATIONS,
    )
    backend.close()


if __name__ == "__main__":
    main()
