"""Fixtures of the app's tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engines.control import Control
from engines.model import LayerFacts, ModelFacts
from engines.plan import ModelSpec
from tests.tui.app_support import ScriptedRun, answers
from tui import background
from tui.background import EngineAnswered, ModelDescribed, Post, ProbeEnded

if TYPE_CHECKING:
    from tests.tui.build_support import HeldBuilds


def facts_of(model: ModelSpec) -> ModelFacts:
    """Facts as a worker finds them, of three layers."""
    layers = tuple(
        LayerFacts(
            name=name, kind=kind, block="features", output_shape=(1, 16, 48, 48),
            parameters=432 * at, macs=1_000_000 * at, weight_bytes=1728 * at,
            activation_bytes=147_456,
        )
        for at, (name, kind) in enumerate(
            [("features.0.1", "BatchNorm2d"), ("features.0.0", "Conv2d"), ("classifier", "Linear")]
        )
    )  # fmt: skip
    return ModelFacts(
        name=model.name, label=model.label, source="built-in, seed 0", digest="0" * 64,
        input_shape=(1, 3, 96, 96), output_shape=(1, 10), parameters=408_938,
        parameters_without_batch_norm=394_810, macs=10_700_000, weight_bytes=1_635_752,
        peak_activation_bytes=552_960, layers=layers,
    )  # fmt: skip


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The questions of the start are answered at once, as on a machine without a GPU.

    Asking takes two workers that import torch, which is tested once, not with every key.
    """

    def ask(control: Control, post: Post) -> None:
        for availability in answers():
            post(EngineAnswered(availability))
        post(ProbeEnded())

    def describe(model: ModelSpec, control: Control, post: Post) -> None:
        post(ModelDescribed(facts_of(model)))

    monkeypatch.setattr(background, "ask_engines", ask)
    monkeypatch.setattr(background, "describe_model", describe)


@pytest.fixture
def scripted(replayed: None, monkeypatch: pytest.MonkeyPatch) -> ScriptedRun:
    """A runner that goes on when told, for what real engines don't do on demand."""
    run = ScriptedRun()
    monkeypatch.setattr("engines.runner.run", run)
    return run


@pytest.fixture
def rtx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, session_cache: Path) -> None:
    """The questions of the start are answered at once; TensorRT-RTX's answer is its own.

    No engine file is kept yet; what they are made from is made once for all tests.
    """
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    from tests.tui.build_support import answer_as, real_answer

    shared, own = session_cache / "infer-tui", tmp_path / "cache" / "infer-tui"
    own.mkdir(parents=True)
    for kind in ("weights", "export"):
        (shared / kind).mkdir(parents=True, exist_ok=True)
        (own / kind).symlink_to(shared / kind)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own.parent))
    answer_as(monkeypatch, real_answer())


@pytest.fixture
def held(rtx: None, monkeypatch: pytest.MonkeyPatch) -> HeldBuilds:
    """Builds that begin and then go on when told."""
    from tests.tui.build_support import HeldBuilds

    return HeldBuilds(monkeypatch)
