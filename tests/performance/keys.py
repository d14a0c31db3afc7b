"""From a key press to its frame, while the samples of four engines arrive by turns.

The cursor goes to and fro between two engines whose footers differ; a frame has come when the new
footer's bytes have. The engines are MobileNetV2 at its smallest, a few hundred microseconds each.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from engines.backends import cuda
from profiles.reading import read_profile
from profiles.writing import read_samples
from tests.performance.common import COMMAND, SSH, own_folders, row
from tests.terminal import Terminal

SECONDS = 60.0
# Between two presses; not of one length, so that they fall everywhere between two frames.
PAUSE_S = (0.1, 0.4)
LIMITS_MS = {50: "", 99: "at most 50 ms", 100: "at most 100 ms"}
# From PyTorch on the CPU to PyTorch on a GPU, and back.
DOWN = ("j", b"NVIDIA" if cuda.problem() else b", cuda ")
UP = ("k", b"torch 2.")

PLAN = """
schema = 1
name = "keys"
[model]
width = 0.35
input_size = 96
classes = 10
[measurement]
interleave = true
blocks = 1000
block_seconds = 0.5
warmup_max_seconds = 1.0
"""
ENTRY = """
[[engines]]
engine = "{}"
device = "cpu"
precision = "{}"
options = {{ {} = 1 }}
"""
ENTRIES = (
    ("eager", "fp32", "threads"),
    ("eager", "bf16", "threads"),
    ("onnxruntime", "fp32", "intra_op_threads"),
    ("onnxruntime", "int8", "intra_op_threads"),
)


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="keys")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of pressing keys")
    chosen = parser.parse_args(arguments)
    with own_folders() as folders, tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(PLAN + "".join(ENTRY.format(*one) for one in ENTRIES))
        for where, extra in (("locally", {}), ("as under SSH", SSH)):
            report(where, pressed({**folders, **extra}, plan, chosen.seconds))


@dataclass(frozen=True, slots=True)
class Pressed:
    """Milliseconds of each key to its frame; by how many MB the app grew meanwhile and in the
    second half of it; and how many MB of samples came.
    """

    times_ms: list[float]
    grown_mb: float
    grown_late_mb: float
    samples_mb: float


def pressed(environment: dict[str, str], plan: Path, seconds: float) -> Pressed:
    """Press keys for so long while the engines of `plan` take turns."""
    order = random.Random(0)
    with Terminal([*COMMAND, "--plan", str(plan)], environment=environment) as terminal:
        terminal.wait_for("4 to run", 60)
        terminal.press("2", "r")
        terminal.wait_for("round 2 of", 180)
        app = psutil.Process(terminal.process.pid)
        sizes = [app.memory_info().rss]
        times_ms: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, sent in (DOWN, UP):
                terminal.quiet_for(order.uniform(*PAUSE_S))
                times_ms.append(1000 * terminal.seconds_to(key, sent))
            sizes.append(app.memory_info().rss)
        # Whoever hangs up finds in the store what was measured.
        terminal.hang_up()
        terminal.wait_closed()
        grown, late = sizes[-1] - sizes[0], sizes[-1] - sizes[len(sizes) // 2]
        return Pressed(times_ms, grown / 1e6, late / 1e6, sample_bytes(environment) / 1e6)


def sample_bytes(environment: dict[str, str]) -> int:
    """What the samples of the latest run weigh, of its second round and those behind it."""
    saved = (Path(environment["XDG_DATA_HOME"]) / "infer-tui/profiles").glob("*.toml")
    path = max(saved, key=lambda one: one.stat().st_mtime)
    rounds = [series.by_round() for series in read_samples(read_profile(path), path).values()]
    return sum(one.nbytes for found in rounds for at, one in found.items() if at > 0)


def report(where: str, found: Pressed) -> None:
    times_ms = found.times_ms
    for percentile, limit in LIMITS_MS.items():
        name = f"p{percentile}" if percentile < 100 else "the slowest"
        row(f"{name} of {len(times_ms)} keys to their frames, {where}",
            f"{np.percentile(times_ms, percentile):.1f} ms", limit)  # fmt: skip
    row(f"the app's memory grows meanwhile by, {where}", f"{found.grown_mb:.1f} MB",
        f"flat, but for {found.samples_mb:.1f} MB of samples")  # fmt: skip
    row(f"in the second half of it, {where}", f"{found.grown_late_mb:.1f} MB",
        f"flat, but for {found.samples_mb / 2:.1f} MB")  # fmt: skip
