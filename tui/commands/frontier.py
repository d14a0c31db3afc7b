"""`infer-tui frontier`: what latency buys what throughput, and the best within a limit."""

from __future__ import annotations

import argparse

from profiles.frontier import parse_limit
from profiles.reading import read_profile
from profiles.report import Frontier
from profiles.store import Store
from tui.commands.printing import print_report


def main(arguments: argparse.Namespace) -> int:
    asked = parse_limit(arguments.max_latency) if arguments.max_latency else None
    profile = read_profile(Store().find(arguments.profile))
    found = Frontier(profile, asked or profile.plan.max_latency_ms)
    print_report(found, arguments.format)
    return found.exit_code
