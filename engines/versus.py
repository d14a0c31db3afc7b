"""The verdict on each engine of an interleaved run, against the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from engines.results import EngineResult, VersusRecord
from engines.soundness import (
    DOUBTED_BY,
    beyond,
    caveats,
    of_processes,
    ratio_unknown,
    stands,
    unfit,
)
from engines.statistics import MIN_BLOCKS, Reason, Verdict, compare, judge

Floats = NDArray[np.float64]
# The reasons of a verdict that another threshold may change.
BY_THRESHOLD = (
    "beyond-threshold",
    "within-threshold",
    "interval-crosses-threshold",
    "processes",
)
# The latencies of an entry in ms, by the round in which they were measured.
Turns = Mapping[int, Floats]


def verdicts(
    results: Sequence[EngineResult], turns: Sequence[Turns], threshold: float
) -> list[VersusRecord | None]:
    """The verdict on each result against the first that took turns.

    None for that one, and for what was not measured. Latency is compared for one image where
    batches differ.
    """
    first = _first(turns)
    if first is None:
        return [None] * len(results)
    return [
        None
        if index == first or not result.measured
        else versus(results[first], turns[first], result, turns[index], threshold)
        for index, result in enumerate(results)
    ]


def baseline_of(results: Sequence[EngineResult], turns: Sequence[Turns]) -> str | None:
    """The label of the entry that all others are compared with, None where none took turns."""
    first = _first(turns)
    return None if first is None else results[first].label


def versus(
    baseline: EngineResult,
    baseline_turns: Turns,
    result: EngineResult,
    turns: Turns,
    threshold: float,
) -> VersusRecord:
    """The verdict on `result` against `baseline`, by the rounds in which both were measured.

    UNCLEAR with its reasons where there are too few of those, or where something makes a side unfit
    for this verdict (`engines.soundness`); the figures stay, for a reader to see.
    """
    rounds = sorted(baseline_turns.keys() & turns.keys())
    if not rounds:
        why = "it has no round in common with the baseline"
        return not_interleaved(baseline.label, threshold, why)
    verdict, ratio, low, high, reasons = _compared(
        [baseline_turns[one] / baseline.spec.batch for one in rounds],
        [turns[one] / result.spec.batch for one in rounds],
        threshold,
    )
    spread = of_processes(result.spec.device)
    verdict, reasons = beyond(spread, verdict, ratio, low, high, reasons)
    sides = ((result, ""), (baseline, f"the baseline {baseline.label}"))
    doubts = ratio_unknown(ratio, low, high)
    doubts += [reason for side, name in sides for reason in unfit(side, name, by_turns=True)]
    known = [reason for side, name in sides for reason in caveats(side, name, by_turns=True)]
    if baseline.spec.batch != result.spec.batch:
        batches = f"{result.spec.batch} against {baseline.spec.batch}"
        known.append(
            Reason("per-image", f"latency divided by the batch is compared: batches of {batches}")
        )
    if stands(verdict, low, high, threshold, doubts):
        in_order = (*reasons, *known, *doubts)
    else:
        verdict, in_order = Verdict.UNCLEAR, (*doubts, *reasons, *known)
    return VersusRecord(
        baseline=baseline.label,
        verdict=verdict.value,
        blocks=len(rounds),
        threshold=threshold,
        ratio=ratio,
        low=low,
        high=high,
        reasons=tuple(f"{one.code}: {one.text}" for one in in_order),
    )


def judged_again(saved: VersusRecord, threshold: float, device: str) -> VersusRecord:
    """`saved`, on an engine of `device`, by another threshold, from its interval; what is UNCLEAR
    for want of one stays so."""
    replaced = {"threshold": threshold}
    own = saved.reasons[0].partition(":")[0] if saved.reasons else ""
    if own not in BY_THRESHOLD or saved.ratio is None or saved.low is None or saved.high is None:
        return msgspec.structs.replace(saved, **replaced)
    verdict, reason = judge(saved.ratio, saved.low, saved.high, threshold)
    verdict, (reason,) = beyond(
        of_processes(device), verdict, saved.ratio, saved.low, saved.high, (reason,)
    )
    others = saved.reasons[1:]
    doubts = [Reason(code, one) for one in others if (code := one.partition(":")[0]) in DOUBTED_BY]
    if not stands(verdict, saved.low, saved.high, threshold, doubts):
        verdict = Verdict.UNCLEAR
    reasons = (f"{reason.code}: {reason.text}", *others)
    return msgspec.structs.replace(saved, **replaced, verdict=verdict.value, reasons=reasons)


def not_interleaved(baseline: str, threshold: float, why: str) -> VersusRecord:
    """The verdict on an entry that did not take turns with `baseline`."""
    return VersusRecord(
        baseline=baseline,
        verdict="UNCLEAR",
        blocks=0,
        threshold=threshold,
        reasons=(f"not-interleaved: {why}",),
    )


def _first(turns: Sequence[Turns]) -> int | None:
    return next((index for index, one in enumerate(turns) if one), None)


def _compared(
    a: Sequence[Floats], b: Sequence[Floats], threshold: float
) -> tuple[Verdict, float | None, float | None, float | None, tuple[Reason, ...]]:
    """Verdict, ratio, its interval and reasons, of the blocks of two engines."""
    a_ms, b_ms = np.concatenate(a), np.concatenate(b)
    if len(a) < MIN_BLOCKS:
        ratio = float(np.median(b_ms) / np.median(a_ms)) if np.median(a_ms) > 0 else None
        text = f"{len(a)} rounds were measured of both, a verdict needs {MIN_BLOCKS}"
        return Verdict.UNCLEAR, ratio, None, None, (Reason("too-few-blocks", text),)
    try:
        found = compare(
            a_ms,
            b_ms,
            threshold,
            a_blocks=[len(block) for block in a],
            b_blocks=[len(block) for block in b],
            interleaved=True,
        )
    except ValueError as error:
        return Verdict.UNCLEAR, None, None, None, (Reason("not-comparable", str(error)),)
    reasons = found.reasons
    if found.low is None:
        reasons = tuple(Reason(one.code, f"{one.text}; give longer blocks") for one in reasons)
    return found.verdict, found.ratio, found.low, found.high, reasons
