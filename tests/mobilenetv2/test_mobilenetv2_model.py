"""The definition: names, shapes, published sizes, bad arguments, export and compilation."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from mobilenetv2 import MobileNetV2, builtin_state_dict
from mobilenetv2.model import scale_channels

# (input, expanded, output) channels of the 17 bottlenecks at width 1.0, counted out by hand.
BOTTLENECKS = [
    (32, 32, 16),
    (16, 96, 24),
    (24, 144, 24),
    (24, 144, 32),
    *[(32, 192, 32)] * 2,
    (32, 192, 64),
    *[(64, 384, 64)] * 3,
    (64, 384, 96),
    *[(96, 576, 96)] * 2,
    (96, 576, 160),
    *[(160, 960, 160)] * 2,
    (160, 960, 320),
]

Entry = tuple[str, tuple[int, ...]]


def norm_entries(name: str, channels: int) -> Iterator[Entry]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def torchvision_entries(n_class: int) -> Iterator[Entry]:
    """Names and shapes of torchvision's ``mobilenet_v2`` state dict, in its order."""
    yield "features.0.0.weight", (32, 3, 3, 3)
    yield from norm_entries("features.0.1", 32)
    for index, (inputs, hidden, outputs) in enumerate(BOTTLENECKS, start=1):
        block = f"features.{index}.conv"
        part = 0
        if hidden != inputs:
            yield f"{block}.0.0.weight", (hidden, inputs, 1, 1)
            yield from norm_entries(f"{block}.0.1", hidden)
            part = 1
        yield f"{block}.{part}.0.weight", (hidden, 1, 3, 3)
        yield from norm_entries(f"{block}.{part}.1", hidden)
        yield f"{block}.{part + 1}.weight", (outputs, hidden, 1, 1)
        yield from norm_entries(f"{block}.{part + 2}", outputs)
    yield "features.18.0.weight", (1280, 320, 1, 1)
    yield from norm_entries("features.18.1", 1280)
    yield "classifier.1.weight", (n_class, 1280)
    yield "classifier.1.bias", (n_class,)


@pytest.fixture(scope="module")
def small() -> MobileNetV2:
    return MobileNetV2(n_class=5, input_size=64, width_mult=0.35).eval()


@pytest.mark.parametrize("n_class", [2, 1000])
def test_state_dict_has_torchvisions_names_shapes_and_order(n_class: int) -> None:
    state = MobileNetV2(n_class=n_class).state_dict()
    found = [(name, tuple(tensor.shape)) for name, tensor in state.items()]
    assert found == list(torchvision_entries(n_class))


def test_default_model_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in MobileNetV2().parameters()) == 3_504_872


def test_the_articles_call_gives_two_logits_an_image() -> None:
    model = MobileNetV2(n_class=2, input_size=224, width_mult=1.0).eval()
    with torch.inference_mode():
        logits = model(torch.zeros(model.input_shape(batch=3)))
    assert model.input_shape(batch=3) == (3, 3, 224, 224)
    assert logits.shape == (3, 2)


def test_stride_and_resolution_of_every_stage(small: MobileNetV2) -> None:
    sides = []
    x = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        for block in small.features:
            x = block(x)
            sides.append(x.shape[-1])
    # Table 2 of the paper, for an input of 64 instead of 224.
    assert sides == [32] * 2 + [16] * 2 + [8] * 3 + [4] * 7 + [2] * 5


def test_residual_adds_are_where_input_and_output_are_equal() -> None:
    features = MobileNetV2(n_class=2, input_size=32).features
    adding = [i for i, block in enumerate(features) if getattr(block, "add", None) is not None]
    assert adding == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]


def test_a_residual_block_adds_its_input(small: MobileNetV2) -> None:
    block = small.features[3]
    x = torch.randn(1, 8, 4, 4)
    with torch.inference_mode():
        assert torch.equal(block(x), x + block.conv(x))


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [
        (32, 1.0, 32),
        (32, 0.75, 24),
        (32, 0.35, 16),  # 11.2: 8 would be more than 10 % below
        (24, 0.5, 16),  # 12, halfway: up
        (16, 0.35, 8),
        (160, 1.4, 224),
        (1280, 1.3, 1664),
    ],
)
def test_channels_are_scaled_as_in_the_authors_code(
    channels: int, width: float, expected: int
) -> None:
    assert scale_channels(channels, width) == expected


def test_a_narrow_model_keeps_the_width_of_the_last_convolution(small: MobileNetV2) -> None:
    assert small.classifier[1].in_features == 1280


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input_size": 225}, ("input_size is 225", "multiple of 32", "use 224")),
        ({"input_size": 0}, ("input_size is 0", "use 32")),
        ({"input_size": -32}, ("input_size is -32", "use 32")),
        ({"input_size": 224.0}, ("input_size is 224.0", "use 224")),
        ({"input_size": "224"}, ("input_size is '224'", "use 224")),
        ({"input_size": float("nan")}, ("input_size is nan", "use 224")),
        ({"n_class": 0}, ("n_class is 0", "1 or more")),
        ({"n_class": True}, ("n_class is True",)),
        ({"n_class": 2.0}, ("n_class is 2.0", "integer")),
        ({"width_mult": 0}, ("width_mult is 0", "above 0")),
        ({"width_mult": -1.0}, ("width_mult is -1.0",)),
        ({"width_mult": float("nan")}, ("width_mult is nan",)),
        ({"width_mult": float("inf")}, ("width_mult is inf", "finite")),
        ({"width_mult": "1"}, ("width_mult is '1'",)),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"; expected .*: use ") as error:
        MobileNetV2(**arguments)  # type: ignore[arg-type]
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_onnx_export_has_a_dynamic_batch_and_a_global_pool(small: MobileNetV2) -> None:
    onnx = pytest.importorskip("onnx")
    small.load_state_dict(builtin_state_dict(small))  # equal tensors become Identity nodes
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            small,
            (torch.zeros(small.input_shape()),),
            file,
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )
    exported = onnx.load_from_string(file.getvalue())
    operators = [node.op_type for node in exported.graph.node]
    # Constants are the limits of the clips; batch normalisation is folded into the convolutions.
    kinds = {"Add", "Clip", "Constant", "Conv", "Flatten", "Gemm", "GlobalAveragePool"}
    assert set(operators) == kinds
    assert operators.count("Conv") == 52
    assert operators.count("Add") == 10
    assert exported.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_it_compiles_without_a_graph_break(small: MobileNetV2) -> None:
    compiled = torch.compile(small, backend="eager", fullgraph=True)
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(compiled(x), small(x))


def test_it_can_be_trained() -> None:
    model = MobileNetV2(n_class=3, input_size=32, width_mult=0.35).train()
    nn.functional.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4) % 3).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.features[0][0].weight.grad.abs().max() > 0
