"""Turns a parsed TOML document into a record, or says in one line what is wrong with it.

msgspec decides what is valid; this module translates its verdict into the words of somebody who
has the file open in an editor: the key's path, what stands there, and what should.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from engines.errors import FileError, nearest
from engines.plan import Record

R = TypeVar("R", bound=Record)

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")
_LONGEST_FOUND = 60
# What TOML promises of a whole number; other readers of the file can hold no larger one.
LARGEST_WHOLE = 2**63 - 1


def one_line(text: object) -> str:
    """`text` with every control character and line break made harmless for a one-line message."""
    return "".join(char if char.isprintable() else " " for char in str(text)).strip()


def convert(document: Mapping[str, Any], kind: type[R], source: str) -> R:
    """The `kind` that `document` describes.

    Raises FileError, naming `source` and the key, where a key is unknown or missing, or its value
    has the wrong type or is out of bounds.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error), document, kind, source) from error
    except (ValueError, OverflowError) as error:
        raise FileError(f"{source}: {one_line(error)}") from error


def check_schema(document: Mapping[str, Any], known: int, source: str) -> None:
    """Raise FileError unless `document` says that it follows schema `known`."""
    if "schema" not in document:
        raise FileError(
            f"{source}: 'schema' is missing",
            hint=f"expected schema = {known} as its first line, as in every plan and profile",
        )
    schema = document["schema"]
    if isinstance(schema, bool) or not isinstance(schema, int):
        raise FileError(f"{source}: schema is {found(schema)}, expected the number {known}")
    if schema > known:
        raise FileError(
            f"{source}: written by a newer infer-tui: schema {schema}, this one reads schema"
            f" {known}",
            hint="upgrade infer-tui",
        )
    if schema != known:
        raise FileError(f"{source}: schema is {schema}, expected {known}")


def check_numbers(
    document: Mapping[str, Any],
    source: str,
    may_be_negative: re.Pattern[str],
    may_be_infinite: re.Pattern[str],
) -> None:
    """Raise FileError at the first number that is too large, or NaN or negative without leave.

    The two patterns are searched in the dotted path of a key that holds such a number.
    """
    for path, number in _unusual_numbers(document, ""):
        if isinstance(number, int) and abs(number) > LARGEST_WHOLE:
            expected = f"at most {LARGEST_WHOLE}"
        elif not math.isfinite(number) and not may_be_infinite.search(path):
            expected = "a finite number"
        elif number < 0 and math.isfinite(number) and not may_be_negative.search(path):
            expected = "a number of at least 0"
        else:
            continue
        raise FileError(f"{source}: {one_line(path)} is {found(number)}, expected {expected}")


def found(value: object) -> str:
    """What stands in the file, in a reader's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, str):
        text = one_line(value)
        return f"'{text[:_LONGEST_FOUND]}…'" if len(text) > _LONGEST_FOUND else f"'{text}'"
    text = str(value)
    return f"{text[:_LONGEST_FOUND]}…" if len(text) > _LONGEST_FOUND else text


def _unusual_numbers(table: object, path: str) -> Iterator[tuple[str, float]]:
    """The numbers in `table` that are not within 0 to LARGEST_WHOLE, with their paths.

    A long list of profiles spends its time here: hardly any number needs its path made.
    """
    pairs = table.items() if isinstance(table, dict) else enumerate(cast("list[Any]", table))
    for key, value in pairs:
        kind = type(value)
        if kind is int or kind is float:
            if not 0 <= value <= LARGEST_WHOLE:
                yield _joined(path, key), value
        elif kind is dict or kind is list:
            yield from _unusual_numbers(value, _joined(path, key))


def _joined(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _explained(message: str, document: object, kind: type[Record], source: str) -> FileError:
    what, _, where = message.rpartition(" - at `$")
    if not what:
        what, where = message, ""
    place = _Place(document, inspect.type_info(kind), "")
    for name, index, _unnamed in _STEP.findall(where.removesuffix("`")):
        place = place.step(name, index)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        key = unknown[1]
        return FileError(
            f"{source}: unknown key '{one_line(key)}' in {place.path or 'the file'}",
            hint=nearest(key, place.keys()),
        )
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what, re.DOTALL):
        expected = place.step(missing[1], "").expected()
        return FileError(
            f"{source}: {place.path or 'the file'} has no '{missing[1]}', expected {expected}",
            hint="add it, or make the file again if it was cut short",
        )
    if isinstance(place.info, inspect.LiteralType) and isinstance(place.value, str):
        return FileError(
            f"{source}: {place.path} is {found(place.value)}",
            hint=nearest(place.value, [str(value) for value in place.info.values]),
        )
    if isinstance(place.info, inspect.StructType) and isinstance(place.value, Mapping):
        # The record itself refused how its values go together, in words for a reader.
        where = f"{place.path}: " if place.path else ""
        return FileError(f"{source}: {where}{one_line(what)}")
    return FileError(
        f"{source}: {place.path or 'the file'} is {found(place.value)}, expected {place.expected()}"
    )


class _Place:
    """A value inside the document with the type it should have and the path a reader sees."""

    def __init__(self, value: object, info: inspect.Type | None, path: str) -> None:
        self.value = value
        self.info = _without_none(info)
        self.path = path

    def step(self, name: str, index: str) -> _Place:
        """The place that one step of msgspec's path leads to; `[...]` is any value of a table."""
        if name:
            inner = self.value.get(name) if isinstance(self.value, Mapping) else None
            return _Place(inner, self._field(name), f"{self.path}.{name}".lstrip("."))
        if index:
            items = self.value if isinstance(self.value, list) else []
            item = items[int(index)] if int(index) < len(items) else None
            info = self.info.item_type if isinstance(self.info, inspect.VarTupleType) else None
            return _Place(item, info, f"{self.path}[{index}]")
        info = self.info.value_type if isinstance(self.info, inspect.DictType) else None
        for key, inner in self.value.items() if isinstance(self.value, Mapping) else ():
            if not isinstance(inner, _scalars(info)):
                return _Place(inner, info, f"{self.path}.{one_line(key)}")
        return _Place(None, info, self.path)

    def keys(self) -> list[str]:
        if not isinstance(self.info, inspect.StructType):
            return []
        return [field.encode_name for field in self.info.fields]

    def expected(self) -> str:
        return _expected(self.info)

    def _field(self, name: str) -> inspect.Type | None:
        if not isinstance(self.info, inspect.StructType):
            return None
        return next((one.type for one in self.info.fields if one.encode_name == name), None)


def _without_none(info: inspect.Type | None) -> inspect.Type | None:
    if not isinstance(info, inspect.UnionType):
        return info
    kinds = tuple(one for one in info.types if not isinstance(one, inspect.NoneType))
    return kinds[0] if len(kinds) == 1 else inspect.UnionType(kinds)


def _scalars(info: inspect.Type | None) -> tuple[type, ...]:
    if isinstance(info, inspect.UnionType):
        return tuple(kind for one in info.types for kind in _scalars(one))
    if isinstance(info, inspect.FloatType):
        return (int, float)
    known: dict[type, type] = {
        inspect.IntType: int,
        inspect.StrType: str,
        inspect.BoolType: bool,
    }
    return (known.get(type(info), object),)


def _expected(info: inspect.Type | None) -> str:
    if isinstance(info, inspect.UnionType):
        return " or ".join(_expected(one) for one in info.types)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return _expected_number(info)
    if isinstance(info, inspect.StrType) and info.pattern:
        return f"text that matches {info.pattern}"
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in info.values)
    if isinstance(info, inspect.DateTimeType):
        return "a date and time with its UTC offset, such as 2026-11-22T17:05:31Z"
    words: dict[type, str] = {
        inspect.StrType: "text in quotes",
        inspect.BoolType: "true or false",
        inspect.VarTupleType: "an array",
        inspect.StructType: "a table",
        inspect.DictType: "a table",
    }
    return words.get(type(info), "something else")


def _expected_number(info: inspect.IntType | inspect.FloatType) -> str:
    noun = "a whole number" if isinstance(info, inspect.IntType) else "a number"
    bounds = [
        f"{words} {limit:g}"
        for words, limit in (
            ("of at least", info.ge),
            ("above", info.gt),
            ("of at most", info.le),
            ("below", info.lt),
        )
        if limit is not None
    ]
    return " ".join([noun, " and ".join(bounds)]).strip()
