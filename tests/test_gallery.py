"""The gallery shows pictures that are there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parents[1] / "tools" / "gallery.py"


def test_the_gallery_is_what_its_tool_writes() -> None:
    spec = importlib.util.spec_from_file_location("gallery", TOOL)
    assert spec is not None
    assert spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    assert gallery.PAGE.read_text() == gallery.page(), "run `make gallery`"
