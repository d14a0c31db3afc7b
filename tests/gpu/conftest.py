"""For tests on a real GPU: `make test-gpu`, or `python -m pytest -m gpu`.

TensorRT may live in an interpreter of its own: INFER_TUI_TEST_TENSORRT names it. Where there are
several GPUs, `-n 4` gives each of four processes one of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines import paths
from engines.backends import cuda
from engines.gpus import Gpus
from engines.probing import probe
from engines.registry import Availability
from tests.gpu.support import take_a_gpu_of_its_own

OWN_TENSORRT = "INFER_TUI_TEST_TENSORRT"
ENVIRONMENT = "trt"


# Before CUDA is asked anything in this process.
with Gpus() as found:
    take_a_gpu_of_its_own(os.environ, len(found.facts()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    reason = cuda.problem()
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.gpu)
        item.add_marker(pytest.mark.timeout(600))
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason[0]))


@pytest.fixture(autouse=True)
def environments(own_folders: None) -> None:
    """The configuration file that names TensorRT's interpreter, where it has its own."""
    if python := os.environ.get(OWN_TENSORRT):
        file = paths.ready(paths.config_folder()) / "config.toml"
        file.write_text(f'[environments.{ENVIRONMENT}]\npython = "{python}"\n')


@pytest.fixture
def crowded_gpu() -> Iterator[None]:
    """Another process, this one, holds all of the GPU's memory but some 600 MiB."""
    context = cuda.PrimaryContext(0)
    held = cuda.DeviceMemory(cuda.memory()[0] - 600 * 2**20)
    yield
    held.close()
    context.close()


@pytest.fixture
def tensorrt(environments: None) -> Availability:
    """TensorRT as it can be used here; a GPU host without it fails these tests, and says so."""
    environment = ENVIRONMENT if os.environ.get(OWN_TENSORRT) else ""
    answer = next(probe([("tensorrt", "cuda", environment)]))
    assert answer.ready, f"{answer.reason}; {answer.install}; {OWN_TENSORRT} may name another"
    return answer
