"""`infer-tui compare`: two profiles, a verdict for each engine, and an exit code to gate on."""

from __future__ import annotations

import argparse
import json
import shutil

from engines.errors import UsageError
from profiles import report
from profiles.comparison import compare_files
from profiles.store import Store

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
    if arguments.format == "json":
        print(json.dumps(report.to_dict(found), indent=2))
    elif arguments.format == "md":
        print(report.to_markdown(found))
    else:
        print(report.to_text(found, shutil.get_terminal_size((120, 40)).columns))
    return found.exit_code
