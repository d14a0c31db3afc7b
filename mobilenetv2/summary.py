"""What a model is made of, layer by layer: shapes, parameters, multiply-adds and memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from mobilenetv2.model import MobileNetV2

#: Layers that need no memory of their own: every engine folds them into the layer before, works in
#: place, or only looks at the same values in another shape.
IN_PLACE = (nn.BatchNorm2d, nn.ReLU6, nn.Dropout, nn.Flatten)


@dataclass(frozen=True)
class LayerSummary:
    """One leaf layer, at the place where the forward pass calls it."""

    name: str  # dotted, e.g. "features.3.conv.1.0"
    kind: str  # e.g. "Conv2d depthwise", "BatchNorm2d", "Add"
    block: str  # what it is a part of, e.g. "features.3"
    output_shape: tuple[int, ...]  # batch first
    parameters: int
    macs: int  # multiply-adds for the whole batch
    activation_bytes: int  # size of the output
    weight_bytes: int  # parameters and batch-norm statistics


@dataclass(frozen=True)
class Summary:
    """All layers in the order in which they run, and their totals.

    ``peak_activation_bytes`` is the most memory that activations need at any one time when layers
    run one after another: over all layers, the maximum of the sizes of all tensors that are
    already there and still needed, and of the output (after the paper, section 5.1). A block's
    input counts until it is added at the block's end; batch normalisation, ReLU6, dropout and
    flattening need no memory of their own. Workspace is not counted, so this is a lower bound.
    """

    layers: tuple[LayerSummary, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    parameters_without_batchnorm: int  # what the authors' published parameter counts count
    macs: int
    weight_bytes: int
    peak_activation_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them: shapes and layers become lists."""
        fields: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return fields


@dataclass(frozen=True)
class _Call:
    """One call of a leaf layer, with its tensors, which are kept so that their ids stay unique."""

    name: str
    layer: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor


def summarise(model: MobileNetV2, batch: int = 1) -> Summary:
    """Summarise ``model`` for inference on ``batch`` images of its input size.

    A copy runs once on the meta device, where shapes are exact and nothing is computed; the model
    itself is left as it is.
    """
    image, calls, output = _trace(model, batch)
    layers = tuple(_summarise_call(call) for call in calls)
    batchnorm = sum(layer.parameters for layer in layers if layer.kind == "BatchNorm2d")
    parameters = sum(layer.parameters for layer in layers)
    return Summary(
        layers=layers,
        input_shape=tuple(image.shape),
        output_shape=tuple(output.shape),
        parameters=parameters,
        parameters_without_batchnorm=parameters - batchnorm,
        macs=sum(layer.macs for layer in layers),
        weight_bytes=sum(layer.weight_bytes for layer in layers),
        peak_activation_bytes=_peak_activation_bytes(image, calls),
    )


def _trace(model: MobileNetV2, batch: int) -> tuple[Tensor, list[_Call], Tensor]:
    """Return the input, the calls of leaf layers in order, and the output of one forward pass."""
    twin = copy.deepcopy(model).to("meta").eval()
    calls: list[_Call] = []
    for name, layer in twin.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(_recorder(name, calls))
    dtype = next(twin.parameters()).dtype
    image = torch.empty(model.input_shape(batch), device="meta", dtype=dtype)
    with torch.inference_mode():
        output = twin(image)
    return image, calls, output


def _recorder(
    name: str, calls: list[_Call]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append(_Call(name, layer, inputs, output))

    return record


def _summarise_call(call: _Call) -> LayerSummary:
    parameters = list(call.layer.parameters())
    # Floating-point buffers are batch-norm statistics; its integer step counter is not inferred on.
    statistics = [buffer for buffer in call.layer.buffers() if buffer.is_floating_point()]
    return LayerSummary(
        name=call.name,
        kind=_kind(call.layer),
        block=_block(call.name),
        output_shape=tuple(call.output.shape),
        parameters=sum(parameter.numel() for parameter in parameters),
        macs=_macs(call.layer, call.output),
        activation_bytes=call.output.nbytes,
        weight_bytes=sum(tensor.nbytes for tensor in parameters + statistics),
    )


def _kind(layer: nn.Module) -> str:
    """Return the layer's class, with the paper's word for its two special convolutions."""
    kind = type(layer).__name__
    if isinstance(layer, nn.Conv2d):
        if layer.groups == layer.in_channels > 1:
            return f"{kind} depthwise"
        if layer.kernel_size == (1, 1):
            return f"{kind} pointwise"
    return kind


def _block(name: str) -> str:
    """Return the block of a dotted name: "features.3" for "features.3.conv.0.1"."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "features" else parts[0]


def _macs(layer: nn.Module, output: Tensor) -> int:
    """Return the multiply-adds of a layer, as the paper counts them (section 3.1, Table 4).

    Convolutions and linear layers count one for each output element and weight that it sums over;
    biases, batch normalisation, activations, additions and pooling count nothing.
    """
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        weights_per_output = layer.weight[0].numel()
        return output.numel() * weights_per_output
    return 0


@dataclass
class _Buffer:
    """A piece of activation memory and the steps between which it is needed, both included."""

    size: int
    first_use: int
    last_use: int


def _peak_activation_bytes(image: Tensor, calls: list[_Call]) -> int:
    """Return the most bytes of activations alive at one step: see `Summary`."""
    buffers = [_Buffer(image.nbytes, 0, 0)]
    buffer_of = {id(image): buffers[0]}
    for step, call in enumerate(calls):
        read = [buffer_of[id(tensor)] for tensor in call.inputs]
        for buffer in read:
            buffer.last_use = step
        if isinstance(call.layer, IN_PLACE):
            buffer_of[id(call.output)] = read[0]
        else:
            buffers.append(_Buffer(call.output.nbytes, step, step))
            buffer_of[id(call.output)] = buffers[-1]
    alive = [
        [buffer.size for buffer in buffers if buffer.first_use <= step <= buffer.last_use]
        for step in range(len(calls))
    ]
    return max(sum(sizes) for sizes in alive)
