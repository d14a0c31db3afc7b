"""Makes the recordings in `data`: `python -m tests.performance.record NAME ...`.

A series is one process that measures for minutes; a set of processes is one block of each of many.
`data/README.md` says what else went on when those that are there were made.
"""

from __future__ import annotations

import sys

from engines.plan import EngineSpec, ModelSpec
from tests.performance.recordings import keep
from tests.performance.workers import Engines

WHOLE = ModelSpec()
SMALL = ModelSpec(width=0.35, input_size=96, classes=10)
EAGER = EngineSpec(engine="eager", device="cpu")
EAGER_1 = EngineSpec(engine="eager", device="cpu", options={"threads": 1})
ORT = EngineSpec(engine="onnxruntime", device="cpu")
ORT_1 = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})

# name: model, engine, and how many processes measure for how many seconds.
RECORDINGS: dict[str, tuple[ModelSpec, EngineSpec, int, float]] = {
    "eager": (WHOLE, EAGER_1, 1, 120.0),
    "onnxruntime": (WHOLE, ORT_1, 1, 120.0),
    "small": (SMALL, ORT_1, 1, 120.0),
    "eager_shared": (WHOLE, EAGER, 1, 240.0),
    "onnxruntime_shared": (WHOLE, ORT, 1, 240.0),
    "eager_processes": (WHOLE, EAGER_1, 40, 3.0),
    "onnxruntime_processes": (WHOLE, ORT_1, 40, 3.0),
    "small_processes": (SMALL, ORT_1, 40, 1.5),
    "onnxruntime_processes_shared": (WHOLE, ORT_1, 40, 3.0),
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in RECORDINGS]
    if unknown or not names:
        print(f"expected names of recordings: {', '.join(RECORDINGS)}")
        return 2
    for name in names:
        model, spec, processes, seconds = RECORDINGS[name]
        blocks = []
        with Engines(model) as engines:
            for _ in range(processes):
                with engines.loaded(spec) as engine:
                    engine.warm_up()
                    blocks.append(engine.take(seconds=seconds))
        path = keep(name, blocks)
        print(f"{path.name}: {sum(map(len, blocks))} samples, {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
