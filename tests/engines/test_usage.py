"""What the kernel counts of this process, provoked for real."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from engines.worker.usage import Usage

PATIENCE_S = 20.0
BUSY = "import os; os.sched_setaffinity(0, {%d})\nprint(flush=True)\nwhile True: pass"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="the kernel does not count waits"
)


@pytest.fixture
def one_processor():
    """This thread on one processor, and there another process that is always busy."""
    allowed = os.sched_getaffinity(0)
    here = min(allowed)
    os.sched_setaffinity(0, {here})
    with subprocess.Popen([sys.executable, "-c", BUSY % here], stdout=subprocess.PIPE) as busy:
        busy.stdout.readline()
        yield
        busy.kill()
    os.sched_setaffinity(0, allowed)


def work_until(enough) -> dict[str, int]:
    """What was counted when it was `enough`, while this thread never sleeps."""
    with closing(Usage()) as usage:
        end = time.monotonic() + PATIENCE_S
        while not enough(counts := usage.since()) and time.monotonic() < end:
            sum(range(10_000))
        assert enough(counts), counts
        usage.restart()
        fresh = usage.since()
        assert fresh["waited_ns"] < counts["waited_ns"], "counted from the restart"
        return counts


def test_a_thread_that_shares_its_processor_waits_for_it(one_processor):
    counts = work_until(lambda counts: counts["waited_ns"] > 20_000_000)
    assert counts["preempted"] > 0


def test_of_several_threads_the_one_that_waits_longest_counts(one_processor):
    over = threading.Event()

    def other() -> None:
        while not over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=other)
    thread.start()
    try:
        with closing(Usage()) as usage:
            assert len(usage._threads) >= 2
        work_until(lambda counts: counts["waited_ns"] > 20_000_000)
    finally:
        over.set()
        thread.join()


def test_a_thread_that_ends_leaves_the_others_counted():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    with closing(Usage()) as usage:
        over.set()
        thread.join()
        assert usage.since()["waited_ns"] >= 0


def test_every_file_is_closed_again():
    before = set(os.listdir("/proc/self/fd"))
    with closing(Usage()):
        pass
    assert set(os.listdir("/proc/self/fd")) <= before
