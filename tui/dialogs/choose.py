"""Choose from a list: the precisions or the batch sizes of an engine, or one of its entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from engines.plan import EngineSpec, Precision
from tui.actions import bindings
from tui.dialogs.base import Dialog, Field, Note
from tui.formats import plural
from tui.widgets.panel import RowsView, row

TICK_ONE = "Tick at least one: {checklist.tick} ticks the row under the cursor."
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)

PRECISION_NOTES = {
    "fp32": "32-bit floats; the reference",
    "tf32": "fp32 with 10-bit mantissas inside tensor cores",
    "fp16": "16-bit floats; check the accuracy columns",
    "bf16": "fp32's range with 8-bit mantissas",
    "int8": "8-bit integers; needs calibration",
}


class Checklist(RowsView):
    """A list whose rows are ticked by `space`."""

    BINDINGS = bindings("checklist")
    has_cursor = True

    def __init__(self, items: Sequence[tuple[str, str]], ticked: Iterable[str]) -> None:
        super().__init__(classes="choices")
        self._items = items
        self._ticked = set(ticked)
        self.set_reactive(
            Checklist.cursor,
            next((i for i, (name, _) in enumerate(items) if name in self._ticked), 0),
        )

    @property
    def ticked(self) -> tuple[str, ...]:
        """What is ticked, in the order of the list."""
        return tuple(name for name, _ in self._items if name in self._ticked)

    def on_mount(self) -> None:
        self.rebuild()

    def rebuild(self) -> None:
        longest = max(len(name) for name, _ in self._items)
        self.show_rows(
            [
                row(
                    ("[x] ", "good") if name in self._ticked else ("[ ] ", "muted"),
                    name.ljust(longest + 2),
                    (note, "muted"),
                )
                for name, note in self._items
            ]
        )

    def action_tick(self) -> None:
        self._ticked ^= {self._items[self.cursor][0]}
        self.rebuild()


class PrecisionDialog(Dialog[tuple[Precision, ...]]):
    """Which precisions an engine is run in."""

    def __init__(
        self, engine: str, possible: Sequence[Precision], chosen: Sequence[Precision]
    ) -> None:
        super().__init__()
        self.title_text = f"Precisions of {engine}"
        self._possible, self._chosen = possible, chosen

    def body(self) -> Iterable[Widget]:
        yield Note("Each one that is ticked is run as an entry of its own.")
        yield Checklist([(one, PRECISION_NOTES[one]) for one in self._possible], self._chosen)

    def action_accept(self) -> None:
        ticked = self.query_one(Checklist).ticked
        if not ticked:
            self.show_problem(self.told(TICK_ONE))
            return
        self.dismiss(tuple(one for one in self._possible if one in ticked))


class Entries(RowsView):
    """The entries of an engine, one of them under the cursor."""

    has_cursor = True

    def __init__(self, specs: Sequence[EngineSpec], notes: Sequence[str]) -> None:
        super().__init__(classes="choices")
        self._specs, self._notes = specs, notes

    def on_mount(self) -> None:
        self.rebuild()

    def rebuild(self) -> None:
        longest = max(len(one.label) for one in self._specs)
        self.show_rows(
            [
                row(spec.label.ljust(longest + 2), (note, "muted"))
                for spec, note in zip(self._specs, self._notes, strict=True)
            ]
        )


class EntryDialog(Dialog[EngineSpec]):
    """Which one of several entries is meant; `notes` stand beside them."""

    def __init__(self, title: str, specs: Sequence[EngineSpec], notes: Sequence[str]) -> None:
        super().__init__()
        self.title_text = title
        self._specs, self._notes = specs, notes

    def body(self) -> Iterable[Widget]:
        yield Entries(self._specs, self._notes)

    def action_accept(self) -> None:
        self.dismiss(self._specs[self.query_one(Entries).cursor])


class BatchDialog(Dialog[tuple[int, ...]]):
    """Which batch sizes an engine is run at: powers of two, and any others."""

    def __init__(self, engine: str, chosen: Sequence[int]) -> None:
        super().__init__()
        self.title_text = f"Batch sizes of {engine}"
        self._chosen = chosen

    def body(self) -> Iterable[Widget]:
        yield Note("Each one that is ticked is run as an entry of its own.")
        ticked = [str(size) for size in self._chosen if size in BATCHES]
        yield Checklist([(str(size), plural(size, "image")) for size in BATCHES], ticked)
        others = ", ".join(str(size) for size in self._chosen if size not in BATCHES)
        yield Note("Others, with commas between them (tab goes there):")
        yield Field(others, placeholder="such as 3, 100")

    def action_accept(self) -> None:
        try:
            others = _batch_sizes(self.query_one(Field).value)
        except ValueError as error:
            self.show_problem(str(error))
            return
        sizes = {int(one) for one in self.query_one(Checklist).ticked} | others
        if not sizes:
            self.show_problem(self.told(TICK_ONE))
            return
        self.dismiss(tuple(sorted(sizes)))


def _batch_sizes(text: str) -> set[int]:
    """The numbers in a list such as "3, 100"; ValueError, with what is wrong, if it is not one."""
    sizes = set()
    for word in text.replace(",", " ").split():
        if not word.isdecimal() or int(word) < 1:
            raise ValueError(f"'{word}' is no batch size: expected a whole number from 1")
        sizes.add(int(word))
    return sizes
