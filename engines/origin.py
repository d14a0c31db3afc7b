"""What a profile says of the program and its surroundings, so that others can repeat a run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from engines import launch

ROOT = Path(__file__).resolve().parents[1]
# Variables that change what frameworks compute, with what, or how fast. Whole names, or what they
# begin with where they end in "_".
VARIABLES = (
    "CUDA_", "CUDNN_", "CUBLAS_", "CUBLASLT_", "NVIDIA_TF32_OVERRIDE", "NVIDIA_VISIBLE_DEVICES",
    "TORCH_", "TORCHINDUCTOR_", "TORCHDYNAMO_", "PYTORCH_", "TRITON_", "ORT_", "TRT_",
    "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_", "MALLOC_", "LD_PRELOAD",
)  # fmt: skip
LONGEST_VALUE = 200
_COMMIT = re.compile("[0-9a-f]{40}")


def variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The user's environment variables that change results, without those that we set ourselves."""
    return {
        name: value[:LONGEST_VALUE]
        for name, value in sorted(environment.items())
        if name not in launch.SETTINGS and any(_named(name, one) for one in VARIABLES)
    }


def commit(root: Path = ROOT) -> str:
    """The commit that this program was installed from or runs in; empty where nothing tells."""
    return _checked_out(root) or _installed_from()


def _named(name: str, pattern: str) -> bool:
    return name.startswith(pattern) if pattern.endswith("_") else name == pattern


def _checked_out(root: Path) -> str:
    """The commit of the work tree at `root`, by Git's own files: Git itself may not be here."""
    folder = root / ".git"
    try:
        if folder.is_file():  # a linked work tree
            folder = root / folder.read_text().removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return _checked(head)
        name = head.removeprefix("ref:").strip()
        common = folder / "commondir"
        shared = folder / common.read_text().strip() if common.exists() else folder
        return _loose(folder / name) or _loose(shared / name) or _packed(shared, name)
    except OSError:
        return ""


def _loose(path: Path) -> str:
    return _checked(path.read_text().strip()) if path.is_file() else ""


def _packed(folder: Path, name: str) -> str:
    lines = (folder / "packed-refs").read_text().splitlines()
    return next((_checked(line[:40]) for line in lines if line[41:] == name), "")


def _installed_from() -> str:
    """What pip wrote down of an installation from a repository: PEP 610, `direct_url.json`."""
    try:
        text = metadata.distribution("infer-tui").read_text("direct_url.json")
        found = json.loads(text or "{}").get("vcs_info", {}).get("commit_id", "")
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return ""
    return _checked(str(found))


def _checked(text: str) -> str:
    return text if _COMMIT.fullmatch(text) else ""
