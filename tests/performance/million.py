"""A run of a million samples: growth of the app's memory, and of the time that a frame takes.

The samples are real: MobileNetV2 at its smallest, so that a million inferences take minutes. The
time of a frame is the app's CPU time per byte-sending second, early in the run and at its end.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import psutil

from tests.performance.common import COMMAND, own_folders, row
from tests.performance.line import cpu_seconds
from tests.terminal import Terminal

SAMPLES = 1_000_000
WINDOW_S = 15.0

PLAN = f"""
schema = 1
name = "million"
[model]
width = 0.1
input_size = 32
classes = 10
[measurement]
iterations = {SAMPLES}
[[engines]]
engine = "onnxruntime"
device = "cpu"
options = {{ intra_op_threads = 1 }}
"""


def main() -> None:
    with own_folders() as folders, tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(PLAN)
        with Terminal([*COMMAND, "--plan", str(plan)], environment=dict(folders)) as terminal:
            terminal.wait_for("1 to run", 60)
            terminal.wait_for("ready", 60)
            terminal.press("r")
            terminal.wait_for("measuring", 180)
            terminal.quiet_for(3.0)
            app = psutil.Process(terminal.process.pid)
            memory = app.memory_info().rss
            early = share(terminal, app)
            terminal.wait_for(lambda text: taken(text) > 0.85 * SAMPLES, 1200)
            late = share(terminal, app)
            terminal.wait_for("complete in", 600)
            grown = app.memory_info().rss - memory
    row("the app's memory grows by", f"{grown / 1e6:.0f} MB",
        f"less than 100 MB, of which {8 * SAMPLES / 1e6:.0f} MB are samples")  # fmt: skip
    row("CPU while drawing, last 15 % / first seconds", f"{late / early:.2f}", "does not grow")


def share(terminal: Terminal, app: psutil.Process) -> float:
    before = cpu_seconds(app)
    terminal.quiet_for(WINDOW_S)
    return (cpu_seconds(app) - before) / WINDOW_S


def taken(text: str) -> int:
    """The largest count of samples that the panels show; the title says how many are wanted."""
    panels = text.partition("\n")[2]
    counts = [int(one.replace(",", "")) for one in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", panels)]
    return max(counts, default=0)
