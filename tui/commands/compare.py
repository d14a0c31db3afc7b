"""`infer-tui compare`: two profiles, a verdict for each engine, and an exit code to gate on."""

from __future__ import annotations

import argparse

from engines.errors import UsageError
from profiles.comparison import compare_files
from profiles.store import Store
from tui.commands.printing import print_report

PERCENT = 100.0


def main(arguments: argparse.Namespace) -> int:
    if not 0 < arguments.threshold < PERCENT:
        raise UsageError(
            f"--threshold is {arguments.threshold:g}", hint="expected a percentage above 0"
        )
    store = Store()
    found = compare_files(
        store.find(arguments.baseline),
        store.find(arguments.candidate),
        arguments.threshold / PERCENT,
    )
    print_report(found, arguments.format)
    return found.exit_code
