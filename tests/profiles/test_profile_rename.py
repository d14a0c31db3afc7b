"""Profiles get other names, and their samples go along."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from engines.errors import FileError, UsageError
from profiles import store as store_module
from profiles.schema import Profile
from profiles.store import Store
from profiles.writing import read_samples
from tests.profiles.conftest import later, names


def test_rename_takes_the_samples_along(store: Store, build: Any, profile: Profile) -> None:
    samples = build.samples(2.7, 1.2)
    old = store.save(profile, samples)
    new = store.rename(old.path.stem, "baseline")
    assert new == store.folder / "baseline.toml"
    renamed = store.open("baseline")
    assert list(read_samples(renamed.profile, new)) == sorted(samples)
    assert msgspec.structs.replace(renamed.profile, samples=None) == msgspec.structs.replace(
        old.profile, samples=None
    )
    assert "infer-tui run baseline.toml" in new.read_text()
    assert renamed.profile.samples is not None
    assert sorted(os.listdir(store.folder)) == ["baseline.toml", renamed.profile.samples.file] or (
        sorted(os.listdir(store.folder)) == [renamed.profile.samples.file, "baseline.toml"]
    )
    assert store.rename("baseline", "baseline.toml") == new


def test_rename_without_samples_keeps_saying_that_they_are_missing(
    store: Store, build: Any, profile: Profile
) -> None:
    old = store.save(profile, build.samples(2.7, 1.2))
    assert old.profile.samples is not None
    (store.folder / old.profile.samples.file).unlink()
    store.rename(old.path.stem, "other")
    assert store.open("other").profile.samples == old.profile.samples
    assert names(store) == ["other"]


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "../a", "a\nb", "a\0b", ".toml", " "])
def test_rename_to_what_is_no_name(store: Store, profile: Profile, name: str) -> None:
    path = store.save(profile, {}).path
    with pytest.raises(UsageError, match="is not a name for a profile"):
        store.rename(path.stem, name)
    assert names(store) == [path.stem]


def test_rename_to_a_name_that_is_taken(store: Store, build: Any, profile: Profile) -> None:
    first = store.save(profile, build.samples(1.0, 2.0)).path
    second = store.save(later(profile, 1), build.samples(3.0, 4.0)).path
    before = sorted(os.listdir(store.folder))
    with pytest.raises(FileError, match="exists already; choose another name"):
        store.rename(second.stem, first.stem)
    assert sorted(os.listdir(store.folder)) == before


def test_rename_leaves_samples_as_they_are_even_damaged_ones(
    store: Store, build: Any, profile: Profile
) -> None:
    old = store.save(profile, build.samples(2.7, 1.2))
    assert old.profile.samples is not None
    (store.folder / old.profile.samples.file).write_bytes(b"what is left of them")
    new = store.rename(old.path.stem, "other")
    renamed = store.open("other").profile
    assert renamed.samples is not None
    assert (store.folder / renamed.samples.file).read_bytes() == b"what is left of them"
    assert renamed.samples.sha256 == old.profile.samples.sha256
    with pytest.raises(FileError, match="SHA-256 differs"):
        read_samples(renamed, new)


def test_rename_that_fails_in_its_middle_leaves_everything(
    store: Store, build: Any, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store.save(profile, build.samples(2.7, 1.2))
    before = sorted(os.listdir(store.folder))

    def refuse(*_: Any, **__: Any) -> None:
        raise FileError("can't save: no space left on device")

    monkeypatch.setattr(store_module, "write_profile", refuse)
    with pytest.raises(FileError, match="no space left"):
        store.rename(old.path.stem, "other")
    assert sorted(os.listdir(store.folder)) == before
    assert read_samples(old.profile, old.path)
