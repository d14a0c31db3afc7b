"""p50, p99 and p99.9 of a GPU engine under the live app against `infer-tui run` with no terminal.

Both sides measure the same plan, each in its turn (A B B A ...), the app in a real terminal with
its plots live. INFER_TUI_BENCH_ENGINE and INFER_TUI_BENCH_ROUNDS choose the engine and how often.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from engines import environments
from tests.performance.common import COMMAND, full_environment, own_folders, row
from tests.performance.isolation import newest, percentile
from tests.terminal import Terminal

ENGINE = os.environ.get("INFER_TUI_BENCH_ENGINE", "eager")
PAIRS = int(os.environ.get("INFER_TUI_BENCH_ROUNDS", "4"))
SAMPLES = 20_000
LIMITS = {50: 1.005, 99: 1.03, 99.9: 1.10}

PLAN = """
schema = 1
name = "isolation"
[measurement]
iterations = {samples}
[[engines]]
engine = "{engine}"
device = "cuda"
precision = "fp16"
environment = "{environment}"
options = {{ cuda_graph = true }}
"""


def under_the_app(plan: Path, folders: dict[str, str]) -> Path:
    """Run the plan in the app and leave it; returns the profile that it keeps."""
    with Terminal([*COMMAND, "--plan", str(plan)], environment=folders) as terminal:
        terminal.wait_for("1 to run", 120)
        terminal.press("r")
        terminal.wait_for("complete in", 180)
        terminal.process.terminate()
        terminal.wait_closed(20)
    return newest(folders)


def without_a_terminal(plan: Path, folders: dict[str, str]) -> Path:
    subprocess.run(
        [*COMMAND, "run", str(plan), "--json"],
        env=full_environment(folders),
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return newest(folders)


def main() -> None:
    name, _, environment = ENGINE.partition("@")
    configuration = environments.config_file().read_text() if environment else ""
    ratios: dict[float, list[float]] = {one: [] for one in LIMITS}
    with own_folders() as found, tempfile.TemporaryDirectory() as folder:
        folders = dict(found)
        own = Path(folders["XDG_CONFIG_HOME"]) / "infer-tui" / "config.toml"
        own.parent.mkdir(parents=True)
        own.write_text(configuration)
        plan = Path(folder) / "plan.toml"
        plan.write_text(PLAN.format(engine=name, environment=environment, samples=SAMPLES))
        for pair in range(PAIRS):
            sides = [under_the_app, without_a_terminal]
            found_by = {}
            for side in sides if pair % 2 else reversed(sides):
                profile = side(plan, folders)
                found_by[side] = {one: percentile(profile, one) for one in LIMITS}
            for one in LIMITS:
                ratios[one].append(found_by[under_the_app][one] / found_by[without_a_terminal][one])
            seen = "  ".join(
                f"{found_by[under_the_app][one]:.4f}/{found_by[without_a_terminal][one]:.4f}"
                for one in LIMITS
            )
            row(f"{ENGINE}: p50 p99 p99.9 in ms, under the app / without", "", seen)
    for one, limit in LIMITS.items():
        values = ratios[one]
        spread = f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        row(f"p{one:g} under the app / without", spread, f"at most {limit}")
