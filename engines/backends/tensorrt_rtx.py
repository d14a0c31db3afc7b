"""TensorRT-RTX: what this interpreter has of it."""

from __future__ import annotations

from importlib import import_module

from engines.backends.base import GET_DRIVER, LATER, NO_DRIVER, Probe, driver_answers, unavailable

INSTALL = "python -m pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs"
NAMES = ("tensorrt_rtx", "tensorrt_rtx_bindings")


def probe(_device: str) -> Probe:
    """Whether TensorRT-RTX imports here and a driver answers."""
    version = next((found for name in NAMES if (found := _version(name))), "")
    if not version:
        return unavailable("TensorRT-RTX is not installed", INSTALL)
    versions = {"tensorrt-rtx": version}
    if not driver_answers():
        return unavailable(NO_DRIVER, GET_DRIVER, versions)
    return unavailable(LATER, "", versions)


def _version(name: str) -> str:
    try:
        return str(import_module(name).__version__)
    except (ImportError, OSError):
        return ""
