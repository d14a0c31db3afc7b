"""The names of keys: as Textual has them, as a reader knows them, as a user may write them."""

from __future__ import annotations

import re
import string
import unicodedata
from functools import cache

from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from engines.errors import UsageError, nearest

_SHOWN = {
    "pageup": "page up", "pagedown": "page down",
    "up": "↑", "down": "↓", "left": "←", "right": "→", "escape": "esc",
}  # fmt: skip
# What is proposed for a name that is none.
_COMMON = (
    "escape", "enter", "space", "tab", "backspace", "delete", "insert", "home", "end", "pageup",
    "pagedown", "up", "down", "left", "right", "slash", "comma", "question_mark",
)  # fmt: skip
_KEY = re.compile(r"((?:(?:ctrl|alt|shift|super)\+)*)(.+)")


@cache
def key_named(character: str) -> str:
    """The name that Textual has for the key of one `character`: "slash" for "/"."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


_SIGNS = {key_named(one): one for one in string.punctuation}


def shown_key(key: str) -> str:
    """A key's name as a reader knows it."""
    *modifiers, last = key.split("+")
    return "+".join([*modifiers, _SHOWN.get(last) or _SIGNS.get(last, last)])


def named_keys(action_id: str, keys: str) -> str:
    """`keys`, with commas between them, by the names that Textual has for them.

    Raises UsageError, which names the action, for one that no keyboard has.
    """
    return ",".join(_named(action_id, one.strip()) for one in keys.split(",") if one.strip())


def _named(action_id: str, key: str) -> str:
    match = _KEY.fullmatch(key)
    modifiers, last = (match[1], match[2]) if match else ("", key)
    # With a modifier, a letter's key goes by the small one.
    letter = last.lower() if modifiers else last
    name = key_named(letter) if len(last) == 1 else last.lower()
    if name and (len(name) == 1 or name in _known()):
        return f"{modifiers}{name}"
    raise UsageError(
        f"action '{action_id}' has the key '{key}', which is none",
        hint=f"{nearest(last, _COMMON)} letters, f1 to f24 and ctrl+letter are keys too",
    )


@cache
def _known() -> frozenset[str]:
    """The names of all keys that are not a single letter or digit."""
    values = (str(one.value) for one in Keys)
    plain = {value.rpartition("+")[2] for value in values if not value.startswith("<")}
    return frozenset({*plain, *_SIGNS})
