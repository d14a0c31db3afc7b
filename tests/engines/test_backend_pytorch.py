"""PyTorch's two backends: the CPU's for real, the GPU's control flow on the CPU.

What needs a GPU (streams, page-locked memory, events) is replaced by a stand-in of its own; the
models, the compilations and the numbers are torch's.
"""

from __future__ import annotations

import contextlib
import dataclasses
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch

from engines.backends import base, cuda, open_backend, probe_backend, pytorch, torch_compile
from engines.backends.base import Job
from engines.backends.pytorch import Eager, EagerCuda
from engines.backends.torch_compile import Compiled, CompiledCuda
from engines.worker.failure import WorkerError
from engines.worker.inputs import images
from engines.worker.model import build, write_weights
from engines.worker.throughput import Lanes
from tests.engines.cuda_support import HostClock
from tests.engines.torch_support import GPU

BATCH = 2
STREAM = 5
DEFAULTS = {"threads": 1, "channels_last": True, "cudnn_benchmark": False, "gpu": 0}


@pytest.fixture
def job(tiny, tmp_path, monkeypatch):
    """Makes jobs of the tiny model, all with the same weights."""
    cache = str(tmp_path / "inductor")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", cache)  # and put back after a load has set it
    model, weights = msgspec.structs.asdict(tiny), str(tmp_path / "weights.pt")
    write_weights({"model": model, "path": weights})

    def make(engine="eager", precision="fp32", device="cpu", **options) -> Job:
        more = {"mode": "default"} if engine == "compile" else {"cuda_graph": False}
        return Job(
            engine=engine, precision=precision, device=device, batch=BATCH,
            input_size=tiny.input_size, model=model, weights=weights,
            cache=cache, options=DEFAULTS | more | options,
        )  # fmt: skip

    return make


@pytest.fixture
def batches(tiny):
    return [images(7, start, BATCH, tiny.input_size) for start in (0, BATCH)]


@pytest.fixture
def expected(job, batches):
    """The eager CPU logits of both batches."""
    return logits_of(Eager(job()), batches)


def logits_of(backend, batches) -> list[np.ndarray]:
    """What `backend` returns, asked as a worker asks it."""
    backend.load()
    found = []
    for number, batch in enumerate(batches):
        backend.set_input(batch)
        if number == 0 and backend.compiles:
            backend.compile()
        backend.infer()
        found.append(backend.output().copy())
    return found


@pytest.fixture
def counted_anew():
    """Dynamo's counters from zero, as in the process of one engine."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    torch._dynamo.utils.clear_compilation_metrics()


def on_the_cpu(kind: type[EagerCuda]) -> type[EagerCuda]:
    """A GPU's backend whose tensors are in ordinary memory."""
    methods = {"_device": lambda _: torch.device("cpu")}
    methods["_page_locked"] = lambda _, *shape: torch.zeros(shape)
    return type("StandIn", (kind,), methods)


@pytest.fixture
def stand_in(monkeypatch):
    """Opens a GPU's backend on the CPU; what it set in torch is put back afterwards."""

    def stream(_device):
        return SimpleNamespace(synchronize=lambda: None, chosen=[], cuda_stream=STREAM)

    monkeypatch.setattr(torch.cuda, "Stream", stream)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda one: one.chosen.append(one))
    monkeypatch.setattr(cuda, "gpu", lambda index: GPU)
    monkeypatch.setattr(torch_compile, "missing_for_triton", lambda: None)
    for owner in (torch.backends.cudnn, torch.backends.cuda.matmul):
        monkeypatch.setattr(owner, "allow_tf32", owner.allow_tf32)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
    opened = []

    def stand_in_for(one: Job) -> EagerCuda:
        kind = CompiledCuda if one.engine == "compile" else EagerCuda
        opened.append(on_the_cpu(kind)(one))
        return opened[-1]

    yield stand_in_for
    for backend in opened:
        backend.close()


@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_the_cpu_is_ready(engine):
    found = probe_backend(engine, "cpu")
    assert (found["ready"], found["versions"]) == (True, {"torch": torch.__version__})


def test_eager_gives_the_model_s_own_logits(job, batches, expected):
    model = build(job().model, job().weights).eval()
    with torch.inference_mode():
        wanted = [model(torch.from_numpy(batch)).numpy() for batch in batches]
    np.testing.assert_allclose(expected, wanted, atol=1e-4)
    assert not np.array_equal(expected[0], expected[1]), "other images, other logits"


def test_eager_s_facts_keep_their_names(job, batches):
    backend = Eager(job(precision="bf16"))
    logits_of(backend, batches)
    assert backend.facts() == {
        "provider": "torch CPU", "threads": 1, "memory_format": "channels_last",
        "weights_dtype": "bfloat16", "onednn": torch.backends.mkldnn.is_available(),
    }  # fmt: skip
    assert backend.versions() == {"torch": torch.__version__}
    assert backend.device_times(3) is None
    assert backend.memory() == {}


def test_the_reference_needs_two_options_only(job, batches, expected):
    request = dataclasses.asdict(job()) | {"options": {"threads": 0, "channels_last": False}}
    np.testing.assert_allclose(logits_of(open_backend(request), batches), expected, atol=1e-4)


def test_compiled_on_the_cpu_counts_what_was_compiled(job, batches, expected, counted_anew):
    backend = Compiled(job("compile"))
    np.testing.assert_allclose(logits_of(backend, batches), expected, atol=1e-3)
    facts = backend.facts()
    assert (facts["provider"], facts["mode"]) == ("Inductor CPU", "default")
    assert (facts["graphs"], facts["graph_breaks"], facts["recompiles"]) == (1, 0, 0)
    assert facts["compile_cache"] == "cold"
    lanes = Lanes(backend, lambda start: images(7, start, BATCH, backend.job.input_size))
    lanes.grow_to(2)
    assert len(lanes.run(2, 0.05, lambda: False).latencies_ms) >= 2
    lanes.close()
    backend.set_input(batches[0][:1])
    with pytest.raises(RuntimeError, match="recompile"):
        backend.infer()
    backend.close()


def test_recompilations_are_counted(counted_anew):
    double = torch.compile(lambda x: x * 2, dynamic=False, backend="eager")
    double(torch.ones(2))
    assert torch_compile.compilation("default")["recompiles"] == 0
    torch_compile.forbid_compiling(False)
    double(torch.ones(3))
    facts = torch_compile.compilation("default")
    assert (facts["graphs"], facts["recompiles"]) == (2, 1)


def test_a_compiler_that_is_missing_is_told_before_anything_is_compiled(job, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "C++ compiler" in probe_backend("compile", "cpu")["reason"]
    with pytest.raises(WorkerError) as caught:
        Compiled(job("compile")).compile()
    assert caught.value.kind == "no-compiler"


def test_the_device_chooses_the_backend(job):
    say = base.nothing
    assert type(pytorch.BACKEND(job(), say)) is Eager
    assert type(pytorch.BACKEND(job(device="cuda"), say)) is EagerCuda
    assert type(torch_compile.BACKEND(job("compile"), say)) is Compiled
    assert type(torch_compile.BACKEND(job("compile", device="cuda"), say)) is CompiledCuda


def test_loading_without_a_gpu_fails_in_words_and_closes(job, monkeypatch):
    monkeypatch.setattr(cuda, "problem", lambda *_: ("there is no GPU 3", "choose another gpu"))
    backend = EagerCuda(job(device="cuda", gpu=3))
    with pytest.raises(WorkerError, match="there is no GPU 3"):
        backend.load()
    backend.close()


def test_a_request_copies_in_computes_and_copies_out(job, batches, expected, stand_in):
    backend = stand_in(job(device="cuda"))
    np.testing.assert_allclose(logits_of(backend, batches), expected, atol=1e-4)
    assert torch.is_inference_mode_enabled(), "no request enters it by itself"
    output = backend.output()
    backend.set_input(batches[0])
    backend.infer()
    np.testing.assert_allclose(output, expected[0], atol=1e-4)
    assert backend.facts() == {
        "provider": "torch CUDA", "gpu": "NVIDIA H200", "memory_format": "channels_last",
        "weights_dtype": "float32", "tf32": False, "cudnn_benchmark": False, "cuda_graph": False,
    }  # fmt: skip
    backend.close()
    assert not torch.is_inference_mode_enabled()


def test_tf32_is_on_for_its_own_precision_only(job, stand_in):
    for precision, tf32 in (("tf32", True), ("fp32", False), ("tf32", True), ("bf16", False)):
        backend = stand_in(job(device="cuda", precision=precision))
        backend.load()
        assert backend.facts()["tf32"] is tf32
        assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is tf32
        backend.close()


def test_cudnn_times_its_convolutions_only_where_that_is_asked_for(job, stand_in):
    for asked in (True, False):
        backend = stand_in(job(device="cuda", cudnn_benchmark=asked))
        backend.load()
        assert torch.backends.cudnn.benchmark is asked is backend.facts()["cudnn_benchmark"]
        backend.close()


def test_half_precision_is_cast_on_the_device_and_returns_float32(job, batches, expected, stand_in):
    backend = stand_in(job(device="cuda", precision="bf16", channels_last=False))
    found = logits_of(backend, batches)
    assert backend.output().dtype == np.float32
    assert backend.facts()["weights_dtype"] == "bfloat16"
    alike = np.corrcoef(np.ravel(found), np.ravel(expected))[0, 1]
    assert 0.99 < alike < 1 - 1e-6, "the same logits, rounded to bfloat16"


class Graph:
    """Counts how often it is replayed."""

    replays = 0

    def replay(self):
        self.replays += 1

    def reset(self):
        pass


def test_a_captured_graph_replaces_the_launches(job, batches, stand_in, monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: contextlib.nullcontext())
    backend = stand_in(job(device="cuda", cuda_graph=True))
    logits_of(backend, batches)
    assert backend._graph.replays == len(batches), "the capture was over when the loop began"
    assert backend.facts()["cuda_graph"] is True
    assert "cuda_graph_refused" not in backend.facts()


def test_a_graph_that_can_not_be_captured_is_a_fact_not_a_failure(
    job, batches, expected, stand_in, monkeypatch
):
    @contextlib.contextmanager
    def refusing(*_, **__):
        yield
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", refusing)
    backend = stand_in(job(device="cuda", cuda_graph=True))
    np.testing.assert_allclose(logits_of(backend, batches), expected, atol=1e-4)
    assert backend.facts()["cuda_graph"] is False
    assert backend.facts()["cuda_graph_refused"].endswith("when stream is capturing")


@pytest.fixture
def clock(monkeypatch) -> HostClock:
    made = HostClock()
    monkeypatch.setattr(cuda, "_library", made)
    return made


def test_a_request_s_time_is_told_in_parts(job, batches, stand_in, clock):
    backend = stand_in(job(device="cuda"))
    logits_of(backend, batches)
    backend.infer()
    assert clock.streams == [], "no event is in a sample"
    times = backend.device_times(5)
    assert clock.streams == [STREAM] * 20, "in our stream"
    assert set(times) == {"copy_in", "compute", "copy_out", "enqueue", "host"}
    assert all(len(values) == 5 and min(values) >= 0 for values in times.values())
    columns = {name: np.array(values) for name, values in times.items()}
    assert np.all(columns["enqueue"] <= columns["compute"])
    parts = columns["copy_in"] + columns["compute"] + columns["copy_out"]
    assert np.all(parts <= columns["host"] * (1 + 1e-6)), "the driver tells float32"


def test_compiled_for_a_gpu_settles_before_the_loop(
    job, batches, expected, stand_in, counted_anew, clock
):
    backend = stand_in(job("compile", device="cuda", mode="reduce-overhead"))
    np.testing.assert_allclose(logits_of(backend, batches), expected, atol=1e-3)
    assert backend._input._dynamo_static_input_type == "unguarded"
    facts = backend.facts()
    assert facts["provider"] == "Inductor CUDA"
    assert (facts["graphs"], facts["graph_breaks"], facts["recompiles"]) == (1, 0, 0)
    assert facts["cuda_graph"] is False
    assert "Inductor" in facts["cuda_graph_refused"], "there are none on a CPU"
    assert backend.device_times(2)["compute"]
    backend.close()
    assert not torch.is_inference_mode_enabled()


def test_the_modes_with_graphs_are_those_of_inductor(job):
    from torch._inductor import list_mode_options

    modes = list_mode_options().items()
    asked = {name for name, options in modes if options.get("triton.cudagraphs")}
    assert set(torch_compile.GRAPH_MODES) == asked
    backend = CompiledCuda(job("compile", device="cuda", mode="default"))
    assert backend._graph_facts() == {"cuda_graph": False}
