"""What the tests of times by layer share: frozen times, and work that goes on when told."""

from __future__ import annotations

import threading
from collections.abc import Generator

from engines.control import Control
from engines.errors import Cancelled, InferTuiError
from engines.events import Event, JobDone, JobFailed, JobStarted, Progress
from engines.layers import LayerProfile, LayerRecord
from engines.plan import EngineSpec, ModelSpec, RunPlan
from tui.jobs import STOPPED


def eager_profile(spec: EngineSpec, model: ModelSpec) -> LayerProfile:
    """The shape of eager's: modules by their paths, all on the host's clock."""
    layers = [
        LayerRecord(name=f"features.{block}.conv.{part}", kind=kind, ms=ms, mean_ms=ms * 1.05,
                    precision="FP32")
        for block in range(1, 14)
        for part, kind, ms in (
            ("0.0", "Conv2d", 0.30 - 0.01 * block), ("0.1", "BatchNorm2d", 0.08),
            ("0.2", "ReLU6", 0.02), ("1", "Conv2d", 0.11 + 0.01 * block),
        )
    ]  # fmt: skip
    layers.append(LayerRecord(name="classifier.1", kind="Linear", ms=0.44, mean_ms=0.46))
    total = sum(one.mean_ms for one in layers)
    return LayerProfile(
        label=spec.label, model=model, spec=spec, n=186, clock="host", layers=tuple(layers),
        row="a module of the model that has no modules in it: the host's time for its call",
        whole_ms=total / 0.9, host_ms=9.87, profiled_ms=10.66,
        facts={"provider": "torch CPU", "threads": 2}, versions={"torch": "2.13.0"},
    )  # fmt: skip


def tensorrt_profile(spec: EngineSpec, model: ModelSpec) -> LayerProfile:
    """The shape of TensorRT's: long fused names, kinds and precisions, the device's clock."""
    conv = "features.{0}.conv.0.0.weight + ONNXTRT_Broadcast_{0} + /features/conv/Conv + PWN(Clip)"
    layers = [
        LayerRecord(name=conv.format(block), kind="CaskConvolution", precision="FP16",
                    ms=0.0081 - 0.0003 * block, mean_ms=0.0082)
        for block in range(12)
    ]  # fmt: skip
    layers[1:1] = [
        LayerRecord(name="Reformatting CopyNode for Input Tensor 0", kind="Reformat",
                    precision="FP32", ms=0.0127, mean_ms=0.0129, calls=2.0)
    ]  # fmt: skip
    return LayerProfile(
        label=spec.label, model=model, spec=spec, n=200, clock="device", layers=tuple(layers),
        row="a layer of the engine as TensorRT fused it", whole_ms=0.121, bare_ms=0.0912,
        host_ms=0.456, profiled_ms=0.611, notes=("its CUDA graph is off",),
        invalid="its outputs differ from the FP32 reference: cosine 0.61",
    )  # fmt: skip


class HeldLayers:
    """Work in place of `engines.layers.profile_layers` that goes on when told.

    A real engine is timed in seconds, which is too short to press keys beside it, and none fails
    on demand.
    """

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.error: InferTuiError | None = None
        self.specs: list[EngineSpec] = []

    def __call__(
        self, plan: RunPlan, control: Control, known: object = ()
    ) -> Generator[Event, None, LayerProfile]:
        (spec,) = plan.engines
        self.specs.append(spec)
        yield JobStarted("w", "weights", "weights of mobilenetv2 0.35 @ 96")
        yield JobDone("w", "weights", 0.0, cached=True)
        yield JobStarted("layers", "layers", f"layers of {spec.label}")
        yield Progress("layers", "profiling")
        while not self.go_on.wait(0.005) and not control.cancelled:
            pass
        if control.cancelled:
            yield JobFailed("layers", "layers", STOPPED)
            raise Cancelled
        if self.error is not None:
            yield JobFailed("layers", "layers", self.error.message, self.error.hint)
            raise self.error
        yield JobDone("layers", "layers", 2.0)
        return eager_profile(spec, plan.model)
