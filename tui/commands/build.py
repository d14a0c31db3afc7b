"""`infer-tui build`: a TensorRT engine."""

from __future__ import annotations

import argparse

from engines import registry
from engines.errors import EngineUnavailable, UsageError
from engines.probing import probe
from tui.commands.model_spec import model_spec


def main(arguments: argparse.Namespace) -> int:
    engine = registry.find(arguments.engine)
    if not engine.needs_build:
        raise UsageError(f"{engine.name} needs no build", hint="expected tensorrt or tensorrt-rtx")
    for precision in arguments.precision or ():
        registry.precision(precision)
    model_spec(arguments)
    answer = next(probe([(engine.name, "cuda")]))
    raise EngineUnavailable(
        f"{engine.name} is not available here: {answer.reason}", hint=answer.install
    )
