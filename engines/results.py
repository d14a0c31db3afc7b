"""What one engine's run came to: the record that an event carries and a profile keeps.

Times are milliseconds and say so in their names; memory is bytes. `None` means not measured,
never zero.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from engines.plan import EngineSpec, OptionValue, Record

# A figure is not known whose 95 % interval reaches beyond twice it, ± 100 %, or below half of it:
# one as wide is made of a few slow spells, and another run would have others.
KNOWN_WITHIN = 2.0

Status = Literal["ok", "invalid", "stopped", "failed", "unavailable"]


def is_known(value: float, low: float, high: float) -> bool:
    """Whether the interval `low` to `high` of `value` says more than its order of magnitude."""
    return value <= KNOWN_WITHIN * low and high <= KNOWN_WITHIN * value


class PercentileRecord(Record, frozen=True, kw_only=True):
    """One percentile of latency, with its 95 % interval.

    `value_ms` is None where fewer than `needs` samples were taken (MLPerf's early-stopping floor).
    """

    percentile: float
    needs: int
    value_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None


class LatencyRecord(Record, frozen=True, kw_only=True):
    """The latency of one request, host time, over all samples; nothing is dropped.

    `drift` is there where the run was too short for its drift: the share of a deviation from the
    median that passes from one part of the run to the next, of some 40, or from round to round.
    """

    n: int
    mean_ms: float
    min_ms: float
    max_ms: float
    stdev_ms: float | None = None
    percentiles: tuple[PercentileRecord, ...] = ()
    drift: Annotated[float, Meta(ge=0, le=1)] | None = None
    outliers_mild: int = 0
    outliers_severe: int = 0
    # By what is known to have disturbed the block they lie in; the rest has no known cause.
    outlier_causes: dict[str, int] = {}

    def percentile(self, percentile: float) -> PercentileRecord | None:
        """The record of `percentile` (50, 90, 95, 99 or 99.9), None where it was not taken."""
        return next((one for one in self.percentiles if one.percentile == percentile), None)

    @property
    def p50_ms(self) -> float | None:
        found = self.percentile(50)
        return found.value_ms if found else None

    @property
    def half_width(self) -> float | None:
        """Half the width of the median's 95 % interval as a share of it, None without one."""
        found = self.percentile(50)
        if found is None or not found.value_ms or found.low_ms is None or found.high_ms is None:
            return None
        return (found.high_ms - found.low_ms) / (2 * found.value_ms)

    @property
    def median_unknown(self) -> str:
        """Why nobody knows the median, though there are enough samples for one; else empty."""
        found = self.percentile(50)
        if found is None or not found.value_ms:
            return ""
        if found.low_ms is not None and found.high_ms is not None:
            if is_known(found.value_ms, found.low_ms, found.high_ms):
                return ""
            why = f"its 95 % interval reaches from {found.low_ms:.4g} to {found.high_ms:.4g} ms"
        elif self.drift is not None:
            why = "it drifts so much that there is no interval"
        else:
            why = "its samples vary together so much that there is no interval"
        return f"its median is not known: {why}; measure longer, or on a quieter machine"


class AccuracyRecord(Record, frozen=True, kw_only=True):
    """Error of the logits against the FP32 reference (PyTorch eager on the CPU).

    Errors are absolute, over all logits of `images` inputs; `cosine` takes those logits as one
    vector; `top1_agreement` is the share of images whose largest logit is the reference's. Only
    the cosine is judged: with built-in weights the two largest of a thousand logits are often
    closer than BF16's rounding, so that a faultless engine agrees on four images in five.
    """

    images: int
    max_error: float
    mean_error: float
    cosine: float
    top1_agreement: float
    nan_count: int
    tolerance_cosine: float
    within_tolerance: bool


class DeviceRecord(Record, frozen=True, kw_only=True):
    """Where the time of a request goes, in milliseconds, by `n` extra requests.

    The copies and the computation are between device events on the engine's stream; `enqueue_ms`
    is host time for handing the computation to the stream, and part of none of them. `host_ms` is
    the host time of these same requests, and `unaccounted_ms` what the three parts leave of it.
    Each is the mean over the middle half of the requests by host time, so that the four add up
    (see `engines.backends.split.summary`). Taken apart from the latency samples, because recording
    events costs host time.
    """

    n: int
    copy_in_ms: float
    compute_ms: float
    copy_out_ms: float
    enqueue_ms: float
    host_ms: float | None = None
    unaccounted_ms: float | None = None


class MemoryRecord(Record, frozen=True, kw_only=True):
    """GPU memory in bytes, by who says so; None where nobody can.

    `device_delta` is what the whole GPU had less of at its most, from before the engine was loaded
    to the end of its warm-up (NVML); `process` what the driver counts for the worker (NVML;
    containers may hide it); `allocator_peak` the most that the framework's own allocator held;
    `weights` and `activations` are the engine file's, as TensorRT states them.
    """

    device_delta: int | None = None
    process: int | None = None
    allocator_peak: int | None = None
    weights: int | None = None
    activations: int | None = None


class EnergyRecord(Record, frozen=True, kw_only=True):
    """Energy of one inference (one image), from a counter of energy: `source` says which.

    Of the whole GPU, or of the whole processor packages, idle power included: `idle_w` is what it
    drew before, and is not subtracted. `joules_per_inference` is None where the reading is not
    valid, and `reason` says why. `n` requests were answered in the `seconds` from the first to the
    last of the `steps` + 1 times that the counter was seen to move.
    """

    source: str = ""
    joules_per_inference: float | None = None
    mean_w: float | None = None
    idle_w: float | None = None
    n: int = 0
    seconds: float = 0.0
    steps: int = 0
    reason: str = ""


class ThroughputRecord(Record, frozen=True, kw_only=True):
    """A pass with `in_flight` requests under way at any time, each on an engine of its own.

    `per_second` counts inferences (images); the percentiles are of the latency of one request,
    from its handing over to its answer, None below their sample floors. `n` requests were answered
    in `seconds`. Where nothing could be measured `per_second` is None and `reason` says why.
    """

    in_flight: int
    n: int = 0
    seconds: float = 0.0
    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    reason: str = ""


Condition = Literal["THROTTLED", "POWER-CAPPED", "SHARED GPU", "SHARED CPU", "SUSPENDED"]


class DisturbanceRecord(Record, frozen=True, kw_only=True):
    """A time in which a condition held, in seconds since the entry's warm-up began."""

    condition: Condition
    start_s: float
    end_s: float


class ConditionsRecord(Record, frozen=True, kw_only=True):
    """What the machine was like while the entry was measured, of its GPU from `readings` of NVML.

    `verdicts` are what a reader must know; shares are of the time measured, and `disturbances`
    say when it was, the longest of them. `reasons` maps each clock event reason that was seen, by
    NVML's name or as a hexadecimal bit where this program knows none, to the share of readings
    that showed it. `others` names the other processes that were seen on the GPU, be it that they
    only held memory. `processor_wait_share` is the share of the time for which a thread of the
    worker was ready and had no processor, None where the kernel does not count it. `asleep_s` is
    how long the machine was suspended meanwhile. `problem` says why the GPU could not be read.
    """

    readings: int = 0
    problem: str = ""
    verdicts: tuple[Condition, ...] = ()
    throttled_share: float = 0.0
    power_capped_share: float = 0.0
    shared_share: float = 0.0
    crowded_share: float = 0.0
    processor_wait_share: float | None = None
    asleep_s: float = 0.0
    sm_clock_min_mhz: float | None = None
    sm_clock_median_mhz: float | None = None
    sm_clock_max_mhz: float | None = None
    memory_clock_median_mhz: float | None = None
    power_median_w: float | None = None
    power_max_w: float | None = None
    temperature_max_c: float | None = None
    utilisation_median_percent: float | None = None
    reasons: dict[str, float] = {}
    others: tuple[str, ...] = ()
    disturbances: tuple[DisturbanceRecord, ...] = ()

    @property
    def invalid(self) -> bool:
        """Whether the figures are of the disturbance rather than of the engine: a run then ends
        with exit code 3, and a comparison with it is UNCLEAR."""
        return any(one in self.verdicts for one in ("THROTTLED", "SUSPENDED"))

    @property
    def says_anything(self) -> bool:
        """Whether there is more than nothing in it."""
        return self != ConditionsRecord()

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each verdict in words, in the order of `verdicts`."""
        return tuple(self._sentence(one) for one in self.verdicts)

    def _sentence(self, verdict: Condition) -> str:
        if verdict == "THROTTLED":
            share = f"{100 * self.throttled_share:.0f} %"
            return f"THROTTLED: heat or the hardware held the clock down for {share} of the time"
        if verdict == "POWER-CAPPED":
            share = f"{100 * self.power_capped_share:.0f} %"
            return f"POWER-CAPPED: the power limit held the clock down for {share} of the time"
        if verdict == "SUSPENDED":
            return f"SUSPENDED: the machine slept for {self.asleep_s:.0f} s in the middle"
        if verdict == "SHARED CPU":
            share = f"{100 * self.crowded_share:.0f} %"
            return f"SHARED CPU: others had its processors in {share} of the time"
        share = f"{100 * self.shared_share:.0f} %"
        seen = f" (seen there: {', '.join(self.others)})" if self.others else ""
        return f"SHARED GPU: another process computed on it in {share} of the time{seen}"


class VersusRecord(Record, frozen=True, kw_only=True):
    """The verdict on an entry against the `baseline` that it took turns with.

    `ratio` is its median over the baseline's, `low` to `high` the 95 % interval of it; a reason is
    a code, a colon and a sentence, the verdict's own first.
    """

    baseline: str
    verdict: Literal["FASTER", "SLOWER", "SAME", "UNCLEAR"]
    blocks: int
    threshold: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    reasons: tuple[str, ...] = ()


class WarmUpRecord(Record, frozen=True, kw_only=True):
    """How the warm-up ended. Its samples are kept in the sidecar, apart from the measured ones."""

    n: int
    seconds: float
    settled: bool
    reason: str


class StopRecord(Record, frozen=True, kw_only=True):
    """Why the measurement ended, and which of its conditions were not met by then."""

    reason: str
    seconds: float
    unmet: tuple[str, ...] = ()


class EngineResult(Record, frozen=True, kw_only=True):
    """Everything one entry of the plan came to.

    `facts` states what really ran (threads, provider, nodes per provider, graph breaks, ...).
    `throughput` is inferences per second of this closed loop: batch / mean latency.
    """

    label: str
    spec: EngineSpec
    status: Status
    reason: str = ""
    hint: str = ""
    latency: LatencyRecord | None = None
    throughput: float | None = None
    export_ms: float | None = None
    build_ms: float | None = None
    load_ms: float | None = None
    compile_ms: float | None = None
    first_inference_ms: float | None = None
    warm_up: WarmUpRecord | None = None
    stop: StopRecord | None = None
    accuracy: AccuracyRecord | None = None
    device: DeviceRecord | None = None
    versus: VersusRecord | None = None
    throughputs: tuple[ThroughputRecord, ...] = ()
    energy: EnergyRecord | None = None
    memory: MemoryRecord | None = None
    conditions: ConditionsRecord | None = None
    peak_host_bytes: int | None = None
    # Of profiles made before `memory` was: what each engine's own library said, so not comparable.
    device_bytes: int | None = None
    facts: dict[str, OptionValue] = {}
    versions: dict[str, str] = {}
    artifacts: dict[str, str] = {}

    @property
    def measured(self) -> bool:
        """Whether there are samples to show, whatever became of the run afterwards."""
        return self.latency is not None
