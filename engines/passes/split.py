"""Where the time of a request goes on the device."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
import numpy as np

from engines.events import Event
from engines.process import WorkerProcess
from engines.results import DeviceRecord
from engines.sampling import ask

# Half a second, within these numbers of requests.
SECONDS = 0.5
BOUNDS = (20, 500)


def steps(
    worker: WorkerProcess, job: str, request_s: float
) -> Generator[Event, None, dict[str, Any]]:
    """Extra requests with device events, of about `request_s` seconds each.

    Returns the field `device` of a result, or nothing where the engine has no stream.
    """
    iterations = int(np.clip(SECONDS / max(request_s, 1e-6), *BOUNDS))
    found = yield from ask(worker, job, "times", iterations=iterations)
    if found["device"] is None:
        return {}
    return {"device": msgspec.convert(found["device"], DeviceRecord)}
