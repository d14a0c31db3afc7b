"""Jobs for backends that a test of a GPU opens itself; a GPU for each process."""

from __future__ import annotations

from collections.abc import MutableMapping

import msgspec

from engines import registry
from engines.backends.base import Job
from engines.plan import EngineSpec, ModelSpec
from tests.gpu.sharing import VISIBLE

WORKER = "PYTEST_XDIST_WORKER"


def take_a_gpu(variables: MutableMapping[str, str], count: int) -> None:
    """Let a process of pytest-xdist see one of `count` GPUs; the others of it take turns."""
    worker = variables.get(WORKER, "").removeprefix("gw")
    if not worker or not count:
        return
    gpus = variables.get(VISIBLE, ",".join(map(str, range(count)))).split(",")
    variables[VISIBLE] = gpus[int(worker) % len(gpus)]


def eager_job(**options) -> Job:
    """PyTorch eager on the GPU in FP16, with the built-in weights."""
    spec = EngineSpec(engine="eager", device="cuda", precision="fp16", options=options)
    model = ModelSpec()
    return Job(
        engine="eager", device="cuda", precision="fp16", batch=1, input_size=model.input_size,
        model=msgspec.to_builtins(model), weights="", options=registry.find("eager").settings(spec),
    )  # fmt: skip
