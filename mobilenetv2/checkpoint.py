"""Weights in files: saving, loading without running any code, and a digest that names them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mobilenetv2._files import atomic_write, describe_os_error
from mobilenetv2.model import MobileNetV2

#: Where training scripts keep the state dict in a checkpoint that holds more than it.
WRAPPERS = ("state_dict", "model")

#: What DataParallel and torch.compile put before every name.
PREFIXES = ("module.", "_orig_mod.")

#: Width multipliers with published checkpoints (README of slim's mobilenet), tried for a hint.
PUBLISHED_WIDTHS = (1.0, 1.4, 1.3, 0.75, 0.5, 0.35)

#: A count of training steps, which inference never reads and old checkpoints lack.
COUNTER = ".num_batches_tracked"

_HOW_TO_SAVE = "save one with torch.save(model.state_dict(), path)"


class WeightsError(ValueError):
    """A weights file does not serve; one line says what was found, expected, and what to do."""


def save_state_dict(state: Mapping[str, Tensor], path: str | Path) -> None:
    """Write ``state`` to ``path`` in torch's own format, whole or not at all.

    Raises:
        WeightsError: the folder is missing or not writable, or the disk is full.
    """
    path = Path(path)
    try:
        with atomic_write(path) as file:
            torch.save(dict(state), file)
    except (OSError, RuntimeError) as error:  # torch turns a failed write into a RuntimeError
        reason = describe_os_error(error) if isinstance(error, OSError) else "writing failed"
        raise WeightsError(
            f"{path}: cannot be written ({reason}); expected a folder that exists, is writable "
            "and has room: choose another path"
        ) from error


def load_weights(model: MobileNetV2, path: str | Path) -> None:
    """Load a state dict file into ``model``; on any error the model stays as it is.

    The file may hold a state dict, or a dict with one under ``state_dict`` or ``model``. A prefix
    that DataParallel or torch.compile put before every name is dropped. Floating-point values are
    converted to the model's type. No code in the file is ever run (``weights_only``).

    Raises:
        WeightsError: the file cannot be read, is no state dict, or does not fit the model.
    """
    path = Path(path)
    state = _strip_prefixes(_find_state_dict(_read(path), path))
    expected = model.state_dict()
    problems = _compare(state, expected)
    if problems:
        raise WeightsError(
            f"{path}: {'; '.join(problems)}; expected the {len(expected)} tensors of "
            f"MobileNetV2(n_class={model.n_class}, width_mult={model.width_mult}): "
            f"{_advise(state, model)}"
        )
    model.load_state_dict(state)  # adds the counters itself where an old checkpoint lacks them


def state_dict_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256, in hexadecimal, of all names, types, shapes and values in ``state``.

    It is the identity of a model's weights: the order of the entries, the device and the memory
    format of the tensors make no difference to it.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        # Flat, so in the order of the shape and possible for a scalar; bytes, because NumPy has no
        # bfloat16.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(path: Path) -> object:
    """Return what torch.load makes of ``path`` while it refuses to run code."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read ({describe_os_error(error)})"
        raise WeightsError(f"{path}: {reason}; expected a state dict: check the path") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a TorchScript file brings one, ahead of its error
        try:
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises nearly anything out of the unpickler
            found = _why_unreadable(content, error)
            raise WeightsError(f"{path}: {found}; expected a state dict: {_HOW_TO_SAVE}") from error


def _why_unreadable(content: bytes, error: Exception) -> str:
    if not content:
        return "is empty"
    if "TorchScript" in str(error):
        return "is a TorchScript program"
    forbidden = re.search(r"GLOBAL ([\w.]+)", str(error))
    if forbidden:
        return f"holds {forbidden[1]}, which could run code and is not loaded"
    return "is damaged, or was not written by torch.save"


def _find_state_dict(content: object, path: Path) -> dict[str, Tensor]:
    """Return the state dict that ``content`` is or wraps, having checked that it is one."""
    if isinstance(content, Mapping):
        wrapped = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(wrapped, content)
    if not isinstance(content, Mapping):
        found = f"holds a {type(content).__name__}"
    elif not content:
        found = "holds no tensors"
    else:
        strangers = (item for item in content.items() if not _is_entry(*item))
        stranger = next(strangers, None)
        if stranger is None:
            return dict(content)
        found = f"{stranger[0]!r} is of type {type(stranger[1]).__name__}, not a named dense tensor"
    raise WeightsError(f"{path}: {found}; expected a state dict: {_HOW_TO_SAVE}")


def _is_entry(key: object, value: object) -> bool:
    is_dense = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
    return isinstance(key, str) and is_dense


def _strip_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the prefixes that wrappers put before every name, in whatever order they were put."""
    for prefix in PREFIXES * len(PREFIXES):
        if all(name.startswith(prefix) for name in state):
            state = {name[len(prefix) :]: tensor for name, tensor in state.items()}
    return state


def _compare(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Return what keeps ``state`` from being loaded in place of ``expected``, in a few words."""
    misfits = [text for name in expected if (text := _misfit(name, state, expected))]
    missing = [f"{name} is missing" for name in _missing(state, expected)]
    unexpected = [f"{name!r} is unexpected" for name in state if name not in expected]
    return [_first_of(problems) for problems in (misfits, missing, unexpected) if problems]


def _missing(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    return [name for name in expected if name not in state and not name.endswith(COUNTER)]


def _misfit(name: str, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """Return how the entry ``name`` differs in shape or kind of number, or None."""
    if name not in state:
        return None
    found, wanted = state[name], expected[name]
    if found.shape != wanted.shape:
        return f"{name} has shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
    if found.is_floating_point() != wanted.is_floating_point():
        return f"{name} has type {found.dtype}, not {wanted.dtype}"
    return None


def _first_of(problems: Sequence[str]) -> str:
    others = len(problems) - 1
    return f"{problems[0]} (and {others} more)" if others else problems[0]


def _advise(state: Mapping[str, Tensor], model: MobileNetV2) -> str:
    """Return what to do about a state dict that does not fit ``model``.

    A model with another number of classes, or with a published width, that the state dict does fit
    is named by its settings.
    """
    classifier = state.get("classifier.1.bias")
    n_class = len(classifier) if classifier is not None and classifier.dim() == 1 else 0
    for width_mult in (model.width_mult, *PUBLISHED_WIDTHS):
        if not n_class:
            break
        with torch.device("meta"):
            candidate = MobileNetV2(n_class, model.input_size, width_mult).state_dict()
        if not _compare(state, candidate):
            settings = []
            if n_class != model.n_class:
                settings.append(f"n_class={n_class} (--classes {n_class})")
            if width_mult != model.width_mult:
                settings.append(f"width_mult={width_mult} (--width {width_mult})")
            return f"use {' and '.join(settings)}"
    return "give a state dict with the names and shapes of torchvision's mobilenet_v2"
