"""Are verdicts right: two runs of one engine SAME or UNCLEAR, one that is 3 % slower SLOWER?

From recordings, where the second of two runs is multiplied by 1.03, and live on the CPU, where its
every inference waits for 3 % of the median. Two single runs, and two engines that take turns.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from engines.interleaving import REWARM_S
from engines.plan import EngineSpec, Measurement, ModelSpec
from engines.soundness import beyond, of_processes, of_runs
from engines.statistics import Comparison, Verdict, compare
from tests.performance.recordings import Floats, draw, load
from tests.performance.workers import Engines

SLOWER = 1.03
PLAN = Measurement()
# Blocks and their seconds, for engines that take turns: the product's own, and as long otherwise.
TURNS = tuple(dict.fromkeys([(PLAN.blocks, PLAN.block_seconds), (9, 1.0), (18, 0.5), (36, 0.25)]))
SINGLE_S = 3.0
STRETCHES = 50
SERIES = ("eager", "onnxruntime", "small", "eager_shared", "onnxruntime_shared")
PROCESSES = (
    "eager_processes",
    "onnxruntime_processes",
    "small_processes",
    "onnxruntime_processes_shared",
)
SIMULATED, LIVE = 300, 1
# Processes of one engine that are loaded side by side.
ALIKE = 4
ENGINES = {
    "onnxruntime": (
        ModelSpec(),
        EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1}),
    ),
    "eager": (ModelSpec(), EngineSpec(engine="eager", device="cpu", options={"threads": 1})),
    "small": (
        ModelSpec(width=0.35, input_size=96, classes=10),
        EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1}),
    ),
}


class Pair(NamedTuple):
    """Two runs of one engine as blocks of latencies in ms; `blocks` one each for single runs."""

    a: Sequence[Floats]
    b: Sequence[Floats]

    def compared(self, slowed: float = 1.0) -> Comparison:
        """The second against the first, its latencies times `slowed`, as the product judges it."""
        a, b = np.concatenate(self.a), np.concatenate(self.b) * slowed
        if len(self.a) == 1:
            found, spread = compare(a, b), of_runs("cpu")
        else:
            spread = of_processes("cpu")
            sizes = [[len(block) for block in run] for run in self]
            found = compare(a, b, a_blocks=sizes[0], b_blocks=sizes[1], interleaved=True)
        verdict, _ = beyond(
            spread, found.verdict, found.ratio, found.low, found.high, found.reasons
        )
        return replace(found, verdict=verdict)


Same = Counter[Verdict]


def row(name: str, same: Same, slower: Same, limited: bool = True) -> None:
    """How often each verdict was found, beside its limit."""
    pairs = same.total()
    wrong = 100 * (same[Verdict.FASTER] + same[Verdict.SLOWER]) / pairs
    found = 100 * slower[Verdict.SLOWER] / max(1, slower.total())
    shares = " ".join(f"{100 * same[one] / pairs:5.1f}" for one in Verdict)
    outside = wrong > 5 or (limited and found < 90)
    limits = "wrong at most 5, found at least 90" if limited else "wrong at most 5"
    print(f"  {name:<44} {pairs:>4} {shares}  {wrong:5.1f} {found:6.1f}   {limits}"
          f"{'   OUTSIDE' if outside else ''}", flush=True)  # fmt: skip


def header(where: str) -> None:
    print(f"  {where:<44} {'of':>4} {'FAST':>5} {'SLOW':>5} {'SAME':>5} {'UNCL':>5}"
          f"  {'wrong':>5} {'found':>6}")  # fmt: skip


def judged(pairs: Iterator[Pair]) -> tuple[Same, Same]:
    """The verdicts on the pairs as they are, and with the second slowed."""
    same, slower = Counter[Verdict](), Counter[Verdict]()
    for pair in pairs:
        same[pair.compared().verdict] += 1
        slower[pair.compared(SLOWER).verdict] += 1
    return same, slower


def drawn(name: str, n: int, pairs: int) -> Iterator[Pair]:
    """Two single runs, each of `n` samples drawn from a recording."""
    rng, samples = np.random.default_rng([n, len(name)]), load(name).samples
    for _ in range(pairs):
        a, b = (draw(rng, samples, n, n / STRETCHES) for _ in "ab")
        yield Pair([a], [b])


def processes(name: str, pairs: int) -> Iterator[Pair]:
    """Two single runs: of two processes of a recorded set, whichever."""
    rng, blocks = np.random.default_rng(len(name)), load(name).blocks
    for _ in range(pairs):
        a, b = rng.choice(len(blocks), 2, replace=False)
        yield Pair([blocks[a]], [blocks[b]])


def turns(name: str, rounds: int, block_s: float, pairs: int) -> Iterator[Pair]:
    """Engines that take turns: consecutive blocks of a recording, in an order drawn each round."""
    rng, samples = np.random.default_rng([rounds, len(name)]), load(name).samples
    ends_s = np.cumsum(samples) / 1000.0
    for _ in range(pairs):
        begin_s = rng.uniform(0, ends_s[-1] - 2 * rounds * block_s)
        # A block is never empty: the inference that is under way at its end belongs to it.
        edges = np.searchsorted(ends_s, begin_s + block_s * np.arange(2 * rounds + 1))
        blocks = [samples[first : max(end, first + 1)] for first, end in pairwise(edges)]
        swapped = rng.random(rounds) < 0.5
        a = [blocks[2 * i + swap] for i, swap in enumerate(swapped)]
        b = [blocks[2 * i + 1 - swap] for i, swap in enumerate(swapped)]
        yield Pair(a, b)


def simulate(pairs: int) -> None:
    header("two single runs, drawn from one recording")
    for name in SERIES:
        for n in (1_000, 5_000):
            row(f"{name}, {n:,} samples", *judged(drawn(name, n, pairs)), limited=False)
    header("two single runs, two recorded processes")
    for name in PROCESSES:
        row(name, *judged(processes(name, pairs)), limited=False)
    header("by turns, consecutive blocks of a recording")
    for name in SERIES:
        for rounds, block_s in TURNS:
            title = f"{name}, {rounds} rounds of {block_s:g} s"
            row(title, *judged(turns(name, rounds, block_s, pairs)), "shared" not in name)


def one_live(
    engines: Engines, spec: EngineSpec, order: random.Random
) -> Iterator[tuple[str, Pair]]:
    """Four processes of `spec` by turns, every two of them a pair, and one that is slowed.

    The slowed one takes its turns in the same rounds, so that all meet the same machine. The first
    two are also measured one after the other before.
    """
    names = [f"process {number}" for number in range(1, ALIKE + 1)]
    with ExitStack() as held:
        sides = {
            name: held.enter_context(engines.loaded(spec, slowed=name == "slowed"))
            for name in (*names, "slowed")
        }
        for engine in sides.values():
            engine.warm_up()
        single = [sides[name].take(seconds=SINGLE_S) for name in names[:2]]
        # Of a block as the turns have it: alone an engine may be faster by more than that.
        turn = {"seconds": PLAN.block_seconds, "rewarm_seconds": REWARM_S}
        first = sides[names[0]].take(**turn, place=order.random())
        sides["slowed"].slow_down((SLOWER - 1) * float(np.median(first)))
        blocks: dict[str, list[Floats]] = {name: [] for name in sides}
        for _ in range(PLAN.blocks):
            place = order.random()
            for name in order.sample(sorted(sides), len(sides)):
                blocks[name].append(sides[name].take(**turn, place=place))
    yield "single", Pair([single[0]], [single[1]])
    for one, other in combinations(names, 2):
        yield "turns", Pair(blocks[one], blocks[other])
    for name in names:
        yield "slowed", Pair(blocks[name], blocks["slowed"])


def live(name: str, sets: int) -> None:
    model, spec = ENGINES[name]
    found = {kind: Counter[Verdict]() for kind in ("single", "turns", "slowed")}
    order = random.Random()
    with Engines(model) as engines:
        for number in range(sets):
            told: dict[str, list[str]] = {kind: [] for kind in found}
            for kind, pair in one_live(engines, spec, order):
                result = pair.compared()
                found[kind][result.verdict] += 1
                told[kind].append(f"{result.verdict} {100 * (result.ratio - 1):+.1f} %")
            seen = "; ".join(f"{kind}: {', '.join(words)}" for kind, words in told.items())
            print(f"  set {number + 1}: {seen}; load {os.getloadavg()[0]:.1f}", flush=True)
    header(f"live on this CPU: {spec.label}")
    # A single run with a wait in every inference would be one more run; the recordings tell that.
    row(f"two single runs of {SINGLE_S:g} s", found["single"], Counter(), limited=False)
    title = f"by turns, {PLAN.blocks} rounds of {PLAN.block_seconds:g} s"
    row(title, found["turns"], found["slowed"])


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="verdicts")
    parser.add_argument("--sets", type=int, default=LIVE, help="live, 6 pairs and 80 s each")
    parser.add_argument("--simulated", type=int, default=SIMULATED, help="pairs from recordings")
    parser.add_argument("--engine", choices=ENGINES, default="onnxruntime", help="the live one")
    chosen = parser.parse_args(arguments)
    steps: list[Callable[[], None]] = []
    if chosen.simulated:
        steps.append(lambda: simulate(chosen.simulated))
    if chosen.sets:
        steps.append(lambda: live(chosen.engine, chosen.sets))
    for step in steps:
        step()
