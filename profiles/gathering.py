"""Sentences that hold for several entries of a run, told once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

Kind = TypeVar("Kind")

# From so many on, entries are told by those that are left out, where these are fewer.
LEAST_FOR_ALL = 3
MOST_LEFT_OUT = 2


def gathered(lines: Iterable[tuple[str, Kind]], labels: Sequence[str]) -> list[tuple[str, Kind]]:
    """`lines`, where those of one sentence and kind are one line that names all their entries.

    A line on an entry begins with its label, or with that and a figure of its own in brackets:
    "LABEL: sentence", "LABEL (79 %): sentence". Others stay what they are. Each stands where the
    first of its entries had it. `labels` are those of all entries there are.
    """
    found: dict[tuple[str, Kind], list[tuple[str, str]]] = {}
    for text, kind in lines:
        label, figure, sentence = _parts(text, labels)
        found.setdefault((sentence, kind), []).append((label, figure))
    return [
        (f"{_named(about, labels)}{sentence}", kind) for (sentence, kind), about in found.items()
    ]


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: A, B and C."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _parts(text: str, labels: Sequence[str]) -> tuple[str, str, str]:
    """The label that `text` begins with, the figure behind it, and the sentence."""
    for label in labels:
        rest = text.removeprefix(label)
        if rest == text:
            continue
        if rest.startswith(": "):
            return label, "", rest
        if rest.startswith(" (") and "): " in rest:
            figure, _, sentence = rest.partition("): ")
            return label, f"{figure})", f": {sentence}"
    return "", "", text


def _named(about: Sequence[tuple[str, str]], labels: Sequence[str]) -> str:
    names = list(dict.fromkeys(f"{label}{figure}" for label, figure in about))
    concerned = {label for label, _ in about}
    left_out = [label for label in labels if label not in concerned]
    if any(figure for _, figure in about) or len(names) < max(LEAST_FOR_ALL, len(left_out) + 1):
        return listed(names)
    if not left_out:
        return f"all {len(names)} entries"
    return (
        f"all entries but {listed(left_out)}" if len(left_out) <= MOST_LEFT_OUT else listed(names)
    )
