"""The summary against the authors' published figures, the model itself, and counts by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from torch import Tensor, nn

from mobilenetv2 import LayerSummary, MobileNetV2, Summary, state_dict_digest, summarise
from mobilenetv2.model import InvertedResidual

# README of tensorflow/models research/slim/nets/mobilenet, "Mobilenet V2 Imagenet Checkpoints":
# width, millions of parameters, and millions of multiply-adds by resolution, as printed there.
PUBLISHED = [
    ("1.4", "6.06", {224: "582"}),
    ("1.3", "5.34", {224: "509"}),
    ("1.0", "3.47", {224: "300", 192: "221", 160: "154", 128: "99", 96: "56"}),
    ("0.75", "2.61", {224: "209", 192: "153", 160: "107", 128: "69", 96: "39"}),
    ("0.5", "1.95", {224: "97", 192: "71", 160: "50", 128: "32", 96: "18"}),
    ("0.35", "1.66", {224: "59", 192: "43", 160: "30", 128: "20", 96: "11"}),
]
ROWS = [
    (float(width), size, macs, parameters)
    for width, parameters, by_size in PUBLISHED
    for size, macs in by_size.items()
]


def agrees(found: int, printed: str) -> bool:
    """Whether a count is a printed number of millions, to 1 % or a unit of its last digit."""
    unit = 10.0 ** -len(printed.partition(".")[2])
    return math.isclose(found / 1e6, float(printed), rel_tol=0.01, abs_tol=unit)


@pytest.fixture(scope="module")
def model() -> MobileNetV2:
    return MobileNetV2()


@pytest.fixture(scope="module")
def summary(model: MobileNetV2) -> Summary:
    return summarise(model)


def layer(summary: Summary, name: str) -> LayerSummary:
    (found,) = (layer for layer in summary.layers if layer.name == name)
    return found


def test_the_published_table_has_22_rows() -> None:
    assert len(ROWS) == 22


@pytest.mark.parametrize(("width", "size", "macs", "parameters"), ROWS)
def test_counts_agree_with_the_published_checkpoints(
    width: float, size: int, macs: str, parameters: str
) -> None:
    with torch.device("meta"):
        summary = summarise(MobileNetV2(input_size=size, width_mult=width))
    assert agrees(summary.macs, macs), summary.macs
    assert agrees(summary.parameters_without_batchnorm, parameters), summary


@pytest.mark.parametrize(
    ("found", "printed", "expected"),
    [
        (300_774_272, "300", True),
        (304_000_000, "300", False),
        (12_000_000, "11", True),
        (12_100_000, "11", False),
        (3_504_872, "3.47", True),
        (3_510_000, "3.47", False),
    ],
)
def test_what_agrees_with_a_printed_figure(found: int, printed: str, expected: bool) -> None:
    assert agrees(found, printed) == expected


def test_totals_are_those_of_the_model(model: MobileNetV2, summary: Summary) -> None:
    assert summary.parameters == sum(parameter.numel() for parameter in model.parameters())
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    in_norms = sum(parameter.numel() for norm in norms for parameter in norm.parameters())
    assert summary.parameters_without_batchnorm == summary.parameters - in_norms
    held = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
    assert summary.weight_bytes == sum(tensor.numel() * 4 for tensor in held)
    assert (summary.input_shape, summary.output_shape) == ((1, 3, 224, 224), (1, 1000))


def test_totals_are_the_sums_of_the_layers(summary: Summary) -> None:
    for key in ("parameters", "macs", "weight_bytes"):
        assert getattr(summary, key) == sum(getattr(layer, key) for layer in summary.layers)


def test_every_leaf_is_there_once_in_the_order_of_the_forward_pass(
    model: MobileNetV2, summary: Summary
) -> None:
    leaves = [name for name, module in model.named_modules() if not list(module.children())]
    assert [layer.name for layer in summary.layers] == leaves


def test_kinds_are_counted(summary: Summary) -> None:
    kinds = [layer.kind for layer in summary.layers]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "Conv2d": 1,
        "Conv2d pointwise": 34,
        "Conv2d depthwise": 17,
        "BatchNorm2d": 52,
        "ReLU6": 35,
        "Add": 10,
        "AdaptiveAvgPool2d": 1,
        "Flatten": 1,
        "Dropout": 1,
        "Linear": 1,
    }


def test_blocks_are_the_features_and_what_follows_them(summary: Summary) -> None:
    blocks = list(dict.fromkeys(layer.block for layer in summary.layers))
    features = [f"features.{index}" for index in range(19)]
    assert blocks == [*features, "avgpool", "flatten", "classifier"]


@pytest.mark.parametrize(
    "expected",
    [
        # counted by hand; weight bytes are four a parameter, eight more a channel for statistics
        LayerSummary(
            "features.0.0", "Conv2d", "features.0", (2, 32, 112, 112),
            32 * 27, 2 * 32 * 112 * 112 * 27, 2 * 32 * 112 * 112 * 4, 32 * 27 * 4,
        ),
        LayerSummary(
            "features.2.conv.1.0", "Conv2d depthwise", "features.2", (2, 96, 56, 56),
            96 * 9, 2 * 96 * 56 * 56 * 9, 2 * 96 * 56 * 56 * 4, 96 * 9 * 4,
        ),
        LayerSummary(
            "features.2.conv.1.1", "BatchNorm2d", "features.2", (2, 96, 56, 56),
            96 * 2, 0, 2 * 96 * 56 * 56 * 4, 96 * 4 * 4,
        ),
        LayerSummary(
            "features.3.add", "Add", "features.3", (2, 24, 56, 56), 0, 0, 2 * 24 * 56 * 56 * 4, 0
        ),
        LayerSummary(
            "classifier.1", "Linear", "classifier", (2, 1000),
            1_281_000, 2 * 1_280_000, 2 * 1000 * 4, 1_281_000 * 4,
        ),
    ],
    ids=lambda layer: layer.name,
)  # fmt: skip
def test_layers_are_as_counted_by_hand(expected: LayerSummary, model: MobileNetV2) -> None:
    assert layer(summarise(model, batch=2), expected.name) == expected


def test_work_and_activations_grow_with_the_batch(model: MobileNetV2, summary: Summary) -> None:
    eight = summarise(model, batch=8)
    assert eight.macs == 8 * summary.macs
    assert eight.peak_activation_bytes == 8 * summary.peak_activation_bytes
    assert eight.weight_bytes == summary.weight_bytes
    assert eight.output_shape == (8, 1000)


def test_half_precision_halves_the_bytes(summary: Summary) -> None:
    half = summarise(MobileNetV2().half())
    assert half.weight_bytes * 2 == summary.weight_bytes
    assert half.peak_activation_bytes * 2 == summary.peak_activation_bytes


def test_peak_is_at_the_first_strided_depthwise_convolution(summary: Summary) -> None:
    # Its input of 96 channels at 112x112 and its output of 96 channels at 56x56.
    assert summary.peak_activation_bytes == (96 * 112 * 112 + 96 * 56 * 56) * 4


class OneBlock(nn.Module):
    """An image of eight channels through one bottleneck."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(InvertedResidual(8, out_channels, stride=1, expansion=6))

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)  # type: ignore[no-any-return]

    def input_shape(self, batch: int) -> tuple[int, ...]:
        return (batch, 8, 5, 5)


@pytest.mark.parametrize(("out_channels", "waiting"), [(8, 8), (16, 0)])
def test_a_blocks_input_takes_memory_until_it_is_added(out_channels: int, waiting: int) -> None:
    summary = summarise(OneBlock(out_channels))  # type: ignore[arg-type]
    # At the depthwise convolution: its input and output, and the block's input if it is added.
    assert summary.peak_activation_bytes == (48 + 48 + waiting) * 25 * 4


def test_the_model_is_left_as_it_is() -> None:
    model = MobileNetV2(n_class=3, input_size=32, width_mult=0.35).train()
    before = state_dict_digest(model.state_dict())
    summarise(model)
    assert state_dict_digest(model.state_dict()) == before
    assert model.training
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert not any(module._forward_hooks for module in model.modules())


def test_as_a_dict_it_survives_json(summary: Summary) -> None:
    found = summary.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {field.name for field in dataclasses.fields(Summary)}
    assert found["input_shape"] == [1, 3, 224, 224]
    first = found["layers"][0]
    assert set(first) == {field.name for field in dataclasses.fields(LayerSummary)}
    assert (first["name"], first["output_shape"]) == ("features.0.0", [1, 32, 112, 112])
