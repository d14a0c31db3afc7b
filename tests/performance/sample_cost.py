"""What a sample costs: the timed loop's own time, four device events, statistics of a million.

The loop runs an inference that does nothing. Events are measured where there is a GPU: many short
pairs of blocks of requests, one with them and one without, so that a host whose pace changes does
so for both; the median of the pairs' differences counts. `bare/events.cu` does the same in C++:
that much the events cost by themselves. The statistics' time is the process's own.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.plan import EngineSpec, ModelSpec
from engines.probing import probe
from engines.statistics import compare, interval_ranks, summarise
from engines.worker.loop import timed_loop
from tests.performance.common import row, spread
from tests.performance.recordings import Floats, load
from tests.performance.workers import Driven, Engines

INFERENCES, LOOPS = 300_000, 9
LOOP_LIMIT_US = 2.0
BARE = Path(__file__).with_name("bare") / "events.cu"
BARE_ROW = re.compile(r"(\d+) kernels: (\S+) (\S+) (\S+)")
REQUESTS, BLOCK_S, PAIRS = 100, 0.05, 100
# What a GPU's engine needs to be itself again after a pause (docs/statistics.md), and more.
REWARM_S = 0.03
MILLION = 1_000_000
TIMES = 9
MIB = 1 << 20


def main() -> None:
    _loop()
    _statistics()
    _events()


def _loop() -> None:
    """Clock reads, store, call and hand-over, by the wall time of many; and what a sample says."""
    whole, inside = [], []
    blocks: list[bytes] = []

    def deliver(_start_s: float, latencies_ms: Floats) -> None:
        """As the worker hands over, less the write to its pipe."""
        blocks.append(latencies_ms.astype("<f8").tobytes())

    for _ in range(LOOPS):
        blocks.clear()
        began = time.perf_counter_ns()
        timed_loop(lambda: None, deliver, lambda: False, iterations=INFERENCES)
        whole.append((time.perf_counter_ns() - began) / 1000.0 / INFERENCES)
        inside.append(1000.0 * float(np.median(np.frombuffer(b"".join(blocks)))))
    limit = f"below {LOOP_LIMIT_US:g} us"
    row("an inference that does nothing, all of the loop, us", spread(whole), limit)
    row("  of which its sample shows, us", spread(inside))


def _statistics() -> None:
    """A million samples: drawn from a recording, so that they depend on each other as real ones."""
    recorded = load("small").samples
    a, b = (np.resize(np.roll(recorded, shift), MILLION) for shift in (0, 12_345))
    b = b * 1.03
    for name, work in (
        ("summary of a million samples", lambda: summarise(a)),
        ("verdict on two runs of a million", lambda: compare(a, b)),
    ):
        row(f"{name}, ms of one core", spread([_cpu_ms(work) for _ in range(TIMES)]))
        row("  memory beside the samples, MiB", f"{_peak_mib(work):.0f}")
    row(
        "  sorting a million alone, ms", spread([_cpu_ms(lambda: np.sort(a)) for _ in range(TIMES)])
    )


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1e6


def _peak_mib(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / MIB


def _events() -> None:
    """Host time of a request with its four events less that without, block by block."""
    answers = [one for one in probe() if one.ready and one.device == "cuda"]
    if answers:
        _events_alone()
    for answer in answers:
        if answer.engine == "compile":
            continue  # eager's backend, and minutes to compile
        spec = EngineSpec(
            engine=answer.engine,
            device="cuda",
            precision="fp16",
            environment=answer.environment,
            options={"cuda_graph": True},
        )
        with Engines(ModelSpec()) as engines, engines.loaded(spec) as engine:
            engine.warm_up()
            costs_us, hosts_ms = _pairs(engine)
        typical = f"host {statistics.median(hosts_ms):.4f} ms"
        limit = f"at most {LOOP_LIMIT_US:g} us beyond C++"
        row(f"{spec.label}: four events, us", _median(costs_us), f"{limit}; {typical}")
    if not answers:
        row("four events: no engine runs on a GPU here", "")


def _events_alone() -> None:
    """What four events cost where there is nothing of Python, nor of ours, in the process."""
    if not (nvcc := shutil.which("nvcc")):
        row("four events in C++: there is no nvcc on PATH", "")
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "events"
        for command in ([nvcc, "-O2", "-o", program, BARE], [program]):
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                row(f"four events in C++: {done.stdout.strip() or 'nvcc failed'}", "")
                break
    found = BARE_ROW.findall(done.stdout)
    for kernels, host_us, timed_us, untimed_us in found:
        row(f"four events in C++, a graph of {kernels} kernels, us", timed_us,
            f"{untimed_us} without time; host {float(host_us) / 1000:.4f} ms")  # fmt: skip


def _pairs(engine: Driven) -> tuple[list[float], list[float]]:
    """What four events add to a request, pair by pair in us; and host ms without them."""
    costs_us, hosts_ms = [], []
    for pair in range(PAIRS):
        with_events, without = 0.0, 0.0
        for is_split in (True, False) if pair % 2 else (False, True):
            if is_split:
                engine.take(seconds=REWARM_S)
                with_events = engine.split(REQUESTS)["host_ms"]
            else:
                block = engine.take(rewarm_seconds=REWARM_S, seconds=BLOCK_S, place=0)
                without = _middle(block)
        costs_us.append(1000.0 * (with_events - without))
        hosts_ms.append(without)
    return costs_us, hosts_ms


def _median(values: list[float]) -> str:
    """The median and its 95 % interval by order statistics."""
    ranks = interval_ranks(len(values), 50)
    assert ranks is not None
    low, high = (sorted(values)[rank - 1] for rank in ranks)
    return f"{statistics.median(values):.1f} ({low:.1f} to {high:.1f})"


def _middle(latencies_ms: Floats) -> float:
    """The mean of the middle half, as a DeviceRecord has it."""
    rest = len(latencies_ms) // 4
    return float(np.sort(latencies_ms)[rest : len(latencies_ms) - rest].mean())
