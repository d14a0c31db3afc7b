"""Bytes sent to the terminal and CPU of the app, at 120x40 with both plots live.

ONNX Runtime runs with one thread, so that on two cores the app has one of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from tests.performance.common import COMMAND, SSH, own_folders, row
from tests.terminal import Terminal

SECONDS = 20.0
# A plot that moves on with every sample, and panel 5 in the view that costs most to draw.
ZOOMED = ("4", "+", "+", "5", "v")

PLAN = """
schema = 1
name = "line"
[measurement]
seconds = 600.0
[[engines]]
engine = "onnxruntime"
device = "cpu"
options = { intra_op_threads = 1 }
"""


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(
    environment: dict[str, str], plan: Path, keys: tuple[str, ...], options: tuple[str, ...] = ()
) -> tuple[float, float, float]:
    """Bytes per second and share of a core while a run goes; bytes in as long a time idle.

    `keys` are pressed when it measures.
    """
    with Terminal([*COMMAND, *options, "--plan", str(plan)], environment=environment) as terminal:
        terminal.wait_for("1 to run", 60)
        terminal.wait_for("ready", 60)
        terminal.quiet_for(3.0)
        idle = terminal.quiet_for(10.0)
        terminal.press("r")
        terminal.wait_for("measuring", 120)
        if keys:
            terminal.press(*keys)
        terminal.quiet_for(3.0)
        app = psutil.Process(terminal.process.pid)
        before = cpu_seconds(app)
        sent = terminal.quiet_for(SECONDS)
        return sent / SECONDS, (cpu_seconds(app) - before) / SECONDS, idle


def main() -> None:
    with own_folders() as folders, tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.toml"
        plan.write_text(PLAN)
        for name, extra, keys, options, most_bytes, most_cpu in (
            ("as under SSH", SSH, (), (), 8, 15),
            ("as under SSH, zoomed in, percentile curve", SSH, ZOOMED, (), 8, 15),
            ("--slow-line", {}, (), ("--slow-line",), 1, 15),
            ("--slow-line, zoomed in, percentile curve", {}, ZOOMED, ("--slow-line",), 1, 15),
            ("locally", {}, (), (), 40, 30),
        ):
            rate, cpu, idle = measure({**folders, **extra}, plan, keys, options)
            row(
                f"bytes a second while a run goes, {name}",
                f"{rate / 1000:.1f} kB/s",
                f"at most {most_bytes} kB/s",
            )
            row(
                f"CPU of the app while it draws, {name}",
                f"{cpu * 100:.1f} %",
                f"at most {most_cpu} %",
            )
            row(f"bytes in 10 s while idle, {name}", f"{idle}", "0")
