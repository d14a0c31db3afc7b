"""Latency on a GPU under the live app against `infer-tui run` with no terminal at all.

One engine, 20,000 samples a run, the sides in turn as A B B A: A is the real app in a
pseudo-terminal with both plots live. About 25 s a run, so that the default of six ends within 150 s
for an engine of 0.2 to 0.6 ms. Rehearse it without a GPU by `--device cpu --samples 1000`.
INFER_TUI_BENCH_ENGINE and INFER_TUI_BENCH_ROUNDS are the defaults of the two arguments.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engines.plan import Device, EngineSpec, Measurement, OptionValue, RunPlan
from engines.probing import probe
from profiles.reading import read_profile
from profiles.writing import read_samples, render_plan
from tests.performance.common import own_folders, row
from tests.performance.isolation import under_the_app, without_a_terminal
from tests.performance.recordings import Floats

LIMITS = {50.0: 1.005, 99.0: 1.03, 99.9: 1.10}
# In the order in which the first that is ready is taken.
ENGINES = ("tensorrt", "onnxruntime", "eager")
SAMPLES, ROUNDS = 20_000, 3
# A run of so few makes what is missing: weights, conversions, an engine file.
FIRST = 20


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="gpu_isolation")
    parser.add_argument(
        "--engine",
        default=os.environ.get("INFER_TUI_BENCH_ENGINE", ""),
        help="such as tensorrt@trt86; by default the first that is ready",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    rounds = int(os.environ.get("INFER_TUI_BENCH_ROUNDS", ROUNDS))
    parser.add_argument("--rounds", type=int, default=rounds, help="of one run a side each")
    chosen = parser.parse_args(arguments)
    spec = spec_of(chosen.engine, chosen.device)
    if spec is None:
        row(f"no engine of those runs on {chosen.device} here", "")
        return
    began = time.monotonic()
    # The user's configuration names the interpreter that TensorRT may have of its own.
    with own_folders(("DATA", "STATE")) as folders, tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(plan_of(spec, FIRST))
        without_a_terminal(plan, folders)
        plan.write_text(plan_of(spec, chosen.samples))
        sides = in_turn(plan, folders, chosen.rounds)
    report(spec, sides)
    row("  all of it took, s", f"{time.monotonic() - began:.0f}")


def spec_of(wanted: str, device: Device) -> EngineSpec | None:
    """The entry to measure: `wanted`, or the first of ENGINES that is ready on `device`."""
    name, _, environment = wanted.partition("@")
    answers = [one for one in probe() if one.ready and one.device == device]
    for engine in (name,) if name else ENGINES:
        for answer in answers:
            if answer.engine == engine and environment in ("", answer.environment):
                return EngineSpec(
                    engine=engine,
                    device=device,
                    precision="fp16" if device == "cuda" else "fp32",
                    environment=answer.environment,
                    options=options_of(engine, device),
                )
    return None


def options_of(engine: str, device: Device) -> dict[str, OptionValue]:
    """A CUDA graph; on the CPU one thread, so that the app has a core of its own."""
    if device == "cuda":
        return {"cuda_graph": True}
    return {"threads" if engine == "eager" else "intra_op_threads": 1}


def plan_of(spec: EngineSpec, samples: int) -> str:
    """A plan file that measures so many inferences of `spec`."""
    measurement = Measurement(iterations=samples)
    return render_plan(RunPlan(name="isolation", measurement=measurement, engines=(spec,)))


def in_turn(plan: Path, environment: Mapping[str, str], rounds: int) -> dict[str, list[Floats]]:
    """The latencies of every run of each side, in ms; A B, then B A, and so on."""
    sides: dict[str, list[Floats]] = {"app": [], "alone": []}
    run = {"app": under_the_app, "alone": without_a_terminal}
    for number in range(rounds):
        for side in ("app", "alone") if number % 2 == 0 else ("alone", "app"):
            sides[side].append(latencies(run[side](plan, environment)))
    return sides


def latencies(profile: Path) -> Floats:
    """The samples that were kept beside `profile`, in ms."""
    return read_samples(read_profile(profile), profile)[0, "measuring"].latencies_ms


def report(spec: EngineSpec, sides: Mapping[str, Sequence[Floats]]) -> None:
    """The ratio of each percentile over all samples of both sides, and of the single rounds."""
    app, alone = sides["app"], sides["alone"]
    print(f"  {spec.label}, {len(app)} runs of {len(app[0]):,} samples a side")
    for percentile, limit in LIMITS.items():
        both = [float(np.percentile(np.concatenate(side), percentile)) for side in (app, alone)]
        rounds = [
            float(np.percentile(one, percentile) / np.percentile(other, percentile))
            for one, other in zip(app, alone, strict=True)
        ]
        seen = f"rounds {' '.join(f'{ratio:.3f}' for ratio in rounds)}"
        row(
            f"p{percentile:g} under the app / without, all samples",
            f"{both[0] / both[1]:.4f}",
            f"at most {limit:g}; {seen}; {both[0]:.4f} / {both[1]:.4f} ms",
        )
        row("  median of the rounds", f"{statistics.median(rounds):.4f}")
