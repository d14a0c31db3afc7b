"""What a profile's plan is, in words, and how much of it can run here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from profiles.verdict_words import measurement_words
from tui.widgets.panel import Row, row

if TYPE_CHECKING:
    from engines.plan import EngineSpec, RunPlan
    from tui.selection import Selection

MOST_LINES = 9


def plan_lines(plan: RunPlan, selection: Selection) -> tuple[list[Row | str], bool]:
    """What `plan` runs and how, what of it can't run here and why; and whether any of it can."""
    able: list[EngineSpec] = []
    missing: list[tuple[EngineSpec, str]] = []
    for spec in plan.engines:
        reason = selection.why_not(spec)
        if reason:
            missing.append((spec, reason))
        else:
            able.append(spec)
    lines: list[Row | str] = [
        f"{plan.model.label}, measured {measurement_words(plan.measurement)}.",
        *_listed("Runs here:", [(spec, "") for spec in able], "✓"),
        *_listed("Not available here:", missing, "✗"),
    ]
    if not able:
        lines += ["", "Nothing of it can run here; its engines can be selected all the same."]
    return lines, bool(able)


def _listed(heading: str, specs: list[tuple[EngineSpec, str]], sign: str) -> Iterator[Row | str]:
    if not specs:
        return
    yield ""
    yield row((heading, "heading"))
    for spec, reason in specs[:MOST_LINES]:
        yield f"{sign} {spec.label}{f': {reason}' if reason else ''}"
    if len(specs) > MOST_LINES:
        yield f"  and {len(specs) - MOST_LINES:,} more"
