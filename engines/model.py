"""The model as the panels and the command line see it, before anything is run."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from engines import files, paths
from engines.artifacts import Artifact, Cache
from engines.control import Control
from engines.errors import FileError
from engines.plan import ModelSpec, Record
from engines.preparation import Preparation, summary_order, weights_order

T = TypeVar("T")


class LayerFacts(Record, frozen=True, kw_only=True):
    """One layer for one image: shapes with the batch first, multiply-adds, and memory in bytes."""

    name: str
    kind: str
    block: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    weight_bytes: int
    activation_bytes: int


class ModelFacts(Record, frozen=True, kw_only=True):
    """What a person wants to know of a model, for one image in FP32. Memory is in bytes."""

    name: str
    label: str
    source: str
    digest: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    parameters_without_batch_norm: int
    macs: int
    weight_bytes: int
    peak_activation_bytes: int
    layers: tuple[LayerFacts, ...]


class GraphDrawn(NamedTuple):
    """The file that was written, and what to do to get a picture where only DOT could be had.

    `picture` is the PNG file that was asked for beside it, if there is Graphviz.
    """

    path: Path
    note: str
    picture: Path | None = None


def describe(model: ModelSpec, control: Control | None = None) -> ModelFacts:
    """The facts of `model`; kept after the first time, so that the second is instant.

    Raises UsageError or FileError where the model or its weights can't be had, WorkerFailed where
    the interpreter lacks torch, Cancelled.
    """
    with _preparation("model", control) as preparation:
        weights = finish(preparation.weights(model))
        return facts_of(model, weights, finish(preparation.summary(model)))


def kept_facts(model: ModelSpec) -> ModelFacts | None:
    """The facts of `model` if they were found out before; starts no worker to find them."""
    cache = Cache()
    try:
        weights, summary = (
            cache.find(order.kind, order.slot, order.parts)
            for order in (weights_order(model), summary_order(model))
        )
        if isinstance(weights, Artifact) and isinstance(summary, Artifact):
            return facts_of(model, weights, summary)
    except FileError:
        pass
    return None


def facts_of(model: ModelSpec, weights: Artifact, summary: Artifact) -> ModelFacts:
    """Put the facts together from the two artifacts that hold them."""
    try:
        found = msgspec.json.decode(summary.path.read_bytes())
        return msgspec.convert(
            {
                "parameters_without_batch_norm": found.pop("parameters_without_batchnorm"),
                **found,
                "name": model.name,
                "label": model.label,
                "source": model.weights or f"built-in, seed {model.seed}",
                "digest": weights.meta.facts["digest"],
            },
            ModelFacts,
        )
    except (OSError, KeyError, msgspec.MsgspecError) as error:
        raise FileError(
            f"can't read the layer table {summary.path}: {error}",
            hint="delete that file; it is made again",
        ) from error


def draw_graph(
    model: ModelSpec, path: Path, control: Control | None = None, picture: Path | None = None
) -> GraphDrawn:
    """Draw the model's graph to `path` (.png, .svg, .dot), and as PNG to `picture` where given.

    UsageError where that can't be done.
    """
    with _preparation("graph", control) as preparation:
        drawn = finish(
            preparation.ask(
                "graph",
                model=msgspec.to_builtins(msgspec.structs.replace(model, weights="")),
                path=str(path.expanduser().absolute()),
                picture=str(picture) if picture else None,
            )
        )
        beside = Path(drawn["picture"]) if drawn["picture"] else None
        return GraphDrawn(Path(drawn["path"]), drawn["note"], beside)


def export(
    model: ModelSpec, path: Path, control: Control | None = None, *, overwrite: bool = False
) -> Path:
    """Write the model's ONNX file to `path`; FileError where that can't be done.

    Without `overwrite` an existing file is such an error.
    """
    with _preparation("export", control) as preparation:
        weights = finish(preparation.weights(model))
        artifact = finish(preparation.onnx(model, weights))
    target = Path(os.path.realpath(path.expanduser()))
    if target.exists() and not target.is_file():
        raise FileError(f"can't write {target}: it is not a file", hint="choose another by -o")
    try:
        files.replace(target, artifact.path.read_bytes(), overwrite=overwrite)
    except OSError as error:
        raise FileError(
            f"can't write {target}: {error.strerror or error}", hint="choose another file by -o"
        ) from error
    return target


def finish(work: Generator[object, None, T]) -> T:
    """Run `work` to its end without showing its events, and return what it came to."""
    while True:
        try:
            next(work)
        except StopIteration as answer:
            result: T = answer.value
            return result


def _preparation(name: str, control: Control | None) -> Preparation:
    log = paths.ready(paths.state_folder() / "logs") / f"{name}.log"
    return Preparation(control or Control(), log)
