"""Going from one engine to the next: what is added to the framework's own load.

From the end of one entry to the next engine's first word after its first inference, less what the
worker itself measured of loading, compiling and that inference.
"""

from __future__ import annotations

import time

from engines.control import Control
from engines.events import EngineFinished, Progress
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.probing import probe
from engines.runner import run
from tests.performance.common import row, spread

ROUNDS = 3
LIMIT_S = 0.5
BRIEF = Measurement(iterations=5, warmup_min_seconds=0.0, warmup_max_seconds=0.1)


def main() -> None:
    ready = [one for one in probe() if one.ready]
    # With a GPU its engines in FP16, whose engine file is likely to be kept; otherwise the CPU's.
    device = "cuda" if any(one.device == "cuda" for one in ready) else "cpu"
    answers = [one for one in ready if one.device == device]
    specs = tuple(
        EngineSpec(
            engine=one.engine,
            device=one.device,
            precision="fp16" if device == "cuda" else "fp32",
            environment=one.environment,
        )
        for one in answers
        for _ in range(ROUNDS)
    )
    plan = RunPlan(model=ModelSpec(), measurement=BRIEF, engines=specs)
    added: dict[str, list[float]] = {}
    ended, ready_at = None, None
    for event in run(plan, Control(), answers):
        if isinstance(event, Progress) and event.phase == "checking":
            ready_at = time.monotonic()
        if isinstance(event, EngineFinished):
            result = event.result
            if ended is not None and ready_at is not None and result.load_ms is not None:
                own_ms = [result.load_ms, result.compile_ms, result.first_inference_ms]
                own_s = sum(filter(None, own_ms)) / 1000.0
                name = f"{result.spec.engine} {result.spec.device} {result.spec.environment}"
                added.setdefault(name.strip(), []).append(ready_at - ended - own_s)
            ended, ready_at = time.monotonic(), None
    for name, seconds in added.items():
        row(f"{name}: seconds added to its own load", spread(seconds), f"limit {LIMIT_S}")
