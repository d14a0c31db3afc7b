"""`infer-tui compare`: two profiles or one that took turns, and an exit code to gate on."""

from __future__ import annotations

import argparse

from profiles.comparison import THRESHOLD, ProfileComparison, compare_files
from profiles.store import Store
from profiles.within import RunVerdicts, judge_file
from tui.commands.plan import share_of
from tui.commands.printing import print_report


def main(arguments: argparse.Namespace) -> int:
    given = None if arguments.threshold is None else share_of(arguments.threshold)
    store = Store()
    baseline = store.find(arguments.baseline)
    found: RunVerdicts | ProfileComparison
    if arguments.candidate is None:
        found = judge_file(baseline, given)
    else:
        found = compare_files(baseline, store.find(arguments.candidate), given or THRESHOLD)
    print_report(found, arguments.format)
    return found.exit_code
