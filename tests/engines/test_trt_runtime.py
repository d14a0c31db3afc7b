"""An engine file that does not load, and what is let go when something fails."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engines import registry
from engines.backends import cuda, tensorrt_rtx
from engines.backends.base import Job
from engines.backends.trt import device as on_device
from engines.backends.trt import runtime
from engines.backends.trt.logger import RECORD, logger_of
from engines.plan import EngineSpec, ModelSpec
from engines.worker.failure import WorkerError, explain
from tests.engines.cuda_support import HostClock
from tests.engines.trt_support import build_request, export_tiny

no_gpu = pytest.mark.skipif(cuda.problem() is None, reason="there is a GPU here")
GIB = 2**30


@pytest.fixture(scope="module")
def trt():
    return pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")


@pytest.fixture(scope="module")
def engine_file(trt, tmp_path_factory):
    """A real engine file of a tiny model."""
    folder = tmp_path_factory.mktemp("engine")
    onnx = export_tiny(folder / "tiny.onnx", ModelSpec(width=0.35, input_size=96, classes=10))
    tensorrt_rtx.build(build_request(onnx, folder / "e"), lambda *_, **__: None)
    return folder / "e"


@no_gpu
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: b"x" * 4096, "not an engine file"),
        (lambda data: data, "CUDA does not say what GPU there is"),
    ],
)
def test_an_engine_file_that_does_not_load_says_why(trt, engine_file, damage, words):
    data = damage(runtime.read_engine(str(engine_file)))
    RECORD.start()
    with pytest.raises(WorkerError, match=words) as caught:
        runtime.deserialize(trt, trt.Runtime(logger_of(trt)), data)
    assert caught.value.kind == "engine-file"
    assert "infer-tui build --force" in caught.value.hint


class OtherGpu:
    """TensorRT-RTX's runtime where the file is whole and this GPU is not one of its own."""

    engine_header_size = 4

    def __init__(self, trt):
        bits = int(trt.EngineInvalidityDiagnostics.UNSUPPORTED_CC)
        self._answer = (trt.EngineValidity.INVALID, bits)

    def get_engine_validity(self, header):
        assert len(header) == self.engine_header_size
        return self._answer


def test_a_file_for_another_gpu_is_not_to_be_built_again_as_it_is(trt):
    with pytest.raises(WorkerError, match="it was built for another GPU") as caught:
        runtime.deserialize(trt, OtherGpu(trt), b"a file")
    assert caught.value.kind == "engine-file"
    assert caught.value.hint == "set compute_capability=current, or run it on such a GPU"


class DriverMemoryError(Exception):
    """PyCUDA's own, which is none of Python's."""


class Driver:
    """`pycuda.driver`; what `fails` names does not work.

    `released` says in what order the context goes.
    """

    MemoryError = DriverMemoryError

    def __init__(self, *fails):
        self.fails, self.released = fails, []

    def init(self):
        pass

    def Device(self, _index):  # noqa: N802
        return SimpleNamespace(retain_primary_context=lambda: self)

    def push(self):
        self.released.append("push")

    def pop(self):
        self.released.append("pop")
        self.fail("pop")

    def detach(self):
        self.released.append("detach")

    def Stream(self):  # noqa: N802
        return SimpleNamespace(handle=1)

    def pagelocked_empty(self, shape, dtype):
        self.fail("cuMemHostAlloc")
        return np.empty(shape, dtype)

    def mem_alloc(self, size):
        self.fail("cuMemAlloc")
        return size

    def fail(self, what):
        if what in self.fails:
            raise DriverMemoryError(f"{what} failed: out of memory")


@pytest.fixture
def driver_that(monkeypatch):
    """Puts a driver in PyCUDA's place that fails at what it is told."""

    def fails_at(*names):
        driver = Driver(*names)
        monkeypatch.setattr(on_device, "import_module", lambda _: driver)
        monkeypatch.setattr(cuda, "problem", lambda *_: None)
        monkeypatch.setattr(cuda, "gpu", lambda _index: {"name": "a GPU"})
        monkeypatch.setattr(cuda, "memory", lambda: (2 * GIB, 80 * GIB))
        return driver

    return fails_at


@pytest.mark.parametrize(
    ("fails", "kind", "words"),
    [
        ("cuMemHostAlloc", "out-of-memory", "ran out of host memory: 1.5 GiB needed"),
        ("cuMemAlloc", "out-of-gpu-memory", "ran out of GPU memory: 1.5 GiB needed, 2.0 GiB free"),
    ],
)
def test_page_locked_memory_is_the_hosts(driver_that, fails, kind, words):
    driver_that(fails)
    device = on_device.open_device(0)
    # A float32 input of 1.5 GiB, whose pages nobody touches.
    with pytest.raises(WorkerError, match=words) as caught:
        device.prepare((3 * GIB // 8,), (1,))
    assert explain(caught.value)["kind"] == kind
    device.close()


def test_a_context_that_does_not_pop_is_released_all_the_same(driver_that):
    driver = driver_that("pop")
    device = on_device.open_device(0)
    with pytest.raises(DriverMemoryError, match="pop"):
        device.close()
    assert driver.released == ["push", "pop", "detach"]


class Working(Driver):
    """A driver whose GPU is host memory; notes what is put on its stream, in order."""

    def __init__(self):
        super().__init__()
        self.done = []

    def Stream(self):  # noqa: N802
        return SimpleNamespace(handle=1, synchronize=lambda: self.done.append("wait"))

    def mem_alloc(self, size):
        return np.empty(size // 4, np.float32)

    def memcpy_htod_async(self, target, source, _stream):
        self.done.append("in")
        target[:] = source.ravel()

    def memcpy_dtoh_async(self, target, source, _stream):
        self.done.append("out")
        target[:] = source.reshape(target.shape)


def test_a_request_is_copied_in_computed_copied_out_and_waited_for(monkeypatch):
    driver = Working()
    monkeypatch.setattr(on_device, "import_module", lambda _: driver)
    monkeypatch.setattr(cuda, "problem", lambda *_: None)
    device = on_device.open_device(0)
    device.prepare((2, 3), (2, 3))

    def compute():
        driver.done.append("compute")
        device._output[:] = device._input + 1

    device.host_input[...] = 5
    device.request(compute)()
    assert driver.done == ["in", "compute", "out", "wait"]
    assert np.all(device.host_output == 6)
    driver.done.clear()
    device.submission(compute)()
    assert driver.done == ["in", "compute", "out"], "who hands over waits later"
    driver.done.clear()
    clock = HostClock()
    monkeypatch.setattr(cuda, "_library", clock)
    times = device.times(compute, 2)
    assert driver.done == 2 * ["in", "compute", "out", "wait"]
    assert clock.streams == [1] * 8, "events are on the stream of the request"
    assert {len(column) for column in times.values()} == {2}
    device.close()


class BrokenGraph:
    """A captured graph in a context that an earlier error has spoilt."""

    def close(self):
        raise cuda.CudaError("cuGraphExecDestroy", 700)


@pytest.fixture
def backend(driver_that, engine_file, monkeypatch):
    """A backend with a graph that can't be closed, on a device that can't be either."""
    driver = driver_that("pop")
    monkeypatch.setattr(cuda, "error_name", lambda _code: "CUDA_ERROR_ILLEGAL_ADDRESS")
    options = registry.find("tensorrt-rtx").settings(EngineSpec(engine="tensorrt-rtx"))
    job = Job(
        engine="tensorrt-rtx", device="cuda", precision="fp32", batch=1, input_size=96,
        model={"classes": 10}, engine_file=str(engine_file), options=options,
    )  # fmt: skip
    made = tensorrt_rtx.BACKEND(job)
    made._graph = BrokenGraph()
    return made, driver


def test_cleaning_up_after_a_failed_load_keeps_its_error(backend, monkeypatch):
    engine, driver = backend

    def refuse(*_):
        raise WorkerError("the real reason", kind="engine-file")

    monkeypatch.setattr(runtime, "deserialize", refuse)
    with pytest.raises(WorkerError, match="the real reason"):
        engine.load()
    assert driver.released == ["push", "pop", "detach"]


def test_a_graph_that_does_not_close_keeps_nothing_else(backend):
    engine, driver = backend
    engine._device = on_device.open_device(0)
    engine._runtime = engine._engine = engine._context = object()
    with pytest.raises(DriverMemoryError) as caught:
        engine.close()
    assert "cuGraphExecDestroy" in str(caught.value.__context__)
    assert (engine._context, engine._engine, engine._runtime) == (None, None, None)
    assert driver.released == ["push", "pop", "detach"]
    engine.close()


@pytest.mark.parametrize("content", [None, b""])
def test_an_engine_file_that_is_not_there_is_told_so(tmp_path, content):
    if content is not None:
        (tmp_path / "e").write_bytes(content)
    with pytest.raises(WorkerError, match="engine file") as caught:
        runtime.read_engine(str(tmp_path / "e"))
    assert caught.value.kind == "engine-file"


@pytest.mark.parametrize(
    ("profiles", "batch", "chosen"),
    [
        ([(1, 8, 32)], 5, 0),
        ([(1, 1, 1), (2, 4, 8), (9, 16, 32)], 4, 1),
        ([(1, 1, 32), (1, 8, 32), (1, 32, 32)], 8, 1),
        ([(1, 32, 32), (1, 16, 32), (1, 1, 32)], 9, 1),
        ([(1, 1, 32), (1, 4, 32)], 20, 1),
    ],
)
def test_the_profile_nearest_to_the_batch_is_taken(profiles, batch, chosen):
    assert runtime.choose_profile(profiles, batch) == chosen


def test_a_batch_outside_every_profile_is_told_what_there_is():
    with pytest.raises(WorkerError) as caught:
        runtime.choose_profile([(1, 8, 32)], 64)
    assert str(caught.value) == "batch 64 is outside the engine's optimisation profile (1 to 32)"
    assert caught.value.kind == "usage"
    with pytest.raises(WorkerError, match=r"profiles \(1 to 1, 4 to 8\)"):
        runtime.choose_profile([(1, 1, 1), (4, 4, 8)], 3)
