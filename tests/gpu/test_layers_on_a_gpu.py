"""Times by layer on a real GPU: what they add up to, and what each engine says of its layers."""

from __future__ import annotations

import re

import pytest

from engines.control import Control
from engines.events import EngineFinished
from engines.layers import GRAPH_OFF, LayerProfile, profile_layers
from engines.model import finish
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.results import EngineResult
from engines.runner import run

pytestmark = pytest.mark.usefixtures("common_cache")
FULL = ModelSpec()
QUICK = Measurement(iterations=100, warmup_min_seconds=0.2, warmup_max_seconds=2.0)
# Of a host that is busy with other tests a launch comes too late now and then.
LATE = re.compile(r"^in (\d+) of \d+ inferences the device was not kept busy")
# Kernels are long enough here that the events around them weigh little.
BATCH = 32


def on_cuda(engine: str, precision: str = "fp16", batch: int = BATCH, **options) -> EngineSpec:
    environment = options.pop("environment", "")
    return EngineSpec(
        engine=engine, device="cuda", precision=precision, batch=batch, options=options,
        environment=environment,
    )  # fmt: skip


def profiled(spec: EngineSpec) -> LayerProfile:
    plan = RunPlan(model=FULL, measurement=QUICK, engines=(spec,))
    profile = finish(profile_layers(plan, Control()))
    assert profile.invalid == "", profile.invalid
    assert profile.n >= 10
    assert all(one.ms >= 0 for one in profile.layers)
    late = [int(found[1]) for note in profile.notes if (found := LATE.search(note))]
    assert sum(late) <= profile.n // 20, profile.notes
    return profile


def measured(spec: EngineSpec) -> EngineResult:
    plan = RunPlan(model=FULL, measurement=QUICK, engines=(spec,))
    (result,) = [e.result for e in run(plan, Control()) if isinstance(e, EngineFinished)]
    assert result.status == "ok", result.reason
    return result


def test_eager_s_modules_add_up_to_the_computation():
    profile = profiled(on_cuda("eager", cuda_graph=True))
    assert GRAPH_OFF in profile.notes
    assert profile.spec.options["cuda_graph"] is False
    names = [one.name for one in profile.layers]
    assert names[0] == "features.0.0"
    assert names[-1] == "classifier.1"
    assert len(names) == 153
    assert {one.precision for one in profile.layers} == {"FP16"}
    assert profile.clock == "device"
    assert 0.6 < profile.accounted < 1.02, profile.accounted
    assert 0.8 < profile.total_ms / profile.bare_ms < 1.5, (profile.total_ms, profile.bare_ms)
    # In the graph of a run the device computes without gaps as well.
    compute_ms = measured(on_cuda("eager", cuda_graph=True)).device.compute_ms
    assert 0.7 < profile.bare_ms / compute_ms < 1.4, (profile.bare_ms, compute_ms)


def test_waiting_for_launches_is_in_no_layer():
    """Of batch 1 the host takes milliseconds to enqueue what the device does in less than one."""
    profile = profiled(on_cuda("eager", batch=1))
    assert profile.bare_ms < profile.host_ms / 2, (profile.bare_ms, profile.host_ms)
    assert profile.total_ms < profile.host_ms, (profile.total_ms, profile.host_ms)
    enqueue_ms = sum(one.enqueue_ms for one in profile.layers)
    assert profile.total_ms < enqueue_ms < profile.profiled_ms


def test_compiled_kernels_add_up_to_the_computation():
    profile = profiled(on_cuda("compile"))
    kinds = {one.kind for one in profile.layers}
    assert "Triton" in kinds, kinds
    assert profile.clock == "device"
    assert any("hardtanh" in one.name for one in profile.layers)
    assert not any(one.name.startswith(("Memcpy HtoD", "Memcpy DtoH")) for one in profile.layers)
    # Kernels have no gaps in them, and the whole has the gaps between them.
    assert 0.5 < profile.total_ms / profile.bare_ms < 1.1, (profile.total_ms, profile.bare_ms)


def test_onnx_runtime_s_nodes_are_waited_for():
    profile = profiled(on_cuda("onnxruntime"))
    assert GRAPH_OFF in profile.notes
    assert "each of its kernels waited for" in profile.row
    assert profile.clock == "host"
    providers = [one.provider for one in profile.layers]
    assert providers.count("CUDA") > 0.9 * len(providers), providers
    assert sum("Conv" in one.kind for one in profile.layers) == 52
    assert "FP16" in {one.precision for one in profile.layers}
    # A launch and a wait are in every kernel: more than the device's own time, of one order.
    compute_ms = measured(on_cuda("onnxruntime", cuda_graph=False)).device.compute_ms
    assert 0.8 < profile.total_ms / compute_ms < 4.0, (profile.total_ms, compute_ms)
    # The request without a profiler was not slowed by waiting for each launch.
    assert profile.host_ms < profile.profiled_ms


def test_tensorrt_s_layers_are_joined_with_what_they_are(tensorrt):
    spec = on_cuda("tensorrt", environment=tensorrt.environment, builder_level=0)
    profile = profiled(spec)
    assert GRAPH_OFF in profile.notes
    assert profile.clock == "device"
    assert len(profile.layers) > 30
    joined = [one for one in profile.layers if one.kind]
    assert len(joined) >= 0.9 * len(profile.layers), [one.name for one in profile.layers]
    assert sum(one.precision == "FP16" for one in joined) > len(joined) / 2
    assert all(one.name.isprintable() for one in profile.layers)
    assert any("features.0" in one.name for one in profile.layers), "the model's own names"
    assert 0.8 < profile.total_ms / profile.bare_ms < 1.5, (profile.total_ms, profile.bare_ms)
    compute_ms = measured(spec).device.compute_ms
    assert 0.7 < profile.bare_ms / compute_ms < 1.4, (profile.bare_ms, compute_ms)
