"""What the bare loops share: read a request, time a loop the plainest way, print JSON."""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy as np

WARM_UP_S = 1.0
MEASURE_S = 1.5


def request():
    """The JSON object that the benchmark gave as the only argument."""
    return json.loads(sys.argv[1])


def timed(infer, seconds=MEASURE_S):
    """Median host time of `infer` in ms, after a second of warm-up."""
    end = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < end:
        infer()
    gc.collect()
    gc.disable()
    samples = []
    end = time.perf_counter() + seconds
    while True:
        before = time.perf_counter()
        infer()
        after = time.perf_counter()
        samples.append(after - before)
        if after > end:
            break
    gc.enable()
    return float(np.median(samples)) * 1e3


def answer(**figures):
    print("BARE " + json.dumps(figures), flush=True)
