"""A picture of the model's autograd graph, drawn by torchviz and Graphviz."""

from __future__ import annotations

import copy
import re
import shlex
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mobilenetv2._files import atomic_write, describe_os_error

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

    from mobilenetv2.model import MobileNetV2

#: File name endings and the Graphviz format each one asks for.
FORMATS = {".svg": "svg", ".png": "png", ".dot": "dot", ".gv": "dot"}

#: Fitted to a chain of some 300 nodes: tight ranks, a small font, and no `size`, because torchviz's
#: own one scales the text down until it cannot be read.
GRAPH_ATTRIBUTES = {"nodesep": "0.15", "ranksep": "0.2", "rankdir": "TB"}
NODE_ATTRIBUTES = {
    "shape": "box",
    "style": "filled",
    "fillcolor": "lightgray",
    "fontname": "monospace",
    "fontsize": "10",
    "height": "0.2",
}

#: A statement of the DOT text that torchviz writes: `id [attributes]` or `id -> id [attributes]`.
_STATEMENT = re.compile(r"\s*(\d+)(?: -> (\d+))?\s*(.*?)\s*", re.DOTALL)


class GraphError(ValueError):
    """The graph could not be drawn; one line says what was found, expected, and what to do."""


@dataclass(frozen=True)
class GraphFile:
    """What `draw_graph` wrote."""

    path: Path
    format: str  # "svg", "png" or "dot": what was written, not what was asked for
    nodes: int
    edges: int
    note: str = ""  # how to get the picture, where only the DOT text could be written
    picture: Path | None = None  # the PNG file that was asked for beside, where it could be made

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON-able values."""
        picture = str(self.picture) if self.picture else None
        return {**asdict(self), "path": str(self.path), "picture": picture}


def draw_graph(
    model: MobileNetV2, path: str | Path, batch: int = 1, picture: str | Path | None = None
) -> GraphFile:
    """Draw the autograd graph of a forward pass in evaluation mode and write it to ``path``.

    Operations are grey, parameters blue with name and shape, the output green. The ending of
    ``path`` chooses the format: ``.svg``, ``.png``, or ``.dot`` / ``.gv`` for Graphviz' own text.
    Without the ``dot`` program a picture cannot be laid out: its DOT text is then written beside
    ``path``, and the result's ``note`` says how to draw it. ``picture`` is where a PNG file of the
    same graph is written as well, if there is ``dot``. The model itself is left as it is.

    Raises:
        GraphError: unknown ending, folder not writable, torchviz missing, or ``dot`` failed.
    """
    path = Path(path)
    wanted = FORMATS.get(path.suffix.lower())
    if wanted is None:
        raise GraphError(
            f"{path}: unknown ending {path.suffix!r}; expected one of {', '.join(FORMATS)}: "
            f"use {path.with_suffix('.svg').name if path.name else 'model.svg'}"
        )
    graph, nodes, edges = _trace(model, batch)
    text = graph.source.encode()
    png = _lay_out(graph, "png") if picture is not None or wanted == "png" else None
    drawn = text if wanted == "dot" else png if wanted == "png" else _lay_out(graph, wanted)
    beside = None
    if picture is not None and png is not None:
        beside = Path(picture)
        _write(beside, png)
    if drawn is not None:
        _write(path, drawn)
        return GraphFile(path, wanted, nodes, edges, picture=beside)
    dot_path = path.with_suffix(".dot")
    _write(dot_path, text)
    note = (
        "Graphviz' program 'dot' is not installed, so the graph's text was written instead; "
        f"install it (apt install graphviz), then: dot -T{wanted} "
        f"{shlex.quote(str(dot_path))} -o {shlex.quote(str(path))}"
    )
    return GraphFile(dot_path, "dot", nodes, edges, note)


def _trace(model: MobileNetV2, batch: int) -> tuple[graphviz.Digraph, int, int]:
    """Run a copy of the model with gradients on and return its graph, node and edge count."""
    with warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # torchviz still uses distutils
        try:
            from torchviz import make_dot
        except ImportError as error:
            raise GraphError(
                f"torchviz cannot be imported ({error}); expected torchviz with its dependencies: "
                "pip install torchviz setuptools"
            ) from None
        # On the meta device nothing is computed, but autograd records the same graph.
        twin = copy.deepcopy(model).to("meta").eval().requires_grad_(True)
        dtype = next(twin.parameters()).dtype
        logits = twin(torch.empty(model.input_shape(batch), device="meta", dtype=dtype))
        drawn = make_dot(logits, params={**dict(twin.named_parameters()), "logits": logits})
    return _tidy(drawn)


def _tidy(drawn: graphviz.Digraph) -> tuple[graphviz.Digraph, int, int]:
    """Return torchviz's graph in a form that can be read and compared.

    torchviz draws an ``AccumulateGrad`` node between each parameter and its operation; here the
    parameter points at the operation itself, which halves the width. Nodes are named in the order
    of drawing rather than by memory address, so one model always gives one text.
    """
    import graphviz

    statements = [match.groups() for line in drawn.body if (match := _STATEMENT.fullmatch(line))]
    boxes = {node: attributes for node, head, attributes in statements if not head}
    arrows = [(tail, head) for tail, head, _ in statements if head]
    accumulators = {node for node, attributes in boxes.items() if "AccumulateGrad" in attributes}
    parameter_of = {head: tail for tail, head in arrows if head in accumulators}
    operations_and_tensors = [node for node in boxes if node not in accumulators]
    names = {node: f"n{number}" for number, node in enumerate(operations_and_tensors)}

    graph = graphviz.Digraph(graph_attr=GRAPH_ATTRIBUTES, node_attr=NODE_ATTRIBUTES)
    graph.body += [f"\t{names[node]} {boxes[node]}\n" for node in operations_and_tensors]
    edges = 0
    for tail, head in arrows:
        if head in accumulators:
            continue
        # A heavy edge is kept straight: the chain of operations is the picture's spine.
        weight = 1 if tail in accumulators else 20
        source = names[parameter_of.get(tail, tail)]
        graph.body.append(f"\t{source} -> {names[head]} [weight={weight}]\n")
        edges += 1
    return graph, len(names), edges


def _lay_out(graph: graphviz.Digraph, wanted: str) -> bytes | None:
    """Return the picture in the format ``wanted``, or None where there is no ``dot`` program."""
    import graphviz

    try:
        picture: bytes = graph.pipe(format=wanted)
    except graphviz.ExecutableNotFound:
        return None
    except graphviz.CalledProcessError as error:
        complaint = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise GraphError(
            f"Graphviz' program 'dot' failed with exit status {error.returncode}: "
            f"{complaint[-1] if complaint else 'it said nothing'}; expected a {wanted} picture: "
            "ask for a .dot file and draw that, or reinstall graphviz"
        ) from None
    return picture


def _write(path: Path, content: bytes) -> None:
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise GraphError(
            f"{path}: cannot be written ({describe_os_error(error)}); expected a folder that "
            "exists and is writable: choose another path"
        ) from None
