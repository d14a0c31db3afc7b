"""PyTorch eager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import (
    GET_DRIVER,
    LATER,
    NO_DRIVER,
    Backend,
    Facts,
    Job,
    Probe,
    driver_answers,
    ready,
    unavailable,
)
from engines.worker.processors import physical_cores

if TYPE_CHECKING:
    import torch

INSTALL = "python -m pip install torch torchviz"


def probe(device: str) -> Probe:
    """Whether torch imports here and has `device`."""
    try:
        import torch
    except ModuleNotFoundError:
        return unavailable("torch is not installed", INSTALL)
    except (ImportError, OSError) as error:
        return unavailable(f"torch does not load: {error}", INSTALL)
    versions = {"torch": str(torch.__version__)}
    if device == "cpu":
        return ready(versions)
    if not driver_answers():
        return unavailable(NO_DRIVER, GET_DRIVER, versions)
    if torch.version.cuda is None:
        return unavailable(
            f"torch {torch.__version__} is a CPU build",
            "python -m pip install --force-reinstall torch",
            versions,
        )
    return unavailable(LATER, "", versions)


class Eager(Backend):
    """The model as written, called under `inference_mode`."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._model: Any = None

    def load(self) -> None:
        import torch

        from engines.worker.model import build

        torch.set_num_threads(self.job.options["threads"] or physical_cores())
        self._dtype = torch.bfloat16 if self.job.precision == "bf16" else torch.float32
        self._format = (
            torch.channels_last if self.job.options["channels_last"] else torch.contiguous_format
        )
        model = build(self.job.model, self.job.weights)
        self._model = model.to(dtype=self._dtype).to(memory_format=self._format).eval()  # type: ignore[call-overload]
        self._inference_mode = torch.inference_mode
        self._logits = torch.empty(self.job.batch, self.job.model["classes"])
        self._output = self._logits.numpy()

    def set_input(self, batch: NDArray[np.float32]) -> None:
        import torch

        self._input: torch.Tensor = torch.from_numpy(np.ascontiguousarray(batch))

    def infer(self) -> None:
        with self._inference_mode():
            ready_input = self._input.to(dtype=self._dtype, memory_format=self._format)
            self._logits.copy_(self._model(ready_input))

    def output(self) -> NDArray[np.float32]:
        return self._output

    def facts(self) -> Facts:
        import torch

        return {
            "provider": "torch CPU",
            "threads": torch.get_num_threads(),
            "memory_format": "channels_last" if self.job.options["channels_last"] else "contiguous",
            "weights_dtype": str(self._dtype).removeprefix("torch."),
            "onednn": bool(torch.backends.mkldnn.is_available()),  # type: ignore[no-untyped-call]
        }

    def versions(self) -> dict[str, str]:
        import torch

        return {"torch": str(torch.__version__)}


BACKEND = Eager
