"""Profiles that were deleted: whole in the trash, brought back, and gone for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engines import files
from engines.errors import FileError
from profiles.index import INDEX
from profiles.reading import read_profile
from profiles.schema import Profile
from profiles.store import Store
from profiles.writing import read_samples
from tests.profiles.conftest import later, names


class TestTrash:
    def everything(self, folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != INDEX
        }

    def test_what_is_deleted_comes_back_as_it_was(
        self, store: Store, build: Any, profile: Profile
    ) -> None:
        first = store.save(profile, build.samples(1.0, 2.0))
        store.save(later(profile, 1), build.samples(3.0, 4.0))
        before = self.everything(store.folder)
        deleted = store.delete(first.path.stem)
        assert deleted.name == first.path.stem
        assert first.path.stem not in names(store)
        assert len(names(store)) == 1
        assert sorted(self.everything(store.folder).values()) == sorted(before.values())
        # A profile in the trash is whole.
        trashed = read_profile(deleted.path)
        assert read_samples(trashed, deleted.path).keys() == build.samples(1.0, 2.0).keys()
        assert store.trash.latest() == deleted
        assert store.restore(deleted) == first.path
        assert self.everything(store.folder) == before
        assert store.trash.latest() is None

    def test_unreadable_ones_go_and_come_back_too(self, store: Store, tmp_path: Path) -> None:
        store.folder.mkdir()
        (store.folder / "broken.toml").write_bytes(b"\0")
        (store.folder / "folder.toml").mkdir()
        (store.folder / "dangling.toml").symlink_to(tmp_path / "gone")
        for name in ("broken", "folder", "dangling"):
            deleted = store.delete(store.folder / f"{name}.toml")
            assert name not in names(store)
            store.restore(deleted)
            assert name in names(store)

    def test_the_latest_comes_first(self, store: Store, profile: Profile) -> None:
        paths = [store.save(later(profile, second), {}).path for second in range(3)]
        for path in paths:
            store.delete(path)
        assert len(store.trash) == 3
        for path in reversed(paths):
            latest = store.trash.latest()
            assert latest is not None
            assert store.restore(latest) == path

    def test_a_name_that_was_taken_meanwhile_is_left_alone(
        self, store: Store, build: Any, profile: Profile
    ) -> None:
        path = store.save(profile, build.samples(1.0, 2.0)).path
        deleted = store.delete(path)
        other = store.save(later(profile, 5), {}).path.rename(path)
        before = self.everything(store.folder)
        with pytest.raises(FileError, match="another profile has that name by now; rename that"):
            store.restore(deleted)
        assert self.everything(store.folder) == before
        store.rename(other, "moved")
        assert store.restore(deleted) == path

    def test_a_deletion_that_fails_leaves_everything(
        self, store: Store, build: Any, profile: Profile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = store.save(profile, build.samples(1.0, 2.0)).path
        before = self.everything(store.folder)
        move = files.move

        def refuse(source: Path, target: Path) -> None:
            if source.suffix == ".npz" and source.parent == store.folder:
                raise PermissionError(13, "Permission denied")
            move(source, target)

        monkeypatch.setattr(files, "move", refuse)
        with pytest.raises(FileError, match=r"can't delete .*: Permission denied"):
            store.delete(path)
        assert self.everything(store.folder) == before
        assert store.trash.latest() is None

    def test_emptying_removes_what_was_looked_at_and_nothing_else(
        self, store: Store, build: Any, profile: Profile
    ) -> None:
        first = store.save(profile, build.samples(1.0, 2.0))
        second = store.save(later(profile, 1), {})
        store.delete(first.path)
        contents = store.trash.contents()
        assert first.profile.samples is not None
        assert contents.bytes > first.profile.samples.bytes
        deleted = store.delete(second.path)
        store.trash.empty(contents)
        assert store.trash.latest() == deleted
        store.trash.empty(store.trash.contents())
        assert not store.trash.folder.exists()

    def test_what_is_not_there_can_not_be_deleted(self, store: Store, profile: Profile) -> None:
        path = store.save(profile, {}).path
        path.unlink()
        with pytest.raises(FileError, match="there is no profile"):
            store.delete(path.stem)
        with pytest.raises(FileError, match="it is gone already"):
            store.delete(path)
        assert not store.trash.folder.exists()
