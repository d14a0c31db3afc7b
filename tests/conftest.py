"""Shared by all tests: folders of their own, and a model small enough to run in moments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.plan import ModelSpec

TINY = ModelSpec(width=0.35, input_size=96, classes=10)


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session: conversions are made once, as a user's are."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_folders(
    tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No test reads or writes the folders of the person who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(session_cache))
    for name in ("DATA", "STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    for name in ("SSH_CONNECTION", "SSH_TTY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.fixture
def tiny() -> ModelSpec:
    """MobileNetV2 at its narrowest: an inference takes about a millisecond."""
    return TINY


@pytest.fixture
def processors_that_nobody_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what asks about the GPU: other tests have this machine's processors."""
    monkeypatch.setattr("engines.conditions.MOST_WAITED", float("inf"))
