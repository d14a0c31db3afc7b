"""Everything that was measured of one entry, as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tui.formats import byte_size, duration, milliseconds, rate
from tui.screens.detail_rows import (
    conditions_rows,
    energy_rows,
    memory_rows,
    outlier_rows,
)
from tui.screens.detail_rows import pair as _pair
from tui.widgets.panel import Row, row

if TYPE_CHECKING:
    from engines.results import DeviceRecord, EngineResult, LatencyRecord
    from tui.live import LiveEntry


def detail_lines(entry: LiveEntry) -> list[Row | str]:
    """The rows of a dialog on `entry`: latency, times, accuracy, what really ran."""
    result = entry.result
    if result is None:
        now = f"{entry.state} {entry.detail}".strip()
        return [now, "", "Its figures are complete when it ends."]
    lines: list[Row | str] = list(_outcome(result))
    if result.latency is not None:
        lines += ["", *_latency(result.latency)]
    lines += ["", *_times(result)]
    if result.device is not None:
        lines += ["", *_on_the_device(result.device)]
    if result.conditions is not None:
        lines += ["", *conditions_rows(result.conditions)]
    if result.memory is not None:
        lines += ["", *memory_rows(result.memory)]
    if result.energy is not None:
        lines += ["", *energy_rows(result.energy)]
    if result.accuracy is not None:
        lines += ["", *_accuracy(result)]
    for title, table in (
        ("What ran", result.facts),
        ("Versions", result.versions),
        ("Made from", result.artifacts),
    ):
        if table:
            lines += ["", row((title, "heading"))]
            lines += [_pair(name.replace("_", " "), str(value)) for name, value in table.items()]
    return lines


def _outcome(result: EngineResult) -> Iterator[Row | str]:
    yield _pair("status", result.status)
    if result.reason:
        yield f"{result.reason}"
    if result.hint:
        yield f"What to do: {result.hint}"


def _latency(latency: LatencyRecord) -> Iterator[Row]:
    yield row(("Latency of one request, ms", "heading"))
    yield _pair("samples", f"{latency.n:,}")
    for one in latency.percentiles:
        name = f"p{one.percentile:g}"
        if one.value_ms is None:
            yield _pair(name, f"needs {one.needs:,} samples")
        elif one.low_ms is None or one.high_ms is None:
            yield _pair(name, milliseconds(one.value_ms))
        else:
            interval = f"{milliseconds(one.low_ms)} to {milliseconds(one.high_ms)}"
            yield _pair(name, milliseconds(one.value_ms), f"95 % interval {interval}")
    deviation = f"deviation {milliseconds(latency.stdev_ms)}"
    yield _pair("mean", milliseconds(latency.mean_ms), deviation)
    yield _pair("least, largest", f"{milliseconds(latency.min_ms)}, {milliseconds(latency.max_ms)}")
    yield from outlier_rows(latency)


def _times(result: EngineResult) -> Iterator[Row]:
    yield row(("Time and memory", "heading"))
    yield _pair("throughput", f"{rate(result.throughput)} images/s", "one request in flight")
    for name, value in (
        ("export", result.export_ms),
        ("build", result.build_ms),
        ("load", result.load_ms),
        ("compile", result.compile_ms),
        ("first inference", result.first_inference_ms),
    ):
        if value is not None:
            yield _pair(name, duration(value / 1000) if value >= 1000 else f"{value:.1f} ms")
    if result.warm_up is not None:
        yield _pair("warm-up", f"{result.warm_up.n:,} in {duration(result.warm_up.seconds)}",
                    result.warm_up.reason)  # fmt: skip
    if result.stop is not None:
        yield _pair("measured for", duration(result.stop.seconds), result.stop.reason)
        for unmet in result.stop.unmet:
            yield _pair("not reached", unmet)
    yield _pair("peak host memory", byte_size(result.peak_host_bytes))
    if result.device_bytes is not None:
        yield _pair("GPU memory", byte_size(result.device_bytes))


def _on_the_device(device: DeviceRecord) -> Iterator[Row]:
    yield row((f"On the GPU, ms, medians of {device.n:,} extra requests", "heading"))
    yield _pair("copy in", milliseconds(device.copy_in_ms))
    yield _pair("compute", milliseconds(device.compute_ms))
    yield _pair("copy out", milliseconds(device.copy_out_ms))
    yield _pair("enqueue", milliseconds(device.enqueue_ms), "host time to hand compute over")


def _accuracy(result: EngineResult) -> Iterator[Row]:
    accuracy = result.accuracy
    assert accuracy is not None
    yield row((f"Accuracy against the FP32 reference, {accuracy.images} images", "heading"))
    yield _pair("cosine, least", f"{accuracy.cosine:.6f}",
                f"at least {accuracy.tolerance_cosine:g} expected")  # fmt: skip
    yield _pair("top-1 agreement", f"{accuracy.top1_agreement:.1%}")
    yield _pair("error", f"{accuracy.max_error:.3g} largest, {accuracy.mean_error:.3g} mean")
    yield _pair("not finite", f"{accuracy.nan_count:,}")
