"""The split's compute time on a GPU against independent measurements of the same engine.

PyTorch and ONNX Runtime run by our own backend under CUPTI, in a process of their own: the span of
a request's kernels in the profiler's timeline, over what our events say of the same requests. CUPTI
delays the first kernel of a graph's replay, which the events include: at batch 256 that is little.
TensorRT is compared with a bare loop, where no profiler is in its interpreter.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Sequence

import msgspec

from engines import registry
from engines.plan import EngineSpec
from engines.probing import probe
from engines.registry import Availability
from tests.performance.common import row
from tests.performance.gpu import FILES, MODEL, bare, tool

LIMIT = 0.02
BATCHES = (1, 8, 256)
BARE_ROUNDS = 3
OPTIONS = {"eager": {"cuda_graph": True}, "onnxruntime": {}, "tensorrt": {}}


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="split")
    parser.add_argument("--engines", nargs="+", choices=OPTIONS, default=OPTIONS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    chosen = parser.parse_args(arguments)
    answers = [one for one in probe() if one.ready and one.device == "cuda"]
    specs = [spec for name in chosen.engines for spec in specs_of(name, answers, chosen.batches)]
    if not specs:
        row("no engine runs on a GPU here", "")
    for spec in specs:
        limit = f"limit {1 - LIMIT:.2f} to {1 + LIMIT:.2f}"
        ours = tool(spec, answers)["device_ms"]
        if spec.engine == "tensorrt":
            found = bare_ms(spec)
            row(f"{spec.label}: compute, ours / bare loop", f"{ours / found:.3f}", limit)
            row("", f"{ours:.4f}/{found:.4f} ms")
            continue
        seen = profiled(spec)
        row(f"{spec.label}: compute, kernels' span / events", f"{agreement(seen):.3f}", limit)
        row("  of the same requests", f"{seen['kernels_ms']:.4f}/{seen['events_ms']:.4f} ms",
            f"{seen['kernels']:.0f} kernels a request")  # fmt: skip
        row("  copy to copy / events", f"{seen['between_ms'] / seen['events_ms']:.3f}")
        row("  events under CUPTI / without", f"{seen['events_ms'] / seen['alone_ms']:.3f}",
            f"{seen['events_ms']:.4f}/{seen['alone_ms']:.4f} ms")  # fmt: skip
        row("  events of a run of ours / without CUPTI", f"{ours / seen['alone_ms']:.3f}")


def specs_of(
    engine: str, answers: list[Availability], batches: Iterable[int] = BATCHES
) -> list[EngineSpec]:
    """The entries of `engine` that are compared, where it can run here."""
    able = next((one for one in answers if one.engine == engine), None)
    if able is None:
        return []
    return [
        EngineSpec(engine=engine, device="cuda", precision="fp16", batch=batch,
                   environment=able.environment, options=OPTIONS[engine])
        for batch in batches
    ]  # fmt: skip


def bare_ms(spec: EngineSpec) -> float:
    """The compute time of the engine file that the last run made, in a bare loop."""
    return statistics.median(bare(spec)["device_ms"] for _ in range(BARE_ROUNDS))


def profiled(spec: EngineSpec) -> dict[str, float]:
    """What events and CUPTI say of requests of `spec`, made of the last run's files; in ms."""
    load = {
        "engine": spec.engine, "device": spec.device, "precision": spec.precision,
        "batch": spec.batch, "options": registry.find(spec.engine).settings(spec),
        "model": msgspec.to_builtins(MODEL), "input_size": MODEL.input_size,
        "weights": FILES["weights"], "onnx": FILES.get("export", ""),
    }  # fmt: skip
    return bare(spec, "profiled.py", load=load)


def agreement(seen: dict[str, float]) -> float:
    """The kernels' span over what the events say of the very same requests."""
    return seen["kernels_ms"] / seen["events_ms"]
