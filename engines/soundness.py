"""What disturbed a measurement: what makes it unfit for a verdict, and what a reader must know."""

from __future__ import annotations

from engines.results import EngineResult, WarmUpRecord
from engines.statistics import Reason

PERCENT = 100.0


def unfit(result: EngineResult, name: str) -> list[Reason]:
    """Why no verdict can rest on `result`, called `name` in the sentences; empty where one can."""
    reasons = []
    if result.status == "invalid":
        reasons.append(Reason("invalid", f"{name} is outside its tolerance: {result.reason}"))
    if result.warm_up is not None and not result.warm_up.settled:
        text = f"{name}: {unsettled(result.warm_up)}; measure it again on a quieter machine"
        reasons.append(Reason("unsettled", text))
    if (found := result.conditions) is None:
        return reasons
    if "THROTTLED" in found.verdicts:
        share = f"{PERCENT * found.throttled_share:.0f} % of its blocks"
        text = f"{name}: the GPU was throttled in {share}; let it cool, then measure again"
        reasons.append(Reason("throttled", text))
    if "SHARED GPU" in found.verdicts:
        others = f": {', '.join(found.others)}" if found.others else ""
        text = f"{name}: other processes were on the GPU{others}; measure again without them"
        reasons.append(Reason("shared-gpu", text))
    return reasons


def caveats(result: EngineResult, name: str) -> list[Reason]:
    """What a reader of a verdict on `result` must know besides it."""
    reasons = []
    if result.status in ("failed", "stopped") and result.latency is not None:
        text = f"{name} {result.status} after {result.latency.n} samples: {result.reason}"
        reasons.append(Reason(result.status, text))
    if (found := result.conditions) is not None and "POWER-CAPPED" in found.verdicts:
        share = f"{PERCENT * found.power_capped_share:.0f} % of its blocks"
        reasons.append(Reason("power-capped", f"{name}: the GPU's power limit held in {share}"))
    return reasons


def unsettled(warm_up: WarmUpRecord) -> str:
    """That a warm-up did not settle, and why."""
    said = "warm-up did not settle"
    return warm_up.reason if warm_up.reason.startswith(said) else f"{said}: {warm_up.reason}"
