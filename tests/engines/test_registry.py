"""Every wrong name gets one line that says what was found and what was expected."""

from __future__ import annotations

import pytest

from engines import registry
from engines.errors import UsageError
from engines.plan import EngineSpec, unique_labels


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            EngineSpec(engine="onxruntime"),
            "unknown engine 'onxruntime'; did you mean 'onnxruntime'",
        ),
        (EngineSpec(engine="zzz"), "expected one of eager, compile, onnxruntime"),
        (
            EngineSpec(engine="onnxruntime", device="cpu", precision="bf16"),
            "onnxruntime has no bf16 on cpu; expected one of fp32",
        ),
        (EngineSpec(engine="tensorrt", device="cpu"), "tensorrt does not run on 'cpu'"),
        (
            EngineSpec(engine="onnxruntime", options={"intra_op_thread": 1}),
            "has no option 'intra_op_thread'; did you mean 'intra_op_threads'",
        ),
        (
            EngineSpec(engine="onnxruntime", options={"intra_op_threads": -1}),
            "intra_op_threads is -1, expected a whole number from 0",
        ),
        (
            EngineSpec(engine="onnxruntime", options={"intra_op_threads": True}),
            "intra_op_threads is True, expected a whole number",
        ),
        (
            EngineSpec(engine="onnxruntime", options={"graph_optimization_level": "max"}),
            "expected one of disable, basic, extended, all",
        ),
        (EngineSpec(engine="eager", options={"channels_last": 1}), "expected true or false"),
    ],
)
def test_wrong_specs_are_refused_in_words(spec, message):
    with pytest.raises(UsageError) as caught:
        registry.check(spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_default_is_accepted_by_its_own_option():
    for engine in registry.CATALOGUE:
        registry.check(
            EngineSpec(engine=engine.name, options=engine.settings(EngineSpec(engine=engine.name)))
        )


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("OFF", False), ("1", True)])
def test_yes_and_no_are_read_from_words(text, value):
    assert registry.CHANNELS_LAST.parse(text) is value


def test_labels_are_unique_and_show_what_differs():
    one = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 1})
    two = EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 2})
    labels = unique_labels((one, two, two, EngineSpec(engine="eager", device="cpu")))
    assert labels == (
        "onnxruntime cpu fp32 b1 intra_op_threads=1",
        "onnxruntime cpu fp32 b1 intra_op_threads=2",
        "onnxruntime cpu fp32 b1 intra_op_threads=2 #2",
        "eager cpu fp32 b1",
    )


@pytest.mark.parametrize(
    ("named", "reason"),
    [("current", ""), ("8.9", ""), ("12.0", "for compute capability 12.0, this GPU has 8.9")],
)
def test_an_engine_file_for_another_gpu_can_be_built_but_not_run(named, reason):
    answer = registry.Availability(
        "tensorrt-rtx", "cuda", "ready", gpus=({"compute_capability": "8.9"},)
    )
    spec = EngineSpec(
        engine="tensorrt-rtx", precision="fp16", options={"compute_capability": named}
    )
    assert answer.refuses(spec).endswith(reason)
    assert bool(answer.refuses(spec)) == bool(reason)
    assert not answer.lacks(spec)
