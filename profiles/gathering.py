"""Sentences that hold for several entries of a run, told once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

Kind = TypeVar("Kind")

# From so many on, entries are told by those that are left out, where these are fewer.
LEAST_FOR_ALL = 3
MOST_LEFT_OUT = 2

_SHARE = re.compile(r"[-+]?\d[\d,.]* ?%")
_GAP = "\0"


def gathered(lines: Iterable[tuple[str, Kind]], labels: Sequence[str]) -> list[tuple[str, Kind]]:
    """`lines`, where those of one sentence and kind are one line that names all their entries.

    A line on an entry is "LABEL: sentence", its label one of `labels`, which are those of all the
    entries; others stay what they are. Sentences that differ in one percentage are one as well:
    each entry then has its own in brackets. Each stands where the first of its entries had it.
    """
    found: dict[tuple[str, Kind], list[tuple[str, str]]] = {}
    for text, kind in lines:
        label, sentence = _parts(text, labels)
        shares = _SHARE.findall(sentence) if label else []
        share = shares[0] if len(shares) == 1 else ""
        template = sentence.replace(share, _GAP) if share else sentence
        found.setdefault((template, kind), []).append((label, share))
    return [(_told(template, about, labels), kind) for (template, kind), about in found.items()]


def told_once(lines: Iterable[str], labels: Sequence[str]) -> list[str]:
    """`gathered` of lines that are all of one kind."""
    return [line for line, _ in gathered([(line, None) for line in lines], labels)]


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: A, B and C."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _parts(text: str, labels: Sequence[str]) -> tuple[str, str]:
    """The label that `text` begins with, and the rest."""
    for label in labels:
        if text.startswith(f"{label}: "):
            return label, text.removeprefix(label)
    return "", text


def _told(template: str, about: Sequence[tuple[str, str]], labels: Sequence[str]) -> str:
    about = list(dict.fromkeys(about))
    shares = {share for _, share in about}
    if len(shares) > 1:
        names = listed([f"{label} ({share})" for label, share in about])
        return names + template.replace(_GAP, "so much")
    return _named([label for label, _ in about], labels) + template.replace(
        _GAP, next(iter(shares))
    )


def _named(concerned: Sequence[str], labels: Sequence[str]) -> str:
    left_out = [label for label in labels if label not in concerned]
    if len(concerned) < max(LEAST_FOR_ALL, len(left_out) + 1):
        return listed(concerned)
    if not left_out:
        return f"all {len(concerned)} entries"
    few = len(left_out) <= MOST_LEFT_OUT
    return f"all entries but {listed(left_out)}" if few else listed(concerned)
