"""`infer-tui model`: what the model is made of, and its graph."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import msgspec

from engines.errors import EXIT_OK
from engines.model import LayerFacts, ModelFacts, describe, draw_graph
from tui.commands.model_spec import model_spec
from tui.commands.tables import markdown_table, text_table
from tui.formats import KIB, byte_size

HEADINGS = ("layer", "kind", "output", "parameters", "M multiply-adds", "KiB output")
NUMBERS = (3, 4, 5)


def main(arguments: argparse.Namespace) -> int:
    spec = model_spec(arguments)
    if arguments.graph:
        drawn = draw_graph(spec, Path(arguments.graph))
        print(drawn.path)
        if drawn.note:
            print(f"infer-tui: {drawn.note}", file=sys.stderr)
        return EXIT_OK
    facts = describe(spec)
    if arguments.format == "json":
        print(json.dumps(msgspec.to_builtins(facts), indent=2))
        return EXIT_OK
    print(_totals(facts))
    if arguments.layers:
        table = markdown_table if arguments.format == "md" else text_table
        print()
        print(table(HEADINGS, [layer_row(layer) for layer in facts.layers], NUMBERS))
    return EXIT_OK


def _totals(facts: ModelFacts) -> str:
    rows = {
        "model": facts.label,
        "weights": f"{facts.source} (sha256 {facts.digest[:12]})",
        "input": " × ".join(map(str, facts.input_shape)) + " float32",
        "output": " × ".join(map(str, facts.output_shape)) + " float32",
        "parameters": f"{facts.parameters:,} ({facts.parameters_without_batch_norm:,} "
        "without batch norm)",
        "multiply-adds": f"{facts.macs / 1e6:.1f} M for one image",
        "weights' size": byte_size(facts.weight_bytes),
        "peak activations": f"{byte_size(facts.peak_activation_bytes)} for one image",
    }
    return "\n".join(f"{name:<16}  {value}" for name, value in rows.items())


def layer_row(layer: LayerFacts) -> tuple[str, ...]:
    """A layer under the HEADINGS."""
    return (
        layer.name,
        layer.kind,
        "×".join(map(str, layer.output_shape)),
        f"{layer.parameters:,}",
        f"{layer.macs / 1e6:.2f}",
        f"{layer.activation_bytes / KIB:,.0f}",
    )
