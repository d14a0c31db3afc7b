"""What every engine looks like to the timed loop."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from engines.worker.failure import WorkerError

if TYPE_CHECKING:
    from typing import Required  # CPython 3.11 and newer; a worker may run on 3.10

    from engines.backends.layers import LayerTimes
    from engines.backends.split import DeviceTimes

Facts = dict[str, "bool | int | float | str"]

Say = Callable[..., None]


class Probe(TypedDict, total=False):
    """Whether an engine can run: `reason` and `install` say why not and what would change it.

    `precisions` are those it has here; absent where they are all that the registry lists.
    `builds` says whether engine files can be built for the GPU that is here, be it that none can
    run; `builds_for_named` whether they can for a GPU that is only named, which needs none; `typed`
    whether the builder takes precisions from the ONNX file (strong typing) rather than from flags.
    `gpus` holds `index`, `name`, `compute_capability`, `uuid` and `memory_bytes` of each GPU in
    CUDA's order, and `gpu` those of the first, for which all the rest is answered.
    """

    ready: Required[bool]
    reason: Required[str]
    install: Required[str]
    versions: Required[dict[str, str]]
    precisions: list[str]
    builds: bool
    builds_for_named: bool
    typed: bool
    gpu: dict[str, Any]
    gpus: list[dict[str, Any]]


def ready(versions: dict[str, str]) -> Probe:
    return Probe(ready=True, reason="", install="", versions=versions)


def unavailable(reason: str, install: str = "", versions: dict[str, str] | None = None) -> Probe:
    return Probe(ready=False, reason=reason, install=install, versions=versions or {})


def nothing(_event: str, **_fields: Any) -> None:
    """Says nothing: for a backend that nobody listens to."""


@dataclass(frozen=True)
class Job:
    """What is to be loaded. `model` holds the fields of a ModelSpec; paths are of artifacts.

    `layers` says that its layers will be timed: what that needs is compiled in.
    """

    engine: str
    device: str
    precision: str
    batch: int
    input_size: int
    model: dict[str, Any]
    weights: str = ""
    onnx: str = ""
    engine_file: str = ""
    cache: str = ""
    layers: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(request: dict[str, Any]) -> Job:
        """The job in `request`, whose other keys are for others."""
        names = {one.name for one in fields(Job)}
        return Job(**{name: value for name, value in request.items() if name in names})


class Backend(abc.ABC):
    """One engine, loaded once, for one model, one shape and one precision.

    Input is float32 of shape (batch, 3, size, size) and output float32 of shape (batch, classes),
    both in host memory, for every engine and precision: that is what a caller of it has and wants.

    An engine that `has_stream` can also `submit` a request and `wait` for it later, so that one
    thread keeps several engines busy; the others have `infer` alone. One that was made by
    `another` stands `beside` it and ends nothing that they share.
    """

    compiles = False
    has_stream = False
    beside = False

    def __init__(self, job: Job, say: Say = nothing) -> None:
        self.job = job
        self.say = say

    @abc.abstractmethod
    def load(self) -> None:
        """Make the engine ready for `set_input`. Raises WorkerError with words for the user."""

    def compile(self) -> None:
        """Do what the engine puts off to its first inference; only where `compiles` is true."""
        raise WorkerError(f"{self.job.engine} has nothing to compile", kind="protocol")

    @abc.abstractmethod
    def set_input(self, batch: NDArray[np.float32]) -> None:
        """Take `batch` as the input of the inferences to come. Not timed."""

    @abc.abstractmethod
    def infer(self) -> None:
        """One whole request: from the input in host memory to the output in host memory."""

    @abc.abstractmethod
    def output(self) -> NDArray[np.float32]:
        """The last inference's logits, shape (batch, classes); overwritten by the next one."""

    def submit(self) -> None:
        """Hand over one whole request without waiting for it; only where `has_stream`.

        What requests of this engine need of the thread is set on the way: engines of one thread
        may take turns.
        """
        raise WorkerError(f"{self.job.engine} has no stream", kind="protocol")

    def wait(self) -> None:
        """Wait until all that was submitted has been done; only where `has_stream`."""
        raise WorkerError(f"{self.job.engine} has no stream", kind="protocol")

    def another(self) -> Backend:
        """One more engine of the same job, not loaded yet; what it will hold is its own.

        To be closed before this one.
        """
        made = type(self)(self.job)
        made.beside = True
        return made

    def needs_to_be_alone(self) -> str:
        """Why no other engine of this job can work in this process; empty where one can."""
        return ""

    def device_times(self, iterations: int) -> DeviceTimes | None:
        """Where the time of a request goes on the device, over `iterations` extra requests.

        Runs outside the timed loop, because recording events costs host time. None where the
        engine has no stream.
        """
        return None

    def layer_times(self, iterations: int) -> LayerTimes:
        """Where the time of an inference goes by layer, over about `iterations` extra ones.

        Afterwards it infers as before, without the profiler. Raises WorkerError where the engine's
        own profiler gives nothing.
        """
        raise WorkerError(f"{self.job.engine} has no profiler")

    def memory(self) -> dict[str, int]:
        """GPU memory in bytes that only the engine's own library knows of: any of
        `allocator_peak`, `weights` and `activations`, as `engines.results.MemoryRecord` has them.
        """
        return {}

    def close(self) -> None:  # noqa: B027  # most engines leave that to the end of the process
        """Release what the engine holds, in order. The process ends right after."""

    @abc.abstractmethod
    def facts(self) -> Facts:
        """What really runs, as asked of the framework after loading."""

    @abc.abstractmethod
    def versions(self) -> dict[str, str]:
        """The framework's packages and their versions."""
