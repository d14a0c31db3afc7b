"""Processes of pytest-xdist share the GPUs of a host, and take turns on each."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from tests.gpu.sharing import VISIBLE, turn
from tests.gpu.support import WORKER, take_a_gpu


@pytest.mark.parametrize(
    ("variables", "count", "visible"),
    [
        ({}, 4, None),
        ({WORKER: "gw2"}, 0, None),
        ({WORKER: "gw2"}, 4, "2"),
        ({WORKER: "gw5"}, 4, "1"),
        ({WORKER: "gw1", VISIBLE: "5,GPU-ab"}, 8, "GPU-ab"),
    ],
)
def test_each_process_sees_one_gpu(variables, count, visible):
    take_a_gpu(variables, count)
    assert variables.get(VISIBLE) == visible


class Guest:
    """One that waits for its turn in a thread, says when it has it, and leaves when told."""

    def __init__(self, folder: Path, *, alone: bool) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._stay, args=(folder, alone), daemon=True)
        self._thread.start()

    def _stay(self, folder: Path, alone: bool) -> None:
        with turn(alone=alone, folder=folder):
            self.entered.set()
            self.leave.wait(30)

    def goes(self) -> None:
        self.leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_one_that_is_alone_waits_for_those_who_share_and_nobody_overtakes_it(tmp_path):
    first, second = Guest(tmp_path, alone=False), Guest(tmp_path, alone=False)
    assert first.entered.wait(30)
    assert second.entered.wait(30), "two share"
    single = Guest(tmp_path, alone=True)
    wait_for_the_door(tmp_path)
    late = Guest(tmp_path, alone=False)
    first.goes()
    assert not single.entered.is_set()
    assert not late.entered.is_set()
    second.goes()
    assert single.entered.wait(30)
    assert not late.entered.is_set()
    single.goes()
    assert late.entered.wait(30)
    late.goes()


def wait_for_the_door(folder: Path) -> None:
    """Return when somebody holds the door and waits."""
    with open(next(folder.glob("*.door")), "w") as door:
        while True:
            try:
                fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(door, fcntl.LOCK_UN)
