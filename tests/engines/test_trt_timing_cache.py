"""Kept kernel timings: whole or ignored, combined with what others wrote, never a failure.

TensorRT-RTX has no timing caches, so a configuration of TensorRT is played here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engines.backends.trt.timing_cache import TimingCache, pack, unpack


class Cache:
    """A set of words; caches of another GPU begin with "other"."""

    def __init__(self, data: bytes) -> None:
        self.words = set(data.split())

    def combine(self, other, ignore_mismatch):
        assert ignore_mismatch is False
        self.words |= other.words
        return True

    def serialize(self):
        return b" ".join(sorted(self.words))


class Config:
    def __init__(self) -> None:
        self.cache: Cache | None = None

    def create_timing_cache(self, data):
        return Cache(data)

    def set_timing_cache(self, cache, ignore_mismatch):
        if b"other" in cache.words and not ignore_mismatch:
            return False
        self.cache = cache
        return True

    def get_timing_cache(self):
        return self.cache


@pytest.fixture
def path(tmp_path):
    return tmp_path / "timing.cache"


def build(path: Path, *timed: bytes, meanwhile: bytes = b"") -> str:
    """A build that times `timed`, while another writes `meanwhile` to the file."""
    cache, config = TimingCache(str(path)), Config()
    cache.attach(config)
    if meanwhile:
        path.write_bytes(pack(meanwhile))
    config.cache.words |= set(timed)
    cache.save(config)
    return cache.state


def kept(path: Path) -> bytes:
    return unpack(path.read_bytes())


def test_the_first_build_is_cold_and_the_next_warm(path):
    assert build(path, b"conv1") == "cold"
    assert build(path, b"conv2") == "warm"
    assert kept(path) == b"conv1 conv2"


def test_what_another_build_wrote_meanwhile_is_kept(path):
    build(path, b"mine", meanwhile=b"theirs")
    assert kept(path) == b"mine theirs"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:-1] + b"?"]
)
def test_a_damaged_file_is_ignored_with_a_warning(path, capfd, damage):
    build(path, b"conv1")
    path.write_bytes(damage(path.read_bytes()))
    assert build(path, b"conv2") == "cold"
    assert "timing.cache is ignored: it is damaged" in capfd.readouterr().err
    assert kept(path) == b"conv2"


def test_a_cache_of_another_gpu_is_replaced(path, capfd):
    path.write_bytes(pack(b"other"))
    cache, config = TimingCache(str(path)), Config()
    cache.attach(config)
    assert cache.state == "cold"
    assert config.cache.words == set()
    assert "of another TensorRT or GPU" in capfd.readouterr().err


def test_a_folder_that_is_gone_fails_nothing(tmp_path, capfd):
    assert build(tmp_path / "gone" / "timing.cache", b"conv1") == "cold"
    assert "timing.cache is not kept" in capfd.readouterr().err


def test_writers_wait_for_each_other(path):
    """Eight processes add a word each to one file at the same time; all words are in it."""
    program = (
        "import sys; from tests.engines.test_trt_timing_cache import build; from pathlib import "
        "Path; build(Path(sys.argv[1]), sys.argv[2].encode())"
    )
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen((sys.executable, "-c", program, path, f"w{number}"), cwd=root)
        for number in range(8)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 8
    assert kept(path).split() == [f"w{number}".encode() for number in range(8)]


def test_rtx_says_that_it_has_none(path):
    trt = pytest.importorskip("tensorrt_rtx_bindings")
    from engines.backends.trt.logger import logger_of

    cache, config = TimingCache(str(path)), trt.Builder(logger_of(trt)).create_builder_config()
    cache.attach(config)
    cache.save(config)
    assert cache.state == "unsupported"
    assert not path.exists()


def test_without_a_path_there_is_none():
    cache = TimingCache("")
    cache.attach(None)
    cache.save(None)
    assert cache.state == "off"
