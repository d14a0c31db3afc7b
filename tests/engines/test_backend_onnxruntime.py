"""ONNX Runtime's sessions: the CPU's, and CUDA's with a driver made of host memory."""

from __future__ import annotations

import ctypes
import tempfile
from collections import Counter
from functools import partial

import numpy as np
import onnxruntime
import pytest

from engines import registry
from engines.backends import base, cuda, onnxruntime_layers, open_backend
from engines.backends import onnxruntime as backend
from engines.backends import onnxruntime_cuda as on_cuda
from engines.conversion import convert_onnx
from engines.export import export_onnx
from engines.plan import EngineSpec
from engines.worker import inputs, model
from engines.worker.failure import WorkerError

SPEC = {"classes": 10, "input_size": 96, "width": 0.35, "seed": 0, "weights": ""}
BATCH = 2
PARTS = ("copy_in", "compute", "copy_out", "enqueue", "host")
BLOCKING_SYNC = 1  # CU_EVENT_BLOCKING_SYNC of cuda.h


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """The tiny model's ONNX files by precision."""
    folder = tmp_path_factory.mktemp("onnx")
    weights = str(folder / "weights.pt")
    model.write_weights({"model": SPEC, "path": weights})
    paths = {name: str(folder / f"{name}.onnx") for name in ("fp32", "int8")}
    export_onnx({"model": SPEC, "weights": weights, "path": paths["fp32"]})
    convert_onnx(
        {
            "model": SPEC, "weights": weights, "source": paths["fp32"], "precision": "int8",
            "path": paths["int8"], "input_seed": 0,
        }
    )  # fmt: skip
    return paths


def request(files, precision="fp32", device="cpu", **options):
    defaults = registry.find("onnxruntime").settings(EngineSpec(engine="onnxruntime"))
    return {
        "engine": "onnxruntime", "device": device, "precision": precision, "batch": BATCH,
        "input_size": 96, "model": SPEC, "onnx": files[precision], "options": defaults | options,
    }  # fmt: skip


def wanted(files, batch, precision="fp32"):
    session = onnxruntime.InferenceSession(files[precision], providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input": batch})[0]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_cpu_session_answers_the_input_it_was_given_last(files, precision):
    engine = open_backend(request(files, precision, intra_op_threads=1))
    engine.load()
    for start in (0, BATCH):
        batch = inputs.images(0, start, BATCH, 96)
        engine.set_input(batch)
        engine.infer()
        assert engine.output() == pytest.approx(wanted(files, batch, precision), rel=1e-3, abs=1e-4)
    facts = engine.facts()
    assert facts["provider"] == "CPUExecutionProvider"
    assert facts["intra_op_threads"] == 1
    assert engine.versions() == {"onnxruntime": onnxruntime.__version__}
    assert engine.device_times(1) is None
    assert engine.memory() == {}


def test_provider_options_are_pairs_and_some_are_not_the_users():
    assert on_cuda.provider_options("") == {}
    assert on_cuda.provider_options("gpu_mem_limit=1,fuse_conv_bias=0") == {
        "gpu_mem_limit": "1",
        "fuse_conv_bias": "0",
    }
    with pytest.raises(WorkerError, match="provider_options sets device_id") as caught:
        on_cuda.provider_options("prefer_nhwc=1,device_id=3")
    assert caught.value.kind == "usage"
    assert caught.value.hint == "choose it with the option gpu"


class HostDriver:
    """CUDA's driver as `engines.backends.cuda` calls it, with host memory for the device's.

    It notes the order of what is released, and forgets nothing: `held` must be empty at the end.
    """

    def __init__(self) -> None:
        self.held: dict[int, object] = {}
        self.released: list[str] = []
        self.calls = {
            "cuMemAlloc_v2": self.allocate,
            "cuMemHostAlloc": lambda address, size, _flags: self.allocate(address, size),
            "cuStreamCreate": lambda stream, _flags: self.allocate(stream),
            "cuEventCreate": self.create_event,
            "cuMemcpyHtoDAsync_v2": self.copy,
            "cuMemcpyDtoHAsync_v2": self.copy,
            "cuMemFree_v2": partial(self.free, "memory"),
            "cuMemFreeHost": partial(self.free, "memory"),
            "cuStreamDestroy_v2": partial(self.free, "stream"),
            "cuEventDestroy_v2": partial(self.free, "event"),
            "cuCtxPopCurrent_v2": lambda _context: self.released.append("context") or 0,
        }

    def __getattr__(self, name: str):
        return self.calls.get(name, lambda *_: 0)

    def allocate(self, address, size=ctypes.c_size_t(1)) -> int:  # noqa: B008
        memory = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(memory)
        self.held[address._obj.value] = memory
        return 0

    def create_event(self, event, flags) -> int:
        assert not flags & BLOCKING_SYNC, "a host that waits for it would sleep"
        return self.allocate(event)

    def free(self, what: str, address) -> int:
        del self.held[address.value]
        self.released.append(what)
        return 0

    def copy(self, target, source, size, _stream) -> int:
        ctypes.memmove(target.value, source.value, size.value)
        return 0


class OnHost(on_cuda.CudaSession):
    """CUDA's session with a real session on the CPU in place of one on a GPU."""

    def _session_on(self, ort, graph, others):
        self.asked_for = self._provider_options(graph)
        return ort.InferenceSession(
            self.job.onnx, self._session_options(ort), providers=[backend.CPU], enable_fallback=0
        )


@pytest.fixture
def driver(monkeypatch) -> HostDriver:
    made = HostDriver()
    monkeypatch.setattr(cuda, "_library", made)
    monkeypatch.setattr(on_cuda, "trouble", lambda *_: None)
    monkeypatch.setattr(on_cuda, "CUDA", backend.CPU)
    monkeypatch.setattr(on_cuda, "DEVICE", "cpu")
    return made


def job(files, **options) -> base.Job:
    return base.Job.of(request(files, device="cuda", **options))


@pytest.mark.parametrize("cuda_graph", [True, False])
def test_a_cuda_session_copies_in_computes_and_copies_out(files, driver, cuda_graph):
    engine = OnHost(job(files, cuda_graph=cuda_graph, provider_options="fuse_conv_bias=1"))
    engine.load()
    assert engine.facts()["cuda_graph"] is cuda_graph
    assert "cuda_graph_refused" not in engine.facts()
    assert engine.asked_for["enable_cuda_graph"] == str(int(cuda_graph))
    assert engine.asked_for["fuse_conv_bias"] == "1"
    assert engine.asked_for["use_tf32"] == "0"
    for start in (0, BATCH):
        batch = inputs.images(0, start, BATCH, 96)
        engine.set_input(batch)
        engine.infer()
        assert engine.output() == pytest.approx(wanted(files, batch), rel=1e-4, abs=1e-5)
    times = engine.device_times(3)
    assert {name: len(column) for name, column in times.items()} == dict.fromkeys(PARTS, 3)
    assert min(times["enqueue"]) > 0
    assert all(np.array(times["enqueue"]) < np.array(times["host"]))
    assert driver.released == ["event"] * 12, "each request had its own"
    batch = inputs.images(0, 9, BATCH, 96)
    engine.set_input(batch)
    engine.submit()
    engine.wait()
    assert engine.output() == pytest.approx(wanted(files, batch), rel=1e-4, abs=1e-5)
    engine.close()
    assert driver.released[12:] == ["stream", *["memory"] * 4, "context"]
    assert driver.held == {}


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", "0"), ("tf32", "1"), ("fp16", "1")])
def test_only_fp32_is_kept_from_the_tensor_cores(files, driver, precision, allowed):
    """ONNX Runtime's option is named after TF32, and takes them from FP16 convolutions too."""
    engine = OnHost(job({**files, precision: files["fp32"]}, precision=precision))
    assert asked_for(engine)["use_tf32"] == allowed


@pytest.mark.parametrize("prefer_nhwc", [True, False])
def test_the_bias_goes_into_the_convolution_in_nhwc_order_alone(files, driver, prefer_nhwc):
    found = asked_for(OnHost(job(files, prefer_nhwc=prefer_nhwc)))
    assert found["prefer_nhwc"] == found["fuse_conv_bias"] == str(int(prefer_nhwc))


def asked_for(engine: OnHost) -> dict[str, str]:
    engine._extra, engine._stream = {}, cuda.Stream()
    return engine._provider_options(graph=False)


class Stale(OnHost):
    """Answers from its third run on what it has answered before, as a broken replay would."""

    runs = 0

    def _compute(self, run_options):
        self.runs += 1
        if self.runs <= 3 or self.asked_for["enable_cuda_graph"] == "0":
            super()._compute(run_options)


def test_a_replay_that_ignores_its_input_is_never_measured(files, driver):
    engine = Stale(job(files, cuda_graph=True))
    engine.load()
    facts = engine.facts()
    assert facts["cuda_graph"] is False
    assert "gives other logits" in facts["cuda_graph_refused"]
    batch = inputs.images(0, 5, BATCH, 96)
    engine.set_input(batch)
    engine.infer()
    assert engine.output() == pytest.approx(wanted(files, batch), rel=1e-4, abs=1e-5)
    engine.close()
    assert driver.released == ["stream", "stream", *["memory"] * 4, "context"]


class Refusing(OnHost):
    """Refuses as ONNX Runtime does."""

    refusal = ""

    def _session_on(self, ort, graph, others):
        if not others:
            raise RuntimeError(self.refusal)
        return super()._session_on(ort, graph, others)


CPU_NODES = (
    "[ONNXRuntimeError] : 1 : FAIL : This session contains graph nodes that are assigned to the"
    " default CPU EP, but fallback to CPU EP has been explicitly disabled by the user."
)


def test_nodes_on_the_cpu_are_listed_unless_allowed(files, driver, monkeypatch):
    monkeypatch.setattr(Refusing, "refusal", CPU_NODES)
    with pytest.raises(WorkerError, match=r"\d+ nodes would run on the CPU: ") as caught:
        Refusing(job(files)).load()
    assert caught.value.kind == "fallback"
    assert "allow_cpu_fallback" in caught.value.hint
    allowed = Refusing(job(files, allow_cpu_fallback=True))
    allowed.load()
    assert allowed.facts()["nodes_CPUExecutionProvider"] > 0


@pytest.mark.parametrize(
    ("refusal", "kind", "message"),
    [
        ('Unknown provider option: "fuse".', "usage", "has no option fuse"),
        ('Failed to parse provider option "gpu_mem_limit": x', "usage", "value of gpu_mem_limit"),
        ("Failed to initialize CUDNN Frontend: [x]", "usage", "cuDNN has no convolution for these"),
        (
            "Failed to allocate memory for requested buffer of size 3221225472",
            "out-of-gpu-memory",
            "out of GPU memory: 3.00 GiB more were needed, 0.00 of",
        ),
    ],
)
def test_refusals_are_put_in_words(files, driver, monkeypatch, refusal, kind, message):
    monkeypatch.setattr(Refusing, "refusal", refusal)
    with pytest.raises(WorkerError) as caught:
        Refusing(job(files)).load()
    assert caught.value.kind == kind
    assert message in str(caught.value)


def test_a_provider_that_does_not_start_is_no_fallback(files, driver, monkeypatch):
    monkeypatch.setattr(Refusing, "refusal", CPU_NODES)
    monkeypatch.setattr(on_cuda, "CUDA", "CUDAExecutionProvider")
    with pytest.raises(WorkerError, match="could not start its CUDA provider"):
        Refusing(job(files, allow_cpu_fallback=True)).load()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_nodes_are_timed_by_a_session_that_profiles_itself(files, precision, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine = open_backend(request(files, precision, intra_op_threads=1))
    engine.load()
    engine.set_input(inputs.images(0, 0, BATCH, 96))
    found = engine.layer_times(20)
    engine.infer()
    assert list(tmp_path.iterdir()) == [], "the profile is deleted, and none is written after it"
    assert (found.clock, found.row) == ("host", onnxruntime_layers.ON_CPU)
    assert all(one.calls == len(one.ms) == 20 for one in found.layers)
    assert {one.provider for one in found.layers} == {"CPU"}
    kinds = Counter(one.kind for one in found.layers)
    types = {one.precision for one in found.layers}
    if precision == "fp32":
        assert kinds["Conv"] == 52
        assert types == {"FP32"}
    else:
        assert kinds["QuantizeLinear"] + kinds["QLinearConv"] > 20
        assert {"FP32", "INT8"} <= types
    # Whole microseconds are cut off, and ONNX Runtime's own work between nodes is in no node.
    parts, whole = sum(one.ms.sum() for one in found.layers), sum(found.whole_ms)
    assert 0.3 * whole < parts < whole


def test_operators_side_by_side_are_said(files):
    engine = open_backend(request(files, intra_op_threads=1, inter_op_threads=2))
    engine.load()
    engine.set_input(inputs.images(0, 0, BATCH, 96))
    assert onnxruntime_layers.SIDE_BY_SIDE in engine.layer_times(3).notes


@pytest.mark.parametrize(
    ("blocking", "row"),
    [("1", onnxruntime_layers.WAITED_FOR), ("0", onnxruntime_layers.ENQUEUED)],
)
def test_on_cuda_the_row_says_whose_time_it_is(files, driver, monkeypatch, blocking, row):
    monkeypatch.setenv(onnxruntime_layers.BLOCKING, blocking)
    engine = OnHost(job(files, cuda_graph=True))
    engine.load()
    engine.set_input(inputs.images(0, 0, BATCH, 96))
    found = engine.layer_times(5)
    assert found.row == row
    assert engine.asked_for["enable_cuda_graph"] == "0", "a replay's kernels are not told apart"
    assert len(found.layers) > 50
    engine.close()
    assert driver.held == {}


def test_a_profile_without_the_runs_that_were_made_is_refused():
    with pytest.raises(WorkerError, match="holds 0 runs of 0 nodes, expected 2 runs"):
        onnxruntime_layers.layer_times([1.0, 1.0], [], "a row", side_by_side=False)
