"""A run, its verdicts, its frontier, or the comparison of two, for a terminal or a program."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from profiles.comparison import EntryComparison, ProfileComparison
from profiles.comparison_table import comparison_document
from profiles.document import Document
from profiles.frontier_table import frontier_dict, frontier_document, frontier_exit_code
from profiles.run_table import run_document
from profiles.schema import Profile
from profiles.within import RunVerdicts
from profiles.within_table import within_document


@dataclass(frozen=True, slots=True)
class Frontier:
    """The frontier of `profile`, and the best point of at most `limit_ms`, where that is given."""

    profile: Profile
    limit_ms: float | None = None

    @property
    def exit_code(self) -> int:
        """0; 1 where nothing meets the limit; 3 where there is no valid point at all."""
        return frontier_exit_code(self.profile, self.limit_ms)


Subject = Profile | ProfileComparison | RunVerdicts | Frontier


def to_text(subject: Subject, width: int = 80, *, color: bool = False) -> str:
    """An aligned table and what must be said about it, in lines of at most `width` columns.

    The least important columns are left out until the rest fits. `color` adds ANSI colours.
    """
    return _document(subject).to_text(width, colour=color)


def to_markdown(subject: Subject) -> str:
    """The same as a Markdown table, with every column."""
    return _document(subject).to_markdown()


def to_dict(subject: Subject) -> dict[str, Any]:
    """The whole of it as JSON can hold it: None for what is not known, NaN or infinite.

    A profile's keys are those of its TOML file; times are in ISO 8601.
    """
    if isinstance(subject, Profile):
        return _profile_dict(subject)
    if isinstance(subject, RunVerdicts):
        return {
            "threshold": subject.threshold,
            "exit_code": subject.exit_code,
            **_heading(subject.profile),
            "baseline": _finite(msgspec.to_builtins(subject.baseline)),
            "entries": [_entry_dict(entry, without="a") for entry in subject.entries],
            "not_measured": list(subject.not_measured),
            "notes": list(subject.notes),
        }
    if isinstance(subject, Frontier):
        return frontier_dict(subject.profile, subject.limit_ms)
    return {
        "threshold": subject.threshold,
        "exit_code": subject.exit_code,
        "other_machine": subject.other_machine,
        "a": _heading(subject.a),
        "b": _heading(subject.b),
        "entries": [_entry_dict(entry) for entry in subject.entries],
        "only_in_a": list(subject.only_in_a),
        "only_in_b": list(subject.only_in_b),
        "not_measured": list(subject.not_measured),
        "differences": list(subject.differences),
        "notes": list(subject.notes),
    }


def _document(subject: Subject) -> Document:
    if isinstance(subject, Profile):
        return run_document(subject)
    if isinstance(subject, RunVerdicts):
        return within_document(subject)
    if isinstance(subject, Frontier):
        return frontier_document(subject.profile, subject.limit_ms)
    return comparison_document(subject)


def _profile_dict(profile: Profile) -> dict[str, Any]:
    return {name: _finite(value) for name, value in msgspec.to_builtins(profile).items()}


def _heading(profile: Profile) -> dict[str, Any]:
    """What identifies a compared run; its results stand with the entries."""
    whole = _profile_dict(profile)
    return {name: whole[name] for name in ("run", "machine", "model")}


def _entry_dict(entry: EntryComparison, without: str = "") -> dict[str, Any]:
    low, high = entry.interval or (None, None)
    sides = {"a": entry.a, "b": entry.b}
    return {
        "label": entry.label,
        "verdict": entry.verdict.name,
        "ratio": entry.ratio,
        "low": low,
        "high": high,
        "basis": entry.basis,
        "reasons": list(entry.reasons),
        "codes": [one.code for one in entry.judgement.reasons],
        "regressed": entry.regressed,
        **{
            side: _finite(msgspec.to_builtins(one))
            for side, one in sides.items()
            if side != without
        },
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
