"""The comparison of an engine's outputs with the reference's, as a job of the worker."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.worker import jobs

IMAGES, CLASSES, BATCH = 6, 10, 2


class Constant:
    """An engine whose logits are all ones."""

    def set_input(self, images: Any) -> None:
        assert images.shape == (BATCH, 3, 32, 32)

    def infer(self) -> None:
        pass

    def output(self) -> Any:
        return np.ones((BATCH, CLASSES), np.float32)


@pytest.mark.parametrize(
    ("every_s", "details"),
    [(0.0, ["", "2 of 6 images", "4 of 6 images", "6 of 6 images"]), (1e6, [""])],
)
def test_a_check_says_how_far_it_is_where_it_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float, details: list[str]
) -> None:
    monkeypatch.setattr(jobs, "SAY_EVERY_S", every_s)
    reference = tmp_path / "reference.npy"
    np.save(reference, np.ones((IMAGES, CLASSES), np.float32))
    said: list[dict[str, Any]] = []
    session: Any = SimpleNamespace(
        backend=Constant(), say=lambda event, **fields: said.append({"event": event, **fields})
    )
    request = {
        "reference": str(reference), "batch": BATCH, "input_seed": 0, "input_size": 32,
        "precision": "fp32",
    }  # fmt: skip
    found = jobs.check(request, session)
    assert (found["images"], found["within_tolerance"]) == (IMAGES, True)
    assert {(one["event"], one["phase"]) for one in said} == {("progress", "checking")}
    assert [one.get("detail", "") for one in said] == details
