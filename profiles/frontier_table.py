"""The frontier of a profile as a report: what `infer-tui frontier` prints."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from engines.errors import EXIT_INVALID, EXIT_OK, EXIT_REGRESSION
from engines.wording import cosine
from profiles import figures
from profiles.document import Document, Note
from profiles.frontier import MIDDLE, Point, best_under, limit_text, points_of
from profiles.heading import title_lines
from profiles.schema import Profile
from profiles.table import Cell, Column

MEANING = (
    "frontier: no other valid point has a lower or equal latency and a higher or equal throughput;"
    " latency is of one request, its p99, or its p50 where the samples are too few for that"
)
UNDER_WAY = "in flight: 1 is the closed loop; more is a pass with as many requests under way"


def frontier_document(profile: Profile, limit_ms: float | None) -> Document:
    """The points of `profile` that are on the frontier, and the best one under `limit_ms`."""
    points = points_of(profile.results)
    shown = [one for one in points if one.on_frontier]
    best = best_under(points, limit_ms) if limit_ms else None
    return Document(
        title=title_lines(profile),
        columns=_columns(shown, best),
        notes=[*limit_notes(points, limit_ms), *_left_out(points)],
    )


def frontier_dict(profile: Profile, limit_ms: float | None) -> dict[str, Any]:
    """The same as JSON can hold it, with every point by ascending latency."""
    points = points_of(profile.results)
    best = best_under(points, limit_ms) if limit_ms else None
    return {
        "run": profile.run.id,
        "machine": profile.machine.hostname,
        "model": profile.model.label,
        "limit_ms": limit_ms,
        "best": dataclasses.asdict(best) if best else None,
        "points": [dataclasses.asdict(one) for one in points],
    }


def frontier_exit_code(profile: Profile, limit_ms: float | None) -> int:
    """0; 1 where nothing meets the limit; 3 where there is no valid point at all."""
    points = points_of(profile.results)
    if not any(one.valid for one in points):
        return EXIT_INVALID
    met = limit_ms is None or best_under(points, limit_ms) is not None
    return EXIT_OK if met else EXIT_REGRESSION


def limit_notes(points: Sequence[Point], limit_ms: float | None) -> list[Note]:
    """The best point under the limit, where one was given, or that there is none."""
    if limit_ms is None:
        return []
    limit = limit_text(limit_ms)
    if best := best_under(points, limit_ms):
        return [Note(f"best under {limit}: {point_words(best)}", _doubt(best), "good")]
    nearest = next((one for one in points if one.valid), None)
    why = f"the nearest is {point_words(nearest)}" if nearest else "no entry has a valid figure"
    return [Note(f"nothing meets {limit}: {why}", "", "bad")]


def point_words(point: Point) -> str:
    """A point in a line: which, how much, how soon."""
    latency = f"p{point.percentile:g} {point.latency_ms:.4g} ms"
    return f"{point.title}: {figures.rate(point.per_second)} images/s, {latency}"


def _doubt(point: Point) -> str:
    if point.percentile == MIDDLE:
        return "judged by its p50: it has too few samples for a p99; measure longer"
    return ""


def _columns(points: Sequence[Point], best: Point | None) -> list[Column]:
    places = figures.decimals(one.latency_ms for one in points)
    return [
        Column("entry", [Cell(one.label) for one in points], numeric=False),
        Column("in flight", [Cell(str(one.in_flight or 1)) for one in points], 1,
               notes=[UNDER_WAY]),
        Column("latency ms", [Cell(figures.number(one.latency_ms, places)) for one in points]),
        Column("of", [Cell(f"p{one.percentile:g}") for one in points], 2, numeric=False,
               notes=[MEANING]),
        Column("images/s", [Cell(figures.rate(one.per_second)) for one in points]),
        Column("cosine", [Cell(cosine(one.cosine)) for one in points], 3),
        Column("", [Cell("best", "good") if one == best else Cell("") for one in points],
               numeric=False),
    ]  # fmt: skip


def _left_out(points: Sequence[Point]) -> list[Note]:
    """What is not listed, and what could not be on the frontier however fast."""
    behind = sum(one.valid and not one.on_frontier for one in points)
    notes = [
        Note(f"{one.title}: {one.excluded}, not counted", "", "bad")
        for one in points
        if one.excluded
    ]
    if behind:
        more = "1 more point is" if behind == 1 else f"{behind} more points are"
        notes.append(Note(f"{more} behind the frontier"))
    return notes
