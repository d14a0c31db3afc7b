"""How many threads the work beside a measurement takes, and where a turn begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines import launch
from engines.worker import jobs, processors


@pytest.mark.parametrize(("cores", "taken"), [(1, 1), (2, 2), (8, 8), (64, 8)])
def test_work_beside_the_measurement_takes_a_few_cores(monkeypatch, cores, taken):
    monkeypatch.setattr(processors, "physical_cores", lambda: cores)
    assert processors.few_cores() == taken


def test_the_reference_is_computed_by_a_few_threads(monkeypatch):
    class Opened(Exception):
        """Ends the job where its backend is opened."""

    def open_backend(load):
        raise Opened(load["options"])

    monkeypatch.setattr(processors, "physical_cores", lambda: 64)
    monkeypatch.setattr(jobs, "open_backend", open_backend)
    with pytest.raises(Opened) as opened:
        jobs.reference({"options": {"channels_last": False}}, None)
    assert opened.value.args == ({"channels_last": False, "threads": 8},)


# The field of /proc/PID/stat that says on which processor a thread last ran, counted from 0 behind
# the name: proc_pid_stat(5) has it as the 39th.
PROCESSOR = 36


def test_a_turn_begins_where_it_is_told_and_may_go_anywhere_after(monkeypatch):
    allowed, real, seen = os.sched_getaffinity(0), os.sched_setaffinity, []

    def watched(pid, wanted):
        real(pid, wanted)
        stat = Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()
        seen.append((set(wanted), int(stat[PROCESSOR])))

    monkeypatch.setattr(os, "sched_setaffinity", watched)
    for number, processor in enumerate(sorted(allowed)):
        seen.clear()
        processors.begin_on((number + 0.5) / len(allowed))
        assert seen[0] == ({processor}, processor)
        assert seen[-1][0] == allowed == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    ("mode", "tunables", "given"),
    [
        ("always [madvise] never", "glibc.malloc.hugetlb=1", True),
        ("always [madvise] never", "", False),
        ("always madvise [never]", "glibc.malloc.hugetlb=1", False),
        ("[always] madvise never", "", True),
        (None, "glibc.malloc.hugetlb=1", None),
    ],
)
def test_huge_pages_are_told_as_they_are(monkeypatch, tmp_path, mode, tunables, given):
    file = tmp_path / "enabled"
    if mode is not None:
        file.write_text(mode + "\n")
    monkeypatch.setattr(processors, "HUGE_PAGES", file)
    monkeypatch.setenv("GLIBC_TUNABLES", tunables)
    assert processors.heap_in_huge_pages() is given


def test_a_worker_asks_for_huge_pages_unless_the_user_has_tunables_of_their_own(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert launch.variables()["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert launch.variables()["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1"
