"""The folder of saved profiles, with whatever a user's folder may hold."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines import paths
from engines.errors import FileError
from engines.plan import EngineSpec, RunPlan
from profiles import index as index_module
from profiles import store as store_module
from profiles.index import INDEX, INDEX_VERSION
from profiles.reading import read_profile
from profiles.schema import Profile
from profiles.store import Store
from profiles.writing import render, write_profile
from tests.profiles.conftest import later, names


def test_the_default_folder_is_the_users_own() -> None:
    assert Store().folder == paths.data_folder() / "profiles"
    assert Store().list() == ()


def test_a_saved_profile_is_listed_and_opened(store: Store, build: Any, profile: Profile) -> None:
    path, saved = store.save(profile, build.samples(2.7, 1.2))
    assert path == store.folder / "2026-11-22T17-05-31-mobilenetv2-article.toml"
    assert store.open(path.stem) == (path, saved)
    (entry,) = store.list()
    assert entry.path == path
    assert entry.problem == ""
    assert entry.title == "a test"
    assert entry.model == "mobilenetv2 1 @ 224"
    assert entry.machine == "box"
    assert entry.ending == "complete"
    assert entry.engines == ("eager cpu fp32 b1", "onnxruntime cpu fp32 b1")
    assert entry.fastest == "onnxruntime cpu fp32 b1"
    assert entry.fastest_p50_ms == pytest.approx(1.2, rel=0.01)
    assert entry.started == profile.run.started
    assert saved.samples is not None
    assert entry.bytes == path.stat().st_size + saved.samples.bytes


def test_a_name_is_never_taken_twice(store: Store, profile: Profile) -> None:
    saved = [store.save(profile, {}).path for _ in range(3)]
    assert len(set(saved)) == 3
    assert [path.stem[-8:] for path in saved] == ["-article", "rticle-2", "rticle-3"]
    assert store.new_path(profile.plan, profile.run.started).stem.endswith("-4")


def test_a_name_taken_by_another_process_meanwhile_is_left_alone(
    store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = store.new_path(profile.plan, profile.run.started)
    free = iter([taken, taken.with_name("free.toml")])
    monkeypatch.setattr(store, "new_path", lambda *_: next(free))
    store.folder.mkdir()
    taken.write_text("another's")
    assert store.save(profile, {}).path.name == "free.toml"
    assert taken.read_text() == "another's"


def test_names_are_plain_whatever_the_plan_is_called(store: Store) -> None:
    plan = RunPlan(name=" Ünï/../;rm -rf $HOME\n" + "x" * 99, engines=(EngineSpec(engine="eager"),))
    name = store.new_path(plan, datetime.now(UTC)).name
    assert name.isascii()
    assert not set(name) - set("0123456789abcdefghijklmnopqrstuvwxyz-T.")
    assert len(name) < 100
    assert store.new_path(plan, datetime.now(UTC)).parent == store.folder


def test_the_newest_comes_first(store: Store, profile: Profile) -> None:
    for seconds in (60, 0, 120):
        store.save(later(profile, seconds), {})
    starts = [entry.started for entry in store.list()]
    assert starts == sorted(starts, reverse=True)
    assert len(set(starts)) == 3


def test_broken_files_are_listed_with_their_reason(
    store: Store, profile: Profile, tmp_path: Path
) -> None:
    store.save(profile, {})
    (store.folder / "empty.toml").touch()
    (store.folder / "binary.toml").write_bytes(b"\0\1")
    (store.folder / "newer.toml").write_text("schema = 99")
    (store.folder / "folder.toml").mkdir()
    (store.folder / "dangling.toml").symlink_to(tmp_path / "gone")
    os.mkfifo(store.folder / "pipe.toml")
    (store.folder / ".hidden.toml").touch()
    (store.folder / "notes.txt").touch()
    found = {entry.name: entry.problem for entry in store.list()}
    assert found.pop("2026-11-22T17-05-31-mobilenetv2-article") == ""
    expected = {
        "empty": "is empty",
        "binary": "is a binary file",
        "newer": "upgrade infer-tui",
        "folder": "is a folder",
        "dangling": "no such file",
        "pipe": "is a device or a pipe",
    }
    assert sorted(found) == sorted(expected)
    for name, reason in expected.items():
        assert reason in found[name]
        assert found[name].isprintable()
    # A repaired file is seen as such, although neither its name nor its time need differ.
    (store.folder / "empty.toml").write_text(render(profile, "empty.toml"))
    assert {entry.name: entry.problem for entry in store.list()}["empty"] == ""


class TestIndex:
    @pytest.fixture(autouse=True)
    def coarse_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the files had been there for a while."""
        monkeypatch.setattr(index_module, "RACY_NS", -(10**18))

    def read_files(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        read: list[str] = []

        def reading(path: Path) -> Profile:
            read.append(path.name)
            return read_profile(path)

        with monkeypatch.context() as watched:
            watched.setattr(store_module, "read_profile", reading)
            store.list()
        return read

    def test_only_what_changed_is_read(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = [store.save(later(profile, second), {}).path for second in range(3)]
        assert len(self.read_files(store, monkeypatch)) == 3
        assert self.read_files(store, monkeypatch) == []
        write_profile(later(profile, 1), {}, paths[1])
        assert self.read_files(store, monkeypatch) == [paths[1].name]
        paths[0].unlink()
        assert self.read_files(store, monkeypatch) == []
        assert paths[0].stem not in names(store)

    def test_a_file_replaced_with_its_time_and_size_kept_is_read(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = store.save(profile, {}).path
        store.list()
        stamp = path.stat()
        other = msgspec.structs.replace(
            profile, run=msgspec.structs.replace(profile.run, name="b test")
        )
        write_profile(other, {}, path)
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert path.stat().st_size == stamp.st_size
        assert [entry.title for entry in store.list()] == ["b test"]

    def test_a_file_that_could_not_be_read_is_tried_again_unchanged(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.save(profile, {})

        def refuse(path: Path) -> Profile:
            raise FileError(f"can't read {path}: permission denied")

        monkeypatch.setattr(store_module, "read_profile", refuse)
        assert "permission denied" in store.list()[0].problem
        monkeypatch.undo()
        assert store.list()[0].problem == ""

    @pytest.mark.parametrize(
        "spoilt", [b"", b"\xff\0", b"[]", b'{"version": 0}', b'{"version":2,"entries":{"x":1}}']
    )
    def test_a_spoilt_index_is_made_again(
        self, store: Store, profile: Profile, spoilt: bytes
    ) -> None:
        store.save(profile, {})
        before = store.list()
        (store.folder / INDEX).write_bytes(spoilt)
        assert store.list() == before
        assert json.loads((store.folder / INDEX).read_bytes())["version"] == INDEX_VERSION

    def test_the_index_of_a_moved_folder_is_not_believed(
        self, store: Store, profile: Profile, tmp_path: Path
    ) -> None:
        store.save(profile, {})
        store.list()
        store.folder.rename(tmp_path / "moved")
        (entry,) = Store(tmp_path / "moved").list()
        assert entry.path.exists()

    def test_a_folder_that_takes_no_index_is_listed(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.save(profile, {})

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError

        monkeypatch.setattr(index_module.files, "replace", refuse)
        assert len(store.list()) == 1
        assert not (store.folder / INDEX).exists()


class TestFind:
    @pytest.fixture
    def stored(self, store: Store, profile: Profile) -> Store:
        for seconds in (0, 86400, 86401):
            store.save(later(profile, seconds), {})
        return store

    def test_by_name_by_file_and_by_prefix(self, stored: Store, tmp_path: Path) -> None:
        name = "2026-11-22T17-05-31-mobilenetv2-article"
        expected = stored.folder / f"{name}.toml"
        for given in (name, f"{name}.toml", "2026-11-22", expected, str(expected)):
            assert stored.find(given) == expected

    def test_a_file_here_comes_before_a_stored_one(
        self, stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "2026-11-22").touch()
        assert stored.find("2026-11-22") == Path("2026-11-22")

    def test_a_folder_here_does_not_hide_a_stored_one(
        self, stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "2026-11-22").mkdir()
        assert stored.find("2026-11-22").parent == stored.folder

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("2026-11-23", "'2026-11-23' begins the names of 2 profiles; add more of it, as in '2"),
            (
                "2026-11-22T17-05-31-mobilenetv3-article",
                "did you mean '2026-11-22T17-05-31-mobilenetv2-article'?",
            ),
            ("zzz", "there is no profile 'zzz', neither here nor in "),
            ("no/such.toml", "there is no folder no"),
            ("", "is a folder"),
            ("a\nb", "there is no profile 'a b'"),
            ("a\0b", "there is no profile 'a b'"),
        ],
    )
    def test_what_is_not_found(self, stored: Store, given: str, expected: str) -> None:
        with pytest.raises(FileError) as caught:
            stored.open(given)
        assert expected in str(caught.value)
        assert str(caught.value).isprintable()


class TestStale:
    def test_a_young_file_is_read_again_although_its_stamp_is_known(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It could have been changed within the same tick of the file system's clock."""
        store.save(profile, {})
        store.list()
        index = json.loads((store.folder / INDEX).read_bytes()) if (
            store.folder / INDEX).exists() else {"entries": {}}  # fmt: skip
        assert index["entries"] == {}

    def test_a_time_that_was_put_back_is_seen(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_module, "RACY_NS", -(10**18))
        path = store.save(profile, {}).path
        store.list()
        facts = path.stat()
        text = path.read_text()
        assert "a test" in text
        # In place: the inode stays, the size too, and the time is put back.
        with path.open("r+") as file:
            file.write(text.replace("a test", "b test"))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        again = path.stat()
        assert (again.st_mtime_ns, again.st_size, again.st_ino) == (
            facts.st_mtime_ns, facts.st_size, facts.st_ino)  # fmt: skip
        assert [entry.title for entry in store.list()] == ["b test"]

    def test_a_listing_that_is_ended_keeps_what_it_read(
        self, store: Store, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_module, "RACY_NS", -(10**18))
        for second in range(5):
            store.save(later(profile, second), {})
        seen: list[tuple[int, int]] = []

        class Enough(Exception):
            pass

        def progress(entries: Any, of: int) -> None:
            seen.append((len(entries), of))
            if len(entries) == 3:
                raise Enough

        with pytest.raises(Enough):
            store.list(progress)
        assert seen == [(1, 5), (2, 5), (3, 5)]
        seen.clear()
        assert len(store.list(lambda entries, of: seen.append((len(entries), of)))) == 5
        assert seen == [(4, 5), (5, 5)]
