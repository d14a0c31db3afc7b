"""The samples of a phase, one after the other in memory, and the numbers of their blocks."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from engines.conditions import Block
from engines.sampling import CHUNK, Kept, Taken
from engines.timeline import Timeline


@pytest.mark.parametrize("size", [1, 700, CHUNK - 1, CHUNK, CHUNK + 1])
def test_blocks_stay_what_they_are_while_others_come(size: int) -> None:
    kept = Kept()
    assert len(kept.all()) == 0
    blocks = [np.full(size, float(number)) for number in range(5)]
    views = [kept.add(one) for one in blocks]
    for one in blocks:
        np.testing.assert_array_equal(views[int(one[0])], one)
    np.testing.assert_array_equal(kept.all(), np.concatenate(blocks))
    with pytest.raises(ValueError, match="read-only"):
        views[0][0] = 7.0


def test_an_empty_block_is_one() -> None:
    kept = Kept()
    assert len(kept.add(np.empty(0))) == 0
    kept.add(np.ones(2))
    assert len(kept.add(np.empty(0))) == 0
    np.testing.assert_array_equal(kept.all(), [1.0, 1.0])


def test_a_million_samples_take_eight_bytes_each_however_often_they_are_asked_for() -> None:
    taken = Taken(timeline=Timeline(0, exact=True))
    blocks, message = 10_000, {"start_s": 1.0, "preempted": 2, "page_faults": 0, "waited_ns": 5}
    tracemalloc.start()
    for _ in range(blocks):
        block = taken.add(np.ones(100), 1.0, 0)
        taken.note(block, message)
    assert len(taken.all()) == 1_000_000
    assert len(taken.by_round()[0]) == 1_000_000
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Six numbers a block, in an array that grows by an eighth when it is full.
    assert grown < 8_000_000 + blocks * 6 * 8 * 9 / 8 + 8 * CHUNK


def test_the_numbers_of_a_block_come_out_as_they_went_in() -> None:
    taken = Taken(timeline=Timeline(10**18, exact=True))
    known = {"preempted": 2, "page_faults": 1, "waited_ns": 123_456_789_012}
    taken.note(taken.add(np.array([1.0, 2.0]), 1.0), {"start_s": 3.0, **known})
    taken.note(taken.add(np.array([4.0]), 2.0), {"start_s": 5.0})
    assert taken.times == [
        Block(10**18 + 3_000_000_000, 10**18 + 3_003_000_000, 2, 2, 1, 123_456_789_012),
        Block(10**18 + 5_000_000_000, 10**18 + 5_004_000_000, 1),
    ]
    assert Taken().times == []
