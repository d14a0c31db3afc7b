"""The history of 200 and of 2,000 profiles: from a key to its frame, and where that time goes.

A frame has come when the bytes of its title or of its first row have, at the other end of a pty.
The folder also holds a file of samples for each profile, as a user's does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil

from profiles.index import INDEX
from profiles.store import Store
from profiles.writing import render
from tests.performance.common import COMMAND, own_folders, row, spread
from tests.profiles.conftest import STARTED, Build
from tests.terminal import Terminal
from tui.widgets.profiles import COLUMNS, in_order, saved_item
from tui.widgets.table import Layout, natural_widths

COUNTS = (200, 2000)
ROUNDS = 5
OPEN_LIMIT_S = {200: 0.3, 2000: 1.0}
FILTER_LIMIT_MS = 50
# Every letter takes the newest profile away: the first row is another one at each key.
FILTER = "zyxwu"
FIRST_ROWS = [letter * 12 for letter in "bcdfgh"]
ESCAPE = "\x1b"
WHOLE = b"profiles in"


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="history")
    parser.add_argument("--profiles", type=int, nargs="+", default=COUNTS, help="how many")
    for count in parser.parse_args(arguments).profiles:
        with own_folders() as folders:
            folder = Path(folders["XDG_DATA_HOME"], "infer-tui", "profiles")
            fill(folder, count)
            limit = f"at most {OPEN_LIMIT_S[count]:g} s" if count in OPEN_LIMIT_S else ""
            pressed(folders, folder, count, limit)
        with tempfile.TemporaryDirectory() as name:
            fill(Path(name), count)
            parts(Path(name), count)


def fill(folder: Path, count: int) -> None:
    """`count` profiles of two entries, a minute apart; six of them with names to be recognised."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = Build().profile()
    text = render(profile, "run.toml")
    started = f"started = {STARTED:%Y-%m-%d %H:%M:%S}"
    assert started in text
    for number in range(count):
        at = STARTED - timedelta(minutes=number)
        host = f"{FILTER}-{number}" if number % 2 else "box"
        name = f"{at:%Y-%m-%dT%H-%M-%S}-mobilenetv2-{number}"
        if number < len(FIRST_ROWS):
            name, host = FIRST_ROWS[number], f"q{FILTER[:number]}"
        own = text.replace(started, f"started = {at:%Y-%m-%d %H:%M:%S}")
        own = own.replace('hostname = "box"', f'hostname = "{host}"')
        (folder / f"{name}.toml").write_text(own)
        (folder / f"{name}.{number:016x}.samples.npz").touch()


def pressed(folders: Mapping[str, str], folder: Path, count: int, limit: str) -> None:
    """What a user waits for in the app."""
    of = f"{count:,} profiles"
    with Terminal(COMMAND, environment=folders) as terminal:
        ready(terminal)
        row(f"{of}, nothing known of them: first rows", f"{first_rows(terminal):.3f} s")
    with Terminal(COMMAND, environment=folders) as terminal:
        ready(terminal)
        (folder / INDEX).unlink(missing_ok=True)
        row(f"{of}, nothing known of them: all", f"{opened(terminal):.3f} s", "")
    with Terminal(COMMAND, environment=folders) as terminal:
        ready(terminal)
        row(f"{of}, the first `o` of a session", f"{opened(terminal):.3f} s", limit)
        again = []
        for _ in range(ROUNDS):
            close(terminal)
            again.append(opened(terminal))
        row(f"{of}, the next ones", f"{spread(again)} s", limit)
        filtered(terminal)
        app = psutil.Process(terminal.process.pid)
        before = sum(app.cpu_times()[:2])
        times_ms = [1000 * one for _ in range(ROUNDS) for one in filtered(terminal)]
        # Opening and ending the filter are two keys more.
        keys = ROUNDS * (len(FILTER) + 2)
        row(f"{of}, CPU of the app for a key of the filter",
            f"{1000 * (sum(app.cpu_times()[:2]) - before) / keys:.0f} ms")  # fmt: skip
        for percentile, most in ((50, ""), (95, f"at most {FILTER_LIMIT_MS} ms"), (100, "")):
            name = f"p{percentile}" if percentile < 100 else "slowest"
            row(f"{of}, a letter of the filter: {name} of {len(times_ms)}",
                f"{np.percentile(times_ms, percentile):.1f} ms", most)  # fmt: skip


def ready(terminal: Terminal) -> None:
    """The engines are checked, so that no worker is at work beside what is measured."""
    terminal.wait_for("ready", 120)
    terminal.wait_for(lambda text: "checking" not in text, 120)
    terminal.quiet_for(3.0)


def opened(terminal: Terminal) -> float:
    seconds = terminal.seconds_to("o", WHOLE, 60)
    terminal.quiet_for(0.5)
    return seconds


def first_rows(terminal: Terminal) -> float:
    return terminal.seconds_to("o", FIRST_ROWS[0].encode(), 60)


def close(terminal: Terminal) -> None:
    terminal.press(ESCAPE)
    terminal.wait_for("1 Model")
    terminal.quiet_for(0.5)


def filtered(terminal: Terminal) -> list[float]:
    """Seconds from each letter of the filter to its frame."""
    terminal.press("/")
    terminal.quiet_for(0.3)
    found = []
    for letter, first in zip(FILTER, FIRST_ROWS[1:], strict=True):
        found.append(terminal.seconds_to(letter, first.encode()))
        terminal.quiet_for(0.2)
    terminal.press(ESCAPE)
    terminal.quiet_for(0.5)
    return found


def parts(folder: Path, count: int) -> None:
    """Where the time goes: the parts of it without the app around them."""
    store = Store(folder)

    def timed(what: str, work: Callable[[], object]) -> None:
        began = time.perf_counter()
        work()
        row(f"  {what}, {count:,}", f"{1000 * (time.perf_counter() - began):.1f} ms")

    timed("reading every file", store.list)
    # Younger files than two seconds are never taken from the index.
    time.sleep(2.1)
    store.list()
    timed("asking the index", store.list)
    entries = store.list()
    timed("cells and text of each row", lambda: [saved_item(one) for one in entries])
    items = [saved_item(one) for one in entries]
    timed("widths of the columns", lambda: natural_widths(COLUMNS, [one.line for one in items]))
    timed("a filter of all rows", lambda: [one for one in items if FILTER in one.text])
    timed("a new order", lambda: in_order(items, "p50", reverse=False))
    layout = Layout(COLUMNS, natural_widths(COLUMNS, [one.line for one in items]), 118)
    timed("the 36 rows of a screen", lambda: [layout.row(one.line) for one in items[:36]])
