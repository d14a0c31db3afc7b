"""What disturbed a measurement: what makes it unfit for a verdict, and what a reader must know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from engines.results import KNOWN_WITHIN, ConditionsRecord, EngineResult, WarmUpRecord, is_known
from engines.statistics import Reason, Verdict
from engines.statistics.dependence import Z_95

PERCENT = 100.0
# A limit of the board that belongs to it: its figures are those that a server would have as well.
HARMLESS = ("POWER-CAPPED",)
# What others have of the processors they have of both sides' turns, which are in random order: of
# such pairs none in 300 was wrong (docs/statistics.md).
HARMLESS_BY_TURNS = (*HARMLESS, "SHARED CPU")
UNSETTLED = "unsettled"
# What an engine whose warm-up did not settle may still become faster or slower by. Of clocks that
# rise, compilers at work and neighbours that come and go, what is larger does not outlast ten
# seconds of warm-up, and shows as drift in what is measured.
UNSETTLED_FACTOR = 2.0
RATIO_UNKNOWN = "ratio-unknown"
# How much further an interval must lie beyond a threshold for a verdict, for each doubt of a kind
# that has a measure. One of a ratio that is not known is itself known that badly.
DOUBTED_BY = {UNSETTLED: UNSETTLED_FACTOR, RATIO_UNKNOWN: KNOWN_WITHIN}
# What two processes of one engine that take turns differ by on a CPU, each in the memory that it
# was given: the standard deviation of their ratio, in sets of four (docs/statistics.md). With the
# heap in huge pages it is half of that. On an H200, of 190 pairs in a CUDA graph none was called
# FASTER or SLOWER, nor was one of eight pairs of processes that have the same kernels.
PROCESSES_DIFFER = {"cpu": 0.01}
# What two single runs differ by, one after the other and alone on their processors: 40 of eager
# and 40 of ONNX Runtime in a virtual machine, six of a TensorRT engine on an H200
# (docs/statistics.md).
RUNS_DIFFER = {"cpu": 0.03, "cuda": 0.01}


class Spread(NamedTuple):
    """What two measurements of one and the same engine differ by.

    `share` is the standard deviation of their ratio. `of` says which two in words, `remedy` what to
    do where a difference is no more than that; `code` is that reason's.
    """

    code: str
    share: float
    of: str
    remedy: str


def of_processes(device: str) -> Spread | None:
    """The spread of two processes that take turns; None where it is below what a run shows."""
    if (share := PROCESSES_DIFFER.get(device)) is None:
        return None
    of = f"processes of one engine differ by {_on(device, share)}"
    return Spread("processes", share, of, "restart both and see whether it holds")


def of_runs(device: str, share: float | None = None) -> Spread | None:
    """The spread of two single runs; `share` where somebody knows that of the machine."""
    share = RUNS_DIFFER.get(device) if share is None else share
    if share is None:
        return None
    of = f"single runs of one engine differ by {_on(device, share)}"
    return Spread("runs", share, of, "measure both in one run, by turns")


def _on(device: str, share: float) -> str:
    name = {"cpu": "a CPU", "cuda": "a GPU"}.get(device, device)
    return f"{PERCENT * share:g} % on {name} (standard deviation)"


def ratio_unknown(ratio: float | None, low: float | None, high: float | None) -> list[Reason]:
    """What there is to doubt in a ratio with the interval `low` to `high`; empty where nothing."""
    if ratio is None or low is None or high is None or is_known(ratio, low, high):
        return []
    ends = " to ".join(f"{PERCENT * (end - 1):+,.0f} %" for end in (low, high))
    text = f"the ratio is not known: its 95 % interval reaches from {ends}; measure longer"
    return [Reason(RATIO_UNKNOWN, text)]


def unfit(result: EngineResult, name: str, *, by_turns: bool = False) -> list[Reason]:
    """Why no verdict can rest on `result`; empty where one can.

    The sentences call it `name`, which may be empty where they stand beside its label; `by_turns`
    is whether it took turns with what it is compared with.
    """
    reasons = []
    if result.status == "invalid":
        text = f"{name or 'it'} is outside its tolerance: {result.reason}"
        reasons.append(Reason("invalid", text))
    if result.warm_up is not None and not result.warm_up.settled:
        text = f"{unsettled(result.warm_up)}; measure it again on a quieter machine"
        reasons.append(Reason(UNSETTLED, _named(name, text)))
    # What changes from turn to turn changes both sides of a comparison by turns: the ratio tells.
    if not by_turns and result.latency is not None and (text := result.latency.median_unknown):
        reasons.append(Reason("median-unknown", _named(name, text)))
    return [*reasons, *_conditions(result, name, by_turns=by_turns, harmless=False)]


def stands(
    verdict: Verdict,
    low: float | None,
    high: float | None,
    threshold: float,
    doubts: Sequence[Reason],
) -> bool:
    """Whether `verdict`, on a ratio in `low` to `high`, holds in spite of `doubts` (`unfit`).

    Without any it does. With warm-ups that did not settle a difference does that is larger than
    they could still bring about, and one whose size is not known where its direction is: not by an
    end of its interval alone. Nothing else that makes a side unfit has such a limit.
    """
    if not doubts:
        return True
    if low is None or high is None or any(one.code not in DOUBTED_BY for one in doubts):
        return False
    factor = math.prod(DOUBTED_BY[one.code] for one in doubts)
    if verdict is Verdict.FASTER:
        return high * factor < 1 / (1 + threshold)
    return verdict is Verdict.SLOWER and low / factor > 1 + threshold


def beyond(
    spread: Spread | None,
    verdict: Verdict,
    ratio: float | None,
    low: float | None,
    high: float | None,
    reasons: tuple[Reason, ...],
) -> tuple[Verdict, tuple[Reason, ...]]:
    """`verdict` and its `reasons`, the first its own; UNCLEAR, and why, where a FASTER or SLOWER
    may be no more than what one engine differs from itself by.

    `low` to `high` is the interval of `ratio`. Both stay as they are without a `spread`, and where
    the difference is larger.
    """
    end = {Verdict.FASTER: high, Verdict.SLOWER: low}.get(verdict)
    if spread is None or end is None or ratio is None:
        return verdict, reasons
    if abs(math.log(ratio)) > math.hypot(math.log(ratio / end), Z_95 * spread.share):
        return verdict, reasons
    said, *others = reasons
    doubt = Reason(spread.code, f"{said.text}; but {spread.of}: {spread.remedy}")
    return Verdict.UNCLEAR, (doubt, *others)


def caveats(result: EngineResult, name: str, *, by_turns: bool = False) -> list[Reason]:
    """What a reader of a verdict on `result` must know besides it; the rest as in `unfit`."""
    reasons = _conditions(result, name, by_turns=by_turns, harmless=True)
    if result.status in ("failed", "stopped") and result.latency is not None:
        text = f"{name or 'it'} {result.status} after {result.latency.n} samples: {result.reason}"
        reasons.append(Reason(result.status, text))
    return reasons


def unsettled(warm_up: WarmUpRecord) -> str:
    """That a warm-up did not settle, and why."""
    said = "warm-up did not settle"
    return warm_up.reason if warm_up.reason.startswith(said) else f"{said}: {warm_up.reason}"


def code_of(condition: str) -> str:
    """The reason code of a condition of the machine: "shared-gpu" of "SHARED GPU"."""
    return condition.lower().replace(" ", "-")


def _conditions(result: EngineResult, name: str, *, by_turns: bool, harmless: bool) -> list[Reason]:
    """The conditions that `result` was measured under, those that are `harmless` or the others."""
    if (found := result.conditions) is None:
        return []
    allowed = HARMLESS_BY_TURNS if by_turns else HARMLESS
    said = [one for one in found.verdicts if (one in allowed) is harmless]
    return [Reason(code_of(one), _named(name, _in_words(one, found))) for one in said]


def _in_words(condition: str, found: ConditionsRecord) -> str:
    others = f": {', '.join(found.others)}" if found.others else ""
    throttled, capped = PERCENT * found.throttled_share, PERCENT * found.power_capped_share
    crowded = PERCENT * found.crowded_share
    words = {
        "THROTTLED": f"the GPU was throttled for {throttled:.0f} % of it; let it cool, then measure"
        " again",
        "SHARED GPU": f"other processes were on the GPU{others}; measure again without them",
        "SHARED CPU": f"others had its processors in {crowded:.0f} % of the time",
        "POWER-CAPPED": f"the GPU's power limit held for {capped:.0f} % of it",
    }
    return words.get(condition, f"it was {condition} meanwhile")


def _named(name: str, text: str) -> str:
    return f"{name}: {text}" if name else text
