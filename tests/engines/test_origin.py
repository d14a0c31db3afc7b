"""What a profile says of where a run came from."""

from __future__ import annotations

import subprocess

import pytest

from engines import launch, origin


def test_variables_that_change_results_are_kept_and_no_others():
    found = origin.variables(
        {
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "NVIDIA_TF32_OVERRIDE": "0",
            "TORCH_CUDNN_V8_API_LRU_CACHE_LIMIT": "5",
            "LD_PRELOAD": "x" * 1000,
            "HOME": "/home/me",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "TORCHINDUCTOR_COMPILE_THREADS": launch.SETTINGS["TORCHINDUCTOR_COMPILE_THREADS"],
        }
    )
    assert found.pop("LD_PRELOAD") == "x" * origin.LONGEST_VALUE
    assert found == {
        "CUDA_VISIBLE_DEVICES": "",
        "NVIDIA_TF32_OVERRIDE": "0",
        "OMP_NUM_THREADS": "1",
        "TORCH_CUDNN_V8_API_LRU_CACHE_LIMIT": "5",
    }, "unset by us, and nobody's secret"


@pytest.fixture
def repository(tmp_path):
    def git(*words: str) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *name, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    return git


def test_the_commit_of_a_work_tree_is_read_from_gits_files(repository, tmp_path):
    head = repository("rev-parse", "HEAD")
    assert origin.commit(tmp_path) == head
    repository("pack-refs", "--all")
    assert origin.commit(tmp_path) == head, "of packed references too"
    repository("worktree", "add", "-q", "linked", "-b", "other")
    assert origin.commit(tmp_path / "linked") == head
    repository("checkout", "-q", "--detach")
    assert origin.commit(tmp_path) == head


def test_an_installation_without_a_work_tree_is_asked_of_pip(tmp_path, monkeypatch):
    class Installed:
        text = '{"url": "https://example.org", "vcs_info": {"commit_id": "%s"}}' % ("ab" * 20)

        def read_text(self, name):
            assert name == "direct_url.json"
            return self.text

    monkeypatch.setattr(origin.metadata, "distribution", lambda _: Installed)
    monkeypatch.setattr(Installed, "read_text", lambda name: Installed.text)
    assert origin.commit(tmp_path) == "ab" * 20
    for text in (None, "not json", "[]", '{"vcs_info": {"commit_id": "latest"}}'):
        monkeypatch.setattr(Installed, "text", text)
        assert origin.commit(tmp_path) == ""
