"""Throughput with several requests in flight: a figure of its own, apart from latency."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import statistics
from engines.errors import Cancelled, InferTuiError
from engines.events import Event, Progress
from engines.process import WorkerProcess
from engines.results import ThroughputRecord

# Of each number of requests in flight, after it has settled.
SECONDS = 2.0


def steps(
    worker: WorkerProcess,
    job: str,
    batch: int,
    in_flight: Sequence[int],
    load: dict[str, Any],
) -> Generator[Event, None, dict[str, Any]]:
    """A pass for each number of `in_flight`, in ascending order; `load` is the engine's request.

    Returns the fields `throughputs` and `facts` of a result. A number that could not be measured,
    such as for want of memory, and those above it have a record that says why.
    """
    numbers = sorted(set(in_flight))
    records: list[ThroughputRecord] = []
    facts: dict[str, Any] = {}
    asking = worker.ask("throughput", **{**load, "in_flight": numbers, "seconds": SECONDS})
    try:
        while True:
            message, payload = next(asking)
            if message["event"] == "progress":
                yield Progress(job, message["phase"], message.get("detail", ""))
            else:
                records.append(_record(message, np.frombuffer(payload, dtype="<f8"), batch))
    except StopIteration as answer:
        facts = answer.value["facts"]
        why = f"not tried: {numbers[len(records) - 1]} in flight failed"
    except InferTuiError as error:
        # What was measured before stays.
        why = error.message
    if worker.cancelled:
        why = Cancelled().message
    records += [
        ThroughputRecord(in_flight=number, reason=why) for number in numbers[len(records) :]
    ]
    return {"throughputs": tuple(records), "facts": facts}


def _record(
    message: dict[str, Any], latencies_ms: NDArray[np.float64], batch: int
) -> ThroughputRecord:
    in_flight = int(message["in_flight"])
    if reason := message.get("reason", ""):
        return ThroughputRecord(in_flight=in_flight, reason=reason)
    summary, seconds = statistics.summarise(latencies_ms), float(message["seconds"])
    return ThroughputRecord(
        in_flight=in_flight,
        n=summary.n,
        seconds=seconds,
        per_second=summary.n * batch / seconds,
        p50_ms=summary.percentile(50).value,
        p99_ms=summary.percentile(99).value,
    )
