"""`infer-tui export`: the model's ONNX file."""

from __future__ import annotations

import argparse

from engines.errors import EXIT_OK
from engines.model import export
from tui.commands.model_spec import model_spec
from tui.commands.target import begins_with, check_target

# ONNX has no magic number. PyTorch's exporter puts the format's version (field 1 of ModelProto) and
# its own name (field 2, a text of 7 bytes) first.
OF_PYTORCH = begins_with(b"\x12\x07pytorch")


def main(arguments: argparse.Namespace) -> int:
    model, overwrite = model_spec(arguments), arguments.overwrite
    path = check_target(arguments.output, "an ONNX file", OF_PYTORCH, overwrite=overwrite)
    print(export(model, path, overwrite=overwrite))
    return EXIT_OK
