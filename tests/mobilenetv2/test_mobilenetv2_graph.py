"""The graph: with and without Graphviz, its formats, and what it says when it cannot be drawn."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
import torch

from mobilenetv2 import GraphError, GraphFile, MobileNetV2, draw_graph, state_dict_digest

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")

#: 158 parameters; 52 convolutions with as many normalisations, 35 ReLU6, 10 additions; the mean,
#: the flattening, the transposed weight and the linear layer; the logits.
NODES = 158 + 52 + 52 + 35 + 10 + 4 + 1


@pytest.fixture(scope="module")
def model() -> MobileNetV2:
    return MobileNetV2(n_class=5, input_size=32, width_mult=0.35)


@pytest.fixture
def no_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def install_dot(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `dot` first on the path that does what the shell script says."""
    folder.mkdir()
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@needs_dot
def test_svg_names_every_parameter(model: MobileNetV2, tmp_path: Path) -> None:
    path = tmp_path / "model.svg"
    assert draw_graph(model, str(path)) == GraphFile(path, "svg", NODES, 321)
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {name for name, _ in model.named_parameters()} <= texts
    assert {"logits", "(1, 5)", "(16, 3, 3, 3)"} <= {str(text).strip() for text in texts}


@needs_dot
def test_png_is_whole_and_no_larger_than_viewers_take(model: MobileNetV2, tmp_path: Path) -> None:
    found = draw_graph(MobileNetV2(), tmp_path / "MODEL.PNG")
    assert (found.format, found.nodes) == ("png", NODES)
    content = found.path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n")
    assert b"IEND" in content[-12:]
    width, height = struct.unpack(">II", content[16:24])
    assert width < 4096
    assert height < 16384


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("suffix", [".dot", ".gv"])
def test_text_needs_no_graphviz(suffix: str, model: MobileNetV2, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    found = draw_graph(model, path)
    assert (found.path, found.format, found.note) == (path, "dot", "")
    text = path.read_text()
    assert len(re.findall(r"^\tn\d+ \[", text, re.MULTILINE)) == found.nodes == NODES
    assert text.count(" -> ") == found.edges
    assert "AccumulateGrad" not in text
    labels = set(re.findall(r'\[label="(\S+)\n', text))
    assert labels == {name for name, _ in model.named_parameters()} | {"logits"}


@pytest.mark.usefixtures("no_dot")
@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_without_graphviz_the_text_is_written_and_the_way_on_named(
    suffix: str, model: MobileNetV2, tmp_path: Path
) -> None:
    asked, written = tmp_path / f"model.{suffix}", tmp_path / "model.dot"
    found = draw_graph(model, asked)
    assert (found.path, found.format) == (written, "dot")
    assert "apt install graphviz" in found.note
    assert found.note.endswith(f"dot -T{suffix} {written} -o {asked}")
    assert written.read_text().startswith("digraph {")
    assert not asked.exists()


@needs_dot
def test_the_way_on_that_the_note_names_works(
    model: MobileNetV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        found = draw_graph(model, tmp_path / "my model.svg")
    command = found.note.rpartition("then: ")[2]
    assert os.system(command) == 0
    assert (tmp_path / "my model.svg").read_bytes().startswith(b"<?xml")


def test_one_model_gives_one_text(tmp_path: Path) -> None:
    texts = []
    for name in ("a.dot", "b.dot"):
        model = MobileNetV2(n_class=5, input_size=32, width_mult=0.35)
        texts.append(draw_graph(model, tmp_path / name).path.read_text())
    assert texts[0] == texts[1]


def test_edges_join_each_operation_to_its_parameters(model: MobileNetV2, tmp_path: Path) -> None:
    text = draw_graph(model, tmp_path / "x.dot").path.read_text()
    label_of = dict(re.findall(r'^\t(n\d+) \[label="?([^\s\]]+)', text, re.MULTILINE))
    pairs = re.findall(r"^\t(n\d+) -> (n\d+)", text, re.MULTILINE)
    edges = [(label_of[tail], label_of[head]) for tail, head in pairs]
    assert ("features.0.0.weight", "ConvolutionBackward0") in edges
    assert ("features.18.1.bias", "NativeBatchNormBackward0") in edges
    assert ("AddmmBackward0", "logits") in edges
    assert len([edge for edge in edges if edge[1] == "AddBackward0"]) == 20


def test_an_evaluated_frozen_model_in_inference_mode_draws_the_same(
    model: MobileNetV2, tmp_path: Path
) -> None:
    expected = draw_graph(model, tmp_path / "a.dot").path.read_text()
    with torch.inference_mode():
        frozen = MobileNetV2(n_class=5, input_size=32, width_mult=0.35).eval()
        frozen.requires_grad_(False)
        drawn = draw_graph(frozen, tmp_path / "b.dot").path.read_text()
    assert drawn == expected


def test_the_model_is_left_as_it_is(model: MobileNetV2, tmp_path: Path) -> None:
    model.train()
    before = state_dict_digest(model.state_dict())
    draw_graph(model, tmp_path / "x.dot")
    assert state_dict_digest(model.state_dict()) == before
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.pdf", ["'.pdf'", ".svg, .png, .dot, .gv", "use model.svg"]),
        ("model", ["unknown ending ''", "use model.svg"]),
    ],
)
def test_an_unknown_ending_is_refused(
    name: str, words: list[str], model: MobileNetV2, tmp_path: Path
) -> None:
    with pytest.raises(GraphError) as error:
        draw_graph(model, tmp_path / name)
    assert [word for word in words if word not in str(error.value)] == []
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(model: MobileNetV2, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "model.dot"
    with pytest.raises(GraphError) as error:
        draw_graph(model, path)
    message = str(error.value)
    assert message.startswith(f"{path}: cannot be written (no such file or directory); expected")
    assert "\n" not in message


def test_a_picture_is_written_beside_where_graphviz_is(
    model: MobileNetV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_dot(tmp_path / "bin", 'echo "$@"', monkeypatch)
    for name in ("model.svg", "model.dot", "model.png"):
        found = draw_graph(model, tmp_path / name, picture=tmp_path / "beside.png")
        assert (found.path, found.picture) == (tmp_path / name, tmp_path / "beside.png")
        assert "-Tpng" in (tmp_path / "beside.png").read_text()
        (tmp_path / "beside.png").unlink()
    assert "-Tsvg" in (tmp_path / "model.svg").read_text()
    assert (tmp_path / "model.dot").read_text().startswith("digraph")
    assert draw_graph(model, tmp_path / "model.png").picture is None
    assert not (tmp_path / "beside.png").exists()


@pytest.mark.usefixtures("no_dot")
def test_without_graphviz_there_is_no_picture(model: MobileNetV2, tmp_path: Path) -> None:
    found = draw_graph(model, tmp_path / "model.svg", picture=tmp_path / "beside.png")
    assert found.picture is None
    assert not (tmp_path / "beside.png").exists()


def test_a_failing_graphviz_is_quoted_and_leaves_the_old_picture(
    model: MobileNetV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "echo 'warming up' >&2; echo 'Format: \"svg\" not recognized' >&2; exit 3"
    install_dot(tmp_path / "bin", script, monkeypatch)
    path = tmp_path / "model.svg"
    path.write_text("old")
    with pytest.raises(GraphError) as error:
        draw_graph(model, path)
    message = str(error.value)
    assert 'failed with exit status 3: Format: "svg" not recognized; expected' in message
    assert "warming up" not in message
    assert "\n" not in message
    assert path.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["bin", "model.svg"]


def test_a_silent_failure_of_graphviz_is_told(
    model: MobileNetV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_dot(tmp_path / "bin", "kill -9 $$", monkeypatch)
    with pytest.raises(GraphError, match="exit status -9: it said nothing"):
        draw_graph(model, tmp_path / "model.svg")


def test_a_missing_torchviz_is_told(
    model: MobileNetV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchviz", None)
    with pytest.raises(GraphError, match=r"torchviz cannot be imported .*: pip install torchviz"):
        draw_graph(model, tmp_path / "model.svg")


def test_the_result_as_a_dict_is_json_able(model: MobileNetV2, tmp_path: Path) -> None:
    found = draw_graph(model, tmp_path / "x.dot").to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["path"] == str(tmp_path / "x.dot")


def test_torchviz_is_imported_only_to_draw() -> None:
    code = (
        "import sys, mobilenetv2; "
        "sys.exit(any(name in sys.modules for name in ('torchviz', 'graphviz', 'onnx')))"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
