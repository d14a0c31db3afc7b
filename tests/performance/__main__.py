"""Runs the benchmarks: `python -m tests.performance [NAME ...]`, all of them by default.

Each measures its two sides in turn, in one run, on one machine, and prints ratios beside the
limits that this project has set itself. They print and do not fail: a busy machine is no defect.
"""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "start_up",
    "line",
    "million",
    "isolation",
    "switch",
    "turns",
    "polling",
    "gpu",
    "split",
    "gpu_isolation",
)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"unknown benchmark '{unknown[0]}'; expected one of {', '.join(NAMES)}")
        return 2
    for name in names or NAMES:
        module = importlib.import_module(f"tests.performance.{name}")
        print(f"\n## {name}: {module.__doc__.splitlines()[0]}", flush=True)
        module.main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
