"""Jobs for backends that a test of a GPU opens itself; one GPU a process."""

from __future__ import annotations

from collections.abc import MutableMapping

import msgspec
import pytest

from engines import registry
from engines.backends.base import Job
from engines.plan import EngineSpec, ModelSpec

WORKER = "PYTEST_XDIST_WORKER"
VISIBLE = "CUDA_VISIBLE_DEVICES"


def take_a_gpu_of_its_own(variables: MutableMapping[str, str], count: int) -> None:
    """Let a process of pytest-xdist see one of `count` GPUs alone: some tests fill theirs."""
    worker = variables.get(WORKER, "").removeprefix("gw")
    if not worker or not count:
        return
    gpus = variables.get(VISIBLE, ",".join(map(str, range(count)))).split(",")
    if int(worker) >= len(gpus):
        raise pytest.UsageError(f"{len(gpus)} GPUs for more processes: at most -n {len(gpus)}")
    variables[VISIBLE] = gpus[int(worker)]


def eager_job(**options) -> Job:
    """PyTorch eager on the GPU in FP16, with the built-in weights."""
    spec = EngineSpec(engine="eager", device="cuda", precision="fp16", options=options)
    model = ModelSpec()
    return Job(
        engine="eager", device="cuda", precision="fp16", batch=1, input_size=model.input_size,
        model=msgspec.to_builtins(model), weights="", options=registry.find("eager").settings(spec),
    )  # fmt: skip
