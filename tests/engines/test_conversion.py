"""The tiny model really converted to every precision, and what a user's calibration file may be."""

from __future__ import annotations

import copy
import os
import warnings

import numpy as np
import onnx
import pytest
import torch

from engines import export
from engines.conversion import CALIBRATION_START, calibration_batches, convert_onnx
from engines.worker import inputs, model
from engines.worker.failure import WorkerError

SPEC = {"classes": 10, "input_size": 96, "width": 0.35, "seed": 0, "weights": ""}
CONVOLUTIONS = 52


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, dict]:
    """What each conversion said, with the request that asked for it."""
    folder = tmp_path_factory.mktemp("onnx")
    weights = str(folder / "weights.pt")
    model.write_weights({"model": SPEC, "path": weights})
    said = {}
    for precision in ("fp32", "fp16", "bf16", "int8"):
        asked = {
            "model": SPEC, "weights": weights, "precision": precision, "input_seed": 7,
            "source": "" if precision in ("fp32", "bf16") else said["fp32"]["path"],
            "path": str(folder / f"{precision}.onnx"),
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            result = (export.export_onnx if precision == "fp32" else convert_onnx)(asked)
        said[precision] = asked | {"result": result}
    return said


@pytest.mark.parametrize(
    ("precision", "weights", "pairs", "packages"),
    [
        ("fp32", "FLOAT", 0, {"torch", "onnx", "onnxruntime"}),
        ("fp16", "FLOAT16", 0, {"onnx", "onnxruntime"}),
        ("bf16", "BFLOAT16", 0, {"torch", "onnx"}),
        ("int8", "INT8", 116, {"onnx", "onnxruntime"}),
    ],
)
def test_every_precision_has_a_file_of_its_own(made, precision, weights, pairs, packages):
    result = made[precision]["result"]
    assert result["opset"] == 17
    assert result["tensor_types"] == {weights: CONVOLUTIONS}
    assert result["qdq_pairs"] == pairs
    assert set(result["versions"]) == packages
    graph = onnx.load(made[precision]["path"]).graph
    for end, name in ((graph.input, "input"), (graph.output, "logits")):
        assert [one.name for one in end] == [name]
        assert end[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert end[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize(
    ("precision", "at_least", "below"),
    [("fp32", 0.999999, 1.1), ("fp16", 0.9999, 0.9999999), ("int8", 0.95, 0.9999)],
)
def test_the_cosine_says_what_each_precision_costs(made, precision, at_least, below):
    assert at_least <= made[precision]["result"]["cosine"] < below


def test_an_exporter_that_changes_the_network_is_found_out(made, tmp_path, monkeypatch):
    honest = export.write

    def other(network, size, path):
        changed = copy.deepcopy(network)
        with torch.no_grad():
            next(changed.parameters()).neg_()
        honest(changed, size, path)

    monkeypatch.setattr(export, "write", other)
    with pytest.raises(WorkerError, match="not the model: cosine"):
        export.export_onnx({**made["fp32"], "path": str(tmp_path / "other.onnx")})


def test_onnx_runtime_has_no_cosine_for_bf16(made):
    assert "cosine" not in made["bf16"]["result"]


def test_sixteen_bits_halve_the_file(made):
    whole = os.path.getsize(made["fp32"]["path"])
    for precision in ("fp16", "bf16"):
        assert os.path.getsize(made[precision]["path"]) < 0.6 * whole


def test_the_int8_file_is_what_tensorrt_reads(made):
    graph = onnx.load(made["int8"]["path"]).graph
    constants = {one.name: one for one in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    assert {node.domain for node in graph.node} == {""}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert constants[node.input[2]].data_type == onnx.TensorProto.INT8
            assert not onnx.numpy_helper.to_array(constants[node.input[2]]).any()
        if node.op_type == "Conv":
            assert [producers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert constants[node.input[2]].data_type == onnx.TensorProto.FLOAT  # its bias
    assert producers[graph.output[0].name].op_type == "Gemm"


def test_a_file_of_another_precision_is_found_out(made):
    with pytest.raises(
        WorkerError, match=r"the int8 file are \{'FLOAT': 52\}, expected INT8"
    ) as caught:
        export.inspect(made["fp32"]["path"], "int8")
    assert caught.value.kind == "precision"


def changed(made, tmp_path, change) -> str:
    """The FP32 file after `change` was done to its model."""
    file = onnx.load(made["fp32"]["path"])
    change(file)
    path = str(tmp_path / "changed.onnx")
    onnx.save(file, path)
    return path


def fixed_batch(file) -> None:
    file.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: setattr(file.opset_import[0], "version", 16), "wrote opset 16, expected 17"),
        (fixed_batch, "the batch size of 'input' is fixed"),
    ],
)
def test_a_file_that_engines_could_not_use_is_refused(made, tmp_path, change, message):
    with pytest.raises(WorkerError, match=message):
        export.inspect(changed(made, tmp_path, change), "fp32")


def test_calibration_never_sees_what_accuracy_is_judged_on():
    batches = list(calibration_batches({"model": SPEC, "input_seed": 7}))
    assert [batch.shape for batch in batches] == [(8, 3, 96, 96)] * 4
    assert np.array_equal(batches[1][0], inputs.images(7, CALIBRATION_START + 8, 1, 96)[0])


def calibrated_on(path, made) -> dict:
    asked = made["int8"]
    return {**asked, "model": {**SPEC, "calibration": str(path)}}


def test_a_users_calibration_file_sets_the_ranges(made, tmp_path):
    given = tmp_path / "images.npy"
    np.save(given, 3 * inputs.images(1, 0, 9, 96))
    asked = calibrated_on(given, made) | {"path": str(tmp_path / "int8.onnx")}
    result = convert_onnx(asked)
    assert result["tensor_types"] == {"INT8": CONVOLUTIONS}

    def input_scale(path) -> float:
        graph = onnx.load(path).graph
        scales = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        return float(next(scales[n.input[1]] for n in graph.node if n.input[0] == "input"))

    largest = np.abs(np.load(given)).max()
    assert input_scale(asked["path"]) == pytest.approx(largest / 127, rel=0.01)
    assert input_scale(asked["path"]) > 2 * input_scale(made["int8"]["path"])


GOOD = np.zeros((2, 3, 96, 96), np.float32)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (None, "file", "No such file"),
        (b"", "file", "is no array"),
        (b"hello, world", "file", "is no array"),
        (np.array([{"a": 1}]), "file", "is no array"),
        (GOOD.astype(np.float64), "usage", "holds float64"),
        (GOOD[:, :, :64], "usage", r"has the shape \(2, 3, 64, 96\)"),
        (GOOD[0], "usage", r"has the shape \(3, 96, 96\)"),
        (GOOD[:0], "usage", "holds no image"),
        (np.concatenate([GOOD] * 4 + [GOOD * np.nan]), "usage", "images 8 to 9 is not finite"),
    ],
)
def test_a_bad_calibration_file_is_refused_in_words(made, tmp_path, content, kind, message):
    path = tmp_path / "images.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(WorkerError, match=message) as caught:
        convert_onnx(calibrated_on(path, made) | {"path": str(tmp_path / "int8.onnx")})
    assert caught.value.kind == kind
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "int8.onnx").exists()


def test_several_arrays_in_one_file_are_refused(tmp_path):
    np.savez(tmp_path / "images.npz", GOOD, GOOD)
    with pytest.raises(WorkerError, match="holds several arrays"):
        inputs.read_calibration(str(tmp_path / "images.npz"), 96)
