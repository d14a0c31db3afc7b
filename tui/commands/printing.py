"""Prints a run, its verdicts or frontier, or the comparison of two, in the shape asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from profiles import report
from tui.commands.tables import width_of_output

if TYPE_CHECKING:
    from profiles.report import Subject


def print_report(subject: Subject, shape: str) -> None:
    """`shape` is text, md or json; text takes the terminal's width."""
    if shape == "json":
        print(json.dumps(report.to_dict(subject), indent=2))
    elif shape == "md":
        print(report.to_markdown(subject))
    else:
        print(report.to_text(subject, width_of_output()))
