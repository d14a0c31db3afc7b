"""The reason of a row whose outputs left their tolerance."""

from __future__ import annotations

import math

import msgspec
import pytest

from engines.benchmark import why_invalid
from engines.results import AccuracyRecord

RECORD = AccuracyRecord(
    images=64,
    max_error=0.5,
    mean_error=0.1,
    cosine=0.998997,
    top1_agreement=0.9,
    nan_count=0,
    tolerance_cosine=0.999,
    within_tolerance=False,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "cosine 0.99899, expected at least 0.999"),
        ({"cosine": 0.9989999}, "cosine 0.99899, expected at least 0.999"),
        ({"cosine": math.nan}, "cosine nan, expected at least 0.999"),
        ({"nan_count": 3}, "its output has 3 values that are not finite"),
    ],
)
def test_a_cosine_below_its_tolerance_never_reads_as_one_within(changes, words):
    assert words in why_invalid(msgspec.structs.replace(RECORD, **changes))
