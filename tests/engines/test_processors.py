"""How many threads the work beside a measurement takes."""

from __future__ import annotations

import pytest

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
