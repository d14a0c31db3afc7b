"""Latencies that were measured once and are kept in `data`, and draws from them.

A draw is a stationary bootstrap's (Politis and Romano, JASA 89, 1994): stretches of the recording
that begin anywhere and are of random length, one behind the other, the recording's end joined to
its beginning. Within a stretch the samples keep their order, so their real dependence is in the
draw up to the stretches' mean length; and every sample of a draw is equally likely to be any of
the recording, so the percentile that the draw's interval should hold is known exactly: it is the
recording's own.

Windows of the recording would be simpler and are no fair test: those that do not overlap are too
few, and a window of a machine that drifts has a percentile of its own, which its interval rightly
holds instead of the recording's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DATA = Path(__file__).with_name("data")
# Latencies are kept as whole tenths of a microsecond, which no figure here tells from the truth.
TENTHS_PER_MS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """`blocks` are the latencies of each process in ms, in the order they were taken."""

    blocks: tuple[Floats, ...]

    @property
    def samples(self) -> Floats:
        """All of them, one process after the other."""
        return np.concatenate(self.blocks)


@cache
def load(name: str) -> Recording:
    """The recording called `name`."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as arrays:
        samples = arrays["tenths_of_us"] / TENTHS_PER_MS
        return Recording(tuple(np.split(samples, np.cumsum(arrays["sizes"])[:-1])))


def keep(name: str, blocks: list[Floats]) -> Path:
    """Write the recording called `name`; returns its file."""
    tenths = np.rint(np.concatenate(blocks) * TENTHS_PER_MS).astype(np.uint32)
    sizes = np.array([len(block) for block in blocks], dtype=np.uint32)
    path = DATA / f"{name}.npz"
    np.savez_compressed(path, tenths_of_us=tenths, sizes=sizes)
    return path


def draw(rng: np.random.Generator, samples: Floats, n: int, stretch: float) -> Floats:
    """`n` of `samples` in stretches of `stretch` of them on average."""
    place = np.arange(n)
    begins = rng.random(n) < 1 / stretch
    begins[0] = True
    # Of each place, where its stretch begins in the draw, and where in the recording.
    began = np.maximum.accumulate(np.where(begins, place, 0))
    start = rng.integers(len(samples), size=n)[began]
    drawn: Floats = samples[(start + place - began) % len(samples)]
    return drawn
