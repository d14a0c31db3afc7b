"""Times by layer and inference, as every engine reports them to the worker."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Inferences with the profiler on that no figure has in it: its own first calls are slow.
WARMUPS = 3
MS_PER_NS = 1e-6


@dataclass
class Layer:
    """One row: what it is, and its milliseconds in each profiled inference, shape (n,).

    `calls` counts all calls of all inferences. `enqueue_ms` is the host's time for handing the
    layer's work over, where `ms` is the device's.
    """

    name: str
    kind: str
    precision: str
    provider: str
    ms: NDArray[np.float64]
    enqueue_ms: NDArray[np.float64] | None = None
    calls: int = 0


class LayerTable:
    """The layers of `n` inferences, in the order in which they were first called."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._layers: dict[Hashable, Layer] = {}

    def add(
        self,
        inference: int,
        key: Hashable,
        ms: float,
        *,
        name: str,
        kind: str = "",
        precision: str = "",
        provider: str = "",
        enqueue_ms: float | None = None,
    ) -> None:
        """Count one call of the layer `key`, which took `ms` in inference number `inference`."""
        layer = self._layers.get(key)
        if layer is None:
            layer = Layer(name, kind, precision, provider, np.zeros(self.n))
            self._layers[key] = layer
        layer.ms[inference] += ms
        layer.calls += 1
        if enqueue_ms is not None:
            if layer.enqueue_ms is None:
                layer.enqueue_ms = np.zeros(self.n)
            layer.enqueue_ms[inference] += enqueue_ms

    @property
    def layers(self) -> list[Layer]:
        return list(self._layers.values())


@dataclass
class LayerTimes:
    """What an engine says of its layers.

    `row` says in a sentence what one row is, and `clock` whose time it has: the host's or the
    device's. `whole_ms` is, by the same clock, what the rows are parts of, and `host_ms` the
    host's time of a whole request, both with the profiler on. `bare_ms` is the whole without the
    profiler, where the clock is the device's. `notes` say what a reader must know.
    """

    row: str
    clock: str
    layers: list[Layer]
    whole_ms: list[float]
    host_ms: list[float]
    bare_ms: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Medians and means, as a worker's answer carries them."""
        n = len(self.whole_ms)
        return {
            "row": self.row,
            "clock": self.clock,
            "n": n,
            "whole_ms": float(np.mean(self.whole_ms)),
            "profiled_ms": float(np.median(self.host_ms)),
            "bare_ms": float(np.median(self.bare_ms)) if self.bare_ms else None,
            "notes": self.notes,
            "layers": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "precision": one.precision,
                    "provider": one.provider,
                    "ms": float(np.median(one.ms)),
                    "mean_ms": float(np.mean(one.ms)),
                    "calls": one.calls / n,
                    "enqueue_ms": None
                    if one.enqueue_ms is None
                    else float(np.median(one.enqueue_ms)),
                }
                for one in self.layers
            ],
        }
