"""What disturbed a run: on the panels, and in what the command prints and returns."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from engines import registry
from engines.control import Control
from engines.events import EngineFinished, JobStarted, Progress, RunStarted
from engines.plan import EngineSpec, Measurement, RunPlan
from engines.results import (
    ConditionsRecord,
    EnergyRecord,
    EngineResult,
    LatencyRecord,
    PercentileRecord,
    ThroughputRecord,
)
from profiles.reading import read_profile
from tests.engines.nvml_stand_in import UUID, StandIn
from tests.profiles.conftest import Build
from tui.cli import main
from tui.commands.run import exit_code
from tui.live import LiveEntry, LiveRun
from tui.screens.details import detail_lines
from tui.widgets.results import _line, explanation, state_of
from tui.widgets.telemetry import _throttled

SPEC = EngineSpec(engine="tensorrt", device="cuda", precision="fp16")
LATENCY = LatencyRecord(
    n=100, mean_ms=1.0, min_ms=0.9, max_ms=2.0, outliers_mild=4, outliers_severe=1,
    outlier_causes={"power-capped": 3},
)  # fmt: skip
PLAN = """
schema = 1
[model]
width = 0.35
input_size = 96
classes = 10
[measurement]
iterations = 200
warmup_min_seconds = 0.05
warmup_max_seconds = 0.5
energy = {energy}
cpus = "{cpus}"
[[engines]]
engine = "onnxruntime"
device = "cpu"
options = {{ intra_op_threads = 1 }}
"""


def entry(**changes) -> LiveEntry:
    """An entry that is over, with these parts of its result."""
    live = LiveRun()
    live.apply(RunStarted(RunPlan(engines=(SPEC,)), ("tensorrt",), "id"))
    made = {"status": "ok", "latency": LATENCY} | changes
    live.apply(EngineFinished(0, EngineResult(label="tensorrt", spec=SPEC, **made)))
    return live.entries[0]


def details(**changes) -> str:
    lines = detail_lines(entry(**changes))
    return "\n".join(
        line if isinstance(line, str) else "".join(piece[0] for piece in line) for line in lines
    )


@pytest.mark.parametrize(
    ("verdicts", "badge"),
    [
        ((), "✓ valid"),
        (("THROTTLED",), "! throttled"),
        (("POWER-CAPPED", "SHARED GPU"), "! shared GPU"),
        (("POWER-CAPPED",), "! power cap"),
        (("SHARED GPU", "SUSPENDED"), "! suspended"),
    ],
)
def test_the_gravest_verdict_is_the_badge(verdicts, badge):
    shown = entry(conditions=ConditionsRecord(verdicts=verdicts))
    assert state_of(shown)[0] == badge
    words, tone = explanation(shown)
    assert tone == ("warn" if verdicts else "muted")
    assert all(verdict in words for verdict in verdicts)


def test_a_median_that_is_not_known_is_neither_valid_nor_has_a_width():
    p50 = PercentileRecord(percentile=50, needs=11, value_ms=11.9, low_ms=11.0, high_ms=158.3)
    latency = msgspec.structs.replace(LATENCY, percentiles=(p50,))
    shown = entry(latency=latency, conditions=ConditionsRecord(verdicts=("SHARED CPU",)))
    assert state_of(shown)[0] == "? p50 unknown"
    words, tone = explanation(shown)
    assert "its median is not known: its 95 % interval reaches from 11 to 158.3 ms" in words
    assert "SHARED CPU" in words
    assert tone == "warn"
    assert _line(shown, None)["interval"][0] == "not known"
    for measurement, code in ((Measurement(), 3), (Measurement(iterations=100), 0)):
        plan = RunPlan(engines=(SPEC,), measurement=measurement)
        profile = msgspec.structs.replace(Build().profile(1.0), plan=plan, results=(shown.result,))
        assert exit_code(profile, Control(), gate=False) == code


def test_a_failure_is_not_hidden_by_a_verdict():
    shown = entry(
        status="invalid", reason="cosine 0.2", conditions=ConditionsRecord(verdicts=("THROTTLED",))
    )
    assert state_of(shown)[0] == "✗ INVALID"
    assert "cosine 0.2" in explanation(shown)[0]


def test_details_name_the_causes_of_outliers_and_what_has_none():
    text = details()
    assert "3 power-capped" in text
    assert "2 without a known cause" in text


def test_details_leave_out_what_nobody_told():
    text = details(conditions=ConditionsRecord(readings=3))
    assert "clean" in text
    assert "SM clock" not in text
    assert "None" not in text
    text = details(energy=EnergyRecord(reason="not measurable: no counter"))
    assert "not measurable: no counter" in text
    assert "mJ" not in text


def test_an_entry_whose_energy_is_read_says_so():
    live = LiveRun()
    live.apply(RunStarted(RunPlan(engines=(SPEC,)), ("tensorrt",), "id"))
    live.apply(JobStarted("b", "benchmark", "tensorrt", 0))
    live.apply(Progress("b", "reading the energy"))
    assert state_of(live.entries[0])[0] == "▶ energy"


def test_the_telemetry_panel_names_what_holds_the_clock_down():
    assert _throttled(None)[1][0] == "not told"
    assert _throttled(0x1 | 0x2)[1][0] == "no", "idling and clocks that were set are none"
    assert _throttled(0x4 | 0x40)[1] == ("power cap, hardware heat", "bad")
    assert _throttled(0x4000)[1][0] == "0x4000"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A plan whose engine is taken to run on a GPU that says what it is told."""
    monkeypatch.setattr(registry.Availability, "gpu_uuid", lambda *_: UUID)
    path = tmp_path / "plan.toml"

    def write(energy: str = "false", cpus: str = "") -> Path:
        path.write_text(PLAN.format(energy=energy, cpus=cpus))
        return path

    return write


def test_a_throttled_run_ends_with_3_and_says_why(plan, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    StandIn(reasons=0x40).put_in_place(monkeypatch)
    saved = tmp_path / "a.toml"
    assert main(["run", str(plan()), "--save", str(saved)]) == 3
    out, err = capsys.readouterr()
    assert "ok, THROTTLED" in out
    assert "let it cool down" in " ".join(out.split())
    assert "onnxruntime cpu fp32 b1 does not count: THROTTLED" in err
    profile = read_profile(saved)
    assert profile.run.variables["OMP_NUM_THREADS"] == "3"
    assert profile.run.input == "standard normal numbers"
    assert profile.machine.cuda == "13.1"
    assert profile.machine.gpus[0].clock_limit_mhz == 1980


def test_a_power_cap_and_a_neighbour_are_told_and_end_with_0(plan, monkeypatch, capsys):
    gpu = StandIn(reasons=0x4, sm_mhz=1500).put_in_place(monkeypatch)
    gpu.processes, gpu.shares = [(1, None)], {1: 50}
    assert main(["run", str(plan()), "--no-save", "--json"]) == 0
    out, err = capsys.readouterr()
    (result,) = json.loads(out)["results"]
    # Other tests may have this machine's processors besides.
    assert {"SHARED GPU", "POWER-CAPPED"} <= set(result["conditions"]["verdicts"])
    assert err == ""


def test_processors_that_are_not_here_are_wrong_usage(plan, capsys):
    assert main(["run", str(plan(cpus="0-4000")), "--no-save"]) == 2
    err = capsys.readouterr().err
    assert "which this process may not use" in err
    assert len(err.splitlines()) == 1


def test_energy_that_can_not_be_had_is_said(plan, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("engines.rapl.FOLDER", tmp_path)
    assert main(["run", str(plan(energy="true")), "--no-save"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "energy: not measurable: this machine shows no counter" in out


def test_long_names_of_facts_keep_off_their_values():
    text = details(facts={"graph_optimization_level": "all", "spinning": True})
    assert "\ngraph optimization level  all\n" in text
    assert "\nspinning                  yes" in text


def test_percentiles_of_few_requests_are_left_out_of_throughput():
    passes = (
        ThroughputRecord(in_flight=2, n=76, seconds=2.0, per_second=38.8, p50_ms=52.26),
        ThroughputRecord(in_flight=4, n=3, seconds=2.0, per_second=1.5),
        ThroughputRecord(
            in_flight=8, n=900, seconds=2.0, per_second=450.0, p50_ms=17.0, p99_ms=21.5
        ),
    )
    text = details(throughputs=passes)
    assert "38.8 images/s  p50 52.26 ms of 76 in 2.0 s" in text
    assert "1.5 images/s  3 in 2.0 s" in text
    assert "450 images/s  p50 17.00, p99 21.50 ms of 900 in 2.0 s" in text
