"""Verdicts on engines that took turns."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from engines.statistics import Verdict, compare
from engines.statistics.rounds import median_of_rounds


def test_interleaving_cancels_what_both_drifted_by() -> None:
    found: Counter[Verdict] = Counter()
    apart: Counter[Verdict] = Counter()
    sizes = [200] * 12
    for pair in range(50):
        rng = np.random.default_rng([45, pair])
        clock = np.exp(0.03 * rng.standard_normal(12)).repeat(200)
        a = clock * np.exp(0.01 * rng.standard_normal(2400))
        b = clock * np.exp(0.01 * rng.standard_normal(2400)) * 1.03
        blocks = {"a_blocks": sizes, "b_blocks": sizes}
        found[compare(a, b, **blocks, interleaved=True).verdict] += 1
        apart[compare(a, b, **blocks).verdict] += 1
    assert found[Verdict.SLOWER] >= 45
    assert apart[Verdict.UNCLEAR] >= 35


def test_slow_rounds_are_slow_for_both() -> None:
    """The medians of all samples are of different rounds; those of each round are not."""
    found: Counter[Verdict] = Counter()
    medians = []
    for pair in range(50):
        rng = np.random.default_rng([49, pair])
        clock = np.where(rng.random(18) < 0.5, 1.0, 1.6) * np.exp(0.05 * rng.random(18))
        sizes = [rng.integers(40, 160, 18).tolist() for _ in "ab"]
        a, b = (
            np.repeat(clock, one) * np.exp(0.01 * rng.standard_normal(sum(one))) for one in sizes
        )
        blocks = {"a_blocks": sizes[0], "b_blocks": sizes[1]}
        found[compare(a, b * 1.03, **blocks, interleaved=True).verdict] += 1
        medians.append(float(np.median(b) / np.median(a)))
    assert found[Verdict.SLOWER] >= 48
    assert float(np.std(medians)) > 0.05


def test_rounds_of_known_ratios() -> None:
    """The interval of nine lies between its second and third: 96.1 % and 82.0 %."""
    ratios = np.array([1.04, 1.00, 1.02, 0.97, 1.10, 1.03, 0.99, 1.05, 1.01])
    sizes = [10] * 9
    a = np.ones(90)
    found = compare(a, ratios.repeat(10), a_blocks=sizes, b_blocks=sizes, interleaved=True)
    assert found.ratio == pytest.approx(1.02)
    assert found.low is not None
    assert found.high is not None
    # I = (0.9609 - 0.95) / (0.9609 - 0.8203), lambda = 7 I / (2 + 5 I), after the article.
    inward = 7 * 0.07778 / (2 + 5 * 0.07778)
    assert math.log(found.low) == pytest.approx(
        (1 - inward) * math.log(0.99) + inward * math.log(1.00), abs=1e-5
    )
    assert math.log(found.high) == pytest.approx(
        (1 - inward) * math.log(1.05) + inward * math.log(1.04), abs=1e-5
    )


@pytest.mark.parametrize("rounds", [6, 9, 36])
def test_an_interval_of_rounds_covers_whatever_their_distribution(rounds: int) -> None:
    rng = np.random.default_rng([50, rounds])
    held = 0
    for _ in range(400):
        shifts = rng.standard_t(1.5, rounds)
        _, low, high, _ = median_of_rounds(shifts)
        held += low <= 0 <= high
    assert 0.925 <= held / 400 <= 0.975


def test_interleaving_does_not_cancel_what_one_drifted_by() -> None:
    """22 of 50 without regard to the drift; 24 blocks do not show all of it."""
    held = 0
    sizes = [100] * 24
    for pair in range(50):
        rng = np.random.default_rng([48, pair])
        drift = rng.standard_normal(24) * 0.02
        for i in range(1, 24):
            drift[i] = 0.8 * drift[i - 1] + 0.6 * drift[i]
        a, b = np.exp(0.01 * rng.standard_normal((2, 2400)))
        b *= np.exp(drift).repeat(100)
        found = compare(a, b, a_blocks=sizes, b_blocks=sizes, interleaved=True)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high
    assert held >= 38
