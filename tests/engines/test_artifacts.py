"""What was converted is kept, found again, and a miss says what changed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engines.artifacts import Artifact, Cache, Making, Miss
from engines.control import Control
from engines.errors import Cancelled, FileError

PARTS = {"weights": "a" * 64, "opset": "17", "torch": "2.13.0"}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def make(cache: Cache, parts=PARTS, data=b"model", slot="net") -> Artifact:
    with cache.making("export", slot, parts, Control()) as making:
        assert isinstance(making, Making)
        (making.folder / "model.onnx").write_bytes(data)
        return making.keep("model.onnx", 1.5, {"opset": 17})


def test_what_was_made_is_found_with_its_facts(cache):
    made = make(cache)
    found = cache.find("export", "net", PARTS)
    assert found == made
    assert found.path.read_bytes() == b"model"
    assert found.meta.facts == {"opset": 17}
    assert cache.last_seconds("export", "net") == 1.5


def test_the_order_of_the_parts_does_not_matter(cache):
    make(cache)
    assert isinstance(cache.find("export", "net", dict(reversed(PARTS.items()))), Artifact)


def test_a_first_miss_says_so(cache):
    assert cache.find("export", "net", PARTS) == Miss("not made yet")


def test_a_miss_names_only_what_changed(cache):
    make(cache)
    make(cache, PARTS | {"opset": "16", "torch": "2.11.0"})
    miss = cache.find("export", "net", PARTS | {"torch": "2.15.0"})
    assert miss == Miss("changed: torch 2.13.0 → 2.15.0")
    digest = cache.find("export", "net", PARTS | {"weights": "b" * 64})
    assert digest == Miss("changed: weights aaaaaaaa → bbbbbbbb")


def test_a_damaged_file_is_a_miss_and_is_replaced(cache):
    made = make(cache)
    made.path.write_bytes(b"mod")
    assert cache.find("export", "net", PARTS) == Miss("the kept file is damaged")
    assert make(cache, data=b"again").path.read_bytes() == b"again"


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff", b'{"schema": 9}'])
def test_a_damaged_record_is_a_miss(cache, content):
    made = make(cache)
    (made.path.parent / "artifact.json").write_bytes(content)
    assert isinstance(cache.find("export", "net", PARTS), Miss)


def test_work_that_fails_leaves_nothing(cache):
    def work() -> None:
        with cache.making("export", "net", PARTS, Control()) as making:
            (making.folder / "model.onnx").write_bytes(b"half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        work()
    assert isinstance(cache.find("export", "net", PARTS), Miss)
    assert [one.suffix for one in (cache.root / "export/net").iterdir()] == [".lock"]


def test_a_folder_that_refuses_is_one_line(cache, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    with cache.making("export", "net", PARTS, Control()) as making:
        (making.folder / "model.onnx").write_bytes(b"model")
        monkeypatch.setattr(os, "rename", refuse)
        with pytest.raises(FileError, match=r"No space left on device; free some space"):
            making.keep("model.onnx", 1.0, {})


SECOND_PROCESS = """
import sys
from pathlib import Path
from engines.artifacts import Cache
from engines.control import Control
print("waiting", flush=True)
with Cache(Path(sys.argv[1])).making("export", "net", eval(sys.argv[2]), Control()) as making:
    print(type(making).__name__, flush=True)
"""


def test_a_second_process_waits_and_then_uses_what_the_first_made(cache):
    with cache.making("export", "net", PARTS, Control()) as making:
        second = subprocess.Popen(
            [sys.executable, "-c", SECOND_PROCESS, str(cache.root), repr(PARTS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert second.stdout.readline() == "waiting\n"
        (making.folder / "model.onnx").write_bytes(b"model")
        making.keep("model.onnx", 1.0, {})
    assert second.communicate(timeout=20)[0] == "Artifact\n"


def test_the_wait_for_another_process_can_be_stopped(cache):
    control, outcome = Control(), []

    def second() -> None:
        try:
            with cache.making("export", "net", PARTS, control):
                outcome.append("made")
        except Cancelled:
            outcome.append("cancelled")

    with cache.making("export", "net", PARTS, Control()):
        thread = threading.Thread(target=second)
        thread.start()
        control.cancel()
        thread.join(10)
    assert outcome == ["cancelled"]
