"""Verdicts on engines that took turns, and what leaves none."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from engines.benchmark import latency_record
from engines.plan import EngineSpec
from engines.results import (
    ConditionsRecord,
    EngineResult,
    PercentileRecord,
    StopRecord,
    VersusRecord,
    WarmUpRecord,
)
from engines.versus import judged_again, not_interleaved, verdicts, versus

THRESHOLD = 0.01


def turns(median_ms: float, rounds: int = 9, n: int = 200, seed: int = 0) -> dict[int, Any]:
    """Blocks of a machine that drifts by a twentieth from the first round to the last."""
    rng = np.random.default_rng(seed)
    return {
        number: median_ms * (1 + 0.05 * number / rounds) * rng.lognormal(0.0, 0.01, n)
        for number in range(rounds)
    }


def result(label: str = "b", batch: int = 1, **changes: Any) -> EngineResult:
    whole = EngineResult(
        label=label,
        spec=EngineSpec(engine="eager", batch=batch),
        status="ok",
        latency=latency_record(np.full(100, 1.0)),
        warm_up=WarmUpRecord(n=20, seconds=0.5, settled=True, reason="settled"),
        stop=StopRecord(reason="9 blocks of 1 s were asked for", seconds=9.0),
    )
    return msgspec.structs.replace(whole, **changes)


def codes(record: VersusRecord) -> list[str]:
    return [one.partition(": ")[0] for one in record.reasons]


A = result("a")


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.1, "SLOWER"), (0.9, "FASTER"), (1.0, "SAME"), (1.01, "UNCLEAR")]
)
def test_drift_that_both_share_cancels(factor: float, verdict: str) -> None:
    found = versus(A, turns(1.0, seed=1), result(), turns(factor, seed=2), THRESHOLD)
    assert found.verdict == verdict
    assert found.ratio == pytest.approx(factor, rel=0.005)
    assert found.low < found.ratio < found.high
    assert found.high - found.low < 0.015, "five percent of drift are not in it"
    assert (found.baseline, found.blocks, found.threshold) == ("a", 9, THRESHOLD)
    assert len(found.reasons) == 1


def test_the_threshold_decides() -> None:
    sides = (A, turns(1.0, seed=1), result(), turns(1.1, seed=2))
    assert versus(*sides, 0.2).verdict == "SAME"


def test_latency_is_compared_for_one_image() -> None:
    found = versus(A, turns(1.0, seed=1), result(batch=8), turns(4.0, seed=2), THRESHOLD)
    assert found.ratio == pytest.approx(0.5, rel=0.01)
    assert codes(found) == ["beyond-threshold", "per-image"]


def test_only_rounds_that_both_were_measured_in_count() -> None:
    late = {number: block for number, block in turns(1.0, seed=2).items() if number >= 3}
    found = versus(A, turns(1.0, seed=1), result(), late, THRESHOLD)
    assert (found.verdict, found.blocks) == ("SAME", 6)
    few = {number: block for number, block in late.items() if number >= 4}
    found = versus(A, turns(1.0, seed=1), result(), few, THRESHOLD)
    assert (found.verdict, found.blocks, found.low) == ("UNCLEAR", 5, None)
    assert codes(found) == ["too-few-blocks"]
    assert found.ratio == pytest.approx(1.0, rel=0.01)
    assert codes(versus(A, turns(1.0), result(), {}, THRESHOLD)) == ["not-interleaved"]


UNSETTLED = WarmUpRecord(n=9, seconds=10, settled=False, reason="warm-up did not settle in 10 s")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "invalid", "reason": "cosine 0.5"}, "invalid"),
        ({"warm_up": UNSETTLED}, "unsettled"),
        ({"conditions": ConditionsRecord(verdicts=("THROTTLED",))}, "throttled"),
        ({"conditions": ConditionsRecord(verdicts=("SHARED GPU",), others=("x",))}, "shared-gpu"),
    ],
)
@pytest.mark.parametrize("side", ["baseline", "entry"])
def test_what_is_unfit_on_either_side_leaves_no_verdict_and_keeps_its_figures(
    changes: dict[str, Any], code: str, side: str
) -> None:
    a, b = (result("a", **changes), result()) if side == "baseline" else (A, result(**changes))
    found = versus(a, turns(1.0, seed=1), b, turns(1.5, seed=2), THRESHOLD)
    assert found.verdict == "UNCLEAR"
    assert codes(found) == [code, "beyond-threshold"]
    assert ("the baseline a" in found.reasons[0]) is (side == "baseline")
    assert found.ratio == pytest.approx(1.5, rel=0.01)
    assert found.low > 1.4


@pytest.mark.parametrize(
    ("both", "ratio", "verdict"),
    [
        (False, 2.1, "SLOWER"),
        (False, 1.9, "UNCLEAR"),
        (False, 0.45, "FASTER"),
        (True, 2.1, "UNCLEAR"),
        (True, 0.2, "FASTER"),
    ],
)
def test_a_difference_beyond_what_is_unsettled_keeps_its_verdict(
    both: bool, ratio: float, verdict: str
) -> None:
    baseline = result("a", warm_up=UNSETTLED) if both else A
    entry = result(warm_up=UNSETTLED)
    found = versus(baseline, turns(1.0, seed=1), entry, turns(ratio, seed=2), THRESHOLD)
    assert found.verdict == verdict
    doubts = ["unsettled"] * (1 + both)
    own = ["beyond-threshold"]
    assert codes(found) == (doubts + own if verdict == "UNCLEAR" else own + doubts)
    assert judged_again(found, 0.02, "cpu").verdict == verdict
    if verdict != "UNCLEAR":
        assert judged_again(found, 0.9, "cpu").verdict == "UNCLEAR", "of a larger one too little"


@pytest.mark.parametrize(
    ("device", "ratio", "verdict"),
    [
        ("cpu", 1.015, "UNCLEAR"),
        ("cpu", 0.985, "UNCLEAR"),
        ("cpu", 1.035, "SLOWER"),
        ("cpu", 0.965, "FASTER"),
        ("cpu", 1.0, "SAME"),
        ("cuda", 1.02, "SLOWER"),
    ],
)
def test_on_a_cpu_a_difference_is_more_than_that_of_two_processes(
    device: Any, ratio: float, verdict: str
) -> None:
    spec = EngineSpec(engine="eager", device=device)
    a, b = result("a", spec=spec), result(spec=spec)
    found = versus(a, turns(1.0, 36, seed=1), b, turns(ratio, 36, seed=2), THRESHOLD)
    assert found.verdict == verdict, found
    assert (codes(found) == ["processes"]) is (verdict == "UNCLEAR")
    assert found.ratio == pytest.approx(ratio, rel=0.005), "the figures stay"
    if verdict != "SAME":
        again = judged_again(found, 0.005, device)
        assert (again.verdict, codes(again)) == (verdict, codes(found))
    assert judged_again(found, 0.05, device).verdict == "SAME", "of a larger threshold nothing"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"conditions": ConditionsRecord(verdicts=("POWER-CAPPED",))}, "power-capped"),
        ({"status": "stopped", "reason": "stopped by the user"}, "stopped"),
        ({"status": "failed", "reason": "killed by SIGKILL"}, "failed"),
    ],
)
def test_what_a_reader_must_know_is_said_beside_a_verdict(
    changes: dict[str, Any], code: str
) -> None:
    found = versus(A, turns(1.0, seed=1), result(**changes), turns(1.5, seed=2), THRESHOLD)
    assert (found.verdict, codes(found)) == ("SLOWER", ["beyond-threshold", code])


def test_the_direction_of_a_ratio_that_is_hardly_known_may_be_known() -> None:
    rng = np.random.default_rng(7)
    slow = {one: block * (1 + 40 * (one % 2)) for one, block in turns(1.0, seed=1).items()}
    entry = {one: 90 * block * rng.uniform(0.8, 1.2) for one, block in turns(20.0, seed=2).items()}
    found = versus(A, slow, result(), entry, THRESHOLD)
    assert (found.verdict, codes(found)) == ("SLOWER", ["beyond-threshold", "ratio-unknown"])
    assert judged_again(found, 0.02, "cpu").verdict == "SLOWER"
    assert judged_again(found, 0.99, "cpu").low == found.low


def test_a_ratio_that_is_hardly_known_supports_no_verdict() -> None:
    """Every other round of the baseline is 41 times as slow: what its pairs come to is chance."""
    rng = np.random.default_rng(7)
    slow = {one: block * (1 + 40 * (one % 2)) for one, block in turns(1.0, seed=1).items()}
    entry = {one: 3 * block * rng.uniform(0.8, 1.2) for one, block in turns(20.0, seed=2).items()}
    found = versus(A, slow, result(), entry, THRESHOLD)
    assert found.low is not None
    assert found.low > 1.01, "by its interval alone it would be SLOWER"
    assert found.verdict == "UNCLEAR"
    assert codes(found)[0] == "ratio-unknown"
    assert "the ratio is not known: its 95 % interval reaches from +" in found.reasons[0]
    assert judged_again(found, 0.02, "cpu").verdict == "UNCLEAR"


def test_a_median_that_is_not_known_by_itself_may_be_against_another_in_turn() -> None:
    vague = msgspec.structs.replace(
        A.latency,
        percentiles=(
            PercentileRecord(percentile=50, needs=11, value_ms=1.0, low_ms=0.9, high_ms=13.3),
        ),
    )
    found = versus(A, turns(1.0, seed=1), result(latency=vague), turns(1.1, seed=2), THRESHOLD)
    assert found.verdict == "SLOWER"
    assert "median-unknown" not in codes(found)


def test_latencies_that_have_no_ratio_are_unclear() -> None:
    zeros = {number: np.zeros(50) for number in range(9)}
    found = versus(A, turns(1.0), result(), zeros, THRESHOLD)
    assert (found.verdict, codes(found)) == ("UNCLEAR", ["not-comparable"])


def test_too_few_samples_say_what_to_do() -> None:
    found = versus(A, turns(1.0, n=2), result(), turns(1.0, n=2), THRESHOLD)
    assert (found.verdict, found.low, set(codes(found))) == ("UNCLEAR", None, {"too-few-samples"})
    assert all(one.endswith("needs 20; give longer blocks") for one in found.reasons)


def test_the_first_that_took_turns_is_the_baseline() -> None:
    nothing = result("lost", status="failed", latency=None)
    alone = result("alone")
    results = [nothing, A, alone, result()]
    found = verdicts(results, [{}, turns(1.0), {}, turns(1.0, seed=1)], THRESHOLD)
    assert found[:2] == [None, None]
    assert codes(found[2]) == ["not-interleaved"]
    assert (found[3].baseline, found[3].verdict) == ("a", "SAME")
    assert verdicts(results, [{}] * 4, THRESHOLD) == [None] * 4


def test_a_saved_verdict_is_judged_again_by_its_interval() -> None:
    slower = versus(A, turns(1.0, seed=1), result(batch=1), turns(1.1, seed=2), THRESHOLD)
    assert judged_again(slower, 0.2, "cpu").verdict == "SAME"
    assert judged_again(slower, 0.05, "cpu").verdict == "SLOWER"
    assert judged_again(slower, 0.05, "cpu").threshold == 0.05
    unfit = versus(A, turns(1.0, seed=1), result(warm_up=UNSETTLED), turns(1.1, seed=2), THRESHOLD)
    assert judged_again(unfit, 0.2, "cpu").verdict == "UNCLEAR"
    missing = not_interleaved("a", THRESHOLD, "it did not fit")
    assert judged_again(missing, 0.2, "cpu").reasons == missing.reasons
