"""Times by layer from PyTorch: hooks on the host's and the device's clock, torch.profiler."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from engines.backends import cuda, pytorch, torch_compile, torch_layers
from engines.backends.base import Job
from engines.backends.layers import WARMUPS
from engines.worker import inputs
from engines.worker.failure import WorkerError
from tests.engines.cuda_support import TurnedClock

N = 4


class Works(nn.Module):
    """A leaf that keeps the device busy for so many milliseconds."""

    def __init__(self, clock: TurnedClock, ms: float) -> None:
        super().__init__()
        self.clock, self.ms = clock, ms

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clock.pass_ms(self.ms)
        return x


class Rests(Works):
    """Another kind of leaf."""


class Net(nn.Module):
    """Two leaves in a block, one of them called twice, with 2 ms of its own between."""

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__()
        self.never = Works(clock, 100.0)
        self.block = nn.Sequential(Works(clock, 3.0), Rests(clock, 5.0))
        self.clock = clock

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(x)
        self.clock.pass_ms(2.0)
        return self.block[0](x.half())


@pytest.fixture
def clock(monkeypatch) -> TurnedClock:
    made = TurnedClock()
    monkeypatch.setattr(cuda, "_library", made)
    return made


def on_device(clock: TurnedClock):
    net, x = Net(clock), torch.zeros(1)

    def compute() -> None:
        net(x)

    found = torch_layers.time_modules_on_device(net, compute, compute, 7, N)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())
    return found


def test_modules_are_timed_by_the_device_between_their_own_events(clock):
    found = on_device(clock)
    assert found.clock == "device"
    rows = {one.name: one for one in found.layers}
    assert list(rows) == ["block.0", "block.1"], "in the order of their calls; one was never called"
    assert rows["block.0"].ms.tolist() == [6.0] * N
    assert rows["block.1"].ms.tolist() == [5.0] * N
    assert (rows["block.0"].calls, rows["block.1"].calls) == (2 * N, N)
    assert (rows["block.0"].kind, rows["block.1"].kind) == ("Works", "Rests")
    assert rows["block.1"].precision == "FP32"
    assert found.whole_ms == [13.0] * N, "with what is between the modules"
    assert set(found.bare_ms) == {13.0}
    assert all(one.enqueue_ms is not None for one in found.layers)
    assert found.notes == ["two events with nothing between them are 0.0000 ms apart"]
    assert not clock.held, "events are released"


def test_the_device_is_kept_busy_for_as_long_as_enqueueing_takes(clock, monkeypatch):
    reading = iter(range(0, 10**12, 1_000_000))  # each reading is a millisecond after the last
    monkeypatch.setattr(torch_layers.time, "perf_counter_ns", lambda: next(reading))
    on_device(clock)
    # Without hooks, one millisecond; with them two more readings for each of three calls.
    assert set(clock.spun_ms) == {2.0, 14.0}


def test_a_device_that_was_not_kept_busy_is_said(clock):
    clock.ahead = False
    assert f"in {N} of {N} inferences the device was not kept busy" in on_device(clock).notes[1]


def test_without_a_kernel_to_keep_it_busy_times_are_taken_and_said(clock):
    clock.refuses_code = True
    found = on_device(clock)
    assert found.layers[1].ms.tolist() == [5.0] * N
    assert "can't be kept busy" in found.notes[1]
    assert clock.spun_ms == []


def test_hooks_go_when_an_inference_fails(clock):
    net = Net(clock)

    def infer() -> None:
        net(torch.zeros(1))
        raise WorkerError("out of memory")

    with pytest.raises(WorkerError, match="out of memory"):
        torch_layers.time_modules(net, infer, N)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())


def test_modules_are_timed_by_the_host(clock, monkeypatch):
    net = Net(clock)
    monkeypatch.setattr(torch_layers.time, "perf_counter_ns", lambda: int(clock.now_ms * 1e6))
    found = torch_layers.time_modules(net, lambda: net(torch.zeros(1)), N)
    assert {one.name: one.ms.tolist() for one in found.layers} == {
        "block.0": [6.0] * N,
        "block.1": [5.0] * N,
    }
    assert found.whole_ms == found.host_ms == [13.0] * N
    summary = found.summary()
    assert summary["layers"][0] == {
        "name": "block.0", "kind": "Works", "precision": "FP32", "provider": "", "ms": 6.0,
        "mean_ms": 6.0, "calls": 2.0, "enqueue_ms": None,
    }  # fmt: skip
    assert clock.now_ms == (WARMUPS + N) * 13.0


class Small(nn.Sequential):
    """A network that compiles in seconds."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 4, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10),
        )  # fmt: skip


def test_inductor_s_own_kernels_and_pytorch_s_operators_are_told_apart(tmp_path, monkeypatch):
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "enable_kernel_profile", False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(pytorch, "model_of", lambda *_: Small().eval())
    torch._dynamo.reset()
    engine = torch_compile.Compiled(
        Job(
            engine="compile", device="cpu", precision="fp32", batch=2, input_size=16,
            model={"classes": 10}, cache=str(tmp_path), layers=True,
            options={"threads": 1, "channels_last": False, "mode": "default"},
        )
    )  # fmt: skip
    engine.load()
    engine.set_input(inputs.images(0, 0, 2, 16))
    engine.compile()
    found = engine.layer_times(10)
    engine.close()
    kinds = [one.kind for one in found.layers]
    assert {"ATen", "fused C++"} == set(kinds)
    names = [one.name for one in found.layers]
    assert "aten::convolution (2x3x16x16, 8x3x3x3)" in names, "two convolutions are told apart"
    assert any(name.startswith("cpp_fused_") and "hardtanh" in name for name in names), names
    assert all(one.calls == len(one.ms) == 10 for one in found.layers)
    parts = sum(one.ms for one in found.layers)
    assert (parts < found.whole_ms).all(), "each inference holds its calls"
    assert parts.min() > 0
    assert found.notes == []


def test_a_graph_that_torch_profiler_does_not_show_is_said():
    with pytest.raises(WorkerError, match="shows no compiled graph"):
        torch_layers.time_calls(lambda: torch.zeros(1), N)


def test_inferences_that_differ_are_added_up_by_name():
    table, notes = torch_layers.tabulated(
        [[("aten::add", 1.0), ("graph_0_cpp_fused_a", 2.0)], [("graph_0_cpp_fused_a", 4.0)]],
        torch_layers.kind_of_call,
    )
    assert notes == [torch_layers.BY_NAME]
    assert {one.name: one.ms.tolist() for one in table.layers} == {
        "aten::add": [1.0, 0.0],
        "cpp_fused_a": [2.0, 4.0],
    }


def test_kernels_belong_to_the_request_whose_copy_came_before():
    names = ["Memcpy HtoD (Pinned -> Device)", "triton_poi_fused_0", "sm90_xmma_fprop",
             "Memset (Device)", "Memcpy DtoH (Device -> Pinned)"]  # fmt: skip
    events = [
        SimpleNamespace(name=name, time_range=SimpleNamespace(start=start))
        for start, name in enumerate(["left over of a warm-up", *names, *names])
    ]
    found = torch_layers.kernels_of_requests(reversed(events))
    assert [[one.name for one in request] for request in found] == [names[1:4]] * 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("triton_poi_fused__native_batch_norm_legit_no_training_hardtanh_3", "Triton"),
        ("void at::native::vectorized_elementwise_kernel<4, ...>", "ATen"),
        ("sm90_xmma_fprop_implicit_gemm_f16f16_f16f32", "library"),
        ("Memset (Device)", "memory"),
    ],
)
def test_whose_a_kernel_is(name, kind):
    assert torch_layers.kind_of_kernel(name) == kind


def test_the_backend_on_cuda_times_its_own_computation(clock, monkeypatch):
    """The GPU's backend with its tensors in ordinary memory, on a stream that is only a number."""
    stream = SimpleNamespace(synchronize=lambda: None, cuda_stream=7)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(pytorch, "model_of", lambda *_: Small().eval())
    monkeypatch.setattr(pytorch.EagerCuda, "_device", lambda _: torch.device("cpu"))
    monkeypatch.setattr(pytorch.EagerCuda, "_page_locked", lambda _, *shape: torch.zeros(shape))
    monkeypatch.setattr(pytorch.EagerCuda, "_choose_arithmetic", lambda _: None)
    engine = pytorch.EagerCuda(
        Job(
            engine="eager", device="cuda", precision="fp32", batch=2, input_size=16,
            model={"classes": 10, "input_size": 16},
            options={"channels_last": False, "cuda_graph": False, "gpu": 0},
        )
    )  # fmt: skip
    engine.load()
    engine.set_input(inputs.images(0, 0, 2, 16))
    found = engine.layer_times(N)
    engine.infer()
    assert [one.kind for one in found.layers] == [type(one).__name__ for one in Small()]
    assert all(len(one.ms) == N and one.enqueue_ms.min() > 0 for one in found.layers)
    assert engine.output().any()
    engine.close()
