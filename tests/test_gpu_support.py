"""Processes of pytest-xdist share the GPUs of a host, one each."""

from __future__ import annotations

import pytest

from tests.gpu.support import VISIBLE, WORKER, take_a_gpu_of_its_own


@pytest.mark.parametrize(
    ("variables", "count", "visible"),
    [
        ({}, 4, None),
        ({WORKER: "gw2"}, 0, None),
        ({WORKER: "gw2"}, 4, "2"),
        ({WORKER: "gw1", VISIBLE: "5,GPU-ab"}, 8, "GPU-ab"),
    ],
)
def test_each_process_sees_one_gpu(variables, count, visible):
    take_a_gpu_of_its_own(variables, count)
    assert variables.get(VISIBLE) == visible


def test_more_processes_than_gpus_are_refused():
    with pytest.raises(pytest.UsageError, match="at most -n 2"):
        take_a_gpu_of_its_own({WORKER: "gw2"}, 2)
