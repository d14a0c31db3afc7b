"""Everything that was measured of one entry, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engines.wording import cosine
from profiles.spelling import percent, spelled
from tui.formats import byte_size, duration, milliseconds, plural, rate
from tui.screens.detail_rows import (
    conditions_rows,
    energy_rows,
    memory_rows,
    outlier_rows,
)
from tui.screens.detail_rows import pair as _pair
from tui.widgets.panel import Row, row
from tui.widgets.results import VERDICTS, how_it_goes
from tui.widgets.split_bar import NAME_WIDTH, split_rows

if TYPE_CHECKING:
    from engines.results import EngineResult, LatencyRecord, VersusRecord
    from tui.live import LiveEntry


def detail_lines(entry: LiveEntry) -> list[Row | str]:
    """The rows of a dialog on `entry`: latency, times, accuracy, what really ran."""
    result = entry.result
    if result is None:
        return [how_it_goes(entry), "", "Its figures are complete when it ends."]
    lines: list[Row | str] = list(_outcome(result))
    if result.versus is not None:
        lines += ["", *_versus(result.versus)]
    if result.latency is not None:
        lines += ["", *_latency(result.latency)]
    lines += ["", *_times(result)]
    if result.measured or result.device is not None:
        lines += ["", *_split(result)]
    if result.throughputs:
        lines += ["", *_throughput(result)]
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
        lines += pairs(title, table)
    return lines


def pairs(title: str, table: Mapping[str, object]) -> list[Row | str]:
    """A heading and a row for each name and value; nothing where there are none."""
    if not table:
        return []
    # Names that nobody here chose, such as "graph optimization level", keep off their values.
    width = max(NAME_WIDTH, *(len(spelled(name)) + 2 for name in table))
    found = [_pair(spelled(name), _value(value), width=width) for name, value in table.items()]
    return ["", row((title, "heading")), *found]


def _value(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _outcome(result: EngineResult) -> Iterator[Row | str]:
    yield _pair("status", result.status)
    if result.reason:
        yield f"{result.reason}"
    if result.hint:
        yield f"What to do: {result.hint}"


def _versus(versus: VersusRecord) -> Iterator[Row | str]:
    yield row((f"Against {versus.baseline}, in {plural(versus.blocks, 'round')}", "heading"))
    word, tone = VERDICTS[versus.verdict]
    yield row(("verdict".ljust(NAME_WIDTH), "muted"), (word, tone))
    if versus.ratio is not None:
        interval = ""
        if versus.low is not None and versus.high is not None:
            interval = f"95 % interval {_change(versus.low)} to {_change(versus.high)}"
        yield _pair("median of an image", _change(versus.ratio), interval)
    yield _pair("same within", percent(versus.threshold, 2))
    yield from versus.reasons


def _change(ratio: float) -> str:
    """A ratio of medians as a change."""
    return percent(ratio - 1, 2, signed=True)


def _latency(latency: LatencyRecord) -> Iterator[Row]:
    yield row(("Latency of one request, ms", "heading"))
    yield _pair("samples", f"{latency.n:,}")
    for one in latency.percentiles:
        name = f"p{one.percentile:g}"
        if one.value_ms is None:
            yield _pair(name, f"needs {one.needs:,} samples")
        elif one.low_ms is None or one.high_ms is None:
            missing = _no_interval(one.percentile, latency.n)
            yield _pair(name, milliseconds(one.value_ms), missing)
        else:
            interval = f"{milliseconds(one.low_ms)} to {milliseconds(one.high_ms)}"
            yield _pair(name, milliseconds(one.value_ms), f"95 % interval {interval}")
    deviation = f"deviation {milliseconds(latency.stdev_ms)}"
    yield _pair("mean", milliseconds(latency.mean_ms), deviation)
    yield _pair("least, largest", f"{milliseconds(latency.min_ms)}, {milliseconds(latency.max_ms)}")
    if latency.drift is not None:
        yield _pair("drift", f"{percent(latency.drift)} carries over", "intervals say too little")
    yield from outlier_rows(latency)


def _no_interval(percentile: float, n: int) -> str:
    from engines.statistics import interval_floor

    if n < (needed := interval_floor(percentile)):
        return f"an interval needs {needed:,} samples"
    return "no interval: its samples vary together"


def _times(result: EngineResult) -> Iterator[Row]:
    yield row(("Time and memory", "heading"))
    if result.throughput is not None:
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


def _split(result: EngineResult) -> Iterator[Row | str]:
    from profiles.hints import HOW_IT_ADDS_UP, WHAT_HOST_INCLUDES, no_split, split_hints

    device = result.device
    if device is None:
        yield row(("Where the time of a request goes", "heading"))
        yield _sentence(no_split(result))
        return
    extra = f"{device.n:,} extra requests"
    yield row((f"Where the time of a request goes, ms, by {extra}", "heading"))
    yield from split_rows(device)
    yield from map(_sentence, split_hints(result))
    yield f"{_sentence(WHAT_HOST_INCLUDES)} {_sentence(HOW_IT_ADDS_UP)}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _throughput(result: EngineResult) -> Iterator[Row]:
    yield row(("Throughput with several requests in flight", "heading"))
    for one in result.throughputs:
        name = f"{one.in_flight} in flight"
        if one.per_second is None:
            yield _pair(name, "-", one.reason)
            continue
        known = [f"{percentile} {milliseconds(value)}"
                 for percentile, value in (("p50", one.p50_ms), ("p99", one.p99_ms))
                 if value is not None]  # fmt: skip
        latency = f"{', '.join(known)} ms of " if known else ""
        latency += f"{one.n:,} in {duration(one.seconds)}"
        yield _pair(name, f"{rate(one.per_second)} images/s", latency)


def _accuracy(result: EngineResult) -> Iterator[Row]:
    accuracy = result.accuracy
    assert accuracy is not None
    yield row((f"Accuracy against the FP32 reference, {accuracy.images} images", "heading"))
    yield _pair("cosine of all logits", cosine(accuracy.cosine),
                f"at least {accuracy.tolerance_cosine:g} expected")  # fmt: skip
    yield _pair("top-1 agreement", percent(accuracy.top1_agreement, 1))
    yield _pair("error", f"{accuracy.max_error:.3g} largest, {accuracy.mean_error:.3g} mean")
    yield _pair("not finite", f"{accuracy.nan_count:,}")
