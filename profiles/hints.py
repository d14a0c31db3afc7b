"""What a result's split of a request suggests, by the options that are in use."""

from __future__ import annotations

from engines import registry
from engines.errors import UsageError
from engines.results import DeviceRecord, EngineResult
from profiles.spelling import percent

# trtexec's limit, of medians: samples/common/sampleReporting.cpp of TensorRT 11.1.
ENQUEUE_SHARE = 0.8
# What the split's requests may take, as shares of the samples' median, for both to be of one pace.
# Four events add up to 8 % to a request of 0.2 ms (docs/performance.md, "What a sample costs").
SAME_PACE = (0.9, 1.15)
# What asks each engine for a CUDA graph. Inductor has no option for it but this mode.
GRAPH_OPTIONS = {"compile": ("mode", "reduce-overhead")}
CUDA_GRAPH = ("cuda_graph", "true")
# docs/pathways.md: "What ONNX Runtime's options are worth".
NHWC_HINT = (
    "its convolutions in NHWC order with their bias fused were 1.2 to 1.7 times as fast in FP16 on"
    " an H200 (enter on the engine and prefer_nhwc, or --set onnxruntime.prefer_nhwc=true)"
)

WHAT_HOST_INCLUDES = (
    "host: one whole request, from FP32 images to FP32 logits in page-locked host memory: copy in,"
    " compute with its casts, copy out and one wait, one request in flight"
)
HOW_IT_ADDS_UP = (
    "copy in, compute and copy out are between device events, enqueue is the host's time to hand"
    " compute over; copy in + compute + copy out + unaccounted = host: means over the middle half"
    " of the extra requests by host time"
)


def no_split(result: EngineResult) -> str:
    """Why there is no split of `result`, which was measured; empty where there is one."""
    if result.device is not None:
        return ""
    if failed := result.facts.get("device_times_failed"):
        return f"not split: {failed}"
    if result.spec.device == "cpu":
        return "not split: on the CPU there is no stream whose events could tell the parts apart"
    return "not split"


def split_hints(result: EngineResult) -> tuple[str, ...]:
    """What bounds `result` besides its computation, and what would help; often nothing."""
    device = result.device
    if device is None:
        return ()
    hints = []
    if _could_be_nhwc(result):
        hints.append(NHWC_HINT)
    if device.enqueue_ms > ENQUEUE_SHARE * device.compute_ms:
        hints.append(_enqueue_hint(result, device))
    copies = device.copy_in_ms + device.copy_out_ms
    if copies >= device.compute_ms:
        hints.append(
            f"bound by its transfers: {copies:.3g} ms of copies for {device.compute_ms:.3g} ms of"
            " computation; a faster engine can't help, inputs that stay on the GPU or are smaller"
            " would"
        )
    if pace := _other_pace(result, device):
        hints.append(pace)
    return tuple(hints)


def _other_pace(result: EngineResult, device: DeviceRecord) -> str | None:
    """Says that the extra requests were not as fast as the samples: None where they were.

    An engine that waits for its launches is as fast as the host's one thread, which on a virtual
    machine may change by a factor of two within seconds.
    """
    p50_ms = result.latency.p50_ms if result.latency is not None else None
    if not p50_ms or not device.host_ms:
        return None
    ratio = device.host_ms / p50_ms
    if SAME_PACE[0] <= ratio <= SAME_PACE[1]:
        return None
    return (
        f"the split is of another pace: its requests took {ratio:.2f} times the samples' median;"
        " read its shares, not its milliseconds"
    )


def _could_be_nhwc(result: EngineResult) -> bool:
    spec = result.spec
    return (
        spec.engine == "onnxruntime"
        and spec.precision == "fp16"
        and result.facts.get("prefer_nhwc") is False
    )


def _enqueue_hint(result: EngineResult, device: DeviceRecord) -> str:
    bound = "bound by its enqueue"
    if result.facts.get("cuda_graph") is True:
        return f"{bound}, though that is one CUDA graph: a larger batch gives the GPU more to do"
    if refused := result.facts.get("cuda_graph_refused"):
        return f"{bound}, and its CUDA graph was refused: {refused}"
    wish = _graph_option(result)
    if wish is None:
        return f"{bound}: a larger batch gives the GPU more to do"
    option, value = wish
    return (
        f"{bound}: a CUDA graph would remove up to {percent(_removable(device))} of its host time"
        f" (enter on the engine and {option}, or --set {result.spec.engine}.{option}={value})"
    )


def _removable(device: DeviceRecord) -> float:
    """The most that a CUDA graph can take off the host time.

    A replay hands all kernels over at once, so that it saves no more than handing them over takes,
    nor more than the device waits for them in.
    """
    host_ms = device.host_ms or device.copy_in_ms + device.compute_ms + device.copy_out_ms
    return min(1.0, min(device.enqueue_ms, device.compute_ms) / host_ms) if host_ms else 0.0


def _graph_option(result: EngineResult) -> tuple[str, str] | None:
    """The option and value that ask this engine for a CUDA graph; None where it has none."""
    option, value = GRAPH_OPTIONS.get(result.spec.engine, CUDA_GRAPH)
    try:
        registry.find(result.spec.engine).option(option)
    except UsageError:
        return None
    return option, value
