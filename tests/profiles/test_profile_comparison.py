"""Verdicts on two saved runs, what is refused, and the exit codes that gate a release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.errors import (
    EXIT_INVALID,
    EXIT_OK,
    EXIT_REGRESSION,
    EXIT_USAGE,
    FileError,
    MeasurementInvalid,
    UsageError,
)
from engines.plan import EngineSpec, Measurement
from engines.results import AccuracyRecord, LatencyRecord, PercentileRecord, ThroughputRecord
from engines.statistics import Verdict
from profiles import differences
from profiles.comparison import compare_files, compare_profiles, match
from profiles.schema import Profile
from profiles.writing import write_profile
from tests.profiles.support import ONE, replaced


@pytest.fixture
def pair(build: Any) -> Callable[..., Any]:
    """Compares two runs of one engine with the given medians, with or without samples.

    By their intervals alone, where no other `spread` is given.
    """

    def compare(a: float, b: float, *, samples: bool = True, n: int = 2000, **options: Any) -> Any:
        options = {"spread": 0.0} | options
        first = build.profile(a, specs=ONE, n=n, seed=1)
        second = build.profile(b, specs=ONE, n=n, seed=2)
        raw = (build.samples(a, n=n, seed=1), build.samples(b, n=n, seed=2)) if samples else ()
        return compare_profiles(first, second, *raw, **options)

    return compare


@pytest.mark.parametrize("samples", [True, False])
@pytest.mark.parametrize(
    ("a", "b", "verdict", "exit_code"),
    [
        (1.0, 1.1, Verdict.SLOWER, EXIT_REGRESSION),
        (1.0, 0.9, Verdict.FASTER, EXIT_OK),
        (1.0, 1.0, Verdict.SAME, EXIT_OK),
        (1.0, 1.01, Verdict.UNCLEAR, EXIT_INVALID),
    ],
)
def test_verdicts(
    pair: Any, samples: bool, a: float, b: float, verdict: Verdict, exit_code: int
) -> None:
    comparison = pair(a, b, samples=samples)
    (entry,) = comparison.entries
    assert entry.verdict is verdict
    assert comparison.exit_code == exit_code
    assert entry.ratio == pytest.approx(b / a, rel=0.005)
    low, high = entry.interval
    assert low < entry.ratio < high
    assert high - low < 0.02
    assert entry.basis == ("samples" if samples else "saved intervals")
    assert entry.reasons[0]
    assert entry.regressed is (verdict is Verdict.SLOWER)
    assert comparison.only_in_a == comparison.only_in_b == comparison.not_measured == ()
    assert comparison.differences == ()
    assert not comparison.other_machine


def test_the_threshold_decides(pair: Any) -> None:
    assert pair(1.0, 1.1, threshold=0.2).exit_code == EXIT_OK
    assert pair(1.0, 1.1, threshold=0.02).exit_code == EXIT_REGRESSION
    for wrong in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="expected a share between 0 and 1"):
            pair(1.0, 1.0, threshold=wrong)


def test_the_same_run_is_the_same(pair: Any, build: Any) -> None:
    run, raw = build.profile(), build.samples(2.7, 1.2)
    comparison = compare_profiles(run, run, raw, raw)
    assert [entry.ratio for entry in comparison.entries] == [1.0, 1.0]
    assert comparison.exit_code == EXIT_OK


def test_too_few_samples_can_not_tell(pair: Any) -> None:
    comparison = pair(1.0, 2.0, n=15)
    assert comparison.exit_code == EXIT_INVALID
    assert "needs 20" in comparison.entries[0].reasons[0]


def test_a_profile_without_an_interval_can_not_tell(build: Any) -> None:
    bare = LatencyRecord(
        n=3,
        mean_ms=1.0,
        min_ms=1.0,
        max_ms=1.0,
        percentiles=(PercentileRecord(percentile=50, needs=11),),
    )
    run = replaced(build.profile(1.0, specs=ONE), "results.0.latency", bare)
    for a, b, side in ((run, build.profile(1.0, specs=ONE), "A"), (run, run, "A")):
        comparison = compare_profiles(a, b)
        assert comparison.exit_code == EXIT_INVALID
        assert comparison.entries[0].reasons[0] == f"{side} has no saved interval of its median"
        assert comparison.entries[0].ratio is None
        assert comparison.entries[0].interval is None


def test_a_latency_of_zero_can_not_be_divided_by(build: Any) -> None:
    run, raw = build.profile(1.0, specs=ONE), build.samples(1.0)
    series = raw[0, "measuring"]
    zeros = {(0, "measuring"): type(series)(np.zeros(2000))}
    assert compare_profiles(run, run, zeros, raw).exit_code == EXIT_INVALID
    point = PercentileRecord(percentile=50, needs=11, value_ms=0.0, low_ms=0.0, high_ms=0.0)
    zero = replaced(run, "results.0.latency.percentiles.0", point)
    assert compare_profiles(zero, run).exit_code == EXIT_INVALID
    assert compare_profiles(run, zero).exit_code == EXIT_INVALID


WRONG = AccuracyRecord(
    images=64,
    max_error=float("nan"),
    mean_error=float("nan"),
    cosine=0.5,
    top1_agreement=0.1,
    nan_count=3,
    tolerance_cosine=0.999,
    within_tolerance=False,
)


class TestExitCodes:
    def test_outside_its_tolerance_is_a_regression_however_fast(self, build: Any) -> None:
        good, fast = build.profile(2.0, specs=ONE), build.profile(1.0, specs=ONE)
        fast = replaced(fast, "results.0.accuracy", WRONG)
        fast = replaced(fast, "results.0.status", "invalid")
        fast = replaced(fast, "results.0.reason", "its output has 3 values that are not finite")
        comparison = compare_profiles(good, fast)
        (entry,) = comparison.entries
        assert entry.verdict is Verdict.UNCLEAR
        assert entry.judgement.reasons[0].code == "invalid"
        assert entry.ratio == pytest.approx(0.5, rel=0.01), "its figures stay, for a reader to see"
        assert comparison.exit_code == EXIT_REGRESSION
        # The other way round nothing that was right got slower: it can't be told.
        assert compare_profiles(fast, good).exit_code == EXIT_INVALID

    def test_a_regression_outweighs_what_is_unclear(self, build: Any) -> None:
        a = build.profile(1.0, 1.0)
        assert compare_profiles(a, build.profile(1.2, 1.01)).exit_code == EXIT_REGRESSION
        assert compare_profiles(a, build.profile(0.8, 1.01)).exit_code == EXIT_INVALID

    def test_an_engine_that_no_longer_runs_can_not_be_told(self, build: Any) -> None:
        a, b = build.profile(1.0, specs=ONE), build.profile(1.0, specs=ONE)
        b = replaced(replaced(b, "results.0.latency", None), "results.0.status", "failed")
        b = replaced(b, "results.0.reason", "killed by SIGKILL")
        comparison = compare_profiles(a, b)
        assert comparison.exit_code == EXIT_INVALID
        assert comparison.entries[0].basis == "nothing"
        assert "killed by SIGKILL" in comparison.entries[0].reasons[0]
        with pytest.raises(MeasurementInvalid) as caught:
            compare_profiles(b, a)
        assert caught.value.exit_code == EXIT_INVALID

    def test_an_engine_that_neither_could_run_changes_nothing(self, build: Any) -> None:
        def without_second(run: Profile) -> Profile:
            run = replaced(replaced(run, "results.1.latency", None), "results.1.reason", "no GPU")
            return replaced(run, "results.1.status", "unavailable")

        a, b = (without_second(build.profile(1.0, 1.0, seed=seed)) for seed in (1, 2))
        comparison = compare_profiles(a, b)
        assert comparison.exit_code == EXIT_OK
        assert comparison.not_measured == ("onnxruntime cpu fp32 b1: unavailable: no GPU",)
        newly = compare_profiles(a, build.profile(1.0, 1.0, seed=3))
        assert newly.exit_code == EXIT_OK
        assert newly.only_in_b == ("onnxruntime cpu fp32 b1 (A: unavailable: no GPU)",)

    def test_doubts_are_stated(self, build: Any) -> None:
        a, b = build.profile(1.0, specs=ONE, seed=1), build.profile(1.0, specs=ONE, seed=2)
        b = replaced(replaced(b, "results.0.status", "stopped"), "results.0.reason", "by the user")
        b = replaced(b, "results.0.warm_up.settled", False)
        first, *others = compare_profiles(a, b).entries[0].reasons
        assert "B: warm-up did not settle" in first
        assert "B stopped after 2000 samples: by the user" in others

    def test_an_unsettled_run_supports_no_verdict_but_keeps_its_figures(self, build: Any) -> None:
        a, b = build.profile(1.0, specs=ONE, seed=1), build.profile(1.5, specs=ONE, seed=2)
        assert compare_profiles(a, b).entries[0].verdict is Verdict.SLOWER
        b = replaced(b, "results.0.warm_up.settled", False)
        found = compare_profiles(a, b)
        assert (found.entries[0].verdict, found.exit_code) == (Verdict.UNCLEAR, EXIT_INVALID)
        assert found.entries[0].ratio == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("model.digest", "ef" * 32, "weights cdcdcdcdcdcd against efefefefefef"),
        ("model.name", "resnet50", "model mobilenetv2 against resnet50"),
        ("plan.model.input_size", 192, "input size 224 against 192"),
        ("plan.model.width", 0.5, "width 1.0 against 0.5"),
        ("plan.model.classes", 10, "classes 1000 against 10"),
        ("model.input_shape", (1, 3, 192, 192), "input shape 1×3×224×224 against 1×3×192×192"),
    ],
)
def test_unlike_things_are_refused(profile: Profile, path: str, value: Any, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        compare_profiles(profile, replaced(profile, path, value))
    assert named in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_another_batch_is_refused(build: Any) -> None:
    eight = (EngineSpec(engine="eager", device="cpu", batch=8),)
    with pytest.raises(UsageError, match=r"no entry in common.*\(batch 1 against 8\)"):
        compare_profiles(build.profile(1.0, specs=ONE), build.profile(1.0, specs=eight))


@pytest.mark.parametrize(
    ("path", "value", "line", "loud"),
    [
        ("machine.hostname", "other", "machine hostname: A box, B other", True),
        ("machine.cpu", "AMD", "machine CPU: A Intel Xeon Platinum 8480+, B AMD", True),
        ("machine.physical_cores", 8, "machine physical cores: A 16, B 8", True),
        ("machine.gpus", (), "machine GPUs: A NVIDIA H200, B none", True),
        ("machine.gpus.0.name", "NVIDIA H100", "GPU 0 name: A NVIDIA H200, B NVIDIA H100", True),
        ("machine.gpus.0.memory_bytes", 2**36, "GPU 0 memory: A 128.0 GiB, B 64.0 GiB", False),
        ("machine.driver", "590.1", "machine driver: A 580.159, B 590.1", False),
        ("machine.governor", None, "machine governor: A performance, B not known", False),
        ("machine.kernel", "6.2", "machine kernel: A 6.1.0, B 6.2", False),
        ("plan.input_seed", 3, "plan input seed: A 0, B 3", False),
        ("plan.measurement.iterations", 50, "measurement: iterations: A 2000, B 50", False),
        ("run.tool_version", "0.2.0", "run tool version: A 0.1.0, B 0.2.0", False),
        ("run.ending", "stopped", "run ending: A complete, B stopped", False),
        ("model.digest", "", "model weights: A cdcdcdcdcdcd, B not said", False),
        ("results.0.versions", {"torch": "2"}, "eager cpu fp32 b1: torch: A not said, B 2", False),
        ("results.0.facts", {"threads": 1}, "eager cpu fp32 b1: threads: A 2, B 1", False),
        ("plan.measurement.in_flight", (1, 4), "requests in flight: A not measured, B 1, 4", False),
        ("plan.measurement.energy", True, "measurement: energy: A no, B yes", False),
        ("plan.measurement.cpus", "0-3", "measurement: processors: A all, B 0-3", False),
        ("plan.measurement.threshold", 0.025, "SAME: A 1.00 %, B 2.50 %", False),
    ],
)
def test_what_differs_is_stated(
    profile: Profile, path: str, value: Any, line: str, loud: bool
) -> None:
    comparison = compare_profiles(profile, replaced(profile, path, value))
    assert [one for one in comparison.differences if line in one]
    assert comparison.other_machine is loud
    assert comparison.exit_code == EXIT_OK


def test_every_setting_of_a_measurement_has_its_words() -> None:
    fields = [field.name for field in msgspec.structs.fields(Measurement)]
    assert sorted(differences.MEASUREMENT) == sorted(fields)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_why_a_run_is_not_on_cuda_is_a_difference_only_where_the_other_is(
    profile: Profile, device: str
) -> None:
    there = replaced(profile.results[0], "spec.device", device)
    here = replaced(profile.results[0], "facts", {**there.facts, "instead_of_cuda": "no GPU here"})
    lines = [one.told() for one in differences.between_results(there, here)]
    why = "eager cpu fp32 b1: why not on CUDA: A not said, B no GPU here"
    assert lines == (["eager cpu fp32 b1: device: A cuda, B cpu", why] if device == "cuda" else [])


def test_how_requests_were_kept_in_flight_is_no_difference_where_one_had_none(
    profile: Profile,
) -> None:
    first = profile.results[0]
    facts = {**first.facts, "requests_in_flight": "an engine each"}
    several = replaced(first, "facts", facts)
    assert differences.between_results(first, several) == []
    record = (ThroughputRecord(in_flight=2),)
    both = [replaced(one, "throughputs", record) for one in (first, several)]
    (one,) = differences.between_results(*both)
    assert one.told() == "eager cpu fp32 b1: requests in flight: A not said, B an engine each"


class TestMatching:
    def match(self, build: Any, a: tuple[EngineSpec, ...], b: tuple[EngineSpec, ...]) -> Any:
        return match(
            build.profile(*[1.0] * len(a), specs=a).results,
            build.profile(*[1.0] * len(b), specs=b).results,
        )

    def test_by_what_was_asked_for_not_by_place(self, build: Any) -> None:
        a = (
            EngineSpec(engine="eager", device="cpu"),
            EngineSpec(engine="eager", device="cpu", precision="bf16"),
            EngineSpec(engine="eager", device="cpu", batch=8),
            EngineSpec(engine="eager", device="cpu", environment="old"),
        )
        assert self.match(build, a, a[::-1]) == [(0, 3), (1, 2), (2, 1), (3, 0)]
        assert self.match(build, a[:2], a[2:]) == []

    def test_a_default_spelt_out_is_the_default(self, build: Any) -> None:
        plain = EngineSpec(engine="onnxruntime", device="cpu")
        spelt = EngineSpec(engine="onnxruntime", device="cpu", options={"spinning": True})
        other = EngineSpec(engine="onnxruntime", device="cpu", options={"spinning": False})
        assert self.match(build, (plain, other), (other, spelt)) == [(0, 1), (1, 0)]

    def test_other_options_are_compared_by_label_and_said(self, build: Any) -> None:
        a = (EngineSpec(engine="onnxruntime", device="cpu"),)
        b = (EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1}),)
        comparison = compare_profiles(
            build.profile(1.0, specs=a), build.profile(1.0, specs=b, seed=1)
        )
        assert len(comparison.entries) == 1
        line = "onnxruntime cpu fp32 b1: option intra op threads: A default, B 1"
        assert line in comparison.differences

    def test_the_same_entry_twice_is_paired_once_each(self, build: Any) -> None:
        assert self.match(build, ONE * 2, ONE * 2) == [(0, 0), (1, 1)]
        assert self.match(build, ONE * 2, ONE) == [(0, 0)]

    def test_what_is_on_one_side_only_is_listed(self, build: Any) -> None:
        specs = (
            *ONE,
            EngineSpec(engine="compile", device="cpu"),
            EngineSpec(engine="onnxruntime", device="cpu"),
        )
        a = build.profile(1.0, 1.0, specs=specs[:2], seed=1)
        b = build.profile(1.0, 1.0, specs=specs[::2], seed=2)
        comparison = compare_profiles(a, b)
        assert comparison.only_in_a == ("compile cpu fp32 b1",)
        assert comparison.only_in_b == ("onnxruntime cpu fp32 b1",)
        assert comparison.exit_code == EXIT_OK

    def test_samples_follow_their_entry(self, build: Any) -> None:
        specs = (*ONE, EngineSpec(engine="compile", device="cpu"))
        a = build.profile(1.0, 5.0, specs=specs)
        b = build.profile(5.0, 1.0, specs=specs[::-1])
        comparison = compare_profiles(a, b, build.samples(1.0, 5.0), build.samples(5.0, 1.0))
        for entry in comparison.entries:
            assert entry.basis == "samples"
            assert entry.ratio == pytest.approx(1, abs=0.01)


class TestFiles:
    @pytest.fixture
    def files(self, build: Any, tmp_path: Path) -> list[Path]:
        paths = []
        for seed in (1, 2):
            path = tmp_path / f"{seed}.toml"
            profile = build.profile(2.7, 1.2, seed=seed)
            write_profile(profile, build.samples(2.7, 1.2, seed=seed), path)
            paths.append(path)
        return paths

    def test_two_files(self, files: list[Path]) -> None:
        comparison = compare_files(*files)
        assert comparison.exit_code == EXIT_OK
        assert {entry.basis for entry in comparison.entries} == {"samples"}
        assert comparison.notes == ()

    def test_missing_and_damaged_samples_fall_back_to_the_saved_intervals(
        self, files: list[Path]
    ) -> None:
        first, second = sorted(files[0].parent.glob("*.npz"))
        first.unlink()
        second.write_bytes(b"damaged")
        comparison = compare_files(*files)
        assert comparison.exit_code == EXIT_OK
        assert {entry.basis for entry in comparison.entries} == {"saved intervals"}
        assert len(comparison.notes) == 2
        assert "there is no such file" in comparison.notes[0]
        assert "its SHA-256 differs" in comparison.notes[1]

    def test_a_missing_profile(self, files: list[Path]) -> None:
        with pytest.raises(FileError, match=r"no such file; did you mean '1\.toml'"):
            compare_files(files[0].with_name("11.toml"), files[1])
