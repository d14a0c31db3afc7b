"""The frontier of a sweep: which entries buy throughput with latency, and which waste both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engines.errors import UsageError
from engines.results import EngineResult

TAIL, MIDDLE = 99.0, 50.0
UNITS_MS = {"": 1.0, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
# A day, as the longest measurement.
LONGEST_MS = 86_400_000.0
_LIMIT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(us|µs|μs|ms|s|)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Point:
    """One way to serve the model: what a request takes, and how many images a second it gives.

    `entry` is the index of its result; `in_flight` the number of requests of its throughput pass,
    None for the closed loop in which latency is measured. `latency_ms` is the p99 where it has
    samples enough, otherwise the p50: `percentile` says which. `excluded` says why it can't be on
    the frontier, be it fast; empty where it can.
    """

    entry: int
    label: str
    engine: str
    precision: str
    batch: int
    in_flight: int | None
    latency_ms: float
    percentile: float
    per_second: float
    cosine: float | None
    excluded: str = ""
    on_frontier: bool = False

    @property
    def title(self) -> str:
        """The label, with the requests in flight where they are more than the closed loop's one."""
        return self.label if self.in_flight is None else f"{self.label}, {self.in_flight} in flight"

    @property
    def valid(self) -> bool:
        return not self.excluded


def points_of(results: Sequence[EngineResult | None]) -> tuple[Point, ...]:
    """Every point of `results` by ascending latency, with the frontier marked.

    A result gives one for its closed loop and one for each of its throughput passes; one that has
    neither a p50 nor a throughput gives none, nor does an entry that has no result yet.
    """
    return marked(
        point
        for entry, result in enumerate(results)
        if result is not None
        for point in _points(entry, result)
    )


def marked(points: Iterable[Point]) -> tuple[Point, ...]:
    """`points` by ascending latency, those on the Pareto frontier marked as such.

    A valid point is on it unless another valid one is at least as good in both and better in one.
    """
    ordered = sorted(points, key=lambda one: (one.latency_ms, -one.per_second))
    best, at_ms = -math.inf, -math.inf
    found = []
    for point in ordered:
        # An equal in both is as good; one that only ties in throughput came at a lower latency.
        on = point.per_second > best or (point.per_second, point.latency_ms) == (best, at_ms)
        if on := on and point.valid:
            best, at_ms = point.per_second, point.latency_ms
        found.append(replace(point, on_frontier=on))
    return tuple(found)


def best_under(points: Iterable[Point], limit_ms: float) -> Point | None:
    """The point of most images a second whose latency is at most `limit_ms`; None if there is none.

    It is on the frontier, as the one of least latency among equals.
    """
    fitting = [one for one in points if one.valid and one.latency_ms <= limit_ms]
    return max(fitting, key=lambda one: (one.per_second, -one.latency_ms), default=None)


def parse_limit(text: str) -> float:
    """Milliseconds of a latency such as `2ms`, `1.5` (ms), `500us`, `0.01s`; UsageError if none."""
    found = _LIMIT.fullmatch(text)
    limit = float(found[1]) * UNITS_MS[found[2].lower()] if found else 0.0
    if not 0 < limit <= LONGEST_MS:
        raise UsageError(
            f"'{text.strip()}' is no latency", hint="expected such as 2ms, 1.5, 500us or 0.01s"
        )
    return limit


def limit_text(limit_ms: float) -> str:
    """A limit as a person would write it: 500 µs, 2 ms, 1.5 s."""
    if limit_ms < 1:
        return f"{limit_ms * 1e3:.6g} µs"
    return f"{limit_ms:.6g} ms" if limit_ms < 1e3 else f"{limit_ms / 1e3:.6g} s"


def _points(entry: int, result: EngineResult) -> list[Point]:
    latency = result.latency
    tail, middle = (
        found.value_ms if latency and (found := latency.percentile(one)) else None
        for one in (TAIL, MIDDLE)
    )
    closed_loop = _point(entry, result, None, tail, middle, result.throughput)
    passes = [
        _point(entry, result, one.in_flight, one.p99_ms, one.p50_ms, one.per_second)
        for one in result.throughputs
    ]
    return _without_repetition([one for one in (closed_loop, *passes) if one is not None])


def _without_repetition(points: list[Point]) -> list[Point]:
    """`points` of one result with one for one request in flight: the closed loop's, which has more
    samples, unless only the other knows its p99."""
    alone = [one for one in points if one.in_flight in (None, 1)]
    kept = max(alone, key=lambda one: one.percentile, default=None)
    return [one for one in points if one is kept or one.in_flight not in (None, 1)]


def _point(
    entry: int,
    result: EngineResult,
    in_flight: int | None,
    p99_ms: float | None,
    p50_ms: float | None,
    per_second: float | None,
) -> Point | None:
    latency_ms, percentile = (p50_ms, MIDDLE) if p99_ms is None else (p99_ms, TAIL)
    if latency_ms is None or per_second is None:
        return None
    if not (math.isfinite(latency_ms) and math.isfinite(per_second) and latency_ms > 0):
        return None
    return Point(
        entry=entry,
        label=result.label,
        engine=result.spec.engine,
        precision=result.spec.precision,
        batch=result.spec.batch,
        in_flight=in_flight,
        latency_ms=latency_ms,
        percentile=percentile,
        per_second=per_second,
        cosine=result.accuracy.cosine if result.accuracy else None,
        excluded=_excluded(result),
    )


def _excluded(result: EngineResult) -> str:
    """Why a result's points are no way to serve the model, in a word."""
    if result.status == "invalid" or (result.accuracy and not result.accuracy.within_tolerance):
        return "INVALID"
    if result.status in ("failed", "unavailable"):
        return result.status
    if result.conditions and "THROTTLED" in result.conditions.verdicts:
        return "THROTTLED"
    return ""
