"""The built-in weights: the same everywhere, of order one, and fit to judge accuracy with."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from mobilenetv2 import MobileNetV2, builtin_state_dict, state_dict_digest
from mobilenetv2.model import InvertedResidual
from mobilenetv2.weights import _calibration_batch

#: The identity of the default model's weights, found equal with torch 2.11, 2.13 and 2.15, on
#: CPUs with AVX-512, with AVX2 and without either, and with one thread and two.
DIGEST_OF_SEED_0 = "1a19b011ae4756f1d8445890d28a7838eb3c46d947937201820ce0341c53d8d5"
SMALL_DIGEST_OF_SEED_0 = "7896887f86a9f46e5a813e5cf349acd5a4bd2bd06b67f05aeb42cd2556458a1e"


def images(model: MobileNetV2, count: int) -> Tensor:
    """Standard-normal images that the calibration has not seen."""
    return torch.randn(model.input_shape(count), generator=torch.Generator().manual_seed(12345))


def build(seed: int = 0, **arguments: float) -> MobileNetV2:
    model = MobileNetV2(**arguments)  # type: ignore[arg-type]
    model.load_state_dict(builtin_state_dict(model, seed))
    return model.eval()


@pytest.fixture(scope="module")
def default() -> MobileNetV2:
    return build()


@pytest.fixture(scope="module")
def small() -> MobileNetV2:
    return MobileNetV2(n_class=10, input_size=64, width_mult=0.35)


def test_default_weights_are_the_same_bytes_everywhere(default: MobileNetV2) -> None:
    assert state_dict_digest(default.state_dict()) == DIGEST_OF_SEED_0


@pytest.mark.parametrize("threads", [1, 2])
def test_weights_do_not_depend_on_the_number_of_threads(small: MobileNetV2, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        state = builtin_state_dict(small)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert state_dict_digest(state) == SMALL_DIGEST_OF_SEED_0


def test_global_random_state_is_neither_read_nor_changed(small: MobileNetV2) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    state = builtin_state_dict(small)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert state_dict_digest(builtin_state_dict(small)) == state_dict_digest(state)


def test_seed_and_shape_decide_the_weights(small: MobileNetV2) -> None:
    larger = MobileNetV2(n_class=10, input_size=96, width_mult=0.35)
    states = [
        builtin_state_dict(small, 0),
        builtin_state_dict(small, 1),
        builtin_state_dict(larger),
    ]
    assert len({state_dict_digest(state) for state in states}) == 3


def test_the_model_itself_is_left_as_it_is(small: MobileNetV2) -> None:
    before = state_dict_digest(small.state_dict())
    was_training = small.training
    builtin_state_dict(small)
    assert state_dict_digest(small.state_dict()) == before
    assert small.training == was_training


def test_weights_can_be_made_for_a_model_without_storage_and_in_inference_mode() -> None:
    with torch.device("meta"), torch.inference_mode():
        model = MobileNetV2(n_class=10, input_size=64, width_mult=0.35)
        state = builtin_state_dict(model)
    assert state_dict_digest(state) == SMALL_DIGEST_OF_SEED_0
    assert not any(tensor.is_inference() or tensor.requires_grad for tensor in state.values())


def test_all_but_the_counters_is_float32_and_finite(default: MobileNetV2) -> None:
    state = default.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())
    counters = {name for name, tensor in state.items() if tensor.dtype != torch.float32}
    assert counters == {name for name in state if name.endswith("num_batches_tracked")}


def test_activations_are_of_order_one_all_through_the_net(default: MobileNetV2) -> None:
    root_mean_squares: dict[str, float] = {}
    largest: dict[str, float] = {}

    def record(name: str, output: Tensor) -> None:
        root_mean_squares[name] = output.square().mean().sqrt().item()
        largest[name] = output.abs().max().item()

    watched = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU6, InvertedResidual, nn.Linear)
    model = copy.deepcopy(default)
    for name, module in model.named_modules():
        if isinstance(module, watched):
            module.register_forward_hook(lambda _m, _i, out, name=name: record(name, out))
    with torch.inference_mode():
        model(images(model, 4))
    assert len(root_mean_squares) == 52 + 52 + 35 + 17 + 1
    assert min(root_mean_squares.values()) > 0.25
    assert max(root_mean_squares.values()) < 4
    assert max(largest.values()) < 100  # FP16 ends at 65504


def test_different_images_have_different_logits_and_classes(default: MobileNetV2) -> None:
    with torch.inference_mode():
        logits = default(images(default, 16))
    over_images = logits.std(dim=0)
    assert 0.7 < over_images.mean() < 1.4
    assert over_images.min() > 0.3
    # Logits of two images have next to nothing in common.
    between = torch.corrcoef(logits) - torch.eye(len(logits))
    assert between.abs().max() < 0.6
    assert len(logits.argmax(dim=1).unique()) >= 13


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_size": 32},
        {"input_size": 96, "width_mult": 0.5},
        {"input_size": 64, "width_mult": 1.4, "seed": 7},
    ],
)
def test_other_shapes_and_seeds_tell_images_apart_too(arguments: dict[str, float]) -> None:
    model = build(**arguments)  # type: ignore[arg-type]
    x = images(model, 16)
    with torch.inference_mode():
        logits = model(x)
        reduced = model.bfloat16()(x.bfloat16()).float()
    assert 0.7 < logits.std(dim=0).mean() < 1.4
    assert len(logits.argmax(dim=1).unique()) >= 13
    assert nn.functional.cosine_similarity(logits, reduced).min() > 0.99


@pytest.mark.parametrize(("size", "count"), [(32, 16), (224, 16), (320, 7), (448, 4), (2048, 4)])
def test_large_images_are_calibrated_on_fewer_but_never_on_too_few(size: int, count: int) -> None:
    assert _calibration_batch(size) == count


def test_two_classes_both_win() -> None:
    model = build(n_class=2, input_size=64)
    with torch.inference_mode():
        classes = model(images(model, 24)).argmax(dim=1)
    assert 4 <= classes.sum() <= 20


def test_bf16_agrees_with_fp32(default: MobileNetV2) -> None:
    x = images(default, 8)
    with torch.inference_mode():
        logits = default(x)
        reduced = copy.deepcopy(default).bfloat16()(x.bfloat16()).float()
    assert nn.functional.cosine_similarity(logits, reduced).min() > 0.99


def test_fp16_agrees_with_fp32_and_does_not_overflow() -> None:
    model = build(input_size=64)
    x = images(model, 4)  # torch's FP16 convolutions on a CPU are slow
    with torch.inference_mode():
        logits = model(x)
        reduced = model.half()(x.half()).float()
    assert reduced.isfinite().all()
    assert nn.functional.cosine_similarity(logits, reduced).min() > 0.9995
    assert torch.equal(logits.argmax(dim=1), reduced.argmax(dim=1))


def test_a_wrong_engine_shows(default: MobileNetV2) -> None:
    """A damaged layer deep in the net must not hide behind what all images have in common."""
    damaged = copy.deepcopy(default)
    kernel = damaged.features[10].conv[1][0].weight
    kernel.data.copy_(kernel.data.flip(-1))  # one depthwise kernel of 17, mirrored
    x = images(default, 4)
    with torch.inference_mode():
        cosine = nn.functional.cosine_similarity(default(x), damaged(x))
    assert cosine.max() < 0.97
