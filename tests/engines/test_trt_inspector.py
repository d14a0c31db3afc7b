"""Layers by precision, from what the inspectors of 8.6, 10 and 11 write."""

from __future__ import annotations

import json

import pytest

from engines.backends.trt.inspector import count, described, layers_of, precision_of


def tensor(words, key="Format/Datatype"):
    return {"Name": "t", "Location": "Device", "Dimensions": [1, 8, 7, 7], key: words}


def layer(kind, inputs, outputs, **more):
    return {"Name": more.pop("name", kind), "LayerType": kind, "Inputs": inputs,
            "Outputs": outputs, **more}  # fmt: skip


HALF_8 = tensor("Channel major FP16 format where channel % 8 == 0")
FLOAT_8 = tensor("Row major linear FP32")
INT8_8 = tensor("Thirty-two wide channel vectorized row major Int8 format")
OPEN = tensor("N/A due to dynamic shapes")
EIGHT = {
    "Layers": [
        layer("Reformat", [FLOAT_8], [HALF_8]),
        layer("CaskConvolution", [HALF_8], [HALF_8], Weights={"Type": "Half", "Count": 9}),
        layer("CaskConvolution", [INT8_8], [HALF_8], Weights={"Type": "Int8", "Count": 9}),
        layer("CaskPooling", [HALF_8], [HALF_8]),
        layer("CaskGemmConvolution", [FLOAT_8], [FLOAT_8], Weights={"Type": "Float", "Count": 9}),
    ],
    "Bindings": ["input", "logits"],
}
ELEVEN = {
    "Layers": [
        layer("kgen", [tensor("Half", "DataType")], [tensor("Half", "DataType")]),
        layer("conv", [{**tensor("BFloat16", "DataType"), "Format": "Row major linear"}], []),
        layer("gemm", [tensor("Float", "DataType")], [tensor("Float", "DataType")]),
        layer("conv", [tensor("Int8", "DataType")], [tensor("Float", "DataType")]),
    ],
    "I/O Tensors": [{"Name": "input", "IOMode": "Input", "DataType": "Float"}],
}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (EIGHT, {"FP16": 2, "INT8": 1, "FP32": 1}),
        (ELEVEN, {"FP16": 1, "BF16": 1, "FP32": 1, "INT8": 1}),
    ],
    ids=["8.6", "11"],
)
def test_layers_are_counted_by_precision_without_those_that_convert(answer, expected):
    assert count(layers_of(json.dumps(answer))) == expected


# As TensorRT 8.6.0 wrote it on an H200, cut to one layer: the names of fused layers are parted by a
# raw control character, which JSON forbids inside a string.
OF_AN_H200 = """{"Layers": [{
  "Name": "/features/features.0/Conv + PWN(/features/features.0/features.0.2/Clip)",
  "LayerType": "CaskConvolution",
  "Inputs": [{"Name": "input", "Location": "Device", "Dimensions": [8,3,224,224],
    "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}],
  "Outputs": [{"Name": "Clip_output_0", "Location": "Device", "Dimensions": [8,32,112,112],
    "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}],
  "ParameterType": "Convolution", "Weights": {"Type": "Half", "Count": 864},
  "TacticName": "sm80_xmma_fprop_implicit_gemm_indexed_wo_smem_f16f16_f16f16_f16_nhwckrsc_nhwc",
  "StreamId": 0, "Metadata": "[ONNX Layer: /features/Conv]\x1e[ONNX Layer: /features/Clip]"
}], "Bindings": ["input", "logits"]}"""


def test_what_tensorrt_8_6_really_writes_is_read():
    assert "\x1e" in OF_AN_H200
    assert count(layers_of(OF_AN_H200)) == {"FP16": 1}


def test_a_dynamic_batch_hides_types_but_not_weights_and_kernels():
    weighted = layer("CaskConvolution", [OPEN], [OPEN], Weights={"Type": "Half", "Count": 9})
    named = layer("CaskPooling", [OPEN], [OPEN],
                  TacticName="sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwc")  # fmt: skip
    nothing = layer("CaskPooling", [OPEN], [OPEN])
    assert [precision_of(one) for one in (weighted, named, nothing)] == ["FP16", "FP16", "UNKNOWN"]


def test_a_kernel_that_reads_float32_as_tf32_is_told_apart():
    tf32 = layer("CaskConvolution", [FLOAT_8], [FLOAT_8], Weights={"Type": "Float", "Count": 9},
                 TacticName="sm80_xmma_fprop_implicit_gemm_f32f32_tf32f32_f32_nhwc")  # fmt: skip
    assert precision_of(tf32) == "TF32"


def test_the_layers_of_other_profiles_are_not_counted_again():
    first = layer("CaskPooling", [HALF_8], [HALF_8], name="pool")
    second = layer("CaskPooling", [HALF_8], [HALF_8], name="pool [profile 1]")
    assert count([first, second]) == {"FP16": 1}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Layers": ["conv1", "conv2"]}', "{}"])
def test_an_engine_built_without_details_has_no_layers(text):
    assert layers_of(text) == []


def test_counts_are_told_with_the_most_frequent_first():
    assert described(count(layers_of(json.dumps(EIGHT)))) == "2 FP16, 1 INT8, 1 FP32"
