"""TensorRT's own profiler: what each layer of an engine took, joined with what the layer is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engines.backends.ahead import TRIALS, Ahead
from engines.backends.layers import MS_PER_NS, LayerTable, LayerTimes
from engines.backends.trt import inspector
from engines.backends.trt.device import Device

A_LAYER = (
    "a layer of the engine as TensorRT fused it: the device's time between two events around it"
)
ONE_NODE = "TensorRT-RTX compiles the network as a whole and tells its parts apart no further"
# 8.6 parts the names of fused layers by a control character.
BREAKS = re.compile(r"[\x00-\x20\x7f]+")


def profiler_of(trt: Any) -> Any:
    """A profiler for the module `trt`, whose `reported` holds (layer, milliseconds) in order."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.reported: list[tuple[str, float]] = []

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.reported.append((layer_name, ms))

    return Profiler()


def shown(name: str) -> str:
    """A layer's name as it can be shown: in one line, with spaces for what parts it."""
    return BREAKS.sub(" ", name).strip()


def known(text: str) -> dict[str, dict[str, Any]]:
    """The inspector's layers in `text` by their shown names."""
    return {shown(str(one.get("Name", ""))): one for one in inspector.layers_of(text)}


@dataclass
class Profiled:
    """An engine whose layers are timed: without its profiler, and with it.

    `bare` and `enqueue` hand over one computation in a context without and with a profiler;
    `report` gives what the profiler holds of the last one, and `about` what is known of the layers
    by their shown names.
    """

    device: Device
    bare: Callable[[], None]
    enqueue: Callable[[], None]
    report: Callable[[], list[tuple[str, float]]]
    about: dict[str, dict[str, Any]]

    def times(self, iterations: int) -> LayerTimes:
        """Time the layers over `iterations` computations."""
        table, whole_ms = LayerTable(iterations), []
        with Ahead(self.device.stream) as ahead:
            bare_ms = ahead.whole(self.bare)
            ahead.expect(self.enqueue)
            for inference in range(iterations):
                whole, *_ = ahead.run(self.enqueue)
                whole_ms.append(whole)
                for name, ms in self.report():
                    self._add(table, inference, name, ms)
            notes = ahead.all_notes()
        unknown = sum(one.name not in self.about for one in table.layers)
        if unknown:
            notes.append(f"TensorRT's inspector says nothing of {unknown} of these layers")
        host_ms = self._host_times(min(iterations, TRIALS))
        return LayerTimes(A_LAYER, "device", table.layers, whole_ms, host_ms, bare_ms, notes)

    def _add(self, table: LayerTable, inference: int, name: str, ms: float) -> None:
        layer = self.about.get(shown(name), {})
        table.add(
            inference,
            name,
            ms,
            name=shown(name),
            kind=str(layer.get("LayerType", "")),
            precision=inspector.precision_of(layer) if layer else "",
        )

    def _host_times(self, n: int) -> list[float]:
        """The host's milliseconds for a whole request in the profiled context."""
        request, taken = self.device.request(self.enqueue), []
        for _ in range(n):
            began_ns = time.perf_counter_ns()
            request()
            self.report()
            taken.append((time.perf_counter_ns() - began_ns) * MS_PER_NS)
        return taken
