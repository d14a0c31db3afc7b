"""How soon an engine is itself again when others have run: what the re-warm of a turn rests on.

Two engines take turns without any re-warm. Each stretch of a block is compared with the second
half of the same block, so that neither the machine's drift nor the engine's speed is in the ratio.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from engines import interleaving
from engines.backends import cuda
from engines.control import Control
from engines.events import Samples
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.runner import run
from tests.performance.common import row

ROUNDS, BLOCK_S = 30, 1.0
# Seconds since a turn began; the first stretch holds its first inference alone.
STRETCHES = ((0.0, 1e-6), (0.001, 0.02), (0.02, 0.05), (0.05, 0.1), (0.1, 0.25), (0.25, 0.5))
CPU = (
    EngineSpec(engine="eager", device="cpu", options={"threads": 1}),
    EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1}),
)
GPU = (
    EngineSpec(engine="eager", device="cuda", precision="fp16", options={"cuda_graph": True}),
    EngineSpec(engine="onnxruntime", device="cuda", precision="fp16"),
    EngineSpec(engine="eager", device="cuda", batch=64),
)


def main() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interleaving, "REWARM_S", 1e-9)
        patch.setattr(interleaving, "REWARM_GPU_S", 1e-9)
        for specs in (CPU, GPU) if cuda.problem() is None else (CPU,):
            _report(specs)


def _report(specs: tuple[EngineSpec, ...]) -> None:
    measurement = Measurement(interleave=True, blocks=ROUNDS, block_seconds=BLOCK_S)
    plan = RunPlan(measurement=measurement, engines=specs)
    turns: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
    for event in run(plan, Control()):
        # The first inference of a turn is its re-warm, which is as short as can be.
        if isinstance(event, Samples) and event.round is not None:
            turns[event.entry, event.round].append(event.latencies_ms)
    for entry, label in enumerate(plan.labels()):
        blocks = [np.concatenate(parts) for (one, _), parts in turns.items() if one == entry]
        print(f"  {label}, {len(blocks)} turns")
        for first, last in STRETCHES:
            ratios = [one for block in blocks if (one := _ratio(block, first, last)) is not None]
            if ratios:
                text = f"{np.median(ratios):.3f} ({len(ratios)} turns)"
                row(f"    from {first:.3f} to {last:.3f} s of a turn, over its second half", text)


def _ratio(block_ms: np.ndarray, first_s: float, last_s: float) -> float | None:
    """The median of a stretch of a block over that of its second half."""
    began_s = (np.cumsum(block_ms) - block_ms) / 1000.0
    here, steady = (began_s >= first_s) & (began_s < last_s), began_s > BLOCK_S / 2
    if not here.any() or not steady.any():
        return None
    return float(np.median(block_ms[here]) / np.median(block_ms[steady]))
