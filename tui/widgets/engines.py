"""Panel 2: the engines, which of them are selected, and why one can't run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tui.actions import bindings, told
from tui.choice import Choice
from tui.formats import shortened
from tui.selection import Selection
from tui.widgets.panel import Piece, Row, RowsView, row, row_width, wrapped

if TYPE_CHECKING:
    from engines.building import BuildState

# A state is a glyph and a word, so that it reads without colour.
CHECKING: Piece = ("… checking", "muted")
# Still checking, and what the last start found: it may have changed.
READY_BEFORE: Piece = ("… was ready", "muted")
UNAVAILABLE_BEFORE: Piece = ("… was not", "muted")
READY: Piece = ("✓ ready", "good")
NEEDS_BUILD: Piece = ("▲ needs a build", "warn")
STALE: Piece = ("▲ stale", "warn")
# Built for the GPUs of another machine.
BUILT: Piece = ("✓ built", "muted")
UNAVAILABLE: Piece = ("✗ unavailable", "muted")

MARK_CELLS = 4
LEAST_NAME = 24
LEAST_STATE = len("▶ building")
FOOTER_LINES = 2


class EnginesPanel(RowsView):
    """One row an engine and device; the footer explains the row under the cursor."""

    HELP = "Choose what is compared. Every precision at every batch size is an entry of its own."
    BINDINGS = bindings("engines")
    has_cursor = True

    def __init__(self, selection: Selection) -> None:
        super().__init__(id="engines")
        self.selection = selection
        self._states: dict[int, Piece] = {}
        # Rows come and go as environments answer: the cursor stays on its engine.
        self._under_cursor: Choice | None = None

    @property
    def current(self) -> Choice:
        """The engine under the cursor."""
        return self.selection.choices[min(self.cursor, len(self.selection.choices) - 1)]

    def show_states(self, states: Mapping[int, Piece]) -> None:
        """What a run makes of each row, by its index; the others show whether they can run."""
        self._states = dict(states)
        self.rebuild()

    def watch_cursor(self, old: int, new: int) -> None:
        self._under_cursor = self.current
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        choices = self.selection.choices
        place = next((i for i, one in enumerate(choices) if one is self._under_cursor), None)
        if place is not None and place != self.cursor:
            self.cursor = place
            return
        self._under_cursor = self.current
        widths = [max(len(cells[column]) for cells in map(_cells, choices)) for column in range(4)]
        # A long name of an interpreter gives way to a state that can be told from the others.
        others = sum(widths[1:]) + len(widths) + MARK_CELLS + LEAST_STATE
        widths[0] = min(widths[0], max(LEAST_NAME, self.inner_width - others))
        rows = [self._row(index, choice, widths) for index, choice in enumerate(choices)]
        self.show_rows(rows, footer=self._explanation())
        self.show_subtitle(self._summary())

    def _row(self, index: int, choice: Choice, widths: list[int]) -> Row:
        able = choice.availability.readiness != "unavailable"
        tone = "" if able else "muted"
        mark: Piece = ("[x] ", "good") if choice.selected and able else ("[ ] ", "muted")
        cells_needed = sum(widths) + 2 * len(widths) + MARK_CELLS + len(UNAVAILABLE[0])
        gap = "  " if cells_needed <= self.inner_width else " "
        pairs = zip(_cells(choice), widths, strict=True)
        cells = [shortened(text, width).ljust(width) + gap for text, width in pairs]
        left = (mark, *((cell, tone) for cell in cells))
        text, state_tone = self._states.get(index, _readiness(choice))
        room = max(3, self.inner_width - row_width(left))
        if len(text) > room:
            # The same in fewer cells.
            text = text.replace(" of ", "/").replace("unavailable", "not here")
        return (*left, (shortened(text, room), state_tone))

    def _summary(self) -> str:
        if self.selection.checking:
            return "checking what can run"
        entries = len(self.selection.specs())
        if not any(one.availability.ready for one in self.selection.choices):
            return "nothing can run: see below"
        keymap = getattr(self.app, "keymap_in_use", {})
        words = told("nothing selected: {engines.select} selects", keymap)
        return f"{entries} to run" if entries else words

    def _explanation(self) -> list[Row]:
        """Two lines on the row under the cursor: why it can't run, or what it is set to."""
        choice = self.current
        width = self.scrollable_content_region.width
        if choice.availability.readiness == "unavailable":
            return _why_not(choice, width)
        if choice.availability.readiness == "checking":
            before = "; shown is the last start" if choice.expected else ""
            text = f"asking its interpreter whether it can run{before}"
            lines = wrapped(text, width, "muted")
        else:
            first = _not_built(choice, width) or row((shortened(_versions(choice), width), "muted"))
            lines = [first, _settings(choice, width)]
        return _exactly(lines, FOOTER_LINES)


def _cells(choice: Choice) -> tuple[str, str, str, str]:
    name = choice.engine.title
    if environment := choice.availability.environment:
        name = f"{name} [{environment}]"
    return (
        name,
        choice.device,
        ",".join(choice.precisions),
        "b" + ",".join(str(batch) for batch in choice.batches),
    )


def _readiness(choice: Choice) -> Piece:
    readiness = choice.availability.readiness
    if readiness == "checking":
        if choice.expected is None:
            return CHECKING
        return READY_BEFORE if choice.expected.ready else UNAVAILABLE_BEFORE
    if readiness == "unavailable":
        return BUILT if choice.files and _built(choice) == len(choice.files) else UNAVAILABLE
    return _file_state(choice) if choice.engine.needs_build else READY


def _file_state(choice: Choice) -> Piece:
    """Whether the engine files of a row that can run are kept."""
    if not choice.files:
        return CHECKING
    built, wanted = _built(choice), len(choice.files)
    if built == wanted:
        return READY
    if built:
        return f"▲ {built} of {wanted} built", "warn"
    stale = any(one.kind == "stale" for one in choice.files)
    return STALE if stale else NEEDS_BUILD


def _built(choice: Choice) -> int:
    return sum(one.kind == "built" for one in choice.files or ())


def _built_for(choice: Choice) -> str:
    """For which GPUs the kept engine files of a row are; empty where there are none."""
    metas = [one.meta for one in choice.files or () if one.kind == "built" and one.meta]
    if not metas:
        return ""
    gpus = sorted({one.parts.get("compute capability", "unknown") for one in metas})
    lacking = len(choice.files or ()) - len(metas)
    count = f"{len(metas)} of {len(metas) + lacking} " if lacking else ""
    return f"{count}built for compute capability {', '.join(gpus)}"


def _not_built(choice: Choice, width: int) -> Row:
    """Why the first of a row's engine files that is not kept has to be built."""
    lacking = next((one for one in choice.files or () if one.kind != "built"), None)
    if lacking is None:
        return ()
    return row((shortened(why_to_build(lacking), width), "warn"))


def why_to_build(state: BuildState) -> str:
    """Why an engine file has to be built, in words."""
    if state.kind == "stale":
        return "stale: " + state.why.replace("changed: ", "changed ", 1)
    return f"needs a build: {state.why}"


def _why_not(choice: Choice, width: int) -> list[Row]:
    found = choice.availability
    if choice.buildable:
        why = row((shortened(found.reason, width), "warn"))
        if words := _built_for(choice):
            key = row(("b", "key:bench.build"), (" builds others", "muted"))
            room = width - row_width(key) - 2
            return [why, row((f"{shortened(words, room)}  ", "muted"), *key)]
        return [why, row(("b", "key:bench.build"), (" builds for a named GPU", "muted"))]
    if not found.install:
        return _exactly(wrapped(found.reason, width, "warn"), FOOTER_LINES)
    return [
        row((shortened(found.reason, width), "warn")),
        row(("needs: ", "muted"), (shortened(found.install, width - 7), "strong")),
    ]


def _versions(choice: Choice) -> str:
    versions = choice.availability.versions or {}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _settings(choice: Choice, width: int) -> Row:
    """The options that differ from their defaults, or the key that sets them."""
    changed = [
        f"{option.name}={choice.options[option.name]}"
        for option in choice.engine.options
        if choice.options.get(option.name, option.default) != option.default
    ]
    if changed:
        return row((shortened(" ".join(changed), width), "strong"))
    keys = row(
        ("enter", "key:engines.options"), (" options  ", "muted"),
        ("p", "key:bench.precision"), (" precision  ", "muted"),
        ("n", "key:bench.batch"), (" batch", "muted"),
    )  # fmt: skip
    if not choice.engine.needs_build:
        return keys
    return (*keys, ("  ", ""), ("b", "key:bench.build"), (" build", "muted"))


def _exactly(lines: list[Row], count: int) -> list[Row]:
    return (lines + [()] * count)[:count]
