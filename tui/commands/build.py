"""`infer-tui build`: engine files, one for each precision. A kept one costs nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Generator
from contextlib import closing
from typing import Any

from engines import environments, registry
from engines.artifacts import Artifact
from engines.building import build
from engines.catalogue import Engine
from engines.control import Control
from engines.errors import EXIT_OK, UsageError
from engines.events import Event, JobDone
from engines.plan import EngineSpec
from engines.probing import probe
from tui.commands.model_spec import checked, model_spec
from tui.commands.plan import engine_and_environment, options_for
from tui.commands.progress import Progress
from tui.commands.signals import stopped_by_signals

MIB = 1 << 20


def main(arguments: argparse.Namespace) -> int:
    engine, environment = engine_and_environment(arguments.engine)
    if not engine.needs_build:
        raise UsageError(f"{engine.name} needs no build", hint="expected tensorrt or tensorrt-rtx")
    environments.check([environment])
    model = model_spec(arguments)
    specs = specs_of(arguments, engine, environment)
    answer = next(probe([(engine.name, "cuda", environment)]))
    control, built = Control(), []
    try:
        with stopped_by_signals(control), Progress(sys.stderr, arguments.progress) as progress:
            for spec in specs:
                work = build(model, spec, answer, control, anew=arguments.force)
                with closing(work):
                    built.append(_document(spec, *_finish(work, progress)))
    finally:
        # What was built before a failure is kept, and said.
        if arguments.format == "json":
            print(json.dumps({"engines": built}, indent=2))
        else:
            for one in built:
                print(_words(one))
    return EXIT_OK


def specs_of(
    arguments: argparse.Namespace, engine: Engine, environment: str
) -> tuple[EngineSpec, ...]:
    """One entry for each precision asked for. Raises UsageError for what the engine has not."""
    options = options_for(engine, arguments.set)
    for name, value in (
        ("min_batch", arguments.min_batch),
        ("opt_batch", arguments.opt_batch),
        ("max_batch", arguments.max_batch),
        ("builder_level", arguments.level),
    ):
        if value is not None:
            options[name] = value
    largest = arguments.max_batch or arguments.opt_batch
    if largest:
        # A range that nobody began begins at 1, and its kernels are chosen for its largest batch.
        options = {"min_batch": 1, "opt_batch": largest, "max_batch": largest} | options
    batch = int(options.get("min_batch") or 1)
    specs = tuple(
        EngineSpec(
            engine=engine.name,
            device="cuda",
            precision=registry.precision(precision),
            batch=batch,
            environment=environment,
            options=options,
        )
        for precision in arguments.precision or ("fp16",)
    )
    for spec in specs:
        registry.check(checked(spec))
    return specs


def _finish(work: Generator[Event, None, Artifact], progress: Progress) -> tuple[Artifact, bool]:
    """Show `work` to its end; the engine file, and whether it was kept already."""
    cached = False
    while True:
        try:
            event = next(work)
        except StopIteration as answer:
            artifact: Artifact = answer.value
            return artifact, cached
        progress.show(event)
        if isinstance(event, JobDone):
            cached = event.cached


def _document(spec: EngineSpec, artifact: Artifact, cached: bool) -> dict[str, Any]:
    return {
        "engine": spec.engine,
        "precision": spec.precision,
        "path": str(artifact.path),
        "cached": cached,
        "seconds": artifact.meta.seconds,
        "size_bytes": artifact.meta.size_bytes,
        "sha256": artifact.meta.sha256,
        "made_from": artifact.meta.parts,
        "facts": artifact.meta.facts,
    }


def _words(one: dict[str, Any]) -> str:
    layers = ", ".join(f"{count} {name}" for name, count in one["facts"].get("layers", {}).items())
    how = "kept" if one["cached"] else f"built in {one['seconds']:.1f} s"
    size = f"{one['size_bytes'] / MIB:.1f} MiB"
    details = ", ".join(filter(None, [how, size, f"layers: {layers}" if layers else ""]))
    return f"{one['engine']} {one['precision']}: {details}\n  {one['path']}"
