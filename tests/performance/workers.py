"""Engines in worker processes that a benchmark drives itself, one block of samples at a time.

The workers are the product's own; what is by hand is who measures when. `slowed` starts a worker
whose every inference then takes longer by a known time: the truth that a verdict must find.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines import launch, registry
from engines.building import have_engine
from engines.control import Control
from engines.events import Event
from engines.plan import EngineSpec, ModelSpec
from engines.preparation import Preparation
from engines.probing import probe
from engines.process import WorkerProcess
from engines.statistics import WarmUpRule

Floats = NDArray[np.float64]
Made = TypeVar("Made")

SLOWED_WORKER = Path(__file__).with_name("slowed_worker.py")


class Driven:
    """One loaded engine; `take` measures one block of it."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker

    @property
    def pid(self) -> int:
        return self._worker.pid

    def take(self, **limits: Any) -> Floats:
        """Latencies in ms of one block, in order.

        `limits` are `iterations` or `seconds`; `rewarm_seconds` come before and are not in it.
        """
        asking = self._worker.ask("measure", phase="measuring", **limits)
        blocks = [
            np.frombuffer(data, dtype="<f8")
            for message, data in asking
            if data and message["phase"] == "measuring"
        ]
        return np.concatenate(blocks)

    def split(self, iterations: int) -> dict[str, float]:
        """The fields of a DeviceRecord, of so many requests with events; only on a GPU."""
        found: dict[str, float] = drain(self._worker.ask("times", iterations=iterations))["device"]
        return found

    def warm_up(self) -> None:
        """Until the product's own rule is content."""
        rule, taken, seconds = WarmUpRule(), np.empty(0), 0.0
        while not rule.decide(taken, seconds).over:
            taken = np.concatenate([taken, self.take(seconds=0.5)])
            seconds = float(taken.sum()) / 1000.0

    def slow_down(self, ms: float) -> None:
        """Let every inference to come take `ms` longer; only a worker started as `slowed` can."""
        drain(self._worker.ask("slow down", ms=ms))


class Engines:
    """What workers of one model load, made once in the user's cache; use it as a context."""

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self._scope = ExitStack()
        self._requests: dict[bytes, dict[str, Any]] = {}

    def __enter__(self) -> Engines:
        self._folder = Path(self._scope.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(self, *_: object) -> None:
        self._scope.close()

    @contextmanager
    def loaded(self, spec: EngineSpec, *, slowed: bool = False) -> Iterator[Driven]:
        """A worker that has `spec` loaded and has run it once."""
        key = msgspec.json.encode(spec)
        if key not in self._requests:
            self._requests[key] = self._request(spec)
        script = SLOWED_WORKER if slowed else launch.WORKER
        with mock.patch.object(launch, "WORKER", script):
            starting = WorkerProcess(self._folder / "worker.log", Control(), spec.environment)
        with starting as worker:
            worker.greet()
            drain(worker.ask("load", **self._requests[key]))
            yield Driven(worker)

    def _request(self, spec: EngineSpec) -> dict[str, Any]:
        engine = registry.find(spec.engine)
        answers = probe([(spec.engine, spec.device, spec.environment)])
        answer = next(one for one in answers if one.question[0] == spec.engine)
        assert answer.ready, f"{spec.label}: {answer.reason}"
        paths = {"onnx": "", "engine_file": ""}
        with Preparation(Control(), self._folder / "preparation.log") as making:
            weights = drain(making.weights(self.model))
            if engine.needs_onnx:
                precision = registry.onnx_precision(spec, typed=answer.typed)
                onnx = drain(making.onnx(self.model, weights, precision))
                paths["onnx"] = str(onnx.path)
        if engine.needs_build:
            log = self._folder / "build.log"
            built = drain(
                have_engine(
                    self.model, spec, answer, onnx, making.cache, Control(), log=log, entry=0
                )
            )
            paths["engine_file"] = str(built.path)
        return {
            "engine": spec.engine,
            "device": spec.device,
            "precision": spec.precision,
            "batch": spec.batch,
            "options": engine.settings(spec),
            "model": msgspec.to_builtins(self.model),
            "input_size": self.model.input_size,
            "input_seed": 0,
            "weights": str(weights.path),
            "cache": str(making.cache.root / "inductor"),
            **paths,
        }


def drain(work: Generator[Event | tuple[dict[str, Any], bytes], None, Made]) -> Made:
    """What the work comes to; nobody listens to its events."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: Made = end.value
            return made
