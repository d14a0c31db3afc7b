"""What one engine's run came to: the record that an event carries and a profile keeps.

Times are milliseconds and say so in their names; memory is bytes. `None` means not measured,
never zero.
"""

from __future__ import annotations

from typing import Literal

from engines.plan import EngineSpec, OptionValue, Record

Status = Literal["ok", "invalid", "stopped", "failed", "unavailable"]


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
    """The latency of one request, host time, over all samples; nothing is dropped."""

    n: int
    mean_ms: float
    min_ms: float
    max_ms: float
    stdev_ms: float | None = None
    percentiles: tuple[PercentileRecord, ...] = ()
    outliers_mild: int = 0
    outliers_severe: int = 0

    def percentile(self, percentile: float) -> PercentileRecord | None:
        """The record of `percentile` (50, 90, 95, 99 or 99.9), None where it was not taken."""
        return next((one for one in self.percentiles if one.percentile == percentile), None)

    @property
    def p50_ms(self) -> float | None:
        found = self.percentile(50)
        return found.value_ms if found else None


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
    """Where the time of a request goes: medians in milliseconds over `n` extra requests.

    The first three are between device events on the engine's stream; `enqueue_ms` is host time for
    handing the computation to the stream. Taken apart from the latency samples, because recording
    events costs host time.
    """

    n: int
    copy_in_ms: float
    compute_ms: float
    copy_out_ms: float
    enqueue_ms: float


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
    peak_host_bytes: int | None = None
    device_bytes: int | None = None
    facts: dict[str, OptionValue] = {}
    versions: dict[str, str] = {}
    artifacts: dict[str, str] = {}

    @property
    def measured(self) -> bool:
        """Whether there are samples to show, whatever became of the run afterwards."""
        return self.latency is not None
