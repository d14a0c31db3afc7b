"""For tests on a real GPU: `make test-gpu`, or `python -m pytest -m gpu`.

TensorRT may live in an interpreter of its own: INFER_TUI_TEST_TENSORRT names it. With `-n 4` four
processes work at once, each on one of the GPUs: those on the same one take turns, so that `-n` may
be more than there are.
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
from tests.gpu.sharing import turn
from tests.gpu.support import WORKER, take_a_gpu

OWN_TENSORRT = "INFER_TUI_TEST_TENSORRT"
ENVIRONMENT = "trt"


# Before CUDA is asked anything in this process.
with Gpus() as found:
    take_a_gpu(os.environ, len(found.facts()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    reason = cuda.problem()
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.gpu)
        # Of the test alone: its turn on the GPU may be long in coming.
        item.add_marker(pytest.mark.timeout(600, func_only=True))
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason[0]))
    # Those that share a GPU first, or they would seldom meet.
    shared = iter(sorted(ours, key=lambda item: item.get_closest_marker("shares_gpu") is None))
    items[:] = [next(shared) if here in item.path.parents else item for item in items]


@pytest.fixture(autouse=True)
def environments(own_folders: None) -> None:
    """The configuration file that names TensorRT's interpreter, where it has its own."""
    if python := os.environ.get(OWN_TENSORRT):
        file = paths.ready(paths.config_folder()) / "config.toml"
        file.write_text(f'[environments.{ENVIRONMENT}]\npython = "{python}"\n')


@pytest.fixture(autouse=True)
def turn_on_the_gpu(request: pytest.FixtureRequest) -> Iterator[None]:
    with turn(alone=request.node.get_closest_marker("shares_gpu") is None):
        yield


@pytest.fixture
def common_cache(
    own_folders: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cache for all processes: none of these tests damages what another one uses."""
    if os.environ.get(WORKER):
        folder = tmp_path_factory.getbasetemp().parent / "common-cache"
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


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
