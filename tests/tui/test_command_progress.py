"""What the command line says of a run while it goes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from engines.events import JobStarted, RoundStarted, Samples
from tui.commands import progress


def test_what_precedes_a_turn_is_no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    stream = io.StringIO()
    shown = progress.Progress(stream, "line")
    shown.show(JobStarted("b0", "benchmark", "eager cpu fp32 b1", 0))
    for phase, in_round, n in (
        ("warm-up", None, 20),
        ("warm-up", 0, 3),
        ("measuring", 0, 7),
        ("warm-up", 1, 4),
    ):
        if in_round is not None:
            shown.show(RoundStarted(in_round, 2, (0,)))
        shown.show(Samples("b0", 0, phase, 0.0, np.full(n, 2.0), round=in_round))
    said = [line.split("b1  ")[1] for line in stream.getvalue().split("\r\x1b[K")[2:]]
    assert said == [
        "warm-up  n 20  2.000 ms",
        "re-warm  n 3  2.000 ms",
        "measuring  n 7  2.000 ms",
        "re-warm  n 7  2.000 ms",
    ]
