"""Engine files: known by what they are made from, built once, kept until a new one is whole.

TensorRT-RTX really builds them here, for a named GPU.
"""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest

from engines import artifacts, building
from engines.artifacts import Artifact, Cache, Making
from engines.control import Control
from engines.errors import Cancelled, EngineUnavailable, UsageError, WorkerFailed
from engines.events import JobDone, JobFailed, JobStarted, Progress
from engines.model import finish
from engines.plan import EngineSpec
from engines.probing import probe
from engines.registry import Availability, find, profiles_of
from tests.conftest import TINY

ADA = {"compute_capability": "8.9"}
SPEC = EngineSpec(engine="tensorrt-rtx", device="cuda", precision="fp16", options=ADA)
H100 = {"name": "NVIDIA H100", "compute_capability": "9.0", "memory_bytes": 80 << 30}
L4 = {"name": "NVIDIA L4", "compute_capability": "8.9", "memory_bytes": 24 << 30}
TENSORRT = EngineSpec(engine="tensorrt", device="cuda", precision="fp16")
ANSWER = Availability(
    "tensorrt", "cuda", "ready", versions={"tensorrt": "10.16.1"}, builds=True, gpus=(H100, L4)
)
OF_ANOTHER_VERSION = Availability(
    "tensorrt", "cuda", "ready", versions={"tensorrt": "11.4"}, builds=True, gpus=(H100, L4)
)


@pytest.fixture(scope="module")
def rtx() -> Availability:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    return next(probe([("tensorrt-rtx", "cuda", "")]))


@pytest.fixture(scope="module")
def converted(rtx, tmp_path_factory) -> Path:
    """A cache that holds what engines are made from, and no engine."""
    folder = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CACHE", "STATE", "CONFIG", "DATA"):
            patch.setenv(f"XDG_{name}_HOME", str(folder))
        finish(building.build(TINY, SPEC, rtx, Control()))
        shutil.rmtree(Cache().root / "build")
    return folder


@pytest.fixture
def own_cache(converted: Path, tmp_path, monkeypatch) -> None:
    shutil.copytree(converted, tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def change(spec: EngineSpec, **options) -> EngineSpec:
    return msgspec.structs.replace(spec, options=spec.options | options)


def target(spec: EngineSpec = TENSORRT, answer: Availability = ANSWER, model=None, driver="580.1"):
    from engines.plan import ModelSpec

    return building.target_of(model or ModelSpec(), spec, answer, "0" * 64, driver)


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (target(change(TENSORRT, builder_level=5)), "builder_level"),
        (target(change(TENSORRT, workspace_mib=512)), "workspace_mib"),
        (target(change(TENSORRT, hardware_compatibility="ampere_plus")), "hardware_compatibility"),
        (target(change(TENSORRT, version_compatible=True)), "version_compatible"),
        (target(msgspec.structs.replace(TENSORRT, precision="int8")), "precision"),
        (target(change(TENSORRT, max_batch=8)), "batches"),
        (target(change(TENSORRT, profile_batches="1,8")), "batches"),
        (target(change(TENSORRT, gpu=1)), "gpu"),
        (target(driver="580.2"), "driver"),
        (target(answer=OF_ANOTHER_VERSION), "TensorRT"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_whatever_changes_the_engine_changes_its_key(other, part):
    assert other.parts[part] != target().parts[part]


@pytest.mark.parametrize("name", ["timing_cache", "verbose_log", "cuda_graph"])
def test_what_does_not_change_the_engine_is_no_part(name):
    default = find("tensorrt").option(name).default
    assert target(change(TENSORRT, **{name: not default})).parts == target().parts


def test_an_engine_for_a_named_gpu_depends_on_no_driver():
    here = Availability("tensorrt-rtx", "cuda", "ready", builds_for_named=True, gpus=(H100,))
    parts = target(SPEC, here).parts
    assert (parts["gpu"], parts["compute capability"], parts["driver"]) == ("any", "8.9", "any")


@pytest.mark.parametrize(
    ("options", "batch", "profiles"),
    [
        ({}, 4, ((4, 4, 4),)),
        ({"max_batch": 8}, 4, ((4, 4, 8),)),
        ({"min_batch": 1, "opt_batch": 8, "max_batch": 32}, 4, ((1, 8, 32),)),
        ({"profile_batches": "1,8,32"}, 4, ((1, 1, 1), (2, 8, 8), (9, 32, 32))),
    ],
)
def test_the_optimisation_profiles_of_an_entry(options, batch, profiles):
    spec = msgspec.structs.replace(TENSORRT, batch=batch, options=options)
    assert profiles_of(spec) == profiles


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_batch": 2, "min_batch": 2}, "batch 4 is outside the optimisation profile"),
        ({"min_batch": 8, "max_batch": 2}, "expected min_batch ≤ opt_batch ≤ max_batch"),
        ({"profile_batches": "1,2"}, "batch 4 is outside"),
        ({"profile_batches": "8,1"}, "expected rising batch sizes"),
        ({"profile_batches": "8", "max_batch": 8}, "set one of the two"),
    ],
)
def test_profiles_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        profiles_of(msgspec.structs.replace(TENSORRT, batch=4, options=options))
    assert message in str(caught.value)


def test_what_can_not_be_built_is_refused_before_anything_is_made(rtx, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    current = EngineSpec(engine="tensorrt-rtx", device="cuda")
    with pytest.raises(EngineUnavailable, match="name the GPUs to build for"):
        finish(building.build(tiny, current, rtx, Control()))
    no_pycuda = Availability(
        "tensorrt", "cuda", "unavailable", "pycuda is not installed", "pip install pycuda",
        builds=True, gpus=(H100,),
    )  # fmt: skip
    building.check_can_build(find("tensorrt"), TENSORRT, no_pycuda)
    with pytest.raises(EngineUnavailable, match="there is no GPU 3: CUDA counts 1"):
        building.check_can_build(find("tensorrt"), change(TENSORRT, gpu=3), no_pycuda)
    missing = Availability("tensorrt", "cuda", "unavailable", "not installed", "pip install it")
    with pytest.raises(EngineUnavailable, match="can't build here: not installed; pip install it"):
        building.check_can_build(find("tensorrt"), TENSORRT, missing)
    old = Availability(
        "tensorrt", "cuda", "ready", versions={"tensorrt": "8.6.0"}, precisions=("fp32", "fp16"),
        builds=True, gpus=(H100,),
    )  # fmt: skip
    with pytest.raises(EngineUnavailable, match=r"tensorrt 8\.6\.0 has no bf16 here"):
        building.check_can_build(
            find("tensorrt"), msgspec.structs.replace(TENSORRT, precision="bf16"), old
        )
    assert not (tmp_path / "cache").exists()


def test_a_kept_engine_is_found_and_a_changed_one_says_what_changed(rtx, tiny, own_cache):
    assert building.state_of(tiny, SPEC, rtx).kind == "missing"
    events = list(building.build(tiny, SPEC, rtx, Control()))
    kinds = [one.kind for one in events if isinstance(one, JobStarted)]
    assert kinds == ["weights", "export", "build"]
    assert {"parsing", "building"} <= {one.phase for one in events if isinstance(one, Progress)}
    assert events[-1].size_bytes > 100_000
    state = building.state_of(tiny, SPEC, rtx)
    assert (state.kind, state.meta.size_bytes) == ("built", events[-1].size_bytes)
    again = list(building.build(tiny, SPEC, rtx, Control()))
    assert all(one.cached for one in again if isinstance(one, JobDone))
    other = change(SPEC, compute_capability="8.6")
    state = building.state_of(tiny, other, rtx)
    assert (state.kind, state.why) == ("stale", "changed: compute capability 8.9 → 8.6")


def test_a_damaged_engine_file_is_built_again(rtx, tiny, own_cache):
    first = finish(building.build(tiny, SPEC, rtx, Control()))
    first.path.write_bytes(first.path.read_bytes()[:-1])
    events = list(building.build(tiny, SPEC, rtx, Control()))
    started = next(one for one in events if isinstance(one, JobStarted) and one.kind == "build")
    assert started.why == "the kept file is damaged"
    assert events[-1].cached is False


def test_a_build_anew_replaces_the_kept_one_when_it_is_whole(rtx, tiny, own_cache):
    first = finish(building.build(tiny, SPEC, rtx, Control()))
    second = finish(building.build(tiny, SPEC, rtx, Control(), anew=True))
    assert second.path == first.path
    assert second.meta.seconds != first.meta.seconds
    assert [one.name for one in first.path.parent.parent.glob(".*")] == []


def test_a_stopped_build_leaves_the_old_engine_and_nothing_else(rtx, tiny, own_cache):
    kept = finish(building.build(tiny, SPEC, rtx, Control()))
    before = kept.path.read_bytes()
    control, stopped_at, seen = Control(), [0.0], []
    with pytest.raises(Cancelled):
        stop_at_the_builder(
            building.build(tiny, SPEC, rtx, control, anew=True), control, stopped_at, seen
        )
    assert time.monotonic() - stopped_at[0] < 3.0
    assert isinstance(seen[-1], JobFailed)
    assert psutil.Process().children(recursive=True) == []
    assert kept.path.read_bytes() == before
    assert [one.name for one in kept.path.parent.parent.glob(".*")] == []
    assert building.state_of(tiny, SPEC, rtx).kind == "built"


def stop_at_the_builder(events, control, stopped_at, seen) -> None:
    for event in events:
        seen.append(event)
        if isinstance(event, Progress) and not stopped_at[0] and event.job.startswith("build"):
            stopped_at[0] = time.monotonic()
            control.cancel()


def test_two_that_want_one_engine_build_it_once(rtx, tiny, own_cache):
    finish(building.build(tiny, change(SPEC, compute_capability="7.5"), rtx, Control()))
    ready = threading.Barrier(2)

    def one() -> JobDone:
        ready.wait()
        return list(building.build(tiny, SPEC, rtx, Control()))[-1]

    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda _: one(), range(2))
    assert a.path == b.path
    assert sorted((a.cached, b.cached)) == [False, True]


def test_what_another_process_made_meanwhile_is_new_enough(tmp_path, monkeypatch):
    """Asked to make it anew, and it was made anew during the wait for the lock."""
    cache, parts = Cache(tmp_path), {"a": "1"}
    make(cache, parts, b"old")
    waits, lock = threading.Event(), artifacts._lock

    def announced(path: Path, control: Control):
        waits.set()
        return lock(path, control)

    with ThreadPoolExecutor(1) as pool:
        with cache.making("build", "slot", parts, Control(), anew=True) as first:
            assert isinstance(first, Making)
            monkeypatch.setattr(artifacts, "_lock", announced)
            waiting = pool.submit(second_maker, cache, parts)
            waits.wait()
            (first.folder / "file").write_bytes(b"new")
            first.keep("file", 2.0, {})
        assert waiting.result().path.read_bytes() == b"new"


def make(cache: Cache, parts: dict[str, str], data: bytes) -> None:
    with cache.making("build", "slot", parts, Control()) as making:
        assert isinstance(making, Making)
        (making.folder / "file").write_bytes(data)
        making.keep("file", 1.0, {})


def second_maker(cache: Cache, parts: dict[str, str]) -> Artifact:
    with cache.making("build", "slot", parts, Control(), anew=True) as found:
        assert isinstance(found, Artifact)
        return found


def test_who_holds_the_gpu_is_named_where_memory_ran_out(monkeypatch):
    from engines import gpus

    error = WorkerFailed(
        "out of GPU memory", hint="choose a smaller batch", kind="out-of-gpu-memory"
    )
    users = (gpus.GpuProcess(4242, "python", 70 << 30), gpus.GpuProcess(7, "train", None))
    monkeypatch.setattr(gpus.Gpus, "processes", lambda _self: users)
    named = building.with_gpu_users(error)
    assert "on the GPU: python (process 4242) holding 70.0 GiB, train (process 7)" in named.hint
    other = WorkerFailed("anything else")
    assert building.with_gpu_users(other) is other
