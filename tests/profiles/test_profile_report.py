"""What is printed of a run and of a comparison."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.plan import EngineSpec, Measurement
from engines.results import EngineResult
from profiles.comparison import compare_profiles
from profiles.report import to_dict, to_markdown, to_text
from profiles.schema import Profile
from profiles.table import display_width
from tests.profiles.support import replaced

SPECS = (
    EngineSpec(engine="eager", device="cpu"),
    EngineSpec(engine="compile", device="cpu", precision="bf16"),
    EngineSpec(engine="onnxruntime", device="cpu"),
    EngineSpec(
        engine="onnxruntime",
        device="cpu",
        options={"graph_optimization_level": "basic", "intra_op_threads": 2},
    ),
)
UNAVAILABLE = EngineResult(
    label="tensorrt cuda fp16 b1",
    spec=EngineSpec(engine="tensorrt", device="cuda", precision="fp16"),
    status="unavailable",
    reason="no NVIDIA driver answers on this machine",
    hint="install the driver, then: python -m pip install 'infer-tui[tensorrt]'",
)


@pytest.fixture
def run(build: Any) -> Profile:
    """Five entries: one outside its tolerance, one unavailable, one told apart by options."""
    whole: Profile = build.profile(2.7, 0.512, 1.2, 1.3, specs=SPECS, n=300)
    eager, compiled, *rest = whole.results
    assert compiled.accuracy is not None
    invalid = msgspec.structs.replace(
        compiled,
        status="invalid",
        reason="its outputs differ from the FP32 reference: cosine 0.98000",
        compile_ms=12345.0,
        accuracy=msgspec.structs.replace(compiled.accuracy, cosine=0.98, within_tolerance=False),
    )
    return msgspec.structs.replace(
        whole,
        results=(eager, invalid, *rest, UNAVAILABLE),
        plan=msgspec.structs.replace(whole.plan, engines=(*SPECS, UNAVAILABLE.spec)),
    )


@pytest.fixture
def comparison(build: Any, run: Profile) -> Any:
    other = build.profile(2.727, 0.6, 1.2, 1.25, specs=SPECS, n=1000, seed=9)
    raw = build.samples(2.7, 0.512, 1.2, 1.3, n=300)
    other_raw = build.samples(2.727, 0.6, 1.2, 1.25, n=1000, seed=9)
    machine = msgspec.structs.replace(other.machine, hostname="other", cpu="AMD EPYC")
    other = msgspec.structs.replace(other, machine=machine)
    return compare_profiles(run, other, raw, other_raw, spread=0.0)


def rows(text: str, first: str = "engine") -> dict[str, list[str]]:
    """The table's fields by heading, split where two blanks or more are."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(first))
    table = lines[start : lines.index("", start)]
    split = [re.split(r" {2,}", line.strip()) for line in table]
    return {row[0]: row[1:] for row in split}


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_it_fits(run: Profile, comparison: Any, width: int) -> None:
    for subject in (run, comparison):
        lines = to_text(subject, width).splitlines()
        too_long = [line for line in lines if display_width(line) > width]
        # A table is never narrower than its indispensable columns.
        assert not [line for line in too_long if width >= 60]
        assert all(line == line.rstrip() for line in lines)


def test_a_run_at_80_columns(run: Profile) -> None:
    text = to_text(run, 80)
    table = rows(text)
    assert table["engine"][:3] == ["device", "prec", "p50 ms"]
    assert {"p99", "speed-up", "status"} <= set(table["engine"])
    assert table["eager"][:2] == ["cpu", "fp32"]
    assert re.fullmatch(r"2\.[67]\d{3} ±0\.\d %", table["eager"][2])
    assert table["eager"][3:] == ["needs 662", "1.00x", "ok"]
    assert table["compile"][-2:] == ["5.27x", "invalid"]
    assert table["tensorrt"] == ["cuda", "fp16", "unavailable"]
    assert list(table)[4] == "onnxruntime (1)"
    assert "\n(1) onnxruntime cpu fp32 b1 graph_optimization_level=basic,intra_op_threads=2" in text
    assert "\ncompile cpu bf16 b1: invalid: its outputs differ from the FP32" in text
    assert "\ntensorrt cuda fp16 b1: unavailable: no NVIDIA driver answers" in text
    assert "\n  install the driver, then: python -m pip install 'infer-tui[tensorrt]'\n" in text
    assert "\np99 needs 662 samples (have 300)\n" in text
    assert "against eager cpu fp32 b1, the first" in text
    assert text.startswith("a test: mobilenetv2 1 @ 224, 2026-11-22 17:05:31 UTC, complete after")
    assert "box: Intel Xeon Platinum 8480+, 16 cores, NVIDIA H200, 128 GiB\nbatch 1\n" in text


def test_wider_terminals_show_more(run: Profile) -> None:
    seen: set[str] = set()
    for width in (60, 80, 100, 120, 160, 200):
        headings = set(rows(to_text(run, width))["engine"])
        assert headings >= seen
        seen = headings
    assert seen == {
        *("device", "prec", "n", "p50 ms", "p90", "p99", "images/s", "speed-up", "load s"),
        *("compile s", "cosine", "top-1", "MiB", "status"),
    }
    wide = rows(to_text(run, 200))
    assert wide["compile"][-6:] == ["0.12", "12.35", "0.98000", "100 %", "512", "invalid"]
    # A cosine is cut, never rounded up to 1.
    assert "0.99999" in wide["eager"]


def test_columns_are_aligned(run: Profile) -> None:
    lines = to_text(run, 120).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("engine"))
    at = lines[start].index("status")
    for line, status in zip(
        lines[start + 1 :], ["ok", "invalid", "ok", "ok", "unavailable"], strict=False
    ):
        assert line[at:] == status


def test_the_speed_up_is_of_one_inference(build: Any) -> None:
    specs = tuple(EngineSpec(engine="eager", device="cpu", batch=size) for size in (1, 8))
    table = rows(to_text(build.profile(1.0, 2.0, specs=specs), 120))
    text = to_text(build.profile(1.0, 2.0, specs=specs), 120)
    assert "batch" in table["engine"]
    assert re.search(r"^eager +8 .* (3\.9\d|4\.0\d)x", text, re.MULTILINE)


def test_nothing_was_measured(run: Profile) -> None:
    bare = msgspec.structs.replace(run, results=(UNAVAILABLE,))
    text = to_text(bare, 80)
    assert rows(text) == {"engine": ["status"], "tensorrt": ["unavailable"]}
    assert "speed-up" not in text
    assert "no NVIDIA driver answers" in text


def test_percentiles_without_interval_and_unsettled_warm_ups_are_said(build: Any) -> None:
    one = build.profile(1.0, specs=SPECS[:1], n=5)
    result = one.results[0]
    warm_up = msgspec.structs.replace(result.warm_up, settled=False, reason="still falling")
    stop = msgspec.structs.replace(
        result.stop, reason="60 s are over", unmet=("p99 needs 662 samples",)
    )
    spoilt = msgspec.structs.replace(result, warm_up=warm_up, stop=stop)
    text = to_text(msgspec.structs.replace(one, results=(spoilt,)), 100)
    assert rows(text)["eager"][1] == "needs 11"
    assert "p50 needs 11 samples (have 5)" in text
    assert "eager cpu fp32 b1: warm-up did not settle: still falling" in text
    assert "eager cpu fp32 b1: 60 s are over, without: p99 needs 662 samples" in text


def test_a_run_that_drifts_is_said_to(build: Any) -> None:
    one = build.profile(1.0, specs=SPECS[:1])
    assert "drifts" not in to_text(one, 100)
    steady = build.latencies(1.0, 2000, 0)
    ramp = np.linspace(1.0, 1.5, len(steady))
    drifting = build.result(SPECS[0], "eager cpu fp32 b1", steady * ramp)
    assert 0.6 < drifting.latency.drift <= 1
    text = to_text(msgspec.structs.replace(one, results=(drifting,)), 200)
    share = f"{100 * drifting.latency.drift:.0f} %"
    said = f"eager cpu fp32 b1: it drifts: {share} of a deviation passes on from one"
    assert f"{said} 40th of the run to the next, so its" in text
    drifted = msgspec.structs.replace(one, results=(drifting,))
    by_turns = replaced(drifted, "plan.measurement", Measurement(interleave=True))
    assert f"{said} round to the next, so its" in to_text(by_turns, 200)


def test_an_engines_words_can_not_command_the_terminal(run: Profile) -> None:
    nasty = msgspec.structs.replace(UNAVAILABLE, reason="\x1b[2Jgone\r\n| x `y` <b>", hint="\x07")
    spoilt = msgspec.structs.replace(run, results=(*run.results[:-1], nasty))
    text = to_text(spoilt, 80)
    assert all(line.isprintable() for line in text.splitlines())
    markdown = to_markdown(spoilt)
    assert all(line.isprintable() for line in markdown.splitlines())
    assert r"\| x \`y\` \<b\>" in markdown


def test_colour_only_when_asked_for_and_never_the_only_sign(run: Profile, comparison: Any) -> None:
    for subject in (run, comparison):
        plain, coloured = to_text(subject, 100), to_text(subject, 100, color=True)
        assert "\x1b" not in plain
        assert "\x1b[31m" in coloured
        assert re.sub(r"\x1b\[\d*m", "", coloured) == plain


def test_a_comparison_at_80_columns(comparison: Any) -> None:
    text = to_text(comparison, 80)
    table = rows(text)
    assert table["engine"] == ["prec", "A p50", "B p50", "ratio", "95 % interval", "verdict"]
    assert [row[-1] for row in list(table.values())[1:]] == [
        "UNCLEAR",
        "UNCLEAR",
        "SAME",
        "FASTER",
    ]
    assert re.fullmatch(r"1\.1[67]\d", table["compile"][3])
    assert float(table["compile"][1]) == pytest.approx(0.512, rel=0.01)
    assert float(table["compile"][2]) == pytest.approx(0.6, rel=0.01)
    assert text.startswith(
        "CAN'T TELL: 2 UNCLEAR, 1 SAME, 1 FASTER of 4 entries\n"
        "A: a test: mobilenetv2 1 @ 224 on box, 2026-11-22 17:05:31 UTC\nB: "
    )
    assert "\nHow measured\n  A: one after another, 300 iterations each\n  B: one after" in text
    assert "\nOTHER MACHINE: A ran on box (Intel Xeon Platinum 8480+, NVIDIA H200), B on" in text
    assert "\nOnly in A\n  tensorrt cuda fp16 b1\n" in text
    assert "\n  machine hostname: A box, B other\n" in text
    assert "eager cpu fp32 b1: the median's change" in text
    assert "A is outside its tolerance" in text
    wide = to_text(comparison, 200)
    assert {"A p99", "B p99", "A images/s", "B images/s", "A cosine", "B cosine"} <= set(
        rows(wide)["engine"]
    )
    assert "A: p99 needs 662 samples (have 300)" in wide
    assert "B: p99 needs" not in wide


def test_a_comparison_with_a_wrong_candidate(build: Any, run: Profile) -> None:
    good = build.profile(2.7, 0.512, 1.2, 1.3, specs=SPECS, n=1000, seed=3)
    text = to_text(compare_profiles(good, run), 80)
    assert re.search(r"^compile .*, INVALID$", text, re.MULTILINE)
    assert "compared by the saved intervals" in text


def test_markdown_is_one_table_with_every_column(run: Profile, comparison: Any) -> None:
    for subject, count in ((run, 5), (comparison, 4)):
        lines = [line for line in to_markdown(subject).splitlines() if line.startswith("|")]
        assert len(lines) == count + 2
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(columns) == 1
        assert columns.pop() >= 13
        assert set(lines[1]) <= set("|-: ")
    assert "> **OTHER MACHINE" in to_markdown(comparison)
    assert "### a test: mobilenetv2 1 @ 224" in to_markdown(run)


def test_json(run: Profile, comparison: Any) -> None:
    whole = json.loads(json.dumps(to_dict(run), allow_nan=False))
    assert whole["schema"] == 1
    assert whole["run"]["started"] == "2026-11-22T17:05:31Z"
    assert whole["results"][4]["latency"] is None
    assert whole["results"][0]["latency"]["n"] == 300
    found = json.loads(json.dumps(to_dict(comparison), allow_nan=False))
    assert found["exit_code"] == comparison.exit_code == 3
    assert [entry["verdict"] for entry in found["entries"]] == [
        "UNCLEAR",
        "UNCLEAR",
        "SAME",
        "FASTER",
    ]
    assert [entry["codes"][0] for entry in found["entries"]] == [
        "interval-crosses-threshold",
        "invalid",
        "within-threshold",
        "beyond-threshold",
    ]
    assert found["entries"][1]["low"] < found["entries"][1]["ratio"] < found["entries"][1]["high"]
    assert found["entries"][1]["a"]["accuracy"]["cosine"] == 0.98
    assert found["only_in_a"] == ["tensorrt cuda fp16 b1"]
    assert found["a"]["machine"]["hostname"] == "box"


def test_json_has_no_nan(build: Any) -> None:
    one = build.profile(1.0, specs=SPECS[:1])
    result = one.results[0]
    accuracy = msgspec.structs.replace(result.accuracy, max_error=float("nan"), nan_count=3)
    spoilt = msgspec.structs.replace(
        one, results=(msgspec.structs.replace(result, accuracy=accuracy),)
    )
    text = json.dumps(to_dict(spoilt), allow_nan=False)
    assert json.loads(text)["results"][0]["accuracy"]["max_error"] is None


@pytest.mark.parametrize(
    ("mild", "causes", "words"),
    [
        (1, {"preempted": 1}, "1 outlier, preempted"),
        (7, {"preempted": 7}, "7 outliers, all preempted"),
        (7, {"preempted": 2, "throttled": 1}, "7 outliers, of which 2 preempted, 1 throttled"),
    ],
)
def test_outliers_are_counted_in_the_singular_too(
    build: Any, mild: int, causes: dict[str, int], words: str
) -> None:
    one = build.profile(1.0, specs=SPECS[:1])
    latency = msgspec.structs.replace(
        one.results[0].latency, outliers_mild=mild, outliers_severe=0, outlier_causes=causes
    )
    disturbed = msgspec.structs.replace(one.results[0], latency=latency)
    text = to_text(msgspec.structs.replace(one, results=(disturbed,)), 200)
    assert f"eager cpu fp32 b1: {words}\n" in text
