"""TensorRT's times by layer: the real profiler class, joined with what an inspector writes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from engines.backends import cuda
from engines.backends.base import Job
from engines.backends.trt import layers, runtime
from engines.worker.failure import WorkerError
from tests.engines.cuda_support import TurnedClock

# As TensorRT 8.6 writes them with detailed verbosity: fused names are parted by a raw control sign.
CONV = "features.0.0 + features.0.2\x1fPWN(clip)"
INSPECTED = json.dumps(
    {
        "Layers": [
            {"Name": CONV, "LayerType": "CaskConvolution", "Weights": {"Type": "Half"}},
            {"Name": "Reformatting CopyNode for Input Tensor 0", "LayerType": "Reformat",
             "Inputs": [{"Format/Datatype": "Row major linear FP32"}]},
        ],
    }
).replace("\\u001f", "\x1f")  # fmt: skip


@pytest.fixture
def clock(monkeypatch) -> TurnedClock:
    made = TurnedClock()
    monkeypatch.setattr(cuda, "_library", made)
    return made


def test_the_profiler_of_the_real_bindings_keeps_what_is_reported():
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    profiler = layers.profiler_of(trt)
    assert isinstance(profiler, trt.IProfiler)
    profiler.report_layer_time("conv", 0.25)
    profiler.report_layer_time("gemm", 0.5)
    assert profiler.reported == [("conv", 0.25), ("gemm", 0.5)]


def test_a_name_is_shown_in_one_line_and_found_again():
    known = layers.known(INSPECTED)
    assert layers.shown(CONV) == "features.0.0 + features.0.2 PWN(clip)"
    assert known[layers.shown(CONV)]["LayerType"] == "CaskConvolution"
    assert layers.known("no JSON") == {}


def profiled(clock: TurnedClock, about: dict) -> layers.Profiled:
    """An engine of two layers that takes 4 ms, 7 ms with its profiler."""
    taken: list[tuple[str, float]] = []

    def enqueue() -> None:
        clock.pass_ms(7.0)
        taken[:] = [(CONV, 3.0), ("Reformatting CopyNode for Input Tensor 0", 1.5)]

    def report() -> list[tuple[str, float]]:
        return list(taken)

    device = SimpleNamespace(stream=7, request=lambda compute: compute)
    return layers.Profiled(device, lambda: clock.pass_ms(4.0), enqueue, report, about)


def test_layers_are_joined_with_their_kind_and_precision(clock):
    found = profiled(clock, layers.known(INSPECTED)).times(5)
    conv, reformat = found.layers
    assert (conv.kind, conv.precision, conv.ms.tolist()) == ("CaskConvolution", "FP16", [3.0] * 5)
    assert (reformat.kind, reformat.precision) == ("Reformat", "FP32")
    assert "\x1f" not in conv.name
    assert found.clock == "device"
    assert found.whole_ms == [7.0] * 5
    assert set(found.bare_ms) == {4.0}
    assert len(found.host_ms) == 5
    assert found.notes == []
    assert not clock.held


def test_layers_that_the_inspector_does_not_know_are_counted(clock):
    found = profiled(clock, {}).times(5)
    assert found.notes == ["TensorRT's inspector says nothing of 2 of these layers"]
    assert [one.kind for one in found.layers] == ["", ""]


@pytest.fixture
def backend(clock, monkeypatch):
    """TensorRT-RTX's backend as after a load, on a device and an engine of nothing."""
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    made = runtime.TensorRt(Job("tensorrt-rtx", "cuda", "fp16", 1, 96, {"classes": 10}))
    made._trt, made._profile_index = trt, 0
    made._device = SimpleNamespace(stream=7, request=lambda compute: compute)
    made._context = SimpleNamespace(execute_async_v3=lambda _stream: clock.pass_ms(4.0) or True)
    made.opened = []

    def open_context(index: int) -> SimpleNamespace:
        assert index == 0

        def report() -> bool:
            context.profiler.report_layer_time("Compiled backend", 6.0)
            return made.reports

        context = SimpleNamespace(
            execute_async_v3=lambda _stream: clock.pass_ms(7.0) or True, report_to_profiler=report
        )
        made.opened.append(context)
        return context

    made.reports = True
    monkeypatch.setattr(made, "_open_context", open_context)
    monkeypatch.setattr(made, "_layer_information", lambda: "{}")
    return made


def test_the_profiler_has_a_context_of_its_own(backend):
    found = backend.layer_times(3)
    (context,) = backend.opened
    assert context is not backend._context
    assert context.enqueue_emits_profile is False, "an enqueue that reports waits for the device"
    (layer,) = found.layers
    assert layer.ms.tolist() == [6.0] * 3, "one report for each inference"
    assert found.whole_ms == [7.0] * 3
    assert set(found.bare_ms) == {4.0}
    assert layers.ONE_NODE in found.notes


def test_a_profiler_that_does_not_report_is_a_refusal(backend):
    backend.reports = False
    with pytest.raises(WorkerError, match="refuses to report its layers"):
        backend.layer_times(3)
