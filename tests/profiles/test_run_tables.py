"""Where the time of a request goes and throughput, as reports and files have them; hints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.plan import EngineSpec
from engines.results import (
    DeviceRecord,
    EngineResult,
    LatencyRecord,
    PercentileRecord,
    ThroughputRecord,
)
from profiles.hints import no_split, split_hints
from profiles.reading import read_profile
from profiles.report import to_dict, to_markdown, to_text
from profiles.schema import Profile
from profiles.table import display_width
from profiles.writing import write_profile

SPECS = (
    EngineSpec(engine="eager", device="cuda", precision="fp16"),
    EngineSpec(engine="onnxruntime", device="cuda", precision="fp16"),
    EngineSpec(engine="onnxruntime", device="cpu"),
)
EAGER = DeviceRecord(
    n=183, copy_in_ms=0.05, compute_ms=2.4, copy_out_ms=0.01, enqueue_ms=2.3, host_ms=2.7,
    unaccounted_ms=0.24,
)  # fmt: skip
GRAPH = DeviceRecord(
    n=500, copy_in_ms=0.031, compute_ms=0.2055, copy_out_ms=0.0042, enqueue_ms=0.011,
    host_ms=0.2618, unaccounted_ms=0.0211,
)  # fmt: skip


def replaced(result: EngineResult, **changes: Any) -> EngineResult:
    return msgspec.structs.replace(result, **changes)


@pytest.fixture
def run(build: Any) -> Profile:
    """Two entries of a GPU, one of them with several requests in flight, and one of a CPU."""
    whole: Profile = build.profile(2.7, 0.26, 1.2, specs=SPECS)
    eager, graph, cpu = whole.results
    passes = (
        ThroughputRecord(
            in_flight=1, n=7600, seconds=2.0, per_second=3800, p50_ms=0.26, p99_ms=0.3
        ),
        ThroughputRecord(in_flight=4, n=600, seconds=2.0, per_second=11400.4, p50_ms=0.35),
        ThroughputRecord(in_flight=8, reason="out of GPU memory: needs 1.00 GiB more"),
    )
    way = {"requests_in_flight": "an engine, a stream and buffers each; one thread hands them over"}
    return msgspec.structs.replace(
        whole,
        results=(
            replaced(eager, device=EAGER, facts={"cuda_graph": False}),
            replaced(graph, device=GRAPH, facts={"cuda_graph": True, **way}, throughputs=passes),
            cpu,
        ),
    )


def table(text: str, heading: str) -> list[list[str]]:
    """The fields of the table under `heading`, split where two blanks or more are."""
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(heading)) + 1
    return [re.split(r" {2,}", line.strip()) for line in lines[start : lines.index("", start)]]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_it_fits_and_the_copies_give_way_first(run: Profile, width: int) -> None:
    text = to_text(run, width)
    split = table(text, "Where the time of a request goes")
    assert {"host", "compute"} <= set(split[0])
    assert ("copy out" in split[0]) <= ("copy in" in split[0]) <= ("unaccounted" in split[0])
    if width >= 60:
        assert not [line for line in text.splitlines() if display_width(line) > width]


def test_the_split_is_a_table_of_the_engines_that_have_one(run: Profile) -> None:
    heading, eager, graph = table(to_text(run, 160), "Where the time of a request goes")
    assert heading[-6:] == ["host", "copy in", "compute", "copy out", "unaccounted", "enqueue"]
    assert eager[-6:] == ["2.7000", "0.0500", "2.4000", "0.0100", "0.2400", "2.3000"]
    assert graph[0] == "onnxruntime"
    text = " ".join(to_text(run, 160).split())
    assert "by 183 to 500 extra requests" in text
    assert "copy in + compute + copy out + unaccounted = host" in text
    assert "from FP32 images to FP32 logits in page-locked host memory" in text
    assert "onnxruntime cpu fp32 b1: not split: on the CPU there is no stream" in text


def test_without_a_gpu_there_is_no_table_and_no_word_of_it(build: Any) -> None:
    text = to_text(build.profile(), 160)
    assert "split" not in text
    assert "in flight:" not in text


def test_throughput_is_a_table_of_its_own(run: Profile) -> None:
    heading, *rows = table(to_text(run, 160), "Throughput with several requests in flight")
    assert heading[-6:] == ["in flight", "images/s", "of 1", "p50 ms", "p99 ms", "n"]
    assert [row[-6:] for row in rows[:2]] == [
        ["1", "3,800", "1.00x", "0.2600", "0.3000", "7,600"],
        ["4", "11,400", "3.00x", "0.3500", "needs 662", "600"],
    ]
    assert rows[2][-1] == "8", "what could not be measured is blank"
    text = " ".join(to_text(run, 160).split())
    assert "b1: 8 in flight: out of GPU memory: needs 1.00 GiB more" in text
    assert "each request has an engine, a stream and buffers each; one thread" in text


def test_markdown_has_every_column(run: Profile) -> None:
    text = to_markdown(run)
    assert "| host | copy in | compute | copy out | unaccounted | enqueue |" in text
    assert "| in flight | images/s | of 1 | p50 ms | p99 ms | n |" in text
    assert "**Throughput with several requests in flight**" in text


def test_files_and_json_hold_all_of_it(run: Profile, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    write_profile(run, None, path)
    again = read_profile(path)
    assert again.results[1].device == GRAPH
    assert again.results[1].throughputs == run.results[1].throughputs
    found = json.loads(json.dumps(to_dict(again)))["results"][1]
    assert found["device"]["unaccounted_ms"] == 0.0211
    assert found["throughputs"][2]["per_second"] is None


def test_events_half_a_microsecond_apart_may_exceed_the_host(run: Profile, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    odd = msgspec.structs.replace(GRAPH, unaccounted_ms=-0.0003)
    write_profile(msgspec.structs.replace(
        run, results=(replaced(run.results[0], device=odd), *run.results[1:])
    ), None, path)  # fmt: skip
    assert read_profile(path).results[0].device == odd


def hints(
    engine: str, device: DeviceRecord, precision: str = "fp32", **facts: Any
) -> tuple[str, ...]:
    spec = EngineSpec(engine=engine, device="cuda", precision=precision)
    return split_hints(EngineResult(label="x", spec=spec, status="ok", device=device, facts=facts))


@pytest.mark.parametrize(
    ("engine", "option"),
    [
        ("eager", "--set eager.cuda_graph=true"),
        ("compile", "--set compile.mode=reduce-overhead"),
        ("onnxruntime", "--set onnxruntime.cuda_graph=true"),
        ("tensorrt", "--set tensorrt.cuda_graph=true"),
    ],
)
def test_an_engine_bound_by_its_enqueue_is_told_of_the_graph_that_it_has(
    engine: str, option: str
) -> None:
    (hint,) = hints(engine, EAGER, cuda_graph=False)
    assert hint.startswith("bound by its enqueue: a CUDA graph would remove up to 85 % of its host")
    assert "enter on the engine" in hint
    assert option in hint


@pytest.mark.parametrize(
    ("p50_ms", "said"),
    [(2.7, None), (2.4, None), (2.3, "1.17 times"), (3.1, "0.87 times"), (None, None)],
)
def test_a_split_of_another_pace_says_so(p50_ms: float | None, said: str | None) -> None:
    spec = EngineSpec(engine="eager", device="cuda")
    median = PercentileRecord(percentile=50.0, needs=11, value_ms=p50_ms)
    latency = LatencyRecord(
        n=200, mean_ms=3.0, min_ms=2.0, max_ms=4.0, stdev_ms=0.1, percentiles=(median,)
    )
    found = split_hints(
        EngineResult(label="x", spec=spec, status="ok", device=EAGER, latency=latency)
    )
    paces = [one for one in found if "of another pace" in one]
    assert len(paces) == (said is not None)
    assert not said or said in paces[0]


def test_what_has_a_graph_already_is_not_told_to_use_one() -> None:
    (hint,) = hints("eager", EAGER, cuda_graph=True)
    assert "would remove" not in hint
    assert "larger batch" in hint
    (hint,) = hints("eager", EAGER, cuda_graph=False, cuda_graph_refused="not permitted")
    assert hint.endswith("its CUDA graph was refused: not permitted")


def test_no_more_can_be_removed_than_there_is() -> None:
    slow = msgspec.structs.replace(EAGER, enqueue_ms=9.0)
    assert "up to 89 % of" in hints("eager", slow)[0], "2.4 of 2.7 ms"
    assert hints("eager", msgspec.structs.replace(EAGER, enqueue_ms=0.8 * 2.4)) == ()
    older = msgspec.structs.replace(EAGER, host_ms=None, unaccounted_ms=None)
    assert "up to 93 % of" in hints("eager", older)[0], "of the parts, where no host time is known"


def test_copies_as_long_as_the_computation_are_told() -> None:
    copying = msgspec.structs.replace(GRAPH, copy_in_ms=0.21)
    (hint,) = hints("onnxruntime", copying, cuda_graph=True)
    assert hint.startswith("bound by its transfers: 0.214 ms of copies for 0.205 ms of computation")
    assert hints("onnxruntime", GRAPH, cuda_graph=True) == ()


def test_onnx_runtime_is_told_of_nhwc_in_fp16_alone() -> None:
    nchw = {"cuda_graph": True, "prefer_nhwc": False}
    (hint,) = hints("onnxruntime", GRAPH, "fp16", **nchw)
    assert "--set onnxruntime.prefer_nhwc=true" in hint
    assert hints("onnxruntime", GRAPH, "fp16", cuda_graph=True, prefer_nhwc=True) == ()
    assert hints("onnxruntime", GRAPH, "tf32", **nchw) == (), "it is slower there"
    assert hints("tensorrt", GRAPH, "fp16", cuda_graph=True) == ()


def test_hints_stand_below_the_table(run: Profile) -> None:
    text = " ".join(to_text(run, 120).split())
    assert "eager cuda fp16 b1: bound by its enqueue: a CUDA graph would remove up to 85 %" in text


def test_why_there_is_no_split(run: Profile) -> None:
    eager, _, cpu = run.results
    assert no_split(eager) == ""
    assert "no stream" in no_split(cpu)
    broken = replaced(eager, device=None, facts={"device_times_failed": "the stream broke"})
    assert no_split(broken) == "not split: the stream broke"
