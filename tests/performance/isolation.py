"""p50 and p99 of ONNX Runtime under the live app against `infer-tui run` with no terminal.

One intra-op thread, both plots live, the two sides in turn for ten rounds.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tomli

from tests.performance.common import COMMAND, full_environment, own_folders, row, spread
from tests.terminal import Terminal

ROUNDS = 10
START_S, RUN_S = 120.0, 300.0

PLAN = """
schema = 1
name = "isolation"
[measurement]
iterations = 1400
[[engines]]
engine = "onnxruntime"
device = "cpu"
options = { intra_op_threads = 1 }
"""


def under_the_app(plan: Path, environment: Mapping[str, str]) -> Path:
    """Run the plan in the app and leave it; returns the profile that it keeps."""
    with Terminal([*COMMAND, "--plan", str(plan)], environment=dict(environment)) as terminal:
        terminal.wait_for("1 to run", START_S)
        terminal.wait_for("ready", START_S)
        terminal.press("r")
        terminal.wait_for("complete in", RUN_S)
        terminal.process.terminate()
        terminal.wait_closed(20)
    return newest(environment)


def without_a_terminal(plan: Path, environment: Mapping[str, str]) -> Path:
    """Run the plan with no terminal at all; returns the profile that it keeps."""
    subprocess.run(
        [*COMMAND, "run", str(plan), "--json"],
        env=full_environment(environment),
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return newest(environment)


def newest(environment: Mapping[str, str]) -> Path:
    folder = Path(environment["XDG_DATA_HOME"]) / "infer-tui" / "profiles"
    return max(folder.glob("*.toml"), key=lambda path: path.stat().st_mtime_ns)


def percentile(profile: Path, wanted: float) -> float:
    latency = tomli.loads(profile.read_text())["results"][0]["latency"]
    return next(one["value_ms"] for one in latency["percentiles"] if one["percentile"] == wanted)


def main() -> None:
    ratios: dict[int, list[float]] = {50: [], 99: []}
    with own_folders() as folders, tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(PLAN)
        for _ in range(ROUNDS):
            live = under_the_app(plan, folders)
            alone = without_a_terminal(plan, folders)
            for wanted, found in ratios.items():
                found.append(percentile(live, wanted) / percentile(alone, wanted))
    row("p50 under the app / without", spread(ratios[50]), "at most 1.02")
    row("p99 under the app / without", spread(ratios[99]), "at most 1.10")
    row("p99, geometric mean", f"{statistics.geometric_mean(ratios[99]):.3f}")
