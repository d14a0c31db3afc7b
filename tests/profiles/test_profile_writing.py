"""A profile and its samples on disk: both whole, or as before."""

from __future__ import annotations

import hashlib
import math
import os
import time
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.errors import EXIT_USAGE, FileError
from profiles.reading import parse_profile, read_profile
from profiles.samples import LARGEST_UNPACKED_BYTES, Series, decode, encode
from profiles.schema import Profile
from profiles.writing import read_samples, render, write_profile


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(FileError) as caught:
        write_profile(*arguments, **options)
    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.hint
    assert str(caught.value).isprintable()
    return str(caught.value)


def assert_same_samples(found: dict[Any, Series], expected: dict[Any, Series]) -> None:
    assert list(found) == sorted(expected)
    for key, series in expected.items():
        for name in ("latencies_ms", "block_first", "block_start_s"):
            np.testing.assert_array_equal(getattr(found[key], name), getattr(series, name))


def test_round_trip(build: Any, profile: Profile, tmp_path: Path) -> None:
    samples = build.samples(2.7, 1.2)
    path = tmp_path / "a b.toml"
    written = write_profile(profile, samples, path)
    assert written == read_profile(path)
    assert_same_samples(read_samples(written, path), samples)
    assert written.samples is not None
    data = (tmp_path / written.samples.file).read_bytes()
    assert written.samples.sha256 == hashlib.sha256(data).hexdigest()
    assert written.samples.bytes == len(data)
    assert sorted(os.listdir(tmp_path / ".")) == sorted(["a b.toml", written.samples.file])


def test_only_timings_are_rounded_and_to_a_millionth(profile: Profile, tmp_path: Path) -> None:
    written = write_profile(profile, {}, tmp_path / "a.toml")
    assert written.plan == profile.plan
    assert written.machine == profile.machine
    assert written.model == profile.model
    for before, after in zip(profile.results, written.results, strict=True):
        assert after.accuracy == before.accuracy
        assert before.latency is not None
        assert after.latency is not None
        for one, other in zip(before.latency.percentiles, after.latency.percentiles, strict=True):
            assert one.needs == other.needs
            if one.value_ms is None:
                assert other.value_ms is None
            else:
                assert other.value_ms == pytest.approx(one.value_ms, rel=5e-6)
                assert len(str(other.value_ms).replace(".", "").lstrip("0")) <= 6


def test_a_second_write_changes_nothing(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    once = write_profile(profile, {}, path)
    first = path.read_text()
    assert write_profile(once, {}, path) == once
    assert path.read_text() == first


def test_nothing_empty_is_written_and_the_header_says_what_to_do(good_text: str) -> None:
    lines = good_text.splitlines()
    assert lines[:3] == [
        "# infer-tui profile: a test: mobilenetv2 1 @ 224 on box, 2026-11-22 17:05:31 UTC",
        "# Run it again:  infer-tui run good.toml",
        "# Compare it:    infer-tui compare good.toml OTHER.toml",
    ]
    assert not [line for line in lines if line.endswith(('= ""', "= []", "= {}"))]
    tables = [line.strip("[]").split(".")[0] for line in lines if line.startswith("[")]
    assert list(dict.fromkeys(tables)) == ["run", "machine", "model", "plan", "results"]
    assert "input_shape = [1, 3, 224, 224]" in lines
    assert max(map(len, lines)) <= 110


def test_names_that_could_break_out_of_a_comment_do_not(
    build: Any, profile: Profile, tmp_path: Path
) -> None:
    nasty = "x\n[run]\nid = 3\r\x00\x1b[31m \udcff"
    spoilt = msgspec.structs.replace(
        profile,
        run=msgspec.structs.replace(profile.run, name=nasty),
        machine=msgspec.structs.replace(profile.machine, hostname=nasty),
    )
    written = write_profile(spoilt, build.samples(1.0, 2.0), tmp_path / "a\nb'$(x).toml")
    assert written.run.name == nasty.replace("\udcff", "?")
    assert written == read_profile(tmp_path / "a\nb'$(x).toml")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    facts=st.dictionaries(
        st.text(max_size=8),
        st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats() | st.text(max_size=8),
        max_size=4,
    )
)
def test_whatever_an_engine_states_is_kept(profile: Profile, facts: dict[str, Any]) -> None:
    first, second = profile.results
    stated = msgspec.structs.replace(first, facts=facts)
    whole = msgspec.structs.replace(profile, results=(stated, second))
    read = parse_profile(render(whole, "x.toml"), "x.toml").results[0].facts
    assert len(read) == len(facts)
    for name, value in facts.items():
        if isinstance(value, float) and math.isnan(value):
            assert math.isnan(read[name])  # type: ignore[arg-type]
        else:
            assert (type(read[name]), read[name]) == (type(value), value)


def test_samples_that_are_all_equal_are_saved(build: Any, profile: Profile, tmp_path: Path) -> None:
    first, second = profile.results
    for value in (0.1234567, 1.0, 7654.321987):
        same = build.result(first.spec, first.label, np.full(1000, value))
        whole = msgspec.structs.replace(profile, results=(same, second))
        written = write_profile(whole, {}, tmp_path / "a.toml").results[0].latency
        assert written is not None
        assert written.mean_ms == pytest.approx(value, rel=5e-6)


def test_a_start_in_another_zone_is_saved_in_utc(profile: Profile, tmp_path: Path) -> None:
    local = profile.run.started.astimezone(timezone(timedelta(hours=5, minutes=30)))
    there = msgspec.structs.replace(
        profile, run=msgspec.structs.replace(profile.run, started=local)
    )
    path = tmp_path / "a.toml"
    assert write_profile(there, {}, path).run.started == profile.run.started
    assert "started = 2026-11-22 17:05:31+00:00" in path.read_text()


def test_a_newer_save_replaces_the_older_with_its_samples(
    build: Any, profile: Profile, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    write_profile(profile, build.samples(1.0, 2.0), path)
    newer = write_profile(profile, build.samples(3.0, 4.0), path)
    assert newer.samples is not None
    assert sorted(os.listdir(tmp_path)) == sorted(["a.toml", newer.samples.file])
    bare = write_profile(profile, {}, path)
    assert bare.samples is None
    assert os.listdir(tmp_path) == ["a.toml"]


def test_a_copy_keeps_the_samples_that_it_shares(
    build: Any, profile: Profile, tmp_path: Path
) -> None:
    first = write_profile(profile, build.samples(1.0, 2.0), tmp_path / "a.toml")
    (tmp_path / "b.toml").write_bytes((tmp_path / "a.toml").read_bytes())
    write_profile(profile, build.samples(3.0, 4.0), tmp_path / "b.toml")
    assert_same_samples(read_samples(first, tmp_path / "a.toml"), build.samples(1.0, 2.0))


def test_samples_are_found_through_a_link(build: Any, profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.toml").symlink_to(tmp_path / "real" / "a.toml")
    written = write_profile(profile, build.samples(1.0, 2.0), tmp_path / "link.toml")
    assert (tmp_path / "link.toml").is_symlink()
    assert_same_samples(read_samples(written, tmp_path / "link.toml"), build.samples(1.0, 2.0))


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


class TestSpoiltSamples:
    @pytest.fixture
    def saved(self, build: Any, profile: Profile, tmp_path: Path) -> tuple[Profile, Path]:
        path = tmp_path / "a.toml"
        return write_profile(profile, build.samples(1.0, 2.0), path), path

    def sidecar(self, saved: tuple[Profile, Path]) -> Path:
        assert saved[0].samples is not None
        return saved[1].with_name(saved[0].samples.file)

    def complaint(self, saved: tuple[Profile, Path]) -> str:
        with pytest.raises(FileError) as caught:
            read_samples(*saved)
        assert str(caught.value).isprintable()
        return str(caught.value)

    def test_missing(self, saved: tuple[Profile, Path]) -> None:
        self.sidecar(saved).unlink()
        text = self.complaint(saved)
        assert "there is no such file" in text
        assert "the saved intervals can still be compared" in text

    def test_one_byte_changed(self, saved: tuple[Profile, Path]) -> None:
        data = bytearray(self.sidecar(saved).read_bytes())
        data[len(data) // 2] ^= 1
        self.sidecar(saved).write_bytes(data)
        assert "its SHA-256 differs" in self.complaint(saved)

    def test_a_profile_without_samples_has_none(self, profile: Profile, tmp_path: Path) -> None:
        path = tmp_path / "bare.toml"
        assert read_samples(write_profile(profile, {}, path), path) == {}

    @pytest.mark.parametrize(
        "arrays",
        [
            {"0/measuring": np.array([1.0, np.nan])},
            {"0/measuring": np.array([-1.0])},
            {"0/measuring": np.array([[1.0]])},
            {"0/measuring": np.array([1, 2])},
            {"x/measuring": np.array([1.0])},
            {"0/lunch": np.array([1.0])},
            {"measuring": np.array([1.0])},
            {"0/measuring": np.array([{}], dtype=object)},
            {"0/measuring": np.array([1.0]), "0/measuring/first": np.array([0, 5])},
            {
                "0/measuring": np.array([1.0]),
                "0/measuring/first": np.array([7]),
                "0/measuring/start_s": np.array([0.0]),
            },
            {"0/measuring": np.array([1.0]), "0/measuring/round": np.array([0])},
            {
                "0/measuring": np.array([1.0]),
                "0/measuring/first": np.array([0]),
                "0/measuring/start_s": np.array([0.0]),
                "0/measuring/round": np.array([-2]),
            },
        ],
    )
    def test_arrays_that_mislead_are_refused(self, tmp_path: Path, arrays: dict[str, Any]) -> None:
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(FileError, match="is not an archive of samples"):
            decode((tmp_path / "x.npz").read_bytes(), "x")

    def test_code_in_an_archive_is_not_run(self, tmp_path: Path) -> None:
        trap = np.array([Trap(tmp_path / "made")], dtype=object)
        np.savez(tmp_path / "x.npz", **{"0/measuring": trap})
        with pytest.raises(FileError, match="is not an archive of samples"):
            decode((tmp_path / "x.npz").read_bytes(), "x")
        assert not (tmp_path / "made").exists()

    @settings(max_examples=50, deadline=None)
    @given(data=st.binary(max_size=200))
    def test_random_bytes(self, data: bytes) -> None:
        for spoilt in (data, encode({(0, "measuring"): Series(np.ones(3))})[: len(data)] + data):
            with pytest.raises(FileError):
                decode(spoilt, "x")

    def test_an_archive_that_unpacks_to_too_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert LARGEST_UNPACKED_BYTES > 8_000_000
        monkeypatch.setattr("profiles.samples.LARGEST_UNPACKED_BYTES", 1000)
        with pytest.raises(FileError, match="unpacks to more"):
            decode(encode({(0, "measuring"): Series(np.ones(1000))}), "x")


def test_the_same_samples_give_the_same_bytes(build: Any) -> None:
    assert encode(build.samples(1.0)) == encode(build.samples(1.0))
    assert encode(build.samples(1.0)) != encode(build.samples(1.1))
    backwards = dict(reversed(build.samples(1.0, 2.0).items()))
    assert encode(backwards) == encode(build.samples(1.0, 2.0))


class TestRefused:
    def test_no_folder(self, profile: Profile, tmp_path: Path) -> None:
        text = refusal(profile, {}, tmp_path / "no" / "a.toml")
        assert text.endswith("make the folder first, or save it in another")

    def test_a_folder(self, profile: Profile, tmp_path: Path) -> None:
        assert "is a folder" in refusal(profile, {}, tmp_path)

    def test_a_device(self, profile: Profile) -> None:
        assert "is a device" in refusal(profile, {}, "/dev/null")

    def test_a_name_too_long(self, build: Any, profile: Profile, tmp_path: Path) -> None:
        for length in (250, 255, 400):
            name = "x" * (length - 5) + ".toml"
            assert "choose a shorter name" in refusal(
                profile, build.samples(1.0, 2.0), tmp_path / name
            )
        assert os.listdir(tmp_path) == []

    def test_a_name_with_a_nul(self, profile: Profile, tmp_path: Path) -> None:
        assert "can't save" in refusal(profile, {}, str(tmp_path) + "/a\0b.toml")

    def test_an_existing_file_without_leave_to_overwrite(
        self, build: Any, profile: Profile, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.toml"
        old = write_profile(profile, build.samples(1.0, 2.0), path, overwrite=False)
        text = refusal(profile, build.samples(3.0, 4.0), path, overwrite=False)
        assert "it exists already; choose another name" in text
        assert_same_samples(read_samples(old, path), build.samples(1.0, 2.0))
        assert len(os.listdir(tmp_path)) == 2

    @pytest.mark.parametrize("text", ["notes\n", "schema = 1\n[[engines]]\nengine = 'eager'\n"])
    def test_what_is_not_a_profile_is_never_replaced(
        self, build: Any, profile: Profile, tmp_path: Path, text: str
    ) -> None:
        path = tmp_path / "a.toml"
        path.write_text(text)
        told = refusal(profile, build.samples(1.0, 2.0), path)
        assert "is not a profile that infer-tui wrote; save it under another name" in told
        assert path.read_text() == text
        assert os.listdir(tmp_path) == ["a.toml"]

    def test_a_name_taken_at_the_last_moment(
        self, build: Any, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.toml"
        monkeypatch.setattr("profiles.writing._check_target", lambda *_: None)
        path.write_text("somebody else's")
        assert "exists" in refusal(profile, build.samples(1.0, 2.0), path, overwrite=False)
        assert path.read_text() == "somebody else's"
        assert os.listdir(tmp_path) == ["a.toml"]


def test_files_are_shared_as_the_umask_allows(build: Any, profile: Profile, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        written = write_profile(profile, build.samples(1.0, 2.0), tmp_path / "a.toml")
    finally:
        os.umask(before)
    assert written.samples is not None
    for name in ("a.toml", written.samples.file):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644


def test_the_speed_of_a_million_samples(build: Any, profile: Profile, tmp_path: Path) -> None:
    samples = {(0, "measuring"): Series(build.latencies(1.0, 1_000_000))}
    start = time.perf_counter()
    written = write_profile(profile, samples, tmp_path / "a.toml")
    middle = time.perf_counter()
    read_samples(written, tmp_path / "a.toml")
    end = time.perf_counter()
    assert written.samples is not None
    print(
        f"\nsave {middle - start:.2f} s, read {end - middle:.2f} s, {written.samples.bytes} bytes"
    )
