"""The runner with the real engines, on a model small enough to take moments."""

from __future__ import annotations

import os
import signal
from itertools import groupby

import msgspec
import numpy as np
import psutil
import pytest

from engines import registry
from engines.control import Control
from engines.errors import UsageError
from engines.events import (
    EngineFinished,
    JobDone,
    JobFailed,
    JobStarted,
    Progress,
    RunFinished,
    RunStarted,
    Samples,
)
from engines.plan import EngineSpec, Measurement, ModelSpec, RunPlan
from engines.runner import check_memory, checked_images, run

QUICK = Measurement(iterations=30, warmup_min_seconds=0.05, warmup_max_seconds=1.0)


def plan_of(tiny: ModelSpec, *engines: EngineSpec, measurement: Measurement = QUICK) -> RunPlan:
    return RunPlan(model=tiny, measurement=measurement, engines=engines)


def results(events) -> dict:
    return {event.entry: event.result for event in events if isinstance(event, EngineFinished)}


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_every_engine_of_this_machine_measures_the_same_model(tiny):
    plan = plan_of(
        tiny,
        EngineSpec(engine="eager"),
        EngineSpec(engine="eager", precision="bf16", batch=2),
        EngineSpec(engine="compile"),
        EngineSpec(engine="onnxruntime", options={"intra_op_threads": 1}),
        EngineSpec(engine="onnxruntime", options={"inter_op_threads": 2}, batch=3),
        EngineSpec(engine="tensorrt"),
    )
    events = list(run(plan, Control()))
    assert isinstance(events[0], RunStarted)
    assert events[-1].ending == "complete"
    found = results(events)
    for entry in range(5):
        result = found[entry]
        assert result.status == "ok", result.reason
        assert result.spec.device == "cpu"
        assert result.latency.n == 30
        assert result.latency.percentile(99).value_ms is None, "30 samples know no p99"
        assert result.latency.min_ms <= result.latency.p50_ms <= result.latency.max_ms
        assert result.throughput == pytest.approx(1000 * result.spec.batch / result.latency.mean_ms)
        assert result.accuracy.within_tolerance
        assert result.accuracy.images >= 64
        assert result.peak_host_bytes > 30e6
        assert result.load_ms > 0
        assert result.first_inference_ms > 0
        assert result.stop.reason == "30 iterations were asked for"
    assert found[2].compile_ms > 0
    assert found[2].facts["graph_breaks"] == 0
    assert found[3].facts["intra_op_threads"] == 1
    assert found[3].facts["nodes_CPUExecutionProvider"] > 10
    assert found[4].facts["execution_mode"] == "parallel"
    assert found[1].accuracy.max_error > found[0].accuracy.max_error, "bf16 rounds more"
    assert found[0].artifacts["weights"] == found[3].artifacts["weights"]
    assert found[5].status == "unavailable"
    assert found[5].reason
    assert children() == []


def test_events_come_in_order_and_carry_every_sample(tiny):
    events = list(run(plan_of(tiny, EngineSpec(engine="onnxruntime")), Control()))
    kinds = [event.kind for event in events if isinstance(event, JobStarted)]
    assert kinds == ["weights", "summary", "reference", "export", "benchmark"]
    done = [event.kind for event in events if isinstance(event, JobDone)]
    assert done == kinds
    # On a busy machine a phase says more than once how far it is.
    phases = [one for one, _ in groupby(e.phase for e in events if isinstance(e, Progress))]
    assert phases[-4:] == ["loading", "checking", "warm-up", "measuring"]
    blocks = [event for event in events if isinstance(event, Samples)]
    measured = np.concatenate([one.latencies_ms for one in blocks if one.phase == "measuring"])
    assert len(measured) == 30
    assert measured.mean() == pytest.approx(results(events)[0].latency.mean_ms)
    starts = [one.start_s for one in blocks]
    assert starts == sorted(starts)
    again = list(run(plan_of(tiny, EngineSpec(engine="onnxruntime")), Control()))
    assert all(
        event.cached for event in again if isinstance(event, JobDone) and event.kind != "benchmark"
    ), "what was converted once is found again"


def test_a_stop_in_the_middle_keeps_what_was_measured(tiny):
    control = Control()
    endless = Measurement(seconds=600.0, warmup_min_seconds=0.05, warmup_max_seconds=1.0)
    plan = plan_of(
        tiny,
        EngineSpec(engine="onnxruntime"),
        EngineSpec(engine="eager"),
        measurement=endless,
    )
    events = []
    for event in run(plan, control):
        events.append(event)
        if isinstance(event, Samples) and event.phase == "measuring":
            control.cancel()
    found = results(events)
    assert found[0].status == "stopped"
    assert found[0].latency.n > 0
    assert found[0].stop.reason == "stopped by the user"
    assert found[1].status == "stopped"
    assert found[1].latency is None
    assert events[-1] == RunFinished("stopped", events[-1].seconds)
    assert children() == []


def test_a_killed_worker_is_a_row_and_the_others_go_on(tiny):
    plan = plan_of(
        tiny,
        EngineSpec(engine="onnxruntime"),
        EngineSpec(engine="onnxruntime", options={"intra_op_threads": 1}),
        measurement=Measurement(iterations=2000, warmup_max_seconds=0.2),
    )
    events, killed = [], False
    for event in run(plan, Control()):
        events.append(event)
        if isinstance(event, Samples) and event.phase == "measuring" and not killed:
            killed = True
            for child in children():
                os.kill(child.pid, signal.SIGKILL)
    found = results(events)
    assert found[0].status == "failed"
    assert "killed by SIGKILL while measuring" in found[0].reason
    assert found[0].latency.n > 0, "the samples that came before stay"
    assert found[1].status == "ok"
    failed = [event for event in events if isinstance(event, JobFailed)]
    assert [event.entry for event in failed] == [0]


def test_leaving_the_iteration_ends_the_children(tiny):
    events = run(plan_of(tiny, EngineSpec(engine="onnxruntime")), Control())
    for event in events:
        if isinstance(event, Samples):
            break
    assert children()
    events.close()
    assert children() == []


def test_an_engine_outside_its_tolerance_is_invalid_however_fast(tiny, monkeypatch):
    from engines.worker import accuracy

    logits = np.array([[1.0, 0.0], [0.0, 1.0]])
    good = accuracy.compare(logits + 1e-6, logits, 0.9999)
    assert good["within_tolerance"]
    assert good["top1_agreement"] == 1.0
    swapped = accuracy.compare(logits[::-1], logits, 0.9999)
    assert not swapped["within_tolerance"]
    assert swapped["top1_agreement"] == 0.0
    with_nan = accuracy.compare(np.array([[np.nan, 0.0], [0.0, 1.0]]), logits, 0.5)
    assert with_nan["nan_count"] == 1
    assert not with_nan["within_tolerance"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engines": ()}, "names no engine"),
        ({"engines": (EngineSpec(engine="onxruntime"),)}, "did you mean 'onnxruntime'"),
        (
            {"engines": (EngineSpec(engine="eager", precision="int8"),)},
            "eager has no int8",
        ),
    ],
)
def test_a_plan_that_asks_for_what_does_not_exist_starts_nothing(tiny, change, message):
    with pytest.raises(UsageError, match=message):
        run(msgspec.structs.replace(plan_of(tiny), **change), Control())
    assert children() == []


def test_weights_of_another_network_end_the_run_in_words(tiny, tmp_path):
    import torch

    path = tmp_path / "other.pt"
    torch.save({"conv.weight": torch.zeros(3, 3)}, path)
    plan = plan_of(msgspec.structs.replace(tiny, weights=str(path)), EngineSpec(engine="eager"))
    with pytest.raises(UsageError) as caught:
        list(run(plan, Control()))
    assert "other.pt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_batch_that_can_not_fit_is_refused_with_the_numbers(tiny):
    from engines.model import describe

    plan = plan_of(tiny, EngineSpec(engine="eager", batch=10_000_000))
    with pytest.raises(UsageError, match=r"needs at least .* GiB, .* GiB are free; choose a batch"):
        check_memory(plan, describe(tiny))


def test_the_number_of_checked_images_is_a_multiple_of_the_batch():
    assert [checked_images(batch) for batch in (1, 3, 64, 100)] == [64, 66, 64, 100]


def test_every_engine_of_the_catalogue_has_a_backend():
    from engines.backends import MODULES

    assert set(MODULES) == {engine.name for engine in registry.CATALOGUE}


@pytest.mark.parametrize(
    "measurement",
    [
        Measurement(iterations=10**9, warmup_max_seconds=0.3),
        Measurement(seconds=600.0, warmup_max_seconds=0.3),
        Measurement(min_seconds=600.0, max_seconds=700.0, warmup_max_seconds=0.3),
    ],
)
def test_a_stop_is_told_as_such_whatever_the_limit_was(tiny, measurement):
    control, events = Control(), []
    for event in run(
        plan_of(tiny, EngineSpec(engine="onnxruntime"), measurement=measurement), control
    ):
        events.append(event)
        if isinstance(event, Samples) and event.phase == "measuring":
            control.cancel()
    result = results(events)[0]
    assert (result.status, result.reason) == ("stopped", "stopped by the user")
    assert result.latency.n > 0


def test_a_memory_figure_is_the_workers_own(tiny):
    plan = plan_of(tiny, EngineSpec(engine="onnxruntime"))
    ballast = np.ones(600_000_000 // 8)
    found = results(list(run(plan, Control())))[0]
    assert ballast.sum() > 0
    assert found.peak_host_bytes < 400e6


def test_no_engine_reports_its_use_to_anybody(tiny, session_cache):
    list(run(plan_of(tiny, EngineSpec(engine="onnxruntime")), Control()))
    assert not list(session_cache.glob("Microsoft*"))


def test_two_runs_may_begin_and_tidy_their_logs_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from engines import paths
    from engines.runner import KEPT_LOG_FOLDERS, new_log_folder

    logs = paths.ready(paths.state_folder() / "logs")
    for number in range(60):
        old = logs / f"2020010{number % 10}-{number}"
        old.mkdir()
        (old / "0-eager.log").touch()
        os.utime(old, (0, 0))
    living = logs / "20000101-live"
    living.mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(new_log_folder, [f"20300101-{number}" for number in range(8)]))
    assert all(folder.is_dir() for folder in made)
    assert living.is_dir(), "a folder that was written to today may be a live run's"
    assert len(list(logs.iterdir())) <= KEPT_LOG_FOLDERS + 8 + 1


def test_a_log_folder_that_is_gone_is_made_again(tiny):
    import shutil

    from engines import paths

    plan = plan_of(tiny, EngineSpec(engine="onnxruntime"))
    events = []
    for event in run(plan, Control()):
        events.append(event)
        if isinstance(event, RunStarted):
            shutil.rmtree(paths.state_folder() / "logs")
    assert results(events)[0].status == "ok"


def test_a_warm_up_that_ends_before_its_limit_has_settled(tiny):
    """The verdict that ended it is the one on record, not a later look at more samples."""
    plan = plan_of(
        tiny,
        *[EngineSpec(engine="onnxruntime", options={"intra_op_threads": 1})] * 4,
        measurement=Measurement(iterations=10, warmup_max_seconds=8.0),
    )
    for result in results(list(run(plan, Control()))).values():
        ended = result.warm_up
        assert ended.settled == ended.reason.startswith("settled after"), ended
        assert ended.settled or ended.seconds > 7.9, ended
