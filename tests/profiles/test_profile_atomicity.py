"""Failures, full disks and kills in the middle of a save."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import files
from engines.errors import FileError
from profiles.reading import read_profile
from profiles.samples import Series
from profiles.schema import Profile
from profiles.writing import read_samples, write_profile


def assert_same_samples(found: dict[Any, Series], expected: dict[Any, Series]) -> None:
    assert list(found) == sorted(expected)
    for key, series in expected.items():
        for name in ("latencies_ms", "block_first", "block_start_s"):
            np.testing.assert_array_equal(getattr(found[key], name), getattr(series, name))


STEPS = [("fsync", 1), ("fsync", 3), ("replace", 1), ("replace", 2), ("open", 1), ("open", 3)]


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(("call", "at"), STEPS)
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_failure_at_any_step_leaves_things_as_they_were(
    build: Any,
    profile: Profile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    existing: bool,
    call: str,
    at: int,
    error: BaseException,
) -> None:
    path = tmp_path / "a.toml"
    old = write_profile(profile, build.samples(1.0, 2.0), path) if existing else None
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    real, calls = getattr(os, call), []

    def failing(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == at:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(files.os, call, failing)
    expected = FileError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_profile(profile, build.samples(3.0, 4.0), path)
    monkeypatch.undo()
    assert len(calls) == at
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
    if old is not None:
        assert_same_samples(read_samples(read_profile(path), path), build.samples(1.0, 2.0))


def test_an_interrupt_after_the_last_step_keeps_the_new_samples(
    build: Any, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.toml"
    real = files._sync_folder
    calls: list[Path] = []

    def interrupted(folder: Path) -> None:
        calls.append(folder)
        real(folder)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "_sync_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_profile(profile, build.samples(3.0, 4.0), path)
    assert_same_samples(read_samples(read_profile(path), path), build.samples(3.0, 4.0))


SAVE = """
import sys, msgspec, numpy as np
from pathlib import Path
from engines.errors import FileError
from profiles.reading import read_profile
from profiles.samples import Series
from profiles.writing import write_profile
template, target = read_profile(sys.argv[1]), Path(sys.argv[2])
def save(number):
    samples = {(0, "measuring"): Series(np.random.default_rng(number).random(20_000) + number)}
    run = msgspec.structs.replace(template.run, id=str(number))
    return write_profile(msgspec.structs.replace(template, run=run), samples, target)
"""


def run_save(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SAVE + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)


@pytest.fixture
def template(profile: Profile, tmp_path: Path) -> Path:
    write_profile(profile, {}, tmp_path / "template.toml")
    return tmp_path / "template.toml"


FAILING_SAVE = """
try:
    save(2)
except FileError as error:
    print(error)
"""


def test_a_limit_on_file_sizes(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    run_save("save(1)", template, folder / "a.toml")
    before = sorted(os.listdir(folder))
    done = run_save(
        FAILING_SAVE,
        template,
        folder / "a.toml",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert "File too large; raise the limit on file sizes, or save it in another" in done.stdout
    assert sorted(os.listdir(folder)) == before
    kept = read_profile(folder / "a.toml")
    assert kept.run.id == "1"
    assert read_samples(kept, folder / "a.toml")[0, "measuring"].latencies_ms.min() >= 1


def test_a_full_disk(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root: see test_a_limit_on_file_sizes")
    try:
        run_save("save(1)", template, folder / "a.toml")
        before = sorted(os.listdir(folder))
        done = run_save(FAILING_SAVE, template, folder / "a.toml")
        assert "No space left on device; free some space there, or save it in" in done.stdout
        assert sorted(os.listdir(folder)) == before
        kept = read_profile(folder / "a.toml")
        assert kept.run.id == "1"
        assert len(read_samples(kept, folder / "a.toml")[0, "measuring"].latencies_ms) == 20_000
    finally:
        subprocess.run(["umount", folder], check=True)


AS_ANOTHER = """
import os
if os.geteuid() == 0:  # whom no mode keeps out
    os.setgid(65534)
    os.setuid(65534)
"""


def test_without_leave_to_write(template: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = folder / "a.toml"
        source = folder / "template.toml"
        source.write_bytes(template.read_bytes())
        folder.chmod(0o555)
        done = run_save(AS_ANOTHER + FAILING_SAVE, source, target)
        assert "Permission denied; save it in a folder that you may write to" in done.stdout
        folder.chmod(0o777)
        target.write_bytes(template.read_bytes())
        target.chmod(0o444)
        done = run_save(AS_ANOTHER + FAILING_SAVE, source, target)
        assert "it is write-protected" in done.stdout
        assert target.read_bytes() == template.read_bytes()
        assert sorted(os.listdir(folder)) == ["a.toml", "template.toml"]


SAVE_FOR_EVER = """
import itertools
for number in itertools.count(1):
    save(number)
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_profile_with_its_samples(
    template: Path, tmp_path: Path
) -> None:
    target = tmp_path / "a.toml"
    for wait_s in (0.0, 0.003, 0.007, 0.011, 0.02):
        code = (
            "import itertools\nfor n in itertools.count(1):\n    save(n)\n    print(n, flush=True)"
        )
        command = [sys.executable, "-c", SAVE + code, template, target]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = int(process.stdout.readline())
            deadline = time.monotonic() + wait_s
            while time.monotonic() < deadline:
                pass  # the kill must fall anywhere within a save, not where a sleep ends
            process.send_signal(signal.SIGKILL)
            process.wait()
        kept = read_profile(target)
        number = int(kept.run.id)
        assert number >= first
        values = read_samples(kept, target)[0, "measuring"].latencies_ms
        assert number <= values.min() < number + 1
