"""Times by layer through the driver: real engines on the CPU, in workers of their own."""

from __future__ import annotations

import time
from itertools import groupby

import msgspec
import psutil
import pytest

from engines import layers
from engines.control import Control
from engines.errors import Cancelled, EngineUnavailable, UsageError
from engines.events import JobDone, JobFailed, JobStarted, Progress, Samples
from engines.layers import LayerProfile, LayerRecord, by_kind, profile_layers, ranked, without_graph
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.probing import probe
from engines.registry import Availability

QUICK = Measurement(warmup_min_seconds=0.1, warmup_max_seconds=0.5)
EAGER = EngineSpec(engine="eager", device="cpu", options={"threads": 1})
ORT = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
READY = tuple(Availability(name, "cpu", "ready") for name in ("eager", "onnxruntime"))


def plan_of(model: ModelSpec, *specs: EngineSpec) -> RunPlan:
    return RunPlan(model=model, measurement=QUICK, engines=specs)


def profiled(model: ModelSpec, spec: EngineSpec):
    """The events of the work and what it came to."""
    work, events = profile_layers(plan_of(model, spec), Control(), READY), []
    while True:
        try:
            events.append(next(work))
        except StopIteration as answer:
            return events, answer.value


def names_of_leaves(model: ModelSpec) -> list[str]:
    from engines.worker.model import build

    built = build(msgspec.to_builtins(model))
    return [name for name, one in built.named_modules() if not any(one.children())]


def test_eager_gives_the_modules_of_the_model(tiny):
    events, profile = profiled(tiny, EAGER)
    assert sorted(one.name for one in profile.layers) == sorted(names_of_leaves(tiny))
    assert profile.layers[0].name == "features.0.0"
    assert profile.layers[-1].name == "classifier.1"
    assert {one.name for one in by_kind(profile.layers)} >= {"Conv2d × 52", "BatchNorm2d × 52"}
    assert all(one.calls == 1 and one.precision == "FP32" for one in profile.layers)
    # By means, so that what disturbs a call counts in the layer and in the whole. What is left of
    # it are Python between the modules and the hooks, which weigh most in a model this small.
    assert 0.25 < profile.accounted < 1.0
    assert sum(one.ms for one in profile.layers) == pytest.approx(profile.total_ms)
    assert (profile.clock, profile.bare_ms, profile.invalid) == ("host", None, "")
    assert profile.host_ms > 0
    assert profile.profiled_ms > profile.total_ms
    assert profile.facts["threads"] == 1
    assert profile.versions["torch"]
    phases = [one for one, _ in groupby(e.phase for e in events if isinstance(e, Progress))]
    assert phases[-5:] == ["checking", "warm-up", "measuring", "profiling", "measuring"]
    assert [one.kind for one in events if isinstance(one, JobDone)][-1] == "layers"
    measured = [one for one in events if isinstance(one, Samples) and one.phase == "measuring"]
    assert sum(len(one.latencies_ms) for one in measured) >= 2 * layers.BARE_BOUNDS[0]
    assert not psutil.Process().children(recursive=True)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_onnx_runtime_gives_its_nodes(tiny, precision):
    events, profile = profiled(tiny, msgspec.structs.replace(ORT, precision=precision))
    assert profile.spec.precision == precision
    convolutions = [one for one in profile.layers if "Conv" in one.kind]
    assert len(convolutions) == 52
    import onnx

    exported = next(e.path for e in events if isinstance(e, JobDone) and e.kind == "export")
    known = [one.name for one in onnx.load(exported).graph.node]
    assert "/features/features.0/features.0.0/Conv" in known
    for one in convolutions:
        assert any(name in one.name for name in known), f"{one.name} is not the file's"
    # ONNX Runtime cuts every node's time to whole microseconds, and a tiny node has only some.
    assert 0.25 < profile.accounted < 1.0
    assert profile.notes[-1] == "ONNX Runtime counts whole microseconds and drops the rest"


def test_an_engine_that_can_not_run_says_so(tiny):
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    answer = next(probe([("tensorrt-rtx", "cuda", "")]))
    if answer.ready:
        pytest.skip("there is a GPU of RTX's here")
    spec = EngineSpec(engine="tensorrt-rtx", device="cuda")
    with pytest.raises(EngineUnavailable, match="tensorrt-rtx is not available here") as caught:
        next(profile_layers(plan_of(tiny, spec), Control(), [answer]))
    assert answer.reason in str(caught.value)


def test_a_precision_that_an_interpreter_lacks_is_refused(tiny):
    lacking = Availability("eager", "cpu", "ready", precisions=("fp32",))
    spec = msgspec.structs.replace(EAGER, precision="bf16")
    with pytest.raises(EngineUnavailable, match="has no bf16 here"):
        next(profile_layers(plan_of(tiny, spec), Control(), [lacking]))


@pytest.mark.parametrize("specs", [(), (EAGER, ORT)])
def test_layers_are_of_one_engine(tiny, specs):
    with pytest.raises(UsageError, match="of one engine"):
        next(profile_layers(plan_of(tiny, *specs), Control(), READY))


@pytest.mark.parametrize("phase", ["starting", "warm-up", "profiling"])
def test_stopped_work_ends_soon_and_leaves_no_child(tiny, phase):
    control, events, asked_at = Control(), [], []

    def stop_in_phase() -> None:
        for event in profile_layers(plan_of(tiny, EAGER), control, READY):
            events.append(event)
            if isinstance(event, Progress) and event.phase == phase and "layers" in event.job:
                asked_at.append(time.monotonic())
                control.cancel()

    with pytest.raises(Cancelled):
        stop_in_phase()
    assert time.monotonic() - asked_at[0] < 3.5
    assert isinstance(events[-1], JobFailed)
    assert events[-1].reason == "stopped by the user"
    assert not psutil.Process().children(recursive=True)


def test_work_that_nobody_goes_on_with_leaves_no_child(tiny):
    work = profile_layers(plan_of(tiny, EAGER), Control(), READY)
    next(event for event in work if isinstance(event, JobStarted) and event.kind == "layers")
    next(work)
    work.close()
    assert not psutil.Process().children(recursive=True)


@pytest.mark.parametrize(("after_ms", "noted"), [(8.5, False), (20.0, True)])
def test_a_machine_that_changes_its_speed_meanwhile_is_said(tiny, monkeypatch, after_ms, noted):
    times = iter([8.0, after_ms])

    def bare(worker, job, each_ms):
        yield Progress(job, "measuring")
        return next(times)

    monkeypatch.setattr(layers, "_bare", bare)
    _, profile = profiled(tiny, EAGER)
    assert profile.host_ms == (8.0 + after_ms) / 2
    said = [one for one in profile.notes if "speed changed" in one]
    assert bool(said) is noted, profile.notes
    if noted:
        assert "took 8.000 ms before and 20.000 ms after" in said[0]


@pytest.mark.parametrize(
    ("engine", "options", "off"),
    [
        ("eager", {"cuda_graph": True}, {"cuda_graph": False}),
        ("onnxruntime", {}, {"cuda_graph": False}),
        ("tensorrt", {"builder_level": 0}, {"builder_level": 0, "cuda_graph": False}),
        ("compile", {"mode": "reduce-overhead"}, {"mode": "default"}),
        ("compile", {"mode": "max-autotune"}, {"mode": "max-autotune-no-cudagraphs"}),
        ("compile", {}, {}),
    ],
)
def test_no_layer_is_looked_for_in_a_cuda_graph(engine, options, off):
    spec = EngineSpec(engine=engine, device="cuda", options=options)
    assert without_graph(spec).options == off


def test_on_the_cpu_nothing_is_changed():
    spec = EngineSpec(engine="compile", device="cpu", options={"mode": "reduce-overhead"})
    assert without_graph(spec) == spec


def record(name: str, kind: str, ms: float, **fields) -> LayerRecord:
    return LayerRecord(name=name, kind=kind, ms=ms, mean_ms=ms, **fields)


PROFILE = LayerProfile(
    label="x", model=ModelSpec(), spec=EAGER, n=3, row="a row", clock="host", whole_ms=10.0,
    host_ms=8.0, profiled_ms=10.0,
    layers=(
        record("b", "Conv", 2.0, precision="FP16", provider="CUDA"),
        record("c", "Add", 1.0, precision="FP16"),
        record("a", "Conv", 5.0, precision="FP32", provider="CUDA", calls=2.0),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("order", "reverse", "names"),
    [
        ("time", False, "abc"), ("time", True, "cba"), ("order", False, "bca"),
        ("name", False, "abc"), ("kind", False, "cab"), ("name", True, "cba"),
    ],
)  # fmt: skip
def test_layers_are_ranked(order, reverse, names):
    found = ranked(PROFILE, order, reverse=reverse)
    assert "".join(one.layer.name for one in found) == names
    assert found[-1].cumulative == pytest.approx(1.0)
    places = {one.layer.name: one.place for one in found}
    assert places == {"b": 1, "c": 2, "a": 3}, "a place is that in the inference"


def test_shares_and_what_the_profiler_cost():
    first = ranked(PROFILE)[0]
    assert first.share == pytest.approx(5 / 8)
    assert PROFILE.accounted == pytest.approx(0.8)
    assert PROFILE.slowdown == pytest.approx(0.25)


def test_kinds_add_up():
    convolutions, additions = by_kind(PROFILE.layers)
    assert (convolutions.name, convolutions.ms, convolutions.calls) == ("Conv × 2", 7.0, 3.0)
    assert (convolutions.precision, convolutions.provider) == ("", "CUDA")
    assert (additions.name, additions.precision) == ("Add × 1", "FP16")
