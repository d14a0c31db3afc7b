"""The model as a tree: its blocks, which fold, and the layers in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from textual.widget import Widget

from profiles.spelling import percent
from tui.actions import bindings
from tui.formats import byte_size, plural, quantity, shape
from tui.screens.base import Page
from tui.widgets.panel import RowsView, ascii_only, row
from tui.widgets.table import Column, Line, lay_out

if TYPE_CHECKING:
    from engines.model import LayerFacts, ModelFacts

SHARE_CELLS = 10
COLUMNS = (
    Column("name", "block or layer", align="left", stretch=True, minimum=18),
    Column("kind", "kind", keep=3, align="left"),
    Column("shape", "output", keep=2),
    Column("parameters", "parameters", keep=1),
    Column("weights", "weights", keep=5),
    Column("activations", "output size", keep=4),
    Column("macs", "MACs"),
    Column("share", "share of MACs", align="left", least=SHARE_CELLS + 6),
)
OPEN, FOLDED = "▼ ", "▶ "
# In plain ASCII, where the cursor is a > already.
OPEN_IN_ASCII, FOLDED_IN_ASCII = "- ", "+ "
INDENT = "    "


@dataclass(frozen=True, slots=True)
class Block:
    """Layers that follow each other under one name."""

    name: str
    layers: tuple[LayerFacts, ...]

    @property
    def folds(self) -> bool:
        """Whether there is anything to fold: one layer alone is its own block."""
        return len(self.layers) > 1


@dataclass(frozen=True, slots=True)
class Node:
    """A row of the tree: a block, or with `layer` one of its layers."""

    block: Block
    layer: LayerFacts | None = None


def blocks_of(layers: Iterable[LayerFacts]) -> tuple[Block, ...]:
    """The blocks in the order in which the model runs them."""
    return tuple(Block(name, tuple(some)) for name, some in groupby(layers, lambda one: one.block))


class LayerRows(RowsView):
    """The tree. A search shows the layers that have the searched text, under their blocks."""

    BINDINGS = bindings("model")

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__(classes="page")
        self._facts = facts
        self.blocks = blocks_of(facts.layers)
        self.open: set[str] = set()
        self.searched = ""
        self.nodes: tuple[Node, ...] = ()

    @property
    def listed(self) -> list[LayerFacts]:
        """The layers that are searched for, folded away or not."""
        words = self.searched.lower().split()
        return [one for one in self._facts.layers if all(word in _text(one) for word in words)]

    @property
    def current(self) -> Node | None:
        """The row under the cursor."""
        return self.nodes[self.cursor] if self.cursor < len(self.nodes) else None

    def rebuild(self) -> None:
        self.nodes = tuple(self._tree())
        self.has_cursor = bool(self.nodes)
        if not self.nodes:
            ends = (("esc", "key:page.back"), (" ends the search", "muted"))
            self.show_rows([row((f"No layer has '{self.searched}'. ", "muted"), *ends)])
            return
        macs = max(1, self._facts.macs)
        largest = max(1, *(sum(one.macs for one in block.layers) for block in self.blocks))
        lines = [self._line(one, macs, largest) for one in self.nodes]
        header, rows = lay_out(COLUMNS, lines, self.inner_width)
        self.show_rows(rows, header=[(("  ", ""), *header)])

    def _tree(self) -> Iterator[Node]:
        found = set(map(id, self.listed))
        for block in self.blocks:
            shown = [one for one in block.layers if id(one) in found]
            if not shown:
                continue
            if not block.folds:
                yield Node(block, block.layers[0])
                continue
            yield Node(block)
            if self.searched or block.name in self.open:
                yield from (Node(block, one) for one in shown)

    def _line(self, node: Node, macs: int, largest: int) -> Line:
        block, layer = node.block, node.layer
        layers = (layer,) if layer is not None else block.layers
        sign = self._sign(node) if layer is None else ""
        return {**_names(node, sign), **_figures(layers, macs, largest)}

    def _sign(self, node: Node) -> str:
        """What stands before a block that folds."""
        signs = (FOLDED, OPEN)
        if ascii_only(self.app):
            signs = (FOLDED_IN_ASCII, OPEN_IN_ASCII)
        return signs[self._is_open(node.block)]

    def _is_open(self, block: Block) -> bool:
        return bool(self.searched) or block.name in self.open

    # Folding

    def fold(self, *, folded: bool | None = None) -> None:
        """Fold the block of the current row, or unfold it; None turns it round.

        The cursor stays on the block, and goes into one that is open already.
        """
        node = self.current
        if node is None or not node.block.folds or self.searched:
            return
        name = node.block.name
        was_folded = name not in self.open
        folded = not was_folded if folded is None else folded
        if folded:
            self.open.discard(name)
        elif was_folded:
            self.open.add(name)
        else:
            self.move(1 if node.layer is None else 0)
            return
        self.rebuild()
        self.cursor = next(i for i, one in enumerate(self.nodes) if one.block is node.block)

    def fold_all(self) -> None:
        """Unfold every block, or fold them where all are open; the cursor stays on its block."""
        node = self.current
        names = {one.name for one in self.blocks if one.folds}
        self.open = set() if self.open >= names else names
        self.rebuild()
        if node is not None:
            self.cursor = next(i for i, one in enumerate(self.nodes) if one.block is node.block)


class ModelScreen(Page):
    """The tree of a model, with shapes, parameters, multiply-adds and shares."""

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__()
        self.facts = facts
        self.title_text = facts.label

    def make_rows(self) -> Widget:
        return LayerRows(self.facts)

    @property
    def table(self) -> LayerRows:
        return self.query_one(LayerRows)

    def opened(self) -> None:
        self.show_totals()

    def show_totals(self) -> None:
        layers = self.table.listed
        shown = plural(len(layers), "layer")
        totals = f"{quantity(sum(one.parameters for one in layers))} parameters, "
        totals += f"{quantity(sum(one.macs for one in layers))} MACs"
        self.show_title(row((f"{shown}, {totals}", "muted")))

    def search_changed(self, text: str) -> None:
        rows = self.table
        rows.searched = text
        rows.cursor = 0
        rows.rebuild()
        self.show_totals()

    def whole(self) -> tuple[str, str]:
        from tui.commands.model import HEADINGS, NUMBERS, layer_row
        from tui.commands.tables import markdown_table

        rows = [layer_row(one) for one in self.table.listed]
        return markdown_table(HEADINGS, rows, NUMBERS), ".md"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return super().check_action(action, parameters)
        match action:
            case "fold" | "set_folded" | "fold_all":
                return not self.table.searched
            case "graph":
                return self.infer.bench.check_action("graph", parameters)
        return super().check_action(action, parameters)

    def action_fold(self) -> None:
        self.table.fold()

    def action_set_folded(self, folded: bool) -> None:
        self.table.fold(folded=folded)

    def action_fold_all(self) -> None:
        self.table.fold_all()

    def action_graph(self) -> None:
        self.infer.bench.action_graph()


def _text(layer: LayerFacts) -> str:
    return f"{layer.name} {layer.kind} {layer.block}".lower()


def _names(node: Node, sign: str) -> Line:
    block, layer = node.block, node.layer
    if layer is None:
        kind = plural(len(block.layers), "layer")
        return {"name": (sign + block.name, "strong"),
                "kind": (kind, "muted")}  # fmt: skip
    if not block.folds:
        return {"name": ("  " + layer.name, "strong"), "kind": (layer.kind, "muted")}
    name = layer.name.removeprefix(f"{block.name}.")
    return {"name": INDENT + name, "kind": (layer.kind, "muted")}


def _figures(layers: Sequence[LayerFacts], macs: int, largest: int) -> Line:
    """The sums of `layers`, and the output of the last of them."""
    parameters = sum(one.parameters for one in layers)
    weights = sum(one.weight_bytes for one in layers)
    own = sum(one.macs for one in layers)
    bar = "█" * round(own / largest * SHARE_CELLS)
    return {
        "shape": shape(layers[-1].output_shape),
        "parameters": f"{parameters:,}" if parameters else "-",
        "weights": byte_size(weights) if weights else "-",
        "activations": byte_size(layers[-1].activation_bytes),
        "macs": quantity(own) if own else "-",
        "share": (f"{percent(own / macs, 1):>6} {bar}" if own else "", "accent"),
    }
