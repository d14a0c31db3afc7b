"""torch.compile: the model through Dynamo and Inductor."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

from engines.backends import pytorch
from engines.backends.base import Facts, Probe, unavailable
from engines.backends.pytorch import Eager
from engines.worker.failure import WorkerError

INSTALL_COMPILER = "apt install g++ (or set CXX to a compiler)"
INSTALL_HEADERS = "apt install python3-dev, for this version of Python"


def missing_for_compiling() -> tuple[str, str] | None:
    """What Inductor lacks to compile for the CPU, and how to get it; None where it has all.

    Inductor takes CXX or g++, nothing else, and compiles against Python's own headers.
    """
    if shutil.which(os.environ.get("CXX") or "g++") is None:
        return "torch.compile needs a C++ compiler on the CPU and found none", INSTALL_COMPILER
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "torch.compile needs the headers of Python and found none", INSTALL_HEADERS
    return None


def probe(device: str) -> Probe:
    """Whether torch imports here, has `device`, and finds the compiler that Inductor needs."""
    found = pytorch.probe(device)
    missing = missing_for_compiling() if device == "cpu" else None
    if found["ready"] and missing is not None:
        return unavailable(*missing, found["versions"])
    return found


class Compiled(Eager):
    """The eager model compiled for one fixed shape; recompiling in the timed loop is an error."""

    compiles = True

    def load(self) -> None:
        # Set before Inductor is imported: compiled code is kept between runs, and compilers run in
        # this process, whose group ends with it.
        if self.job.cache:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = self.job.cache
        super().load()
        import torch

        self._model = torch.compile(
            self._model, mode=self.job.options["mode"], dynamic=False, fullgraph=False
        )

    def compile(self) -> None:
        """Compile by a first inference, then forbid any further compilation."""
        if (missing := missing_for_compiling()) is not None:
            raise WorkerError(*missing, kind="no-compiler")
        import torch

        self.infer()
        torch.compiler.set_stance("fail_on_recompile")

    def facts(self) -> Facts:
        from torch._dynamo.utils import counters

        hits, misses = (counters["inductor"][f"fxgraph_cache_{what}"] for what in ("hit", "miss"))
        graphs: Any = counters["stats"]
        return {
            **super().facts(),
            "provider": "Inductor CPU",
            "mode": self.job.options["mode"],
            "graphs": int(graphs["unique_graphs"]),
            "graph_breaks": int(sum(counters["graph_break"].values())),
            "compile_cache": "warm" if hits and not misses else "cold",
        }


BACKEND = Compiled
