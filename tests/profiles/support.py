"""What tests of comparisons share."""

from __future__ import annotations

from typing import Any

import msgspec

from engines.plan import EngineSpec

ONE = (EngineSpec(engine="eager", device="cpu"),)


def replaced(record: Any, path: str, value: Any) -> Any:
    """`record` with the field at a dotted path replaced; digits index tuples."""
    head, _, rest = path.partition(".")
    if isinstance(record, tuple):
        items = list(record)
        items[int(head)] = replaced(items[int(head)], rest, value) if rest else value
        return tuple(items)
    inner = replaced(getattr(record, head), rest, value) if rest else value
    return msgspec.structs.replace(record, **{head: inner})
