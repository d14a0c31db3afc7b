"""PyTorch, torch.compile and ONNX Runtime on a real GPU, through the runner."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engines.control import Control
from engines.events import EngineFinished, RunStarted
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.results import EngineResult
from engines.runner import run

pytestmark = pytest.mark.usefixtures("common_cache")
QUICK = Measurement(iterations=100, warmup_min_seconds=0.2, warmup_max_seconds=2.0)
FULL = ModelSpec()


def measured(*specs: EngineSpec, model: ModelSpec = FULL) -> list[EngineResult]:
    plan = RunPlan(model=model, measurement=QUICK, engines=specs)
    return [e.result for e in run(plan, Control()) if isinstance(e, EngineFinished)]


def on_cuda(engine: str, precision: str = "fp32", batch: int = 1, **options) -> EngineSpec:
    return EngineSpec(
        engine=engine, device="cuda", precision=precision, batch=batch, options=options
    )


@pytest.mark.parametrize("engine", ["eager", "compile", "onnxruntime"])
@pytest.mark.shares_gpu
def test_every_precision_is_measured_and_within_its_tolerance(engine):
    from engines import registry
    from engines.probing import probe

    answer = next(probe([(engine, "cuda", "")]))
    assert answer.ready, answer.reason
    assert answer.gpu["compute_capability"]
    # Each precision is compiled for half a minute; FP16 is compiled in the tests below.
    wanted = ("fp32", "tf32") if engine == "compile" else registry.find(engine).precisions["cuda"]
    specs = [on_cuda(engine, one) for one in wanted]
    results = measured(*specs)
    for result in results:
        assert result.status == "ok", f"{result.label}: {result.reason} {result.hint}"
        assert result.accuracy.within_tolerance
        assert result.facts["gpu"]
        assert result.memory.device_delta > 1e6
        device = result.device
        parts = device.copy_in_ms + device.compute_ms + device.copy_out_ms
        assert 0 < parts < device.host_ms, device
    errors = {one.spec.precision: one.accuracy.max_error for one in results}
    assert errors["fp32"] < errors["tf32"] / 5, errors  # TF32 keeps 10 of FP32's 23 bits


def test_graphs_replay_the_same_numbers_faster():
    plain, graph = measured(on_cuda("eager", "fp16"), on_cuda("eager", "fp16", cuda_graph=True))
    assert (plain.facts["cuda_graph"], graph.facts["cuda_graph"]) == (False, True)
    assert graph.latency.p50_ms < plain.latency.p50_ms / 2
    assert graph.accuracy.within_tolerance
    plain, graph = measured(
        on_cuda("onnxruntime", "fp16", cuda_graph=False), on_cuda("onnxruntime", "fp16")
    )
    assert (plain.facts["cuda_graph"], graph.facts["cuda_graph"]) == (False, True)
    assert graph.latency.p50_ms < plain.latency.p50_ms
    assert graph.accuracy.within_tolerance


@pytest.mark.shares_gpu
def test_compile_says_what_it_compiled():
    default, graphs = measured(
        on_cuda("compile", "fp16"), on_cuda("compile", "fp16", mode="reduce-overhead")
    )
    for result in (default, graphs):
        assert result.status == "ok", result.reason
        assert result.facts["graphs"] == 1
        assert result.facts["graph_breaks"] == 0
        assert result.facts["recompiles"] == 0
    assert graphs.facts["cuda_graph"] is True
    assert graphs.latency.p50_ms < default.latency.p50_ms
    (again,) = measured(on_cuda("compile", "fp16"))
    assert again.facts["compile_cache"] == "warm"
    assert again.compile_ms < default.compile_ms or default.facts["compile_cache"] == "warm"


@pytest.mark.shares_gpu
def test_onnx_runtime_computes_on_cuda_alone():
    (result,) = measured(on_cuda("onnxruntime", "fp16", batch=8))
    nodes = {name: one for name, one in result.facts.items() if name.startswith("nodes_")}
    assert nodes.pop("nodes_CUDAExecutionProvider") > 50
    assert not any(nodes.values()), "a fall-back to the CPU is an error"


@pytest.mark.shares_gpu
def test_a_provider_option_that_does_not_exist_is_refused_in_words():
    (result,) = measured(on_cuda("onnxruntime", provider_options="no_such_option=1"))
    assert result.status == "failed"
    assert "no_such_option" in result.reason


@pytest.mark.parametrize("engine", ["eager", "onnxruntime"])
def test_a_gpu_that_is_taken_says_what_is_free_and_who_holds_it(engine, crowded_gpu):
    (result,) = measured(on_cuda(engine, "fp32", batch=256))
    assert result.status == "failed"
    assert "out of GPU memory" in result.reason
    assert "GiB" in result.reason
    assert "smaller batch" in result.hint
    assert "on the GPU: " in result.hint, "a container may hide the processes"


@pytest.mark.shares_gpu
def test_a_gpu_that_does_not_exist_is_refused():
    (result,) = measured(on_cuda("eager", gpu=63))
    assert result.status == "failed"
    assert "GPU 63" in result.reason


@pytest.mark.shares_gpu
def test_without_a_visible_gpu_the_cpu_is_taken_and_said(tiny, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    # All processors of a large host, busy with other tests, would take minutes.
    spec = EngineSpec(engine="eager", options={"threads": 2})
    plan = RunPlan(model=tiny, measurement=QUICK, engines=(spec,))
    events = list(run(plan, Control()))
    assert next(e for e in events if isinstance(e, RunStarted)).plan.engines[0].device == "cpu"
    (result,) = [e.result for e in events if isinstance(e, EngineFinished)]
    assert result.status == "ok"
    assert "CUDA_VISIBLE_DEVICES" in str(result.facts["instead_of_cuda"])


@pytest.mark.shares_gpu
def test_the_model_is_torchvisions():
    """The same state dict, the same logits: on the CPU and on the GPU without TF32."""
    import torch

    torchvision = pytest.importorskip("torchvision")
    from mobilenetv2 import MobileNetV2, builtin_state_dict

    ours = MobileNetV2().eval()
    ours.load_state_dict(builtin_state_dict(ours, 0))
    theirs = torchvision.models.mobilenet_v2(weights=None).eval()
    theirs.load_state_dict(ours.state_dict())
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    images = torch.randn(8, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for device in ("cpu", "cuda"):
            a, b = ours.to(device)(images.to(device)), theirs.to(device)(images.to(device))
            assert torch.allclose(a, b, rtol=1e-5, atol=1e-5), (a - b).abs().max()
            assert a.abs().max() > 0.1, "logits of order one, or nothing is proven"


@pytest.mark.shares_gpu
def test_a_worker_lets_go_of_the_gpu_without_a_word():
    """Contexts and memory are released in order: nothing complains at the end of a run."""
    script = (
        "from engines.control import Control\n"
        "from engines.plan import *\n"
        "from engines.runner import run\n"
        "plan = RunPlan(measurement=Measurement(iterations=20, warmup_max_seconds=0.5), engines=("
        "EngineSpec(engine='onnxruntime', device='cuda', precision='fp16'),"
        "EngineSpec(engine='eager', device='cuda', options={'cuda_graph': True})))\n"
        "logs = {e.log for e in run(plan, Control()) if getattr(e, 'kind', '') == 'benchmark'"
        " and hasattr(e, 'log')}\n"
        "print(*sorted(logs), sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    for log in done.stdout.split():
        with open(log) as file:
            words = file.read().lower()
        assert "error" not in words, words
        assert "not empty" not in words, words
