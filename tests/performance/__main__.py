"""Runs the benchmarks: `python -m tests.performance [NAME ...]`, all of them by default.

Each measures its two sides in turn, in one run, on one machine, and prints ratios beside the
limits that this project has set itself. They print and do not fail: a busy machine is no defect.
Words that begin with a dash go to the benchmark before them: `verdicts --sets 17`.
"""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "start_up",
    "line",
    "slow_line",
    "keys",
    "history",
    "million",
    "isolation",
    "switch",
    "turns",
    "polling",
    "gpu",
    "split",
    "coverage",
    "verdicts",
    "sample_cost",
    "gpu_isolation",
)


def main(words: list[str]) -> int:
    chosen: list[tuple[str, list[str]]] = []
    for word in words:
        if word in NAMES:
            chosen.append((word, []))
        elif chosen:
            chosen[-1][1].append(word)
        else:
            print(f"unknown benchmark '{word}'; expected one of {', '.join(NAMES)}")
            return 2
    for name, arguments in chosen or [(name, []) for name in NAMES]:
        module = importlib.import_module(f"tests.performance.{name}")
        print(f"\n## {name}: {module.__doc__.splitlines()[0]}", flush=True)
        module.main(arguments) if arguments else module.main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
