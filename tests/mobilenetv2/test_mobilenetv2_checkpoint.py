"""Weights in files: what is loaded, what is refused and in which words, and the digest."""

from __future__ import annotations

import collections
import os
import pickle
import resource
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mobilenetv2 import (
    MobileNetV2,
    WeightsError,
    load_weights,
    save_state_dict,
    state_dict_digest,
)

State = dict[str, Tensor]


def narrow(n_class: int = 10, width_mult: float = 0.35) -> MobileNetV2:
    return MobileNetV2(n_class=n_class, input_size=32, width_mult=width_mult)


@pytest.fixture(scope="module")
def source() -> State:
    """The state dict in the files: other values than any model a test loads it into."""
    return {name: tensor.clone() for name, tensor in narrow().state_dict().items()}


@pytest.fixture(scope="module")
def model() -> MobileNetV2:
    return narrow()


def loaded_digest(content: object, path: Path) -> str:
    torch.save(content, path)
    model = narrow()
    load_weights(model, path)
    return state_dict_digest(model.state_dict())


def refusal(model: MobileNetV2, path: Path) -> str:
    """The error's one line; the model must come out of it as it went in."""
    before = state_dict_digest(model.state_dict())
    with pytest.raises(WeightsError) as error:
        load_weights(model, path)
    assert state_dict_digest(model.state_dict()) == before
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "; expected " in message
    assert "\n" not in message
    return message


def test_a_saved_state_dict_loads_again(source: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    save_state_dict(source, path)
    model = narrow()
    assert state_dict_digest(model.state_dict()) != state_dict_digest(source)
    load_weights(model, str(path))
    assert state_dict_digest(model.state_dict()) == state_dict_digest(source)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: collections.OrderedDict(state),
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state: {"epoch": 3, "model": state},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{n}": tensor for n, tensor in state.items()}},
        lambda state: {n: t.double() if t.is_floating_point() else t for n, t in state.items()},
    ],
)
def test_usual_forms_of_checkpoint_load(
    wrap: Callable[[State], object], source: State, tmp_path: Path
) -> None:
    assert loaded_digest(wrap(source), tmp_path / "x.pt") == state_dict_digest(source)


def test_an_old_checkpoint_without_counters_loads(source: State, tmp_path: Path) -> None:
    old = {name: t for name, t in source.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(source)
    assert loaded_digest(old, tmp_path / "x.pt") == state_dict_digest(source)


def test_torchs_older_file_format_loads(source: State, tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(source, path, _use_new_zipfile_serialization=False)
    model = narrow()
    load_weights(model, path)
    assert state_dict_digest(model.state_dict()) == state_dict_digest(source)


def test_a_half_precision_file_is_converted(source: State, tmp_path: Path) -> None:
    torch.save(narrow().half().state_dict(), tmp_path / "half.pt")
    model = narrow()
    load_weights(model, tmp_path / "half.pt")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def without(name: str) -> Callable[[State], State]:
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


STEM = "features.0.0.weight"
ADVICE = "give a state dict with the names and shapes of torchvision's mobilenet_v2"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without(STEM), [f"{STEM} is missing;", ADVICE]),
        (
            lambda state: {k: t for k, t in state.items() if "classifier" not in k},
            ["classifier.1.weight is missing (and 1 more);", ADVICE],
        ),
        (lambda state: {**state, "head.bias": torch.ones(1)}, ["'head.bias' is unexpected;"]),
        (
            lambda state: {**state, STEM: torch.ones(16, 1, 3, 3)},
            [f"{STEM} has shape (16, 1, 3, 3), not (16, 3, 3, 3);", ADVICE],
        ),
        (
            lambda state: {**state, STEM: torch.ones(16, 3, 3, 3, dtype=torch.int8)},
            [f"{STEM} has type torch.int8, not torch.float32;"],
        ),
        (
            lambda state: {f"net.{name}": tensor for name, tensor in state.items()},
            [f"{STEM} is missing (and 261 more)", f"'net.{STEM}' is unexpected (and 313 more);"],
        ),
        (
            lambda state: {f"module.{name}": t for name, t in without(STEM)(state).items()},
            [f"{STEM} is missing;"],
        ),
        (lambda state: {**state, "bad\nname": torch.ones(1)}, [r"'bad\nname' is unexpected"]),
        (lambda state: {**state, STEM: 1.0}, [f"'{STEM}' is of type float, not"]),
        (lambda state: {**state, 7: torch.ones(1)}, ["7 is of type Tensor, not a named"]),
        (
            lambda state: {**state, STEM: state[STEM].to_sparse()},
            [f"'{STEM}' is of type Tensor, not a named dense tensor"],
        ),
        (lambda state: {}, ["holds no tensors;", "torch.save(model.state_dict(), path)"]),
        (lambda state: {"state_dict": {}}, ["holds no tensors;"]),
        (lambda state: {"epoch": 3, "net": state}, ["'epoch' is of type int"]),
        (lambda state: state[STEM], ["holds a Tensor;"]),
        (lambda state: list(state.values()), ["holds a list;"]),
    ],
)
def test_what_does_not_fit_is_named(
    change: Callable[[State], object],
    words: list[str],
    source: State,
    model: MobileNetV2,
    tmp_path: Path,
) -> None:
    torch.save(change(source), tmp_path / "x.pt")
    message = refusal(model, tmp_path / "x.pt")
    assert [word for word in words if word not in message] == []


def test_other_number_of_classes_is_found_out(model: MobileNetV2, tmp_path: Path) -> None:
    torch.save(narrow(n_class=7).state_dict(), tmp_path / "x.pt")
    message = refusal(model, tmp_path / "x.pt")
    assert "classifier.1.weight has shape (7, 1280), not (10, 1280) (and 1 more)" in message
    assert message.endswith(
        "of MobileNetV2(n_class=10, width_mult=0.35): use n_class=7 (--classes 7)"
    )


@pytest.mark.parametrize(
    ("n_class", "advice"),
    [
        (10, ": use width_mult=0.5 (--width 0.5)"),
        (7, ": use n_class=7 (--classes 7) and width_mult=0.5 (--width 0.5)"),
    ],
)
def test_other_width_is_found_out(
    n_class: int, advice: str, model: MobileNetV2, tmp_path: Path
) -> None:
    torch.save(narrow(n_class, width_mult=0.5).state_dict(), tmp_path / "x.pt")
    assert refusal(model, tmp_path / "x.pt").endswith(advice)


class RunsCode:
    """Unpickling an object of this class creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "dump", [torch.save, lambda obj, path: path.write_bytes(pickle.dumps(obj, protocol=2))]
)
def test_code_in_a_file_is_never_run(
    dump: Callable[[object, Path], object], model: MobileNetV2, tmp_path: Path
) -> None:
    trap = tmp_path / "executed"
    dump({STEM: RunsCode(trap)}, tmp_path / "x.pt")
    message = refusal(model, tmp_path / "x.pt")
    assert not trap.exists()
    assert "posix.mkdir, which could run code and is not loaded" in message


def test_a_whole_pickled_model_is_refused(model: MobileNetV2, tmp_path: Path) -> None:
    torch.save(model, tmp_path / "x.pt")
    message = refusal(model, tmp_path / "x.pt")
    assert "mobilenetv2.model.MobileNetV2" in message
    assert "torch.save(model.state_dict(), path)" in message


def test_a_torchscript_file_is_refused(model: MobileNetV2, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, but its files are about
        torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "x.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = refusal(model, tmp_path / "x.pt")
    assert "is a TorchScript program" in message


@pytest.mark.parametrize(
    "content",
    [
        b"weights",
        b"\x00" * 4096,
        b"PK\x03\x04 not really a zip file",
        b"\x80\x02}q\x00.",
        pickle.dumps({"a": 1}, protocol=5),
        b"<!DOCTYPE html><html>404</html>" * 50,
    ],
)
def test_a_file_of_something_else_is_refused(
    content: bytes, model: MobileNetV2, tmp_path: Path
) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    assert "is damaged, or was not written by torch.save" in refusal(model, tmp_path / "x.pt")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    share: float, zipped: bool, source: State, model: MobileNetV2, tmp_path: Path
) -> None:
    path = tmp_path / "x.pt"
    torch.save(source, path, _use_new_zipfile_serialization=zipped)
    os.truncate(path, int(path.stat().st_size * share))
    assert "is damaged, or was not written by torch.save" in refusal(model, path)


def test_an_empty_file_is_refused(model: MobileNetV2, tmp_path: Path) -> None:
    (tmp_path / "x.pt").touch()
    assert "is empty;" in refusal(model, tmp_path / "x.pt")


def test_paths_that_cannot_be_read_say_why(model: MobileNetV2, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "(no such file or directory)" in refusal(model, tmp_path / "absent.pt")
    assert "(is a directory)" in refusal(model, tmp_path)
    assert "(not a directory)" in refusal(model, tmp_path / "file" / "x.pt")
    assert refusal(model, tmp_path / "absent.pt").endswith("check the path")


def test_a_file_without_permission_says_so(model: MobileNetV2, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"x")
    (tmp_path / "x.pt").chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read every file; nobody may not
        os.seteuid(65534)
    try:
        message = refusal(model, tmp_path / "x.pt")
    finally:
        os.seteuid(user)
    assert "cannot be read (permission denied)" in message


def test_saving_replaces_a_file_whole_or_not_at_all(source: State, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"the old file")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))  # as if the disk were full
    try:
        with pytest.raises(WeightsError, match=r"cannot be written \(file too large\); expected"):
            save_state_dict(source, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == b"the old file"
    assert os.listdir(tmp_path) == ["weights.pt"]
    save_state_dict(source, path)
    assert os.listdir(tmp_path) == ["weights.pt"]
    load_weights(narrow(), path)


def test_saving_through_a_link_keeps_the_link(source: State, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "weights.pt"
    link.symlink_to(tmp_path / "there" / "real.pt")
    save_state_dict(source, link)
    assert link.is_symlink()
    load_weights(narrow(), tmp_path / "there" / "real.pt")


def test_saving_into_a_missing_folder_says_so(source: State, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "weights.pt"
    with pytest.raises(WeightsError, match=r"\(no such file or directory\); expected a folder"):
        save_state_dict(source, path)


def test_a_saved_file_may_be_read_by_whom_the_umask_allows(source: State, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save_state_dict(source, tmp_path / "weights.pt")
    finally:
        os.umask(before)
    assert (tmp_path / "weights.pt").stat().st_mode & 0o777 == 0o640


def test_digest_sees_every_kind_of_change() -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1)}
    changed = [
        state,
        {**state, "a": torch.arange(6.0).reshape(3, 2)},
        {**state, "a": state["a"].bfloat16()},
        {**state, "a": state["a"].half()},
        {**state, "a": state["a"] + torch.tensor([0, 0, 1e-6])},
        {**state, "b": torch.tensor(2)},
        {**state, "b": torch.tensor([1])},
        {"c": state["a"], "b": state["b"]},
        {"a": state["a"]},
    ]
    assert len({state_dict_digest(each) for each in changed}) == len(changed)


def test_digest_is_blind_to_order_and_memory_format() -> None:
    image = torch.arange(24.0).reshape(1, 2, 3, 4)
    state = {"a": image, "b": torch.tensor(1)}
    parameter = nn.Parameter(image.clone())
    same = [
        {"b": torch.tensor(1), "a": image},
        {**state, "a": image.to(memory_format=torch.channels_last)},
        {**state, "a": parameter},
        {**state, "a": torch.arange(-1.0, 24.0)[1:].reshape(1, 2, 3, 4)},
    ]
    assert {state_dict_digest(each) for each in same} == {state_dict_digest(state)}
