"""The rows of the history: a saved profile each, filtered, in order, some marked to be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.actions import bindings
from tui.formats import byte_size, duration, milliseconds, shortened
from tui.widgets.panel import LazyRows, Piece, Row, RowsView, joined, row, wrapped
from tui.widgets.table import Column, Layout, Line, natural_widths

if TYPE_CHECKING:
    from profiles.index import Entry

# As many as there are signs to tell their plots apart.
MOST_COMPARED = 8
LETTERS = "ABCDEFGH"
COLUMNS = (
    Column("mark", "", align="left", least=3),
    Column("started", "started", align="left"),
    Column("name", "name", align="left", stretch=True, minimum=20),
    Column("model", "model", keep=5, align="left"),
    Column("machine", "machine", keep=4, align="left"),
    Column("engines", "entries", keep=3),
    Column("fastest", "fastest", keep=2, align="left"),
    Column("p50", "p50 ms", keep=1),
    Column("size", "size", keep=6),
    Column("ending", "state", align="left"),
)
DOWN, UP = "▼", "▲"
ABOUT_LINES = 2
UNREADABLE = "unreadable"
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-(?=.)")

Key = Path | None
Sortable = str | float
# What each column sorts by; None has no place in the order and comes last.
KEYS: dict[str, Callable[[Entry], Sortable | None]] = {
    "started": lambda entry: entry.started.timestamp(),
    "name": lambda entry: entry.name.casefold(),
    "model": lambda entry: entry.model.casefold() or None,
    "machine": lambda entry: entry.machine.casefold() or None,
    "engines": lambda entry: None if entry.problem else len(entry.engines),
    "fastest": lambda entry: entry.fastest or None,
    "p50": lambda entry: entry.fastest_p50_ms,
    "size": lambda entry: entry.bytes,
    "ending": lambda entry: entry.ending or UNREADABLE,
}
ORDERS = tuple(KEYS)
# The latest, the longest and the largest come first; of all else the least.
LARGEST_FIRST = frozenset({"started", "engines", "size"})


@dataclass(frozen=True, slots=True)
class Item:
    """One row: a saved profile, or with `entry` None the run of the bench.

    `text` is what a filter looks in, `line` the cells of its row without the mark: both are made
    once, since a filter asks all rows at every key.
    """

    entry: Entry | None
    text: str
    line: Line

    @property
    def path(self) -> Key:
        return self.entry.path if self.entry else None

    @property
    def readable(self) -> bool:
        return self.entry is None or not self.entry.problem

    @property
    def name(self) -> str:
        return self.entry.name if self.entry else "this run"


def saved_item(entry: Entry) -> Item:
    """The row of a saved profile."""
    words = (entry.name, entry.title, entry.model, entry.machine, *entry.engines)
    started = f"{entry.started.astimezone():%Y-%m-%d %H:%M}"
    state = UNREADABLE if entry.problem else str(entry.ending)
    text = " ".join((*words, started, state)).lower()
    return Item(entry, text, _line(entry, started))


def bench_item(state: str) -> Item:
    """The row of the run of the bench, which no file in the folder holds."""
    line: Line = {"started": "now", "name": (f"this run, {state}", "strong"),
                  "ending": ("in memory", "warn")}  # fmt: skip
    return Item(None, f"this run, {state} in memory", line)


class ProfileRows(RowsView):
    """A row a profile, the newest first until another order is chosen."""

    BINDINGS = bindings("profiles")

    def __init__(self) -> None:
        super().__init__(classes="page")
        self.items: list[Item] | None = None
        self.problem = ""
        self.marked: list[Key] = []
        # The run that a comparison is about: it is compared with the others, whenever it is marked.
        self.judged: list[Key] = []
        self.searched = ""
        self.order = "started"
        self.reverse = False
        self.hint: Row = ()
        self._shown: list[Item] = []
        self._natural: Mapping[str, int] = {}

    @property
    def shown(self) -> Sequence[Item]:
        """The rows that have the searched words, in their order."""
        return self._shown

    @property
    def current(self) -> Item | None:
        """The row under the cursor."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    @property
    def compared(self) -> list[Key]:
        """What is marked, the baseline first."""
        return [
            *(one for one in self.marked if one not in self.judged),
            *(one for one in self.marked if one in self.judged),
        ]

    @property
    def _only_judged(self) -> bool:
        """Whether nothing is marked yet to compare the run of the bench with."""
        return bool(self.marked) and self.marked == self.judged

    # What is shown

    def show_items(self, items: Sequence[Item], problem: str = "", *, at: Key = None) -> None:
        """Show these; the cursor goes to the row of `at`, or stays on its profile."""
        wanted = at or (self.current.path if self.current else None)
        self.items, self.problem = list(items), problem
        self._natural = natural_widths(COLUMNS, [item.line for item in items])
        there = {item.path for item in items}
        self.marked = [one for one in self.marked if one in there]
        self._arrange(wanted)

    def filter(self, words: str) -> None:
        self.searched = words
        self._arrange(None)

    def sort_by(self, order: str, *, reverse: bool = False) -> None:
        self.order, self.reverse = order, reverse
        self._arrange(None)

    def _arrange(self, wanted: Key) -> None:
        """Choose and order the rows; the cursor goes to `wanted`, else to the first or stays."""
        words = self.searched.lower().split()
        found = [one for one in self.items or () if all(word in one.text for word in words)]
        self._shown = in_order(found, self.order, reverse=self.reverse)
        places = (place for place, item in enumerate(self._shown) if item.path == wanted)
        place = next(places, None) if wanted is not None else 0
        if place is None:
            place = min(self.cursor, max(0, len(self._shown) - 1))
        self.rebuild()
        self.cursor = place
        self.keep_cursor_in_view()

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        self.has_cursor = bool(self._shown)
        if not self._shown:
            self.show_rows(self._instead())
            return
        layout = Layout(self._columns(), self._natural, self.inner_width)
        letters = {key: f"[{LETTERS[at]}]" for at, key in enumerate(self.compared)}
        if self._only_judged:
            letters = dict.fromkeys(self.judged, "[x]")

        def make(index: int) -> Row:
            item = self._shown[index]
            # Most often nothing is marked, and a path is made anew each time that it is asked for.
            letter = letters.get(item.path) if letters else None
            mark: Piece = (letter, "good") if letter else ("[ ]", "muted")
            return joined(layout.row({**item.line, "mark": mark if item.readable else ""}))

        self.show_rows(
            LazyRows(len(self._shown), make),
            header=[(("  ", ""), *layout.header)],
            footer=[*self._about(), self._status()],
        )

    def _columns(self) -> list[Column]:
        """All columns; the one of the order is marked, and never dropped."""
        mark = DOWN if self.reverse != (self.order in LARGEST_FIRST) else UP
        return [
            replace(one, title=f"{one.title} {mark}", keep=0) if one.name == self.order else one
            for one in COLUMNS
        ]

    def _instead(self) -> list[Row]:
        """What stands where the rows will be, with the next key."""
        width = max(20, self.scrollable_content_region.width)
        if self.items is None:
            return [row(("reading the folder of profiles …   ", "muted"),
                        ("esc", "key:page.back"), (" goes back", "muted"))]  # fmt: skip
        if self.problem:
            return [*wrapped(self.problem, width, "warn"), row(
                ("esc", "key:page.back"), (" goes back; ", "muted"), ("o", "key:bench.open"),
                (" tries again", "muted"),
            )]  # fmt: skip
        if self.items:
            return [row(("Nothing saved has that in it. ", "muted"), ("esc", "key:page.back"),
                        (" ends the filter and shows all", "muted"))]  # fmt: skip
        rows = [row(("Nothing saved yet. ", "muted")), row(
            ("esc", "key:page.back"), (" goes back; there ", "muted"), ("r", "key:bench.run"),
            (" runs the selected engines and ", "muted"), ("s", "key:bench.save"),
            (" saves what was measured", "muted"),
        )]  # fmt: skip
        return [*rows, (), self.hint] if self.hint else rows

    def _about(self) -> list[Row]:
        """The profile under the cursor in always as many lines: the rows above stay in place."""
        width = self.scrollable_content_region.width
        entry = self.current.entry if self.current else None
        lines: list[Row] = []
        if entry is not None and entry.problem:
            lines = wrapped(entry.problem.replace(f"{entry.folder}/", ""), width, "warn")
            if len(lines) > ABOUT_LINES:
                lines[ABOUT_LINES - 1] = row((shortened(_plain(lines[1:]), width), "warn"))
        elif entry is not None:
            took = f" in {duration(entry.seconds)}" if entry.seconds is not None else ""
            texts = f"{entry.name}: {entry.title}{took}", ", ".join(entry.engines)
            lines = [row((shortened(text, width), "muted")) for text in texts]
        return [*lines, *[()] * ABOUT_LINES][:ABOUT_LINES]

    def _status(self) -> Row:
        """What the marks come to, or what can be done about this row."""
        width = self.scrollable_content_region.width
        compared = self.compared
        if self._only_judged:
            return row(("this run is compared: ", "good"), ("enter", "key:chooser.take"),
                       (" with this profile, ", "muted"), ("space", "key:profiles.mark"),
                       (" marks several", "muted"))  # fmt: skip
        if compared:
            names = {item.path: item.name for item in self.items or ()}
            room = max(8, (width - 34) // len(compared))
            parts = [f"{LETTERS[at]} {shortened(names.get(key, '?'), room)}"
                     for at, key in enumerate(compared)]  # fmt: skip
            keys = row(("   ", ""), ("c", "key:profiles.compare"), (" compares", "muted"))
            if len(compared) == 1:
                keys = row(("   ", ""), ("space", "key:profiles.mark"), (" marks another", "muted"))
            return row((f"baseline {'  '.join(parts)}", "good"), *keys)
        if self.current is not None and not self.current.readable:
            return row(("d", "key:profiles.delete"),
                       (" deletes it; it goes to the trash, ", "muted"),
                       ("u", "key:profiles.undo"), (" brings it back", "muted"))  # fmt: skip
        return self.hint


class ChooserRows(ProfileRows):
    """The same, where `enter` chooses what to compare with."""

    BINDINGS = bindings("chooser")


def in_order(items: Sequence[Item], order: str, *, reverse: bool) -> list[Item]:
    """`items` by the column `order`: the bench's own run first, what has no value there last.

    Those that are equal stay in the order they came in.
    """
    key = KEYS[order]
    own, known, unknown = [], [], []
    for item in items:
        if item.entry is None:
            own.append(item)
        elif (value := key(item.entry)) is None:
            unknown.append(item)
        else:
            known.append((value, item))
    descending = (order in LARGEST_FIRST) != reverse
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [*own, *(item for _, item in known), *unknown]


def _plain(rows: Sequence[Row]) -> str:
    return " ".join(text for line in rows for text, _ in line)


def _line(entry: Entry, started: str) -> Line:
    if entry.problem:
        return {"started": (started, "muted"), "name": (entry.name, "muted"),
                "size": (byte_size(entry.bytes), "muted"),
                "ending": (f"✗ {UNREADABLE}", "bad")}  # fmt: skip
    # Most names begin with a time, and one stands beside them: what follows tells them apart.
    name = _STAMP.sub("…", entry.name)
    title = f"{entry.title}: {name}" if entry.title == "autosaved" else name
    return {
        "started": started,
        "name": (title, "strong"),
        "model": (entry.model, "muted"),
        "machine": (entry.machine, "muted"),
        "engines": str(len(entry.engines)),
        "fastest": entry.fastest or "-",
        "p50": milliseconds(entry.fastest_p50_ms),
        "size": (byte_size(entry.bytes), "muted"),
        "ending": ("✓ complete", "good") if entry.ending == "complete"
        else (f"■ {entry.ending}", "warn"),
    }  # fmt: skip
