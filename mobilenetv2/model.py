"""MobileNetV2, written after the paper.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381.
Parameter names, shapes and order are those of torchvision's ``mobilenet_v2``, so its checkpoints
load unchanged.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

#: The image is halved five times: by the stem and by four of the stages (paper, Table 2).
TOTAL_STRIDE = 32

#: Channel counts are rounded to a multiple of this, as in the authors' released code.
CHANNEL_DIVISOR = 8


class Stage(NamedTuple):
    """One row of the paper's Table 2: ``blocks`` inverted residuals that share a width."""

    expansion: int
    channels: int
    blocks: int
    stride: int  # of the first block; the others keep the resolution


#: The bottleneck rows of the paper's Table 2 (columns t, c, n, s).
STAGES = (
    Stage(expansion=1, channels=16, blocks=1, stride=1),
    Stage(expansion=6, channels=24, blocks=2, stride=2),
    Stage(expansion=6, channels=32, blocks=3, stride=2),
    Stage(expansion=6, channels=64, blocks=4, stride=2),
    Stage(expansion=6, channels=96, blocks=3, stride=1),
    Stage(expansion=6, channels=160, blocks=3, stride=2),
    Stage(expansion=6, channels=320, blocks=1, stride=1),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


def scale_channels(channels: int, width_mult: float) -> int:
    """Return ``channels * width_mult`` as a multiple of 8, never more than 10 % below it.

    The rule is that of the authors' released code (``make_divisible`` in TensorFlow's slim).
    """
    wanted = channels * width_mult
    nearest = int(wanted + CHANNEL_DIVISOR / 2) // CHANNEL_DIVISOR * CHANNEL_DIVISOR
    rounded = max(CHANNEL_DIVISOR, nearest)
    return rounded if rounded >= 0.9 * wanted else rounded + CHANNEL_DIVISOR


class ConvBNReLU6(nn.Sequential):
    """Convolution, batch normalisation and ReLU6: ``(N, C_in, H, W)`` to ``(N, C_out, H/s, W/s)``.

    ReLU6 is the paper's choice for robustness in low-precision arithmetic (section 4). The
    convolution has no bias, because the batch normalisation behind it has one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU6(inplace=True),
        )


class Add(nn.Module):
    """Element-wise sum of two equal shapes; a module, so that hooks see the residual add."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left + right``."""
        return left + right


class InvertedResidual(nn.Module):
    """The bottleneck residual block of the paper (section 3.3, Table 1).

    A 1x1 convolution widens the input ``expansion`` times, a 3x3 depthwise convolution filters it,
    and a 1x1 convolution without activation, the linear bottleneck of section 3.2, narrows it
    again. Input and output are added where their shapes are equal. With an expansion of 1 the
    first convolution would not widen anything, and is left out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers.append(ConvBNReLU6(in_channels, hidden, kernel_size=1))
        layers += [
            ConvBNReLU6(hidden, hidden, kernel_size=3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.add = Add() if stride == 1 and in_channels == out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C_out, H/stride, W/stride)``."""
        if self.add is None:
            return self.conv(x)  # type: ignore[no-any-return]
        return self.add(x, self.conv(x))  # type: ignore[no-any-return]


class MobileNetV2(nn.Module):
    """MobileNetV2 for image classification (paper, Table 2).

    Args:
        n_class: number of classes, the length of the output.
        input_size: height and width of the input image in pixels, a multiple of 32. The weights
            do not depend on it; it sets the shape the model is summarised and measured with.
        width_mult: the width multiplier of section 4, which scales every layer's channels. Below 1
            the last convolution keeps its 1280 channels.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, n_class: int = 1000, input_size: int = 224, width_mult: float = 1.0) -> None:
        super().__init__()
        _check_arguments(n_class, input_size, width_mult)
        self.n_class = n_class
        self.input_size = input_size
        self.width_mult = width_mult

        channels = scale_channels(STEM_CHANNELS, width_mult)
        head_channels = scale_channels(HEAD_CHANNELS, max(1.0, width_mult))
        layers: list[nn.Module] = [ConvBNReLU6(3, channels, kernel_size=3, stride=2)]
        for stage in STAGES:
            stage_channels = scale_channels(stage.channels, width_mult)
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                layers.append(InvertedResidual(channels, stage_channels, stride, stage.expansion))
                channels = stage_channels
        layers.append(ConvBNReLU6(channels, head_channels, kernel_size=1))

        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(head_channels, n_class))
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(N, 3, H, W)`` to logits ``(N, n_class)``.

        The network is fully convolutional up to the pooling, so any height and width work.
        """
        x = self.features(x)
        x = self.flatten(self.avgpool(x))
        return self.classifier(x)  # type: ignore[no-any-return]

    def input_shape(self, batch: int = 1) -> tuple[int, int, int, int]:
        """Return the shape of the input, ``(batch, 3, input_size, input_size)``."""
        return (batch, 3, self.input_size, self.input_size)

    def _initialise(self) -> None:
        """Draw weights to train from, out of torch's global generator.

        Convolutions follow He et al. (arXiv 1502.01852) by fan-out. Such weights say nothing about
        accuracy before training: see ``mobilenetv2.weights`` for weights to measure with.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)


def _check_arguments(n_class: int, input_size: int, width_mult: float) -> None:
    if not _is_integer(n_class) or n_class < 1:
        raise ValueError(f"n_class is {n_class!r}; expected an integer of 1 or more: use 1000, say")
    if not _is_integer(input_size) or input_size < 1 or input_size % TOTAL_STRIDE:
        raise ValueError(
            f"input_size is {input_size!r}; expected a positive multiple of {TOTAL_STRIDE} pixels, "
            f"the network's total stride: use {_nearest_input_size(input_size)}"
        )
    if not _is_number(width_mult) or not math.isfinite(width_mult) or width_mult <= 0:
        raise ValueError(
            f"width_mult is {width_mult!r}; expected a finite number above 0: use 1.0, say"
        )


def _nearest_input_size(input_size: object) -> int:
    if not _is_number(input_size) or not math.isfinite(input_size):  # type: ignore[arg-type]
        return 224
    steps = math.floor(input_size / TOTAL_STRIDE + 0.5)  # type: ignore[operator]
    return max(1, steps) * TOTAL_STRIDE


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
