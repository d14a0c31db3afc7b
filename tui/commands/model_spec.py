"""The model that the options of a command line describe."""

from __future__ import annotations

import argparse
from typing import TypeVar

import msgspec

from engines import preparation
from engines.errors import UsageError, nearest
from engines.plan import ModelSpec, Record
from profiles.validation import convert

Spec = TypeVar("Spec", bound=Record)

MODELS = ("mobilenetv2",)
OPTIONS = ("width", "input_size", "classes", "seed", "weights", "calibration")


def model_spec(arguments: argparse.Namespace, base: ModelSpec | None = None) -> ModelSpec:
    """`base` (default: the built-in model) with what `arguments` change.

    Raises UsageError or FileError where a name or a value is wrong, or a file can't be read.
    """
    changes = {
        option: value for option in OPTIONS if (value := getattr(arguments, option)) is not None
    }
    name = arguments.model
    if name is not None:
        if name not in MODELS:
            raise UsageError(f"unknown model '{name}'", hint=nearest(name, MODELS))
        changes["name"] = name
    spec = checked(msgspec.structs.replace(base or ModelSpec(), **changes))
    # Also those that no entry may turn out to need: who names a file means it to be used.
    preparation.check_files(spec)
    return spec


def checked(spec: Spec) -> Spec:
    """`spec` if its values are within their bounds; FileError names the one that is not."""
    return convert(msgspec.to_builtins(spec), type(spec), "command line")
