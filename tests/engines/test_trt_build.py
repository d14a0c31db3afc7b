"""Real builds by TensorRT-RTX, which needs no GPU for a compute capability that it is told."""

from __future__ import annotations

import json

import pytest

from engines.backends import cuda, tensorrt_rtx
from engines.backends.trt import builder
from engines.backends.trt.builder import LAYERS, check_precision, out_of_memory
from engines.backends.trt.logger import DETAIL_LENGTH, RECORD, logger_of
from engines.plan import ModelSpec
from engines.worker.failure import WorkerError
from tests.engines.trt_support import build_request, export_tiny, to_fp16

trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
no_gpu = pytest.mark.skipif(cuda.problem() is None, reason="there is a GPU here")
TINY = ModelSpec(width=0.35, input_size=96, classes=10)


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    return export_tiny(tmp_path_factory.mktemp("onnx") / "tiny.onnx", TINY)


@pytest.fixture(scope="module")
def fp16_file(onnx_file):
    return to_fp16(onnx_file, onnx_file.with_name("tiny-fp16.onnx"))


def silent(_event, **_fields):
    pass


def build(*arguments, say=silent, **changes):
    return tensorrt_rtx.build(build_request(*arguments, **changes), say)


def refused(*arguments, **changes):
    with pytest.raises(WorkerError) as caught:
        build(*arguments, **changes)
    return caught.value


def test_a_build_writes_the_engine_and_says_what_it_holds(onnx_file, tmp_path):
    heard = []

    def say(event, **fields):
        heard.append((event, fields["phase"], fields["detail"]))

    target = tmp_path / "tiny.engine"
    profiles = [[1, 1, 1], [2, 4, 8]]
    result = build(onnx_file, target, say=say, profiles=profiles)
    assert target.stat().st_size > 500_000
    assert result["io"] == {
        "input": {"dtype": "FLOAT", "shape": [-1, 3, 96, 96]},
        "logits": {"dtype": "FLOAT", "shape": [-1, 10]},
    }
    assert result["profiles"] == profiles
    assert result["versions"] == {"tensorrt-rtx": trt.__version__}
    assert result["activation_bytes"] > 1_000_000, "from the log, where no GPU can be asked"
    assert result["timing_cache"] == "off"
    assert list(dict.fromkeys(phase for _, phase, _ in heard)) == [
        "parsing", "building", "inspecting",
    ]  # fmt: skip
    details = [detail for _, _, detail in heard if detail]
    assert details
    assert max(map(len, details)) <= DETAIL_LENGTH
    json.dumps(result)
    assert list(tmp_path.iterdir()) == [target], "nothing half-written is left"


@no_gpu
def test_layers_are_not_made_up_without_a_gpu(onnx_file, tmp_path):
    result = build(onnx_file, tmp_path / "e")
    assert result["layers"] == {}
    assert "no GPU here" in result["layers_note"]
    assert not (tmp_path / f"e{LAYERS}").exists()


def test_an_fp16_file_builds_to_a_smaller_engine(onnx_file, fp16_file, tmp_path):
    build(onnx_file, tmp_path / "fp32")
    build(fp16_file, tmp_path / "fp16", precision="fp16")
    assert (tmp_path / "fp16").stat().st_size < 0.7 * (tmp_path / "fp32").stat().st_size


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_a_float32_file_does_not_pass_for_another_precision(onnx_file, tmp_path, precision):
    failure = refused(onnx_file, tmp_path / "e", precision=precision)
    assert failure.kind == "precision"
    assert f"takes {precision} from the file alone" in str(failure)
    assert list(tmp_path.iterdir()) == []


def flags_of(precision):
    """Whether TF32 is on in a real configuration."""
    config = builder.new_builder(trt, logger_of(trt)).create_builder_config()
    builder.versions.apply_precision(trt, config, precision)
    return config.get_flag(trt.BuilderFlag.TF32)


def test_only_fp32_forbids_tf32():
    assert [flags_of(one) for one in ("fp32", "tf32", "fp16", "int8")] == [False, True, True, True]


def test_options_reach_the_builder():
    config = builder.new_builder(trt, logger_of(trt)).create_builder_config()
    options = {"builder_level": 5, "workspace_mib": 64, "compute_capability": "12.0"}
    builder.versions.apply_options(trt, config, options)
    assert config.builder_optimization_level == 5
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 64 * 2**20
    assert config.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
    assert config.get_compute_capability(0) == trt.ComputeCapability.SM120


def test_an_operator_that_is_not_known_is_named_with_its_node(onnx_file, tmp_path):
    import onnx

    model = onnx.load(onnx_file)
    model.graph.node[5].op_type = "Frobnicate"
    model.graph.node[5].name = "/features/odd"
    onnx.save(model, tmp_path / "odd.onnx")
    failure = refused(tmp_path / "odd.onnx", tmp_path / "e")
    assert failure.kind == "onnx"
    assert "at Frobnicate '/features/odd'" in str(failure)
    assert "Plugin not found" in str(failure)


def test_what_is_no_onnx_file_is_refused(onnx_file, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(onnx_file.read_bytes()[:1000])
    failure = refused(tmp_path / "cut.onnx", tmp_path / "e")
    assert failure.kind == "onnx"
    assert "Failed to parse the ONNX model" in str(failure)


def test_inputs_in_another_type_are_refused(fp16_file, tmp_path):
    import onnx

    model = onnx.load(fp16_file)
    node = next(one for one in model.graph.node if "input" in one.input)
    after = node.output[0]
    model.graph.node.remove(node)
    model.graph.input[0].name = after
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, tmp_path / "half.onnx")
    failure = refused(tmp_path / "half.onnx", tmp_path / "e", precision="fp16")
    assert failure.kind == "onnx"
    assert f"'{after}' is HALF, expected FLOAT" in str(failure)


def test_a_profile_out_of_order_is_refused(onnx_file, tmp_path):
    failure = refused(onnx_file, tmp_path / "e", profiles=[[4, 2, 8]])
    assert failure.kind == "usage"
    assert "4/2/8" in str(failure)


@pytest.mark.parametrize("wrong", ["9.0", "10.0"])
def test_a_compute_capability_that_it_has_not_is_refused(onnx_file, tmp_path, wrong):
    failure = refused(onnx_file, tmp_path / "e", options={"compute_capability": wrong})
    assert failure.kind == "usage"
    assert str(failure).startswith(f"compute capability {wrong} is not supported by TensorRT-RTX")


@no_gpu
def test_the_current_gpu_must_be_there(onnx_file, tmp_path):
    failure = refused(onnx_file, tmp_path / "e", options={"compute_capability": "current"})
    assert "needs a GPU to build for: no NVIDIA driver answers" in str(failure)


class NoContext:
    """A context that only closes."""

    def close(self):
        pass


@no_gpu
def test_the_logs_first_error_is_the_reason(onnx_file, tmp_path, capfd, monkeypatch):
    """TensorRT-RTX itself, asked for a GPU that is not there, answers None and logs why."""
    monkeypatch.setattr(builder.cuda, "problem", lambda *_: None)
    monkeypatch.setattr(builder.cuda, "gpu", lambda _: {"name": ""})
    monkeypatch.setattr(builder.cuda, "PrimaryContext", lambda _: NoContext())
    failure = refused(onnx_file, tmp_path / "e", options={"compute_capability": "current"})
    assert "can't build the engine: Cuda Runtime" in str(failure)
    assert "cudaError 35" in str(failure)
    assert "[E] " in capfd.readouterr().err, "the whole of it is in the log"


def test_the_log_is_verbose_only_where_that_is_asked_for(onnx_file, tmp_path, capfd):
    build(onnx_file, tmp_path / "a")
    assert "[V]" not in capfd.readouterr().err
    build(onnx_file, tmp_path / "b", options={"verbose_log": True})
    assert "[V]" in capfd.readouterr().err


def test_details_come_twice_a_second_at_most():
    said = []
    RECORD.start(said.append)
    for number in range(1000):
        RECORD.add(3, f"line {number}")
    assert said == ["line 0"]


def test_an_error_loses_what_stands_before_its_words():
    RECORD.start()
    RECORD.add(1, "[optimizer.cpp::computeCosts::3728] Error Code 10: Internal Error (Could not)")
    RECORD.add(1, "what follows from it")
    assert RECORD.reason() == "Internal Error (Could not)"


def test_the_number_of_an_error_alone_is_no_reason():
    RECORD.start()
    RECORD.add(1, "1: ")
    RECORD.add(1, "2: [builder.cpp::buildSerializedNetwork::751] Error Code 2: Internal Error (no)")
    assert RECORD.reason() == "Internal Error (no)"


@pytest.mark.parametrize(("free", "said"), [(600 << 20, "only 0.6 GiB of"), (9 << 30, "")])
def test_a_build_that_fails_without_a_word_on_a_full_gpu_says_what_is_free(monkeypatch, free, said):
    RECORD.start()
    RECORD.add(1, "1: ")
    monkeypatch.setattr(builder.cuda, "memory", lambda: (free, 141 << 30))
    failure = builder._failed(trt, {"workspace_mib": 0})
    assert "no reason given" in failure.args[0]
    assert ("memory is free" in failure.args[0]) is bool(said)
    assert said in failure.args[0]
    assert ("nvidia-smi" in failure.hint) is bool(said)


@pytest.mark.parametrize(
    ("log", "figures"),
    [
        ("Tactic Device request: 4097MB Available: 2048MB. Device memory is insufficient",
         "4.0 GiB needed, 2.0 GiB free"),
        ("Requested amount of GPU memory (3221225472 bytes) could not be allocated.",
         "3.0 GiB needed"),
        ("Error Code 2: OutOfMemory (Requested size was 1073741824 bytes.)", "1.0 GiB needed"),
    ],
)  # fmt: skip
def test_too_little_gpu_memory_is_told_with_figures(log, figures):
    assert builder.MEMORY.search(log) or builder.TACTIC.search(log)
    failure = out_of_memory("the build", log)
    assert failure.kind == "out-of-gpu-memory"
    assert figures in str(failure)


def test_an_engine_without_a_layer_in_its_precision_is_an_error():
    check_precision("fp16", {"FP16": 1, "FP32": 60})
    check_precision("fp16", {"UNKNOWN": 30, "FP32": 3})
    check_precision("tf32", {"FP32": 60})
    with pytest.raises(WorkerError, match="no layer in fp16: the engine has 60 FP32") as caught:
        check_precision("fp16", {"FP32": 60})
    assert caught.value.kind == "precision"
