"""`infer-tui compare`: two profiles or one that took turns, and an exit code to gate on."""

from __future__ import annotations

import argparse

from engines.errors import UsageError
from profiles.comparison import THRESHOLD, ProfileComparison, compare_files
from profiles.store import Store
from profiles.within import RunVerdicts, judge_file
from tui.commands.plan import share_of
from tui.commands.printing import print_report


def main(arguments: argparse.Namespace) -> int:
    given = None if arguments.threshold is None else share_of(arguments.threshold)
    spread = None if arguments.spread is None else _spread_of(arguments)
    store = Store()
    baseline = store.find(arguments.baseline)
    found: RunVerdicts | ProfileComparison
    if arguments.candidate is None:
        found = judge_file(baseline, given)
    else:
        candidate = store.find(arguments.candidate)
        found = compare_files(baseline, candidate, given or THRESHOLD, spread)
    print_report(found, arguments.format)
    return found.exit_code


def _spread_of(arguments: argparse.Namespace) -> float:
    """`--spread` in percent as a share; UsageError where it is none, or is about one profile."""
    share = share_of(arguments.spread, "--spread", may_be_0=True)
    if arguments.candidate is None:
        raise UsageError("--spread is for two profiles", hint="name the second, or leave it out")
    return share
