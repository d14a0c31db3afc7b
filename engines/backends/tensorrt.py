"""TensorRT: what this interpreter has of it."""

from __future__ import annotations

from importlib import import_module

from engines.backends.base import GET_DRIVER, LATER, NO_DRIVER, Probe, driver_answers, unavailable

INSTALL = "python -m pip install tensorrt pycuda"


def probe(_device: str) -> Probe:
    """Whether TensorRT and PyCUDA import here and a driver answers."""
    if not driver_answers():
        return unavailable(NO_DRIVER, f"{GET_DRIVER}, then: {INSTALL}")
    versions: dict[str, str] = {}
    for package in ("tensorrt", "pycuda"):
        try:
            module = import_module(package)
        except (ImportError, OSError) as error:
            return unavailable(f"{package} does not load: {error}", INSTALL, versions)
        versions[package] = str(getattr(module, "__version__", getattr(module, "VERSION_TEXT", "")))
    return unavailable(LATER, "", versions)
