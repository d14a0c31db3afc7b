"""The built-in weights: random, the same everywhere, and fit to judge an engine's accuracy with.

Freshly initialised weights let the signal die on its way through 52 batch normalisations that know
nothing of it: FP32 logits near 1e-9, FP16 logits all zero, and every engine "agrees". These weights
keep activations of order one throughout and give different images clearly different logits.

What a right engine shows, measured on a CPU on standard-normal images of 224x224 pixels with 1000
classes: FP16 logits have a cosine of 0.9999 to the FP32 ones, BF16 logits 0.994 or more. The two
largest of 1000 logits are often closer than a BF16 rounding error (0.09 on a spread of 1), so BF16
names the same top-1 class for only four images in five. With two classes the cosine of one image
can be low where both of its logits are near zero: take it over a batch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mobilenetv2.checkpoint import (
    WeightsError,
    load_weights,
    save_state_dict,
    state_dict_digest,
)
from mobilenetv2.model import InvertedResidual, MobileNetV2

__all__ = [
    "WeightsError",
    "builtin_state_dict",
    "load_weights",
    "save_state_dict",
    "state_dict_digest",
]

#: Mean of what enters a ReLU6, in standard deviations. At 1 most values lie in its linear range
#: from 0 to 6, and a rounding error stays small through 35 of them: of 24 images of 160x160 pixels,
#: the least cosine between BF16 and FP32 logits is 0.997, against 0.963 at 0 and 0.985 at 2.
ACTIVATION_MEAN = 1.0

#: Standard deviation of what a residual block adds to its input. Below 1 the sum stays of order one
#: through the longest run of blocks (1.0 to 1.3).
RESIDUAL_SCALE = 0.5

#: How much the scales (as a share) and means of the channels of one batch normalisation differ, up
#: or down. If all were equal, an engine that mixed up the channels would not be caught.
CHANNEL_VARIATION = 0.25

#: Number of standard-normal images the statistics are taken from, where they are no larger than
#: `CALIBRATION_PIXELS`; fewer, down to `CALIBRATION_MINIMUM`, where they are larger.
CALIBRATION_IMAGES = 16
CALIBRATION_MINIMUM = 4
CALIBRATION_PIXELS = 224 * 224

#: Statistics, which are of order one, are rounded to this. CPUs and thread counts sum in different
#: orders and so differ near 1e-15; far above that, the weights are the same bytes on all of them.
STATISTICS_STEP = 2.0**-16


def builtin_state_dict(model: MobileNetV2, seed: int = 0) -> dict[str, Tensor]:
    """Return the built-in weights for a model of this shape: float32 tensors on the CPU.

    Batch-norm statistics and the classifier's scale and bias are calibrated on standard-normal
    images of the model's ``input_size``. On such images activations have a root mean square of
    0.5 to 1.5, and each logit has mean 0 and standard deviation 1 over the images, so that the
    top-1 class differs from image to image. Weights, input size and seed decide every byte.

    ``model`` is only asked for its shape, and may be on any device. torch's global random state is
    neither read nor changed.

    Args:
        model: the model to make weights for.
        seed: seed of the weights and of the calibration images.
    """
    generator = torch.Generator().manual_seed(seed)
    with _one_thread(), torch.inference_mode(False), torch.no_grad():
        twin = _uninitialised_twin(model)
        _draw_weights(twin, generator)
        _calibrate(twin, generator)
        return dict(twin.float().state_dict())


def _uninitialised_twin(model: MobileNetV2) -> MobileNetV2:
    """Return a float64 model of the same shape on the CPU, without drawing any random number."""
    with torch.device("meta"):
        twin = MobileNetV2(model.n_class, model.input_size, model.width_mult)
    return twin.double().to_empty(device="cpu")


def _draw_weights(model: MobileNetV2, generator: torch.Generator) -> None:
    """Fill in weights of variance 1 / fan-in, and the batch-norm scales and means wanted."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            # Uniform, because unlike a normal deviate it needs no logarithm, whose last bit
            # differs between CPUs; a variance of 1/3 on (-1, 1) makes the factor 3.
            module.weight.copy_(_uniform(module.weight.shape, generator) * math.sqrt(3 / fan_in))
        if isinstance(module, nn.Linear):
            module.bias.zero_()
        if isinstance(module, nn.BatchNorm2d):
            _draw_norm(module, 1.0, ACTIVATION_MEAN, generator)
    for block in model.modules():
        if isinstance(block, InvertedResidual):
            # The linear bottleneck has no ReLU6 behind it, so its mean belongs at zero.
            _draw_norm(block.conv[-1], 1.0 if block.add is None else RESIDUAL_SCALE, 0.0, generator)


def _draw_norm(norm: nn.Module, scale: float, mean: float, generator: torch.Generator) -> None:
    """Give ``norm`` outputs of about this standard deviation and mean."""
    assert isinstance(norm, nn.BatchNorm2d)
    channels = norm.weight.shape
    norm.weight.copy_(scale * (1 + CHANNEL_VARIATION * _uniform(channels, generator)))
    norm.bias.copy_(mean + CHANNEL_VARIATION * _uniform(channels, generator))


def _uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return float64 numbers drawn evenly from -1 to 1."""
    return torch.rand(shape, generator=generator, dtype=torch.float64, device="cpu") * 2 - 1


def _calibrate(model: MobileNetV2, generator: torch.Generator) -> None:
    """Take the batch-norm statistics and standardise the logits, from one pass over images."""
    images = torch.randn(
        model.input_shape(_calibration_batch(model.input_size)),
        generator=generator,
        dtype=torch.float64,
        device="cpu",
    )
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over batches, here of one
    model.train()  # each layer is normalised by this batch, so one pass settles all of them
    model.classifier.eval()  # no dropout
    logits = model(images)
    for norm in norms:
        norm.running_mean = _round(norm.running_mean)
        norm.running_var = _round(norm.running_var)
    _standardise_logits(model.classifier[1], logits)


def _calibration_batch(input_size: int) -> int:
    """Return how many images to use, so that time and memory grow little with their size."""
    affordable = CALIBRATION_IMAGES * CALIBRATION_PIXELS // input_size**2
    return max(CALIBRATION_MINIMUM, min(CALIBRATION_IMAGES, affordable))


def _standardise_logits(classifier: nn.Module, logits: Tensor) -> None:
    """Give ``logits``, of shape (images, classes), mean 0 per class and standard deviation 1.

    Pooling averages the images' differences down to about a tenth of what they have in common, so
    raw logits are nearly the same for all images. The bias takes the common part out.
    """
    assert isinstance(classifier, nn.Linear)
    mean = logits.mean(dim=0)
    deviation = _round(logits.var(dim=0).mean().sqrt())
    classifier.weight.div_(deviation)
    classifier.bias.copy_(_round(-mean / deviation))


def _round(values: Tensor | None) -> Tensor:
    """Round to a multiple of `STATISTICS_STEP`; a zero has no sign."""
    assert values is not None
    return (values / STATISTICS_STEP).round() * STATISTICS_STEP + 0.0


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread for a while.

    A float64 depthwise convolution runs as thousands of tiny ones. Waking a thread pool for each
    costs more than it brings: 1.4 s of CPU time become 5 to 20 s on a busy machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
