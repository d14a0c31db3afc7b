"""TensorRT: built, kept, rebuilt, cancelled, damaged, run; on a real GPU."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest

from engines import building
from engines.artifacts import Artifact, Cache, read_meta
from engines.control import Control
from engines.errors import Cancelled, UsageError
from engines.events import EngineFinished, JobDone, JobStarted, Progress
from engines.model import finish
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.registry import Availability
from engines.runner import run

QUICK = Measurement(iterations=200, warmup_min_seconds=0.2, warmup_max_seconds=2.0)
# Level 0 takes the first kernel that fits: seconds instead of a minute.
FAST_BUILD = {"builder_level": 0}


@pytest.fixture
def spec(tensorrt: Availability) -> EngineSpec:
    return EngineSpec(
        engine="tensorrt",
        device="cuda",
        precision="fp16",
        environment=tensorrt.environment,
        options=dict(FAST_BUILD),
    )


def change(spec: EngineSpec, **options) -> EngineSpec:
    fields = {name: options.pop(name) for name in ("precision", "batch") if name in options}
    return msgspec.structs.replace(spec, options=spec.options | options, **fields)


def built(model: ModelSpec, spec: EngineSpec, answer: Availability, **how) -> Artifact:
    return finish(building.build(model, spec, answer, Control(), **how))


def measured(model: ModelSpec, *specs: EngineSpec):
    plan = RunPlan(model=model, measurement=QUICK, engines=specs)
    events = list(run(plan, Control()))
    return events, [e.result for e in events if isinstance(e, EngineFinished)]


@pytest.mark.shares_gpu
def test_each_precision_is_built_run_and_is_what_it_says(tiny, tensorrt, spec):
    specs = [change(spec, precision=one) for one in tensorrt.known_precisions]
    events, results = measured(tiny, *specs)
    assert len([e for e in events if isinstance(e, JobDone) and e.kind == "build"]) == len(specs)
    for result in results:
        assert result.status == "ok", f"{result.label}: {result.reason} {result.hint}"
        assert result.facts["cuda_graph"] is True, result.facts
        assert result.build_ms > 0
        assert result.device.compute_ms < result.latency.p50_ms
        if result.spec.precision in ("fp16", "int8"):
            layers = {name: n for name, n in result.facts.items() if name.startswith("layers_")}
            assert layers.get(f"layers_{result.spec.precision.upper()}", 0) > 10, layers


@pytest.mark.shares_gpu
def test_a_kept_engine_is_not_built_again_and_a_changed_one_says_what_changed(tiny, tensorrt, spec):
    first = built(tiny, spec, tensorrt)
    assert building.state_of(tiny, spec, tensorrt).kind == "built"
    began = time.monotonic()
    again = built(tiny, spec, tensorrt)
    assert again == first
    assert time.monotonic() - began < 2.0
    other = change(spec, builder_level=1)
    state = building.state_of(tiny, other, tensorrt)
    assert (state.kind, state.why) == ("stale", "changed: builder_level 0 → 1")


@pytest.mark.shares_gpu
def test_one_engine_serves_every_batch_of_its_profile(tiny, tensorrt, spec):
    wide = change(spec, min_batch=1, opt_batch=4, max_batch=8)
    specs = [change(wide, batch=batch) for batch in (1, 4, 8)]
    events, results = measured(tiny, *specs)
    builds = [e for e in events if isinstance(e, JobDone) and e.kind == "build"]
    assert [one.cached for one in builds] == [False, True, True]
    assert {one.artifacts["engine"] for one in results} == {results[0].artifacts["engine"]}
    assert [one.status for one in results] == ["ok"] * 3, results
    with pytest.raises(UsageError, match="batch 9 is outside the optimisation profile"):
        measured(tiny, change(wide, batch=9))


@pytest.mark.shares_gpu
def test_several_profiles_in_one_file(tiny, tensorrt, spec):
    ladder = change(spec, profile_batches="1,8")
    _, results = measured(tiny, *(change(ladder, batch=batch) for batch in (1, 5, 8)))
    assert [one.status for one in results] == ["ok"] * 3, results
    assert [one.facts["profile"] for one in results] == ["1/1/1", "2/8/8", "2/8/8"]


@pytest.mark.parametrize("harm", ["truncated", "foreign"])
@pytest.mark.shares_gpu
def test_a_damaged_engine_file_is_built_again_and_says_why(tiny, tensorrt, spec, harm):
    first = built(tiny, spec, tensorrt)
    content = first.path.read_bytes()
    first.path.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "foreign": b"\x7fELF" + content[4:],
        }[harm]
    )
    events, (result,) = measured(tiny, spec)
    started = next(e for e in events if isinstance(e, JobStarted) and e.kind == "build")
    assert started.why == "the kept file is damaged"
    assert result.status == "ok", result.reason


@pytest.mark.shares_gpu
def test_a_file_that_tensorrt_can_not_load_is_a_row_that_says_so(tiny, tensorrt, spec):
    """What the fingerprint can't know: the record fits, TensorRT still refuses the file."""
    first = built(tiny, spec, tensorrt)
    meta = read_meta(first.path.parent)
    first.path.write_bytes(b"not an engine" * 1000)
    from engines.artifacts import META, sha256_of

    (first.path.parent / META).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(meta, sha256=sha256_of(first.path)))
    )
    _, (result,) = measured(tiny, spec)
    assert result.status == "failed"
    assert "engine" in result.reason
    assert "build" in result.hint
    built(tiny, spec, tensorrt, anew=True)


@pytest.mark.shares_gpu
def test_a_stopped_build_ends_within_three_seconds_and_leaves_the_old_engine(tensorrt, spec):
    model = ModelSpec(width=0.35, input_size=96, classes=10)
    kept = built(model, spec, tensorrt)
    before = kept.path.read_bytes()
    slow = change(spec, builder_level=5, timing_cache=False)
    for one in (spec, slow):
        control, stopped_at = Control(), []
        with pytest.raises(Cancelled):
            stop_when_building(building.build(model, one, tensorrt, control, anew=True), control,
                               stopped_at)  # fmt: skip
        assert time.monotonic() - stopped_at[0] < 3.0
        assert not psutil.Process().children(recursive=True)
    assert kept.path.read_bytes() == before
    assert building.state_of(model, spec, tensorrt).kind == "built"


def stop_when_building(events, control: Control, stopped_at: list[float]) -> None:
    for event in events:
        if isinstance(event, Progress) and event.phase == "building" and not stopped_at:
            stopped_at.append(time.monotonic())
            control.cancel()


@pytest.mark.shares_gpu
def test_two_that_want_the_same_engine_build_it_once(tiny, tensorrt, spec):
    wanted = change(spec, workspace_mib=512)
    ready = threading.Barrier(2)

    def one() -> list[JobDone]:
        ready.wait()
        events = building.build(tiny, wanted, tensorrt, Control())
        return [e for e in events if isinstance(e, JobDone) and e.kind == "build"]

    with ThreadPoolExecutor(2) as pool:
        done = [job for jobs in pool.map(lambda _: one(), range(2)) for job in jobs]
    assert sorted(job.cached for job in done) == [False, True]
    assert done[0].path == done[1].path


def test_a_warm_timing_cache_halves_a_rebuild(tiny, tensorrt, spec, tmp_path, monkeypatch):
    """At the default level, where most of a build is timing kernels.

    Of 64 images, in which FP16 is faster beyond what a busy host makes of single microseconds.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    default = change(spec, batch=64, builder_level=3)
    first = built(tiny, default, tensorrt)
    second = built(tiny, default, tensorrt, anew=True)
    assert first.meta.facts["timing_cache"] == "cold"
    assert second.meta.facts["timing_cache"] == "warm"
    assert second.meta.seconds < first.meta.seconds / 2, (first.meta.seconds, second.meta.seconds)


@pytest.mark.shares_gpu
def test_a_precision_that_this_tensorrt_lacks_is_said_before_anything_is_made(tiny, tensorrt, spec):
    if "bf16" in tensorrt.known_precisions:
        pytest.skip("this TensorRT has every precision")
    _, (result,) = measured(tiny, change(spec, precision="bf16"))
    assert result.status == "unavailable"
    assert "has no bf16" in result.reason


def test_a_crowded_gpu_fails_the_row_in_words(tensorrt, spec, crowded_gpu):
    _, (result,) = measured(ModelSpec(), change(spec, batch=256))
    assert result.status == "failed"
    assert "memory" in result.reason, result
    assert "GiB" in result.reason or "MiB" in result.reason, result


@pytest.mark.shares_gpu
def test_rtx_says_what_this_gpu_lacks_before_anything_is_built(tiny, tensorrt):
    from engines.probing import probe

    answer = next(probe([("tensorrt-rtx", "cuda", "")]))
    if not answer.versions:
        pytest.skip("TensorRT-RTX is not installed here")
    if tensorrt.gpu["compute_capability"] != "9.0":
        pytest.skip("this GPU may be one of RTX's")
    assert not answer.ready
    assert "compute capability 9.0 is not supported" in answer.reason
    _, (result,) = measured(tiny, EngineSpec(engine="tensorrt-rtx", device="cuda"))
    assert result.status == "unavailable"
    assert not list(Path(Cache().root / "build").glob("*rtx*"))
