"""Pictures of the model's tree, at both sizes, of layers as the real MobileNetV2 has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from engines.model import LayerFacts, ModelFacts
from tests.tui.app_support import Small, Wide, until
from tests.tui.test_app_looks import FrozenApp, nothing_to_wait_for
from tui.screens.model import ModelScreen

__all__ = ["nothing_to_wait_for"]

# Of each inverted residual: channels in and out, expansion, side of the image behind it, whether
# it adds its input. MobileNetV2 at width 1 and 224 pixels.
BLOCKS = [
    (32, 16, 1, 112, False), (16, 24, 6, 56, False), (24, 24, 6, 56, True),
    (24, 32, 6, 28, False), (32, 32, 6, 28, True), (32, 32, 6, 28, True),
    (32, 64, 6, 14, False), (64, 64, 6, 14, True), (64, 64, 6, 14, True), (64, 64, 6, 14, True),
    (64, 96, 6, 14, False), (96, 96, 6, 14, True), (96, 96, 6, 14, True),
    (96, 160, 6, 7, False), (160, 160, 6, 7, True), (160, 160, 6, 7, True), (160, 320, 6, 7, False),
]  # fmt: skip


def convolution(
    name: str, block: str, *, taking: int, giving: int, side: int, kernel: int = 1, groups: int = 1
) -> list[LayerFacts]:
    """A convolution without bias, and the batch norm behind it."""
    weights = taking // groups * giving * kernel**2
    words = " depthwise" if groups > 1 else " pointwise" if kernel == 1 else ""
    shape = (1, giving, side, side)
    size = 4 * giving * side**2
    return [
        LayerFacts(name=f"{name}.0", kind=f"Conv2d{words}", block=block, output_shape=shape,
                   parameters=weights, macs=weights * side**2, weight_bytes=4 * weights,
                   activation_bytes=size),
        LayerFacts(name=f"{name}.1", kind="BatchNorm2d", block=block, output_shape=shape,
                   parameters=2 * giving, macs=0, weight_bytes=16 * giving, activation_bytes=size),
    ]  # fmt: skip


def layers() -> list[LayerFacts]:
    found = convolution("features.0", "features.0", taking=3, giving=32, side=112, kernel=3)
    before = 112
    for number, (taking, giving, factor, side, adds) in enumerate(BLOCKS, 1):
        block, wide = f"features.{number}", taking * factor
        if factor > 1:
            found += convolution(f"{block}.conv.0", block, taking=taking, giving=wide, side=before)
        found += convolution(f"{block}.conv.1", block, taking=wide, giving=wide, side=side,
                             kernel=3, groups=wide)  # fmt: skip
        found += convolution(f"{block}.conv.2", block, taking=wide, giving=giving, side=side)
        if adds:
            shape = (1, giving, side, side)
            found.append(LayerFacts(name=f"{block}.add", kind="Add", block=block,
                                    output_shape=shape, parameters=0, macs=0, weight_bytes=0,
                                    activation_bytes=4 * giving * side**2))  # fmt: skip
        before = side
    found += convolution("features.18", "features.18", taking=320, giving=1280, side=7)
    found.append(LayerFacts(name="pool", kind="AdaptiveAvgPool2d", block="pool",
                            output_shape=(1, 1280, 1, 1), parameters=0, macs=0, weight_bytes=0,
                            activation_bytes=5120))  # fmt: skip
    found.append(LayerFacts(name="classifier.1", kind="Linear", block="classifier",
                            output_shape=(1, 1000), parameters=1_281_000, macs=1_280_000,
                            weight_bytes=5_124_000, activation_bytes=4000))  # fmt: skip
    return found


def facts() -> ModelFacts:
    found = layers()
    return ModelFacts(
        name="mobilenetv2", label="mobilenetv2 1 @ 224", source="built-in, seed 0",
        digest="0" * 64, input_shape=(1, 3, 224, 224), output_shape=(1, 1000),
        parameters=sum(one.parameters for one in found), parameters_without_batch_norm=3_470_760,
        macs=sum(one.macs for one in found), weight_bytes=sum(one.weight_bytes for one in found),
        peak_activation_bytes=4_816_896, layers=tuple(found),
    )  # fmt: skip


def showing(*keys: str) -> Callable[[Pilot[None]], object]:
    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: pilot.app.frozen)
        await pilot.app.push_screen(ModelScreen(facts()))
        await pilot.press(*keys)
        await pilot.pause()

    return prepare


def test_the_layers_add_up_to_the_published_model() -> None:
    assert facts().parameters == 3_504_872
    assert facts().macs == 300_774_272


@pytest.mark.parametrize("size", [Wide, Small], ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    "keys",
    [(), ("j", "j", "space", "j", "j"), ("slash", *"depthwise features.1")],
    ids=["folded", "unfolded", "searched"],
)
def test_model(snap_compare, size, keys) -> None:
    assert snap_compare(FrozenApp(), terminal_size=size, run_before=showing(*keys))


@pytest.mark.parametrize("theme", ["infer-light", "ansi-dark"])
def test_model_in_another_theme(snap_compare, theme) -> None:
    prepare = showing("slash", *"depthwise features.1")
    assert snap_compare(FrozenApp(theme=theme), terminal_size=Small, run_before=prepare)


def test_model_in_ascii(snap_compare) -> None:
    app = FrozenApp(ascii_only=True)
    assert snap_compare(app, terminal_size=Small, run_before=showing("j", "space"))
