"""The GPU engines under infer-tui against bare loops of the same engines, in turn.

Needs a GPU; TensorRT is measured where an environment of the user's configuration, or the app's
own interpreter, has it. Names of engines choose some of them: `gpu onnxruntime tensorrt`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
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


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="gpu")
    parser.add_argument("engines", nargs="*", help=f"of {', '.join(LIMITS)}; by default all")
    wanted = parser.parse_args(arguments).engines or LIMITS
    if unknown := set(wanted) - set(LIMITS):
        parser.error(f"unknown engine {', '.join(sorted(unknown))}; expected {', '.join(LIMITS)}")
    answers = [one for one in probe() if one.ready and one.device == "cuda"]
    specs = list(filter(None, (_spec(name, answers) for name in wanted)))
    if not specs:
        row("no engine runs on a GPU here", "")
    for spec in specs:
        rounds = [(tool(spec, answers), bare(spec)) for _ in range(ROUNDS)]
        for figure, limit in zip(("device_ms", "host_ms"), LIMITS[spec.engine], strict=True):
            ratios = [ours[figure] / theirs[figure] for ours, theirs in rounds]
            seen = " ".join(f"{ours[figure]:.4f}/{theirs[figure]:.4f}" for ours, theirs in rounds)
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


# The files that the last run made, by the kind of the job that made them.
FILES: dict[str, str] = {}


def tool(spec: EngineSpec, answers: list[Availability]) -> dict[str, float]:
    """Host and device time of `spec` as a run of ours has them, in ms."""
    plan = RunPlan(model=MODEL, measurement=MEASUREMENT, engines=(spec,))
    figures: dict[str, float] = {}
    for event in run(plan, Control(), answers):
        if isinstance(event, JobDone) and event.kind in ("weights", "build", "export"):
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


def bare(spec: EngineSpec, script: str = "", **more: object) -> dict[str, float]:
    """What a script beside this one, by default the engine's bare loop, answers in ms.

    It is given the files that the last run of ours made.
    """
    asked = {
        "engine_file": FILES.get("build", ""),
        "onnx": FILES.get("export", ""),
        "root": str(ROOT),
        "batch": spec.batch,
        "input_size": MODEL.input_size,
        "classes": MODEL.classes,
        **more,
    }
    python = launch.command(spec.environment)[0]
    environment = launch.variables(spec.environment)
    del environment["PYTHONSAFEPATH"]  # the scripts share a module in their own folder
    script = script or f"{spec.engine}_loop.py"
    done = subprocess.run(
        [python, str(BARE / script), json.dumps(asked)],
        env=environment,
        capture_output=True,
        text=True,
    )
    words = [line for line in done.stdout.splitlines() if line.startswith("BARE ")]
    if not words:
        sys.exit(f"{script} failed for {spec.label}:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(words[-1].removeprefix("BARE "))
    return figures
