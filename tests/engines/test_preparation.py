"""Shared conversions: what fails fails alone."""

from __future__ import annotations

import os
import signal

import msgspec
import pytest

from engines.benchmark import Benchmark
from engines.control import Control
from engines.errors import Cancelled, WorkerFailed
from engines.events import EngineFinished
from engines.model import finish
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.preparation import Preparation
from engines.runner import run


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_conversion_that_dies_takes_no_other_with_it(tiny, tmp_path):
    with Preparation(Control(), tmp_path / "log") as making:
        weights = finish(making.weights(tiny))
        finish(making.onnx(tiny, weights))
        os.kill(making._worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="killed by SIGKILL"):
            finish(making.onnx(tiny, weights, "int8"))
        fp16 = finish(making.onnx(tiny, weights, "fp16"))
    assert fp16.meta.facts["tensor_types"]["FLOAT16"] > 50
    assert fp16.meta.facts["cosine"] > 0.999


def test_calibration_images_that_are_not_there_fail_only_the_row_that_needs_them(tiny, tmp_path):
    plan = RunPlan(
        model=msgspec.structs.replace(tiny, calibration=str(tmp_path / "none.npy")),
        measurement=Measurement(iterations=10, warmup_max_seconds=0.3),
        engines=(
            EngineSpec(engine="onnxruntime", device="cpu", precision="int8"),
            EngineSpec(engine="onnxruntime", device="cpu"),
        ),
    )
    results = [one.result for one in run(plan, Control()) if isinstance(one, EngineFinished)]
    assert [one.status for one in results] == ["failed", "ok"]
    assert "none.npy" in results[0].reason


def test_int8_on_the_cpu_is_measured_and_within_its_tolerance(tiny):
    plan = RunPlan(
        model=tiny,
        measurement=Measurement(iterations=20, warmup_max_seconds=0.3),
        engines=(EngineSpec(engine="onnxruntime", device="cpu", precision="int8"),),
    )
    (result,) = [one.result for one in run(plan, Control()) if isinstance(one, EngineFinished)]
    assert result.status == "ok", result.reason
    assert 0.95 < result.accuracy.cosine < 0.9999, "eight bits round"


@pytest.mark.parametrize("error", [WorkerFailed("the stream broke"), Cancelled()])
def test_the_extra_pass_with_device_events_does_not_undo_a_measurement(error):
    class Worker:
        """Fails at the one request that the pass makes."""

        cancelled = False

        def ask(self, do, **_fields):
            assert do == "times"
            raise error
            yield

    benchmark = Benchmark(
        job="job", entry=0, label="x", spec=EngineSpec(engine="eager", device="cuda"),
        measurement=Measurement(), load={}, reference="",
    )  # fmt: skip
    benchmark._found["facts"] = {"provider": "torch CUDA"}
    assert list(benchmark.extra_passes(Worker())) == []
    result = benchmark.result()
    assert result.status == "ok"
    assert result.facts["device_times_failed"] == error.message
