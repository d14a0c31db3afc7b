"""Runs whose engines took turns: recorded, saved, read back, and judged again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.benchmark import latency_record
from engines.errors import EXIT_INVALID, EXIT_OK, EXIT_REGRESSION, UsageError
from engines.events import EngineFinished, RoundStarted, RunFinished, RunStarted, Samples
from engines.plan import EngineSpec, Measurement, RunPlan, unique_labels
from engines.results import ConditionsRecord, EngineResult, WarmUpRecord
from engines.statistics import Verdict
from engines.versus import not_interleaved, verdicts
from profiles.comparison import compare_profiles
from profiles.recorder import Recorder
from profiles.report import to_dict, to_markdown, to_text
from profiles.samples import Series, decode, encode
from profiles.schema import Profile
from profiles.within import judge_file, judge_run
from profiles.writing import read_samples, write_profile

ROUNDS = 9
SPECS = (
    EngineSpec(engine="eager", device="cpu"),
    EngineSpec(engine="compile", device="cpu"),
    EngineSpec(engine="onnxruntime", device="cpu"),
)
PLAN = RunPlan(engines=SPECS, measurement=Measurement(interleave=True))
LABELS = unique_labels(SPECS)
Samplings = dict[Any, Series]


def blocks_of(recorder: Recorder, entry: int) -> dict[int, Any]:
    return recorder.samples()[entry, "measuring"].by_round()


@pytest.fixture
def recorded(build: Any, profile: Profile) -> Callable[..., tuple[Profile, Samplings]]:
    """A run of three engines with these medians in ms, as the runner says it.

    The machine drifts: within a run this cancels, between two runs it makes them UNCLEAR.
    """

    def record(
        *medians: float, seed: int = 0, drifts_by: float = 0.05, **changes: Any
    ) -> tuple[Profile, Samplings]:
        recorder = Recorder()
        recorder.apply(RunStarted(PLAN, LABELS, "run-7"))
        rng = np.random.default_rng(seed)
        for entry in range(len(SPECS)):
            job = f"benchmark {entry}"
            recorder.apply(Samples(job, entry, "warm-up", 0.0, np.array([9.0, 8.0])))
        for number in range(ROUNDS):
            order = tuple(rng.permutation(len(SPECS)).tolist())
            recorder.apply(RoundStarted(number, ROUNDS, order))
            drift = 1 + drifts_by * number / ROUNDS
            for entry in order:
                job = f"benchmark {entry}"
                start = 1.0 + number
                recorder.apply(Samples(job, entry, "warm-up", start, np.array([5.0]), number))
                for part in range(3):
                    values = drift * medians[entry] * rng.lognormal(0.0, 0.01, 100)
                    recorder.apply(
                        Samples(job, entry, "measuring", start + part / 10, values, number)
                    )
        results = [
            build.result(spec, label, recorder.samples()[entry, "measuring"].latencies_ms)
            for entry, (spec, label) in enumerate(zip(SPECS, LABELS, strict=True))
        ]
        results[2] = msgspec.structs.replace(results[2], **changes)
        turns = [blocks_of(recorder, entry) for entry in range(len(SPECS))]
        for entry, versus in enumerate(verdicts(results, turns, PLAN.measurement.threshold)):
            results[entry] = msgspec.structs.replace(results[entry], versus=versus)
            recorder.apply(EngineFinished(entry, results[entry]))
        recorder.apply(RunFinished("complete", 30.0))
        return recorder.profile(profile.machine), recorder.samples()

    return record


# What is kept


def test_rounds_survive_the_recorder_and_the_file(recorded: Any, tmp_path: Path) -> None:
    run, samples = recorded(2.0, 2.0, 1.0)
    path = tmp_path / "run.toml"
    saved = write_profile(run, samples, path)
    assert saved.run.rounds == run.run.rounds
    assert [sorted(order) for order in saved.run.rounds] == [[0, 1, 2]] * ROUNDS
    again = read_samples(saved, path)
    for entry in range(3):
        measured = again[entry, "measuring"]
        assert list(measured.by_round()) == list(range(ROUNDS))
        assert [len(block) for block in measured.by_round().values()] == [300] * ROUNDS
        assert len(measured.blocks()) == 3 * ROUNDS
        np.testing.assert_array_equal(
            np.concatenate(list(measured.by_round().values())), measured.latencies_ms
        )
        warm_up = again[entry, "warm-up"]
        np.testing.assert_array_equal(warm_up.before_rounds(), [9.0, 8.0])
        assert [block.tolist() for block in warm_up.by_round().values()] == [[5.0]] * ROUNDS
    text = path.read_text()
    assert "\n# Its verdicts:  infer-tui compare run.toml\n" in text
    assert "\nrounds = [\n    [" in text
    assert saved.results[1].versus == msgspec.structs.replace(
        run.results[1].versus,
        ratio=pytest.approx(run.results[1].versus.ratio, rel=1e-5),
        low=pytest.approx(run.results[1].versus.low, rel=1e-5),
        high=pytest.approx(run.results[1].versus.high, rel=1e-5),
    )


def test_a_run_without_turns_has_no_rounds_in_its_files(build: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    saved = write_profile(build.profile(), build.samples(2.7, 1.2), path)
    assert "rounds" not in path.read_text()
    series = read_samples(saved, path)[0, "measuring"]
    assert series.by_round() == {}
    np.testing.assert_array_equal(series.before_rounds(), series.latencies_ms)
    with np.load(next(tmp_path.glob("*.npz"))) as archive:
        assert not [name for name in archive.files if name.endswith("/round")]


def test_samples_of_an_older_version_are_read(recorded: Any) -> None:
    """They have no rounds: an archive without them is what it always was."""
    _, samples = recorded(2.0, 2.0, 1.0)
    bare = {key: Series(one.latencies_ms, one.block_first, one.block_start_s)
            for key, one in samples.items()}  # fmt: skip
    for key, one in decode(encode(bare), "old.npz").items():
        np.testing.assert_array_equal(one.latencies_ms, samples[key].latencies_ms)
        assert one.by_round() == {}


# What is judged


@pytest.mark.parametrize(
    ("medians", "verdict", "code"),
    [
        ((2.0, 2.0, 1.0), [Verdict.SAME, Verdict.FASTER], EXIT_OK),
        ((2.0, 2.2, 2.0), [Verdict.SLOWER, Verdict.SAME], EXIT_REGRESSION),
        ((2.0, 2.02, 1.0), [Verdict.UNCLEAR, Verdict.FASTER], EXIT_INVALID),
    ],
)
@pytest.mark.parametrize("with_samples", [True, False])
def test_a_saved_run_is_judged_again(
    recorded: Any, medians: Any, verdict: Any, code: int, with_samples: bool
) -> None:
    run, samples = recorded(*medians)
    found = judge_run(run, samples if with_samples else None)
    assert found.baseline.label == LABELS[0]
    assert [one.label for one in found.entries] == list(LABELS[1:])
    assert [one.verdict for one in found.entries] == verdict
    assert found.exit_code == code
    assert {one.basis for one in found.entries} == {
        "samples" if with_samples else "saved intervals"
    }
    for entry, result in zip(found.entries, run.results[1:], strict=True):
        assert entry.ratio == pytest.approx(result.versus.ratio)
        assert entry.interval == pytest.approx((result.versus.low, result.versus.high))
    loose = judge_run(run, samples if with_samples else None, 0.2)
    assert Verdict.SLOWER not in [one.verdict for one in loose.entries]


def test_what_makes_a_side_unfit_leaves_no_verdict(recorded: Any) -> None:
    shared = ConditionsRecord(verdicts=("SHARED GPU",), others=("python (pid 7)",))
    run, samples = recorded(2.0, 2.0, 1.0, conditions=shared)
    for found in (judge_run(run, samples), judge_run(run)):
        assert [one.verdict for one in found.entries] == [Verdict.SAME, Verdict.UNCLEAR]
        assert found.entries[1].judgement.reasons[0].code == "shared-gpu"
        assert found.entries[1].ratio == pytest.approx(0.5, rel=0.01)


def test_what_did_not_fit_or_was_not_measured_can_not_be_told(recorded: Any) -> None:
    run, samples = recorded(2.0, 2.0, 1.0)
    one, two, _ = run.results
    alone = msgspec.structs.replace(two, versus=not_interleaved(LABELS[0], 0.01, "no room"))
    lost = EngineResult(label=LABELS[2], spec=SPECS[2], status="failed", reason="it died")
    kept = {key: series for key, series in samples.items() if key[0] == 0}
    found = judge_run(msgspec.structs.replace(run, results=(one, alone, lost)), kept)
    assert [entry.judgement.reasons[0].code for entry in found.entries] == [
        "not-interleaved",
        "not-measured",
    ]
    assert found.entries[0].reasons == ("no room",)
    assert found.exit_code == EXIT_INVALID
    absent = msgspec.structs.replace(lost, status="unavailable", reason="no GPU")
    found = judge_run(msgspec.structs.replace(run, results=(one, two, absent)), samples)
    assert found.not_measured == (f"{LABELS[2]}: no GPU",)
    assert found.exit_code == EXIT_OK


def test_a_run_that_took_no_turns_is_refused_with_what_to_do(build: Any) -> None:
    with pytest.raises(UsageError, match=r"one after another; run it with --interleave"):
        judge_run(build.profile(), build.samples(2.7, 1.2))


def test_a_run_that_was_stopped_before_its_first_round_has_nothing_to_judge(
    recorded: Any,
) -> None:
    run, _ = recorded(2.0, 2.0, 1.0)
    bare = [msgspec.structs.replace(one, versus=None) for one in run.results]
    with pytest.raises(UsageError, match="no two of its engines were measured in turn"):
        judge_run(msgspec.structs.replace(run, results=tuple(bare)))


def test_missing_samples_are_said(recorded: Any, tmp_path: Path) -> None:
    run, samples = recorded(2.0, 2.0, 1.0)
    path = tmp_path / "run.toml"
    write_profile(run, samples, path)
    assert judge_file(path).notes == ()
    next(tmp_path.glob("*.npz")).unlink()
    found = judge_file(path)
    assert [one.verdict for one in found.entries] == [Verdict.SAME, Verdict.FASTER]
    assert "there is no such file" in found.notes[0]


# Two of them


def test_two_runs_that_took_turns_are_compared_by_their_rounds(
    recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes of the rounds are what `compare` is asked with, on both sides or on neither."""
    from profiles import verdicts as module

    asked: list[Any] = []
    real = module.compare

    def compare(*sides: Any, **blocks: Any) -> Any:
        asked.append((blocks["a_blocks"], blocks["b_blocks"]))
        return real(*sides, **blocks)

    monkeypatch.setattr(module, "compare", compare)
    a, raw_a = recorded(2.0, 2.0, 1.0, seed=1, drifts_by=0.0)
    b, raw_b = recorded(2.0, 2.3, 1.0, seed=2, drifts_by=0.0)
    found = compare_profiles(a, b, raw_a, raw_b)
    assert found.entries[1].verdict is Verdict.SLOWER
    assert asked == [([300] * ROUNDS, [300] * ROUNDS)] * 3
    asked.clear()
    plain = {key: Series(one.latencies_ms) for key, one in raw_b.items()}
    compare_profiles(a, b, raw_a, plain)
    assert asked == [(None, None)] * 3


def gpu_was(condition: Any) -> dict[str, Any]:
    return {"conditions": ConditionsRecord(verdicts=(condition,))}


@pytest.mark.parametrize(
    ("changes", "code", "verdict"),
    [
        ({"conditions": ConditionsRecord(verdicts=("THROTTLED",))}, "throttled", Verdict.UNCLEAR),
        ({"conditions": ConditionsRecord(verdicts=("SHARED GPU",))}, "shared-gpu", Verdict.UNCLEAR),
        (
            {"conditions": ConditionsRecord(verdicts=("POWER-CAPPED",))},
            "power-capped",
            Verdict.SAME,
        ),
        (
            {"warm_up": WarmUpRecord(n=9, seconds=10, settled=False, reason="it still falls")},
            "unsettled",
            Verdict.UNCLEAR,
        ),
        ({"status": "invalid", "reason": "cosine 0.5"}, "invalid", Verdict.UNCLEAR),
    ],
)
def test_conditions_of_either_run_count(
    recorded: Any, changes: Any, code: str, verdict: Verdict
) -> None:
    a, raw_a = recorded(2.0, 2.0, 1.0, drifts_by=0.0)
    b, raw_b = recorded(2.0, 2.0, 1.0, drifts_by=0.0, **changes)
    for found in (compare_profiles(a, b, raw_a, raw_b), compare_profiles(b, a, raw_b, raw_a)):
        entry = found.entries[2]
        assert entry.verdict is verdict
        assert code in [one.code for one in entry.judgement.reasons]


# What is printed


def test_markdown_for_a_pull_request_says_the_verdict_first(recorded: Any) -> None:
    run, samples = recorded(2.0, 2.3, 2.02)
    lines = to_markdown(judge_run(run, samples)).splitlines()
    assert lines[0] == "### REGRESSION: 1 SLOWER, 1 UNCLEAR of 2 entries"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5
    assert "| baseline |" in table[2]
    assert "| SLOWER |" in table[3]
    assert "**How measured**" in lines
    how = "- by turns, 36 rounds of 0.25 s each in random order, a re-warm before each block"
    assert how in lines
    quiet, raw = recorded(2.0, 2.3, 2.02, drifts_by=0.0)
    pair = to_markdown(compare_profiles(quiet, quiet, raw, raw)).splitlines()
    assert pair[0] == "### NO REGRESSION: 3 SAME of 3 entries"
    assert how in pair


@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_fits_and_explains(recorded: Any, width: int) -> None:
    run, samples = recorded(2.0, 2.02, 1.0)
    text = to_text(judge_run(run, samples), width)
    assert text.startswith("CAN'T TELL: 1 UNCLEAR, 1 FASTER of 2 entries\n")
    assert all(len(line) <= width for line in text.splitlines())
    assert "baseline: eager cpu fp32 b1" in text
    assert "compile cpu fp32 b1: the median's change" in text
    assert "SAME" in text


def test_json_holds_codes_and_rounds(recorded: Any) -> None:
    run, samples = recorded(2.0, 2.0, 1.0)
    found = json.loads(json.dumps(to_dict(judge_run(run, samples)), allow_nan=False))
    assert found["exit_code"] == 0
    assert found["baseline"]["label"] == LABELS[0]
    assert [one["verdict"] for one in found["entries"]] == ["SAME", "FASTER"]
    assert [one["codes"] for one in found["entries"]] == [
        ["within-threshold"],
        ["beyond-threshold"],
    ]
    assert found["entries"][0]["b"]["label"] == LABELS[1]
    assert len(found["run"]["rounds"]) == ROUNDS


def test_the_table_of_a_run_shows_its_verdicts(recorded: Any) -> None:
    text = to_text(recorded(2.0, 2.02, 1.0)[0], 80)
    header = next(line for line in text.splitlines() if line.startswith("engine"))
    assert "verdict" in header
    for word in ("baseline", "UNCLEAR", "FASTER"):
        assert sum(word in line for line in text.splitlines()) >= 1
    assert "compile cpu fp32 b1: the median's change" in text
    assert "verdict: p50 of an image against eager cpu fp32 b1, by turns in random order" in text


def test_a_large_profile_is_judged_in_a_moment(build: Any, profile: Profile) -> None:
    """Twenty entries of 45,000 samples, as nine rounds of a second at 5 kHz come to."""
    specs = tuple(
        EngineSpec(engine="eager", device="cpu", options={"threads": at + 1}) for at in range(20)
    )
    values = build.latencies(0.2, 45_000)
    firsts, numbers = np.arange(0, 45_000, 500), np.repeat(np.arange(ROUNDS), 10)
    series = Series(values, firsts, np.arange(90.0), numbers)
    whole = build.profile(
        *[0.2] * 20, specs=specs, n=50, plan=RunPlan(engines=specs, measurement=PLAN.measurement)
    )
    began = time.process_time()
    found = judge_run(whole, {(entry, "measuring"): series for entry in range(20)})
    assert time.process_time() - began < 1.0
    assert [one.verdict for one in found.entries] == [Verdict.SAME] * 19
    assert latency_record(values).n == 45_000


def test_a_shared_processor_is_told_once_for_each_entry_with_what_was_not_done(
    recorded: Any,
) -> None:
    crowded = ConditionsRecord(verdicts=("SHARED CPU",), crowded_share=0.67)
    run, samples = recorded(2.0, 2.0, 1.0, conditions=crowded)
    baseline = msgspec.structs.replace(run.results[0], conditions=crowded)
    results = [baseline, *run.results[1:]]
    turns = [samples[entry, "measuring"].by_round() for entry in range(3)]
    for entry, versus in enumerate(verdicts(results, turns, 0.01)):
        results[entry] = msgspec.structs.replace(results[entry], versus=versus)
    run = msgspec.structs.replace(run, results=tuple(results))

    text = to_text(run, 300)
    assert text.count("others had its processors") == 1, "the two that it befell, in one line"
    assert f"{LABELS[0]} and {LABELS[2]}: SHARED CPU: others had its processors in 67 %" in text
    assert "measure again without them" in text
    assert "or by turns" not in text

    within = to_text(judge_run(run, samples), 300)
    assert within.count(f"{LABELS[2]}: others had its processors in 67 %") == 1
    assert within.count(f"the baseline {LABELS[0]}: others had its processors in 67 %") == 1
    assert within.count("others had its processors") == 2


def test_a_ratio_of_rounds_is_not_taken_for_one_of_the_medians(recorded: Any) -> None:
    run, samples = recorded(2.0, 2.0, 1.0)
    for text in (to_text(run, 300), to_text(judge_run(run, samples), 300)):
        assert "ratio: the median of the rounds' ratios of p50 of an image" in text
        assert "it need not be the ratio of the two p50 shown" in text
    assert "speed-up: ratio of the p50 of an image, against " in to_text(run, 300)
