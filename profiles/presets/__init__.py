"""Plans that come with the tool, by name."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.plan import RunPlan

SUFFIX = ".toml"


def names() -> tuple[str, ...]:
    """The presets' names, in alphabetical order."""
    files = (one.name for one in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)))


def load(name: str) -> RunPlan:
    """The plan called `name`; UsageError with the nearest name where there is none."""
    # A command line that only lists the names does not pay for the reader.
    from engines.errors import UsageError, nearest
    from profiles.reading import parse_plan

    known = names()
    if name not in known:
        raise UsageError(f"unknown preset '{name}'", hint=nearest(name, known))
    text = resources.files(__name__).joinpath(name + SUFFIX).read_text("utf-8")
    return parse_plan(text, f"the preset {name}")
