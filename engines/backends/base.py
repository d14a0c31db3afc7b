"""What every engine looks like to the timed loop."""

from __future__ import annotations

import abc
import ctypes
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from engines.worker.failure import WorkerError

Facts = dict[str, "bool | int | float | str"]

NO_DRIVER = "no NVIDIA driver answers on this machine"
GET_DRIVER = "an NVIDIA GPU and its driver"
LATER = "this version of infer-tui measures on the CPU only"


class Probe(TypedDict):
    """Whether an engine can run: `reason` and `install` say why not and what would change it."""

    ready: bool
    reason: str
    install: str
    versions: dict[str, str]


def driver_answers() -> bool:
    """Whether an NVIDIA driver is loaded: its library is found and initialises."""
    try:
        return int(ctypes.CDLL("libcuda.so.1").cuInit(0)) == 0
    except OSError:
        return False


def ready(versions: dict[str, str]) -> Probe:
    return Probe(ready=True, reason="", install="", versions=versions)


def unavailable(reason: str, install: str = "", versions: dict[str, str] | None = None) -> Probe:
    return Probe(ready=False, reason=reason, install=install, versions=versions or {})


@dataclass(frozen=True)
class Job:
    """What is to be loaded. `model` holds the fields of a ModelSpec; paths are of artifacts."""

    engine: str
    device: str
    precision: str
    batch: int
    input_size: int
    model: dict[str, Any]
    weights: str = ""
    onnx: str = ""
    cache: str = ""
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
    """

    compiles = False

    def __init__(self, job: Job) -> None:
        self.job = job

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

    @abc.abstractmethod
    def facts(self) -> Facts:
        """What really runs, as asked of the framework after loading."""

    @abc.abstractmethod
    def versions(self) -> dict[str, str]:
        """The framework's packages and their versions."""
