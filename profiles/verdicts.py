"""A verdict with its reasons, from samples or else from saved intervals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from engines.results import EngineResult, PercentileRecord, VersusRecord
from engines.soundness import Spread, beyond, ratio_unknown, stands
from engines.statistics import Reason, Verdict, compare, judge
from profiles.samples import Series

MEDIAN = 50


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what it rests on.

    `ratio` is the candidate's median latency over the baseline's and `low` to `high` its 95 %
    interval, None where they can't be told. The first of `reasons` is the verdict's own; the others
    are what else a reader must know.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def why(self) -> str:
        return self.reasons[0].text

    def beyond(self, spread: Spread | None) -> Judgement:
        """The same; UNCLEAR where one engine may differ from itself by as much."""
        verdict, reasons = beyond(
            spread, self.verdict, self.ratio, self.low, self.high, self.reasons
        )
        return dataclasses.replace(self, verdict=verdict, reasons=reasons)

    def known(
        self, doubts: Sequence[Reason], caveats: Sequence[Reason], threshold: float
    ) -> Judgement:
        """The same where `doubts` are known, which may void it, and `caveats`, which do not.

        That the ratio itself is hardly known is a doubt as well.
        """
        doubts = [*ratio_unknown(self.ratio, self.low, self.high), *doubts]
        if stands(self.verdict, self.low, self.high, threshold, doubts):
            return dataclasses.replace(self, reasons=(*self.reasons, *caveats, *doubts))
        return dataclasses.replace(
            self, verdict=Verdict.UNCLEAR, reasons=(*doubts, *self.reasons, *caveats)
        )


def unclear(code: str, why: str) -> Judgement:
    """No verdict, because of `why`."""
    return Judgement(Verdict.UNCLEAR, (Reason(code, why),))


def from_samples(a: Series, b: Series, threshold: float) -> Judgement:
    """The verdict of `engines.statistics.compare` on the latencies of two runs.

    Where both were measured in blocks among others' turns, these are the blocks that are drawn:
    the engine's own re-warms lie between them, and what changes from turn to turn is in them.
    """
    blocks = [one.by_round() for one in (a, b)]
    sizes: list[list[int] | None] = [None, None]
    if all(blocks):
        sizes = [[len(block) for block in one.values()] for one in blocks]
    try:
        found = compare(
            a.latencies_ms, b.latencies_ms, threshold, a_blocks=sizes[0], b_blocks=sizes[1]
        )
    except ValueError as error:
        return unclear("not-comparable", str(error))
    return Judgement(found.verdict, found.reasons, found.ratio, found.low, found.high)


def from_record(record: VersusRecord) -> Judgement:
    """The verdict that an interleaved run was saved with."""
    reasons = [Reason(*one.split(": ", 1)) if ": " in one else Reason("", one)
               for one in record.reasons]  # fmt: skip
    return Judgement(
        Verdict(record.verdict),
        tuple(reasons) or (Reason("", "the profile says no reason"),),
        record.ratio,
        record.low,
        record.high,
    )


def from_intervals(
    a: EngineResult, b: EngineResult, threshold: float, candidate: str = "B"
) -> Judgement:
    """The verdict from the two saved medians and their 95 % intervals.

    The ratio's interval is put together from theirs on a logarithmic scale by the method of
    variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008). Unlike that of
    `from_samples` it does not allow for drift from one run to the next. The limits are those of
    `engines.statistics.compare`.
    """
    medians = [_median(result) for result in (a, b)]
    for side, median in zip(("A", candidate), medians, strict=True):
        if median is None:
            return unclear("no-interval", f"{side} has no saved interval of its median")
    (a_low, a_mid, a_high), (b_low, b_mid, b_high) = (one for one in medians if one)
    ratio = b_mid / a_mid
    low = ratio * math.exp(-math.hypot(math.log(b_mid / b_low), math.log(a_high / a_mid)))
    high = ratio * math.exp(math.hypot(math.log(b_high / b_mid), math.log(a_mid / a_low)))
    verdict, reason = judge(ratio, low, high, threshold)
    caveat = Reason(
        "saved-intervals",
        "compared by the saved intervals, which do not allow for drift between the runs",
    )
    return Judgement(verdict, (reason, caveat), ratio, low, high)


def _median(result: EngineResult) -> tuple[float, float, float] | None:
    record = result.latency.percentile(MEDIAN) if result.latency else None
    return _bounds(record) if record else None


def _bounds(record: PercentileRecord) -> tuple[float, float, float] | None:
    """Lower end, value and upper end of a percentile, None where a ratio of them has no sense."""
    low, value, high = record.low_ms, record.value_ms, record.high_ms
    if low is None or value is None or high is None or low <= 0:
        return None
    return low, value, high
