"""Whose clock is it: the tie between a worker's seconds and the driver's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from engines import timeline
from engines.worker import clock
from engines.worker.clock import ClockWord

S = 1_000_000_000
ROOT = Path(__file__).parents[2]


def test_the_same_clock_is_taken_as_it_is():
    said = ClockWord(clock=clock.identity(), now_ns=9 * S, origin_ns=5 * S)
    tied = timeline.tie(said, arrived_ns=1000 * S)
    assert tied.exact
    assert tied.at(1.5) == 6_500_000_000


def test_another_clock_is_tied_by_the_arrival_of_its_word():
    said = ClockWord(clock="another host", now_ns=9 * S, origin_ns=5 * S)
    tied = timeline.tie(said, arrived_ns=1000 * S)
    assert not tied.exact
    assert tied.at(4.0) == 1000 * S, "what the worker called now is when its word came"
    assert not timeline.tie(ClockWord(clock="", now_ns=9 * S, origin_ns=5 * S), 1000 * S).exact


def test_a_kernel_that_tells_no_name_has_none(monkeypatch, tmp_path):
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "none")
    assert clock.identity() == ""
    said = ClockWord(clock="", now_ns=9 * S, origin_ns=5 * S)
    assert not timeline.tie(said, 1000 * S).exact, "two that tell no name are not of one name"


def test_another_process_of_this_machine_reads_the_same_clock():
    script = "from engines.worker import clock; import json; print(json.dumps(clock.word(0)))"
    before = time.monotonic_ns()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    said = json.loads(done.stdout)
    assert timeline.tie(said).exact
    assert before < said["now_ns"] < time.monotonic_ns()
