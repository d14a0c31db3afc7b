"""Raw samples of a run, and the compressed file that keeps them beside its profile.

The file is a NumPy archive (`numpy.load` opens it): for each entry and phase, in order,
`0/measuring` holds the latencies in milliseconds as float64, `0/measuring/first` the index at
which each block of inferences begins, `0/measuring/start_s` when it began, in seconds since that
entry's warm-up did, and `0/measuring/preempted` the involuntary context switches during it. Of an
entry that took turns with others `0/measuring/round` holds the round of each block, counted from 0,
and -1 for what came before the rounds.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from engines.errors import FileError

Phase = Literal["warm-up", "measuring"]
FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# The round of a block that was measured before they began.
BEFORE_ROUNDS = -1
# A hundred million latencies: far beyond any run, and what a hostile archive may unpack to.
LARGEST_UNPACKED_BYTES = 800_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The latencies of one entry in one phase, in milliseconds, in the order they were taken.

    Block `i` begins at `latencies_ms[block_first[i]]` and at `block_start_s[i]` seconds after the
    entry's warm-up began. `block_round` is the round in which block `i` was measured, -1 before the
    rounds; it is empty where engines took no turns. Its process was switched off
    `block_preempted[i]` times against its will; that is empty where nobody counted. Without blocks
    all of these are empty.
    """

    latencies_ms: FloatArray
    block_first: IndexArray = field(default_factory=lambda: np.empty(0, np.int64))
    block_start_s: FloatArray = field(default_factory=lambda: np.empty(0, np.float64))
    block_round: IndexArray = field(default_factory=lambda: np.empty(0, np.int64))
    block_preempted: IndexArray = field(default_factory=lambda: np.empty(0, np.int64))

    def blocks(self) -> list[FloatArray]:
        """The latencies block by block; one block where none are known."""
        if not len(self.block_first):
            return [self.latencies_ms] if len(self.latencies_ms) else []
        return np.split(self.latencies_ms, self.block_first[1:])

    def by_round(self) -> dict[int, FloatArray]:
        """The latencies of each round, in order; empty where engines took no turns."""
        found: dict[int, list[FloatArray]] = {}
        for number, block in zip(self.block_round.tolist(), self.blocks(), strict=False):
            if number != BEFORE_ROUNDS and len(block):
                found.setdefault(number, []).append(block)
        return {number: np.concatenate(blocks) for number, blocks in sorted(found.items())}

    def before_rounds(self) -> FloatArray:
        """The latencies that belong to no round: all of them where engines took no turns."""
        if not len(self.block_round):
            return self.latencies_ms
        pairs = zip(self.block_round.tolist(), self.blocks(), strict=True)
        return np.concatenate(
            [np.empty(0), *(block for number, block in pairs if number == BEFORE_ROUNDS)]
        )


# Keyed by the entry's index in the plan and the phase.
RawSamples = Mapping[tuple[int, Phase], Series]


def encode(samples: RawSamples) -> bytes:
    """The archive that holds `samples`. The same samples always give the same bytes."""
    arrays: dict[str, NDArray[Any]] = {}
    for (entry, phase), series in sorted(samples.items()):
        name = f"{entry}/{phase}"
        arrays[name] = np.asarray(series.latencies_ms, np.float64)
        if len(series.block_first):
            arrays[f"{name}/first"] = np.asarray(series.block_first, np.int64)
            arrays[f"{name}/start_s"] = np.asarray(series.block_start_s, np.float64)
        if len(series.block_round):
            arrays[f"{name}/round"] = np.asarray(series.block_round, np.int64)
        if len(series.block_preempted):
            arrays[f"{name}/preempted"] = np.asarray(series.block_preempted, np.int64)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast("dict[str, Any]", arrays))
    return buffer.getvalue()


def decode(data: bytes, source: str) -> dict[tuple[int, Phase], Series]:
    """The samples in an archive that `encode` made; FileError, naming `source`, if it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(one.file_size for one in archive.infolist()) > LARGEST_UNPACKED_BYTES:
                raise FileError(f"{source}: unpacks to more than any run's samples")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _series(dict(arrays.items()))
    except FileError:
        raise
    except Exception as error:  # zlib, zipfile and NumPy share no base class
        raise FileError(
            f"{source}: is not an archive of samples", hint="make the profile again"
        ) from error


def _series(arrays: Mapping[str, NDArray[Any]]) -> dict[tuple[int, Phase], Series]:
    found: dict[tuple[int, Phase], Series] = {}
    for name, latencies in arrays.items():
        index, phase, *part = name.split("/")
        if part:
            continue
        if phase not in get_args(Phase):
            raise ValueError(f"unknown phase {phase}")
        series = Series(
            latencies,
            arrays.get(f"{name}/first", np.empty(0, np.int64)),
            arrays.get(f"{name}/start_s", np.empty(0, np.float64)),
            arrays.get(f"{name}/round", np.empty(0, np.int64)),
            arrays.get(f"{name}/preempted", np.empty(0, np.int64)),
        )
        _check(series)
        found[int(index), cast("Phase", phase)] = series
    return found


def _check(series: Series) -> None:
    """Raise ValueError where arrays do not fit together: a plot or a comparison would mislead."""
    times, first, starts = series.latencies_ms, series.block_first, series.block_start_s
    preempted = series.block_preempted
    rounds = series.block_round
    right = (
        times.dtype == np.float64
        and first.dtype == rounds.dtype == np.int64
        and starts.dtype == np.float64
        and times.ndim == first.ndim == starts.ndim == rounds.ndim == 1
        and len(first) == len(starts)
        and preempted.dtype == np.int64
        and preempted.shape in ((0,), first.shape)
        and len(rounds) in (0, len(first))
        and bool((rounds >= BEFORE_ROUNDS).all())
        and bool(np.isfinite(times).all() and np.isfinite(starts).all())
        and bool((times >= 0).all() and (np.diff(first) >= 0).all())
        and (not len(first) or (first[0] == 0 and first[-1] <= len(times)))
    )
    if not right:
        raise ValueError("the arrays do not fit together")
