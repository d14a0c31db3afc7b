"""What disturbed a measurement: what makes it unfit for a verdict, and what a reader must know."""

from __future__ import annotations

from engines.results import EngineResult, WarmUpRecord
from engines.statistics import Reason

PERCENT = 100.0


def unfit(result: EngineResult, name: str) -> list[Reason]:
    """Why no verdict can rest on `result`; empty where one can.

    The sentences call it `name`, which may be empty where they stand beside its label.
    """
    reasons = []
    start = f"{name}: " if name else ""
    if result.status == "invalid":
        reasons.append(
            Reason("invalid", f"{name or 'it'} is outside its tolerance: {result.reason}")
        )
    if result.warm_up is not None and not result.warm_up.settled:
        text = f"{start}{unsettled(result.warm_up)}; measure it again on a quieter machine"
        reasons.append(Reason("unsettled", text))
    if (found := result.conditions) is None:
        return reasons
    if "THROTTLED" in found.verdicts:
        share = f"{PERCENT * found.throttled_share:.0f} % of its blocks"
        text = f"{start}the GPU was throttled in {share}; let it cool, then measure again"
        reasons.append(Reason("throttled", text))
    if "SHARED GPU" in found.verdicts:
        others = f": {', '.join(found.others)}" if found.others else ""
        text = f"{start}other processes were on the GPU{others}; measure again without them"
        reasons.append(Reason("shared-gpu", text))
    return reasons


def caveats(result: EngineResult, name: str) -> list[Reason]:
    """What a reader of a verdict on `result` must know besides it; `name` as in `unfit`."""
    reasons = []
    start = f"{name}: " if name else ""
    if result.status in ("failed", "stopped") and result.latency is not None:
        text = f"{name or 'it'} {result.status} after {result.latency.n} samples: {result.reason}"
        reasons.append(Reason(result.status, text))
    if (found := result.conditions) is not None and "POWER-CAPPED" in found.verdicts:
        share = f"{PERCENT * found.power_capped_share:.0f} % of its blocks"
        reasons.append(Reason("power-capped", f"{start}the GPU's power limit held in {share}"))
    return reasons


def unsettled(warm_up: WarmUpRecord) -> str:
    """That a warm-up did not settle, and why."""
    said = "warm-up did not settle"
    return warm_up.reason if warm_up.reason.startswith(said) else f"{said}: {warm_up.reason}"
