"""PyTorch's engines side by side, on a GPU's stand-in and on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engines.backends import torch_compile
from engines.backends.torch_compile import CompiledCuda
from engines.worker.inputs import images
from engines.worker.throughput import Lanes
from tests.engines import test_backend_pytorch as alone

# What the tests of one engine at a time are given.
BATCH, logits_of = alone.BATCH, alone.logits_of
job, batches, expected = alone.job, alone.batches, alone.expected
stand_in, counted_anew = alone.stand_in, alone.counted_anew


@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_engines_side_by_side_each_work_in_their_own_stream(
    job, batches, expected, stand_in, engine, counted_anew
):
    first = stand_in(job(engine, device="cuda", precision="fp32"))
    logits_of(first, batches)
    lanes = Lanes(first, lambda start: images(7, start, BATCH, first.job.input_size))
    lanes.grow_to(2)
    second = lanes._engines[1]
    assert type(second) is type(first)
    assert second._stream is not first._stream
    flown = lanes.run(2, 0.05, lambda: False)
    assert len(flown.latencies_ms) >= 2
    for one, logits in zip((first, second), expected, strict=True):
        assert one._stream.chosen, "chosen at each request: the other one was the current one"
        np.testing.assert_allclose(one.output(), logits, atol=1e-3)
    lanes.close()
    assert first.beside is False
    assert torch.is_inference_mode_enabled(), "as the first one needs it"
    first.infer()
    np.testing.assert_allclose(first.output(), expected[0], atol=1e-3)


def test_modes_with_inductor_s_graphs_have_one_request_at_a_time(job, stand_in):
    for mode in torch_compile.GRAPH_MODES:
        backend = CompiledCuda(job("compile", device="cuda", mode=mode))
        assert "share their memory" in backend.needs_to_be_alone()
    assert CompiledCuda(job("compile", device="cuda")).needs_to_be_alone() == ""
