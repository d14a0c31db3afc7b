"""The frontier: what is on it, what is best under a limit, and what never counts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.errors import EXIT_USAGE, UsageError
from engines.plan import EngineSpec
from engines.results import ConditionsRecord, EngineResult, ThroughputRecord
from profiles.frontier import (
    Point,
    best_under,
    limit_text,
    marked,
    parse_limit,
    points_of,
)
from profiles.report import Frontier, to_dict, to_markdown, to_text
from profiles.schema import Profile
from profiles.table import display_width

BATCHES = (1, 8, 32)
SPECS = tuple(EngineSpec(engine="onnxruntime", device="cpu", batch=batch) for batch in BATCHES)


def point(latency_ms: float, per_second: float, excluded: str = "", entry: int = 0) -> Point:
    return Point(
        entry=entry, label=f"e{entry}", engine="eager", precision="fp32", batch=1, in_flight=None,
        latency_ms=latency_ms, percentile=99.0, per_second=per_second, cosine=1.0,
        excluded=excluded,
    )  # fmt: skip


def dominated(one: Point, points: list[Point]) -> bool:
    """By the definition, one pair at a time."""
    return any(
        other.valid
        and other.latency_ms <= one.latency_ms
        and other.per_second >= one.per_second
        and (other.latency_ms, other.per_second) != (one.latency_ms, one.per_second)
        for other in points
    )


few = st.integers(1, 6).map(float)
some_points = st.lists(st.builds(point, few, few, st.sampled_from(["", "", "INVALID"])), max_size=9)


@given(some_points)
def test_the_frontier_is_what_no_valid_point_beats(points: list[Point]) -> None:
    found = marked(points)
    assert [one.latency_ms for one in found] == sorted(one.latency_ms for one in points)
    for one in found:
        assert one.on_frontier == (one.valid and not dominated(one, points))


@given(some_points, few)
def test_the_best_under_a_limit_is_on_the_frontier(points: list[Point], limit: float) -> None:
    found = marked(points)
    best = best_under(found, limit)
    fitting = [one for one in points if one.valid and one.latency_ms <= limit]
    assert (best is None) == (not fitting)
    if best is not None:
        assert best.on_frontier
        assert best.latency_ms <= limit
        assert best.per_second == max(one.per_second for one in fitting)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2ms", 2.0), ("1.5", 1.5), ("500us", 0.5), ("500 µs", 0.5), ("0.01s", 10.0),
        (" .5ms ", 0.5), ("3.MS", 3.0), ("1S", 1000.0),
    ],
)  # fmt: skip
def test_a_limit_is_read_with_its_unit(text: str, milliseconds: float) -> None:
    assert parse_limit(text) == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    "text", ["", "ms", "0", "-1ms", "2m", "1e3", "nan", "inf", "1,5", "2 h", "99999999s"]
)
def test_what_is_no_latency_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no latency.*such as 2ms") as caught:
        parse_limit(text)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_limit_is_written_as_it_is_read() -> None:
    for milliseconds in (0.0005, 0.5, 1.0, 1.5, 999.0, 2500.0):
        assert parse_limit(limit_text(milliseconds)) == pytest.approx(milliseconds)
    assert [limit_text(one) for one in (0.5, 2.0, 2500.0)] == ["500 µs", "2 ms", "2.5 s"]


@pytest.fixture
def sweep(build: Any) -> Profile:
    """Three batches at 1, 5 and 30 ms, the first with several requests in flight."""
    whole: Profile = build.profile(1.0, 5.0, 30.0, specs=SPECS)
    first, *rest = whole.results
    passes = (
        ThroughputRecord(in_flight=1, n=2000, seconds=2.0, per_second=1001.0, p50_ms=1, p99_ms=1.1),
        ThroughputRecord(in_flight=2, n=3800, seconds=2.0, per_second=1900.0, p50_ms=1, p99_ms=1.3),
        ThroughputRecord(in_flight=4, n=40, seconds=2.0, per_second=1950.0, p50_ms=2.0),
        ThroughputRecord(in_flight=8, reason="out of GPU memory"),
    )
    return change(whole, msgspec.structs.replace(first, throughputs=passes), *rest)


def change(profile: Profile, *results: EngineResult) -> Profile:
    return msgspec.structs.replace(profile, results=results)


def test_every_pass_is_a_point_and_one_in_flight_is_one_point(sweep: Profile) -> None:
    found = points_of(sweep.results)
    assert [(one.batch, one.in_flight, one.percentile) for one in found] == [
        (1, None, 99.0), (1, 2, 99.0), (1, 4, 50.0), (8, None, 99.0), (32, None, 99.0),
    ]  # fmt: skip
    assert all(0.9999 < one.cosine <= 1.0 for one in found if one.cosine)
    assert [one.on_frontier for one in found] == [True, True, True, False, False]
    p99 = sweep.results[0].latency.percentile(99).value_ms  # type: ignore[union-attr]
    assert found[0].latency_ms == p99


def test_where_only_the_pass_has_a_p99_it_stands_for_the_closed_loop(build: Any) -> None:
    short = build.profile(1.0, specs=SPECS[:1], n=100)
    record = ThroughputRecord(in_flight=1, n=900, seconds=1.0, per_second=900, p50_ms=1, p99_ms=1.2)
    (result,) = short.results
    assert [one.percentile for one in points_of(short.results)] == [50.0]
    (found,) = points_of([msgspec.structs.replace(result, throughputs=(record,))])
    assert (found.in_flight, found.percentile, found.latency_ms) == (1, 99.0, 1.2)


def test_too_few_samples_for_a_median_are_no_point(build: Any) -> None:
    assert points_of(build.profile(1.0, specs=SPECS[:1], n=5).results) == ()


@pytest.mark.parametrize(
    ("changes", "excluded"),
    [
        ({"status": "invalid"}, "INVALID"),
        ({"status": "failed"}, "failed"),
        ({"conditions": ConditionsRecord(verdicts=("SHARED GPU", "THROTTLED"))}, "THROTTLED"),
        ({"conditions": ConditionsRecord(verdicts=("POWER-CAPPED",))}, ""),
        ({"status": "stopped"}, ""),
    ],
)
def test_what_is_invalid_failed_or_throttled_is_never_on_it(
    sweep: Profile, changes: dict[str, Any], excluded: str
) -> None:
    first, *rest = sweep.results
    found = points_of([msgspec.structs.replace(first, **changes), *rest])
    mine = [one for one in found if one.entry == 0]
    assert {one.excluded for one in mine} == {excluded}
    assert any(one.on_frontier for one in mine) is (not excluded)
    best = best_under(found, 2.5)
    assert (best is None) is bool(excluded)


def test_an_invalid_engine_s_accuracy_counts_whatever_its_status(sweep: Profile) -> None:
    first = sweep.results[0]
    assert first.accuracy is not None
    bad = msgspec.structs.replace(first.accuracy, within_tolerance=False)
    found = points_of([msgspec.structs.replace(first, accuracy=bad, status="stopped")])
    assert {one.excluded for one in found} == {"INVALID"}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_report_names_the_best_and_lists_the_frontier(sweep: Profile, width: int) -> None:
    text = to_text(Frontier(sweep, 1.5), width)
    assert all(display_width(line) <= width for line in text.splitlines())
    assert (
        "best under 1.5 ms: onnxruntime cpu fp32 b1, 2 in flight: 1,900 images/s, p99 1.3 ms"
        in (" ".join(text.split()))
    )
    assert [line for line in text.splitlines() if line.endswith("best")]
    assert "b32" not in text
    assert "2 more points are behind the frontier" in text


def test_a_best_by_its_median_is_told_as_such(sweep: Profile) -> None:
    text = to_text(Frontier(sweep, 2.0), 120)
    assert "4 in flight: 1,950 images/s, p50 2 ms" in text
    assert "too few samples for a p99" in text
    assert "| p50 |" in to_markdown(Frontier(sweep, 2.0))


def test_where_nothing_meets_the_limit_the_nearest_is_named(sweep: Profile) -> None:
    found = Frontier(sweep, 0.5)
    assert found.exit_code == 1
    assert "nothing meets 500 µs: the nearest is onnxruntime cpu fp32 b1: " in to_text(found, 120)
    assert to_dict(found)["best"] is None


def test_exit_codes(sweep: Profile) -> None:
    assert Frontier(sweep).exit_code == 0
    assert Frontier(sweep, 2.0).exit_code == 0
    invalid = [msgspec.structs.replace(one, status="invalid") for one in sweep.results]
    nothing = change(sweep, *invalid)
    assert Frontier(nothing).exit_code == Frontier(nothing, 2.0).exit_code == 3
    assert "no entry has a valid figure" in to_text(Frontier(nothing, 2.0), 80)
    assert "INVALID, not counted" in to_text(Frontier(nothing), 80)


def test_json_has_every_point(sweep: Profile) -> None:
    found = json.loads(json.dumps(to_dict(Frontier(sweep, 2.0))))
    assert found["limit_ms"] == 2.0
    assert found["best"]["in_flight"] == 4
    assert len(found["points"]) == 5
    assert found["points"][0]["on_frontier"] is True


def test_a_run_with_a_limit_names_its_best(sweep: Profile) -> None:
    limited = msgspec.structs.replace(
        sweep, plan=msgspec.structs.replace(sweep.plan, max_latency_ms=1.5)
    )
    assert "best under 1.5 ms: onnxruntime cpu fp32 b1, 2 in flight" in to_text(limited, 120)
    assert "best under" not in to_text(sweep, 120)
