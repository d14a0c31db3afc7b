"""The model in a worker: building it, its weights, its layer table and its graph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.worker.failure import WorkerError

if TYPE_CHECKING:
    from mobilenetv2 import MobileNetV2

Spec = dict[str, Any]


def build(spec: Spec, weights: str = "") -> MobileNetV2:
    """The model that `spec` (a ModelSpec's fields) describes, holding the state dict `weights`.

    Without `weights` its parameters are as PyTorch initialises them.
    """
    from mobilenetv2 import MobileNetV2
    from mobilenetv2.checkpoint import load_weights

    try:
        model = MobileNetV2(
            n_class=spec["classes"], input_size=spec["input_size"], width_mult=spec["width"]
        )
        if weights:
            load_weights(model, Path(weights))
    except ValueError as error:
        raise WorkerError(str(error), kind="usage") from error
    return model


def write_weights(request: dict[str, Any]) -> dict[str, Any]:
    """Write the state dict that every engine loads to `request["path"]`, and give its digest.

    The user's own file is read here once, checked against the model, and written anew, so that
    no other worker ever opens it.
    """
    from mobilenetv2 import builtin_state_dict, save_state_dict, state_dict_digest

    spec = request["model"]
    model = build(spec, spec["weights"])
    state = model.state_dict() if spec["weights"] else builtin_state_dict(model, spec["seed"])
    save_state_dict(state, Path(request["path"]))
    return {"digest": state_dict_digest(state)}


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """The layer table and totals for one image, written as JSON to `request["path"]`."""
    import json

    from mobilenetv2.summary import summarise

    summary = summarise(build(request["model"]), batch=1).to_dict()
    with open(request["path"], "w") as file:
        json.dump(summary, file)
        file.flush()
        os.fsync(file.fileno())
    return {}


def graph(request: dict[str, Any]) -> dict[str, Any]:
    """Draw the graph to `request["path"]`; the result names the file that was really written.

    With `request["picture"]` a PNG file is written there as well; the result's is None where there
    is no Graphviz.
    """
    from mobilenetv2.graph import GraphError, draw_graph

    try:
        drawn = draw_graph(
            build(request["model"]), Path(request["path"]), picture=request.get("picture")
        )
    except GraphError as error:
        raise WorkerError(str(error), kind="usage") from error
    picture = str(drawn.picture) if drawn.picture else None
    return {"path": str(drawn.path), "note": drawn.note, "picture": picture}
