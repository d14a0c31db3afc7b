"""`infer-tui engines`: what can run here; for what can't: why, and what to install."""

from __future__ import annotations

import argparse
import json
from typing import Any

from engines import registry
from engines.errors import EXIT_OK
from engines.probing import probe
from engines.registry import Availability
from profiles.gathering import listed
from tui.commands.tables import Row, markdown_table, text_table, wrapped

HEADINGS = ("engine", "environment", "device", "state", "precisions", "version")


def main(arguments: argparse.Namespace) -> int:
    answers = sorted(probe(), key=_catalogue_order)
    if arguments.format == "json":
        print(json.dumps({"engines": [_document(one) for one in answers]}, indent=2))
        return EXIT_OK
    rows = [_row(one) for one in answers]
    headings: Row = HEADINGS
    if not any(one.environment for one in answers):
        headings, *rows = [(name, *rest) for name, _, *rest in (HEADINGS, *rows)]
    table = markdown_table if arguments.format == "md" else text_table
    print(table(headings, rows))
    for (reason, install), names in _why_not(answers).items():
        print("\n" + wrapped(f"{listed(names)}: {reason}"))
        if install:
            print(f"  needs: {install}")
    return EXIT_OK


def _why_not(answers: list[Availability]) -> dict[tuple[str, str], list[str]]:
    """Each reason why something can't run, with what to install, and all it is true of."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in answers:
        if not one.ready:
            place = f" [{one.environment}]" if one.environment else ""
            found.setdefault((one.reason, one.install), []).append(
                f"{one.engine}{place} on {one.device}"
            )
    return found


def _catalogue_order(one: Availability) -> tuple[int, int, str]:
    engine = registry.find(one.engine)
    return registry.CATALOGUE.index(engine), engine.devices.index(one.device), one.environment


def _row(one: Availability) -> tuple[str, ...]:
    versions = " ".join(f"{name} {version}" for name, version in (one.versions or {}).items())
    state = "builds only" if one.able_to_build and not one.ready else one.readiness
    precisions = " ".join(one.known_precisions)
    return (one.engine, one.environment or "-", one.device, state, precisions, versions)


def _document(one: Availability) -> dict[str, Any]:
    return {
        "engine": one.engine,
        "environment": one.environment,
        "device": one.device,
        "ready": one.ready,
        "builds": one.builds,
        "builds_for_named": one.builds_for_named,
        "precisions": one.known_precisions,
        "gpus": [dict(gpu) for gpu in one.gpus],
        "versions": dict(one.versions or {}),
        "reason": one.reason,
        "install": one.install,
    }
