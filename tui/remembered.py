"""What the app remembers between starts: the builder options that were accepted last."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from engines import registry
from engines.catalogue import Engine, Option
from engines.errors import InferTuiError, UsageError
from engines.plan import Device, OptionValue

Values = dict[str, OptionValue]

FILE = "build-options.json"
# A few hundred bytes are written; a file that is larger is not ours.
LARGEST_BYTES = 1 << 16
# The options of an engine with a builder that say how its engine file is run, not made.
RUN_TIME = ("cuda_graph", "gpu")


def build_options(engine: Engine) -> tuple[Option, ...]:
    """What a build of `engine` is told."""
    if not engine.needs_build:
        return ()
    return tuple(option for option in engine.options if option.name not in RUN_TIME)


def run_options(engine: Engine, device: Device) -> tuple[Option, ...]:
    """What `engine` is told on `device` when it runs."""
    building = build_options(engine)
    return tuple(
        option for option in engine.options if device in option.devices and option not in building
    )


def last_build_options() -> dict[str, Values]:
    """The last accepted builder options of each engine, by its name, without the defaults.

    What can't be read or is not understood is as if it had never been written.
    """
    import json

    from engines import paths

    try:
        file = paths.state_folder() / FILE
        with file.open("rb") as stream:
            document = json.loads(stream.read(LARGEST_BYTES))
    except (OSError, ValueError, RecursionError, InferTuiError):
        return {}
    return {
        engine.name: _understood(build_options(engine), document.get(engine.name))
        for engine in registry.CATALOGUE
        if engine.needs_build and isinstance(document, dict)
    }


def remember_build_options(engine: Engine, values: Mapping[str, OptionValue]) -> None:
    """Keep `values` for the next start. Loss of them is no harm."""
    import json

    from engines import files, paths

    kept = last_build_options()
    kept[engine.name] = {
        option.name: values[option.name]
        for option in build_options(engine)
        if values.get(option.name, option.default) != option.default
    }
    with contextlib.suppress(OSError, InferTuiError):
        folder = paths.ready(paths.state_folder())
        files.replace(folder / FILE, json.dumps(kept, indent=1).encode(), durable=False)


def _understood(options: Iterable[Option], found: object) -> Values:
    if not isinstance(found, dict):
        return {}
    values: Values = {}
    for option in options:
        # A value that this version does not take is left out, the others stay.
        with contextlib.suppress(UsageError, TypeError):
            if option.name in found:
                values[option.name] = option.check(found[option.name])
    return values
