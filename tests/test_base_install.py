"""With the base dependencies alone everything imports and every command prints its help.

The environment is narrowed by an import hook, not by a fresh install, so that this also runs where
there is no network: what the base dependencies do not bring can't be imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = ("run", "frontier", "compare", "engines", "profiles", "model", "export", "build")

# Everything that the app may import: its own packages, the standard library, and what its base
# dependencies require, followed to the end.
NARROW = """
import importlib.metadata as md, re, sys
from packaging.requirements import Requirement

def normal(name):
    return re.sub("[-_.]+", "-", name).lower()

def closure(name, seen):
    if normal(name) in seen:
        return
    seen.add(normal(name))
    for text in md.requires(name) or ():
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            closure(wanted.name, seen)

distributions = set()
closure("infer-tui", distributions)
tops = {"tui", "engines", "profiles"}
for top, names in md.packages_distributions().items():
    if {normal(one) for one in names} & distributions:
        tops.add(top)

class Narrow:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in tops or top in sys.stdlib_module_names or top.startswith("_"):
            return None
        raise ModuleNotFoundError(f"{name} is not among the base dependencies", name=name)

sys.meta_path.insert(0, Narrow())
"""

IMPORT_ALL = """
import importlib, pkgutil
import engines, profiles, tui
count = 0
for package in (engines, profiles, tui):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
        count += 1
heavy = {"torch", "onnx", "onnxruntime", "tensorrt", "pycuda", "torchviz"} & set(sys.modules)
assert not heavy, heavy
print(count)
"""


def narrow(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NARROW + program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )


def test_every_module_imports_with_the_base_dependencies_alone():
    done = narrow(IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60


def test_the_hook_does_narrow():
    done = narrow("import torch")
    assert "torch is not among the base dependencies" in done.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_prints_its_help(command):
    words = [command, "--help"] if command else ["--help"]
    done = narrow(f"from tui.cli import main; main({words!r})")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: infer-tui")


def test_help_and_version_load_nothing_heavy():
    program = (
        "import sys; from tui.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "heavy = {'textual', 'numpy', 'msgspec', 'plotext', 'rich', 'psutil'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("infer-tui ")


@pytest.mark.parametrize("command", [["engines"], ["model", "--width", "0.35"]])
def test_without_frameworks_the_answer_is_a_reason_not_a_traceback(command, tmp_path):
    """An interpreter that has no framework at all: a virtual environment with the app alone."""
    site = tmp_path / "site"
    site.mkdir()
    blocker = "import sys\nfor name in ('torch', 'onnx', 'onnxruntime'): sys.modules[name] = None\n"
    (site / "sitecustomize.py").write_text(blocker)
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(tmp_path)},
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert "torch is not installed" in " ".join(done.stdout.split()) or "torch" in done.stderr
    assert done.returncode in (0, 3)
