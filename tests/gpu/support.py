"""Jobs for backends that a test of a GPU opens itself."""

from __future__ import annotations

import msgspec

from engines import registry
from engines.backends.base import Job
from engines.plan import EngineSpec, ModelSpec


def eager_job(**options) -> Job:
    """PyTorch eager on the GPU in FP16, with the built-in weights."""
    spec = EngineSpec(engine="eager", device="cuda", precision="fp16", options=options)
    model = ModelSpec()
    return Job(
        engine="eager", device="cuda", precision="fp16", batch=1, input_size=model.input_size,
        model=msgspec.to_builtins(model), weights="", options=registry.find("eager").settings(spec),
    )  # fmt: skip
