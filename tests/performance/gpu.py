"""The GPU engines under infer-tui against bare loops of the same engines, in turn.

Needs a GPU; TensorRT is measured where an environment of the user's configuration, or the app's
own interpreter, has it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from engines import launch
from engines.control import Control
from engines.events import EngineFinished, JobDone
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.probing import probe
from engines.registry import Availability
from engines.runner import run
from tests.performance.common import row, spread

BARE = Path(__file__).with_name("bare")
ROOT = Path(__file__).parents[2]
ROUNDS = 3
MODEL = ModelSpec()
MEASUREMENT = Measurement(seconds=1.5)
LIMITS = {"tensorrt": (1.03, 1.05), "onnxruntime": (1.03, 1.03), "compile": (1.03, 1.03)}


def main() -> None:
    answers = [one for one in probe() if one.ready and one.device == "cuda"]
    specs = list(filter(None, (_spec(name, answers) for name in LIMITS)))
    if not specs:
        row("no engine runs on a GPU here", "")
    for spec in specs:
        rounds = [(_tool(spec, answers), _bare(spec, answers)) for _ in range(ROUNDS)]
        for figure, limit in zip(("device_ms", "host_ms"), LIMITS[spec.engine], strict=True):
            ratios = [tool[figure] / bare[figure] for tool, bare in rounds]
            seen = " ".join(f"{tool[figure]:.4f}/{bare[figure]:.4f}" for tool, bare in rounds)
            row(f"{spec.label}: {figure}, tool / bare", spread(ratios), f"limit {limit}")
            row("", f"{statistics.median(ratios):.3f}", seen)


def _spec(name: str, answers: list[Availability]) -> EngineSpec | None:
    able = next((one for one in answers if one.engine == name), None)
    if able is None:
        return None
    options = {"mode": "reduce-overhead"} if name == "compile" else {"cuda_graph": True}
    return EngineSpec(
        engine=name, device="cuda", precision="fp16", environment=able.environment, options=options
    )


FILES: dict[str, str] = {}


def _tool(spec: EngineSpec, answers: list[Availability]) -> dict[str, float]:
    plan = RunPlan(model=MODEL, measurement=MEASUREMENT, engines=(spec,))
    figures: dict[str, float] = {}
    for event in run(plan, Control(), answers):
        if isinstance(event, JobDone) and event.kind in ("build", "export"):
            FILES[event.kind] = event.path
        if isinstance(event, EngineFinished):
            result = event.result
            assert result.status == "ok", f"{result.label}: {result.reason}"
            assert result.latency is not None
            assert result.device is not None
            figures = {
                "host_ms": float(result.latency.p50_ms or 0),
                "device_ms": result.device.compute_ms,
            }
    return figures


def _bare(spec: EngineSpec, answers: list[Availability]) -> dict[str, float]:
    asked = {
        "engine_file": FILES.get("build", ""),
        "onnx": FILES.get("export", ""),
        "root": str(ROOT),
        "batch": spec.batch,
        "input_size": MODEL.input_size,
        "classes": MODEL.classes,
    }
    python = launch.command(spec.environment)[0]
    environment = launch.variables(spec.environment)
    del environment["PYTHONSAFEPATH"]  # the loops share a module in their own folder
    done = subprocess.run(
        [python, str(BARE / f"{spec.engine}_loop.py"), json.dumps(asked)],
        env=environment,
        capture_output=True,
        text=True,
    )
    words = [line for line in done.stdout.splitlines() if line.startswith("BARE ")]
    if not words:
        sys.exit(f"the bare loop of {spec.engine} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(words[-1].removeprefix("BARE "))
    return figures
