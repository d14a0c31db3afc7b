"""The model, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from tui.formats import byte_size, plural, quantity, shape
from tui.screens.base import Page
from tui.widgets.panel import RowsView, row
from tui.widgets.table import Column, Line, lay_out

if TYPE_CHECKING:
    from engines.model import LayerFacts, ModelFacts

SHARE_CELLS = 10
COLUMNS = (
    Column("name", "layer", align="left", stretch=True, minimum=18),
    Column("kind", "kind", keep=3, align="left"),
    Column("block", "block", keep=6, align="left"),
    Column("shape", "output", keep=2),
    Column("parameters", "parameters", keep=1),
    Column("weights", "weights", keep=5),
    Column("activations", "activations", keep=4),
    Column("macs", "MACs"),
    Column("share", "share of MACs", align="left", least=SHARE_CELLS + 6),
)


class LayerRows(RowsView):
    """A row a layer; those whose name, kind or block has the searched text."""

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__(classes="page")
        self._facts = facts
        self.searched = ""

    @property
    def listed(self) -> list[LayerFacts]:
        """The layers that are shown."""
        words = self.searched.lower().split()
        return [one for one in self._facts.layers if all(word in _text(one) for word in words)]

    def rebuild(self) -> None:
        layers = self.listed
        self.has_cursor = bool(layers)
        if not layers:
            self.show_rows([row((f"No layer has '{self.searched}'. ", "muted"), ("escape", "key"),
                                 (" ends the search", "muted"))])  # fmt: skip
            return
        lines = [_line(one, max(1, self._facts.macs)) for one in layers]
        header, rows = lay_out(COLUMNS, lines, self.inner_width)
        self.show_rows(rows, header=[(("  ", ""), *header)])


class ModelScreen(Page):
    """The layer table of a model."""

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__()
        self.facts = facts
        self.title_text = facts.label

    def make_rows(self) -> Widget:
        return LayerRows(self.facts)

    def opened(self) -> None:
        self.show_totals()

    def show_totals(self) -> None:
        layers = self.query_one(LayerRows).listed
        shown = plural(len(layers), "layer")
        totals = f"{quantity(sum(one.parameters for one in layers))} parameters, "
        totals += f"{quantity(sum(one.macs for one in layers))} MACs"
        self.show_title(row((f"{shown}, {totals}", "muted")))

    def search_changed(self, text: str) -> None:
        rows = self.query_one(LayerRows)
        rows.searched = text
        rows.cursor = 0
        rows.rebuild()
        self.show_totals()


def _text(layer: LayerFacts) -> str:
    return f"{layer.name} {layer.kind} {layer.block}".lower()


def _line(layer: LayerFacts, macs: int) -> Line:
    share = layer.macs / macs
    bar = "█" * round(share * SHARE_CELLS / 0.1) if share else ""
    return {
        "name": layer.name,
        "kind": (layer.kind, "muted"),
        "block": (layer.block, "muted"),
        "shape": shape(layer.output_shape),
        "parameters": f"{layer.parameters:,}" if layer.parameters else "-",
        "weights": byte_size(layer.weight_bytes) if layer.weight_bytes else "-",
        "activations": byte_size(layer.activation_bytes),
        "macs": quantity(layer.macs) if layer.macs else "-",
        "share": (f"{share:5.1%} {bar[:SHARE_CELLS]}" if share else "", "accent"),
    }
