"""`infer-tui export`: the model's ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from engines.errors import EXIT_OK
from engines.model import export
from tui.commands.model_spec import model_spec


def main(arguments: argparse.Namespace) -> int:
    print(export(model_spec(arguments), Path(arguments.output)))
    return EXIT_OK
