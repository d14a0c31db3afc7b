"""Panel 1: the model in four lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.formats import byte_size, quantity, shape, shortened
from tui.widgets.panel import Row, RowsView, row, spread, wrapped

if TYPE_CHECKING:
    from engines.model import ModelFacts
    from engines.plan import ModelSpec


class ModelPanel(RowsView):
    """Name, source, parameters, multiply-adds, size and input of the model that is run."""

    HELP = "The model that every engine runs. Its page shows it layer by layer."

    def __init__(self, model: ModelSpec) -> None:
        super().__init__(id="model")
        self._model = model
        self._facts: ModelFacts | None = None
        self._problem = ""

    def show_model(self, model: ModelSpec) -> None:
        """Another model, whose facts are not known yet."""
        self._model, self._facts, self._problem = model, None, ""
        self.rebuild()

    def show_answer(self, facts: ModelFacts | None, problem: str = "") -> None:
        """The facts, or why they could not be had."""
        self._facts, self._problem = facts, problem
        self.rebuild()

    def rebuild(self) -> None:
        width = self.inner_width
        if self._facts is not None:
            self.show_rows(_facts_rows(self._facts, width))
        elif self._problem:
            rows = [row((self._model.label, "strong")), *wrapped(self._problem, width, "warn")]
            self.show_rows([*rows, row(("l", "key:bench.log"), (" reads the log", "muted"))])
        else:
            source = self._model.weights or f"built-in, seed {self._model.seed}"
            name = row((self._model.label, "strong"))
            size = self._model.input_size
            self.show_rows(
                [
                    spread(name, row((shortened(source, 24, keep_end=True), "muted")), width),
                    row(("counting parameters and multiply-adds …", "muted")),
                    (),
                    _pair("input", f"1x3x{size}x{size}", width),
                ]
            )


def _facts_rows(facts: ModelFacts, width: int) -> list[Row]:
    room = max(8, width - len(facts.label) - 2)
    source = shortened(facts.source, room, keep_end=True)
    without = f"{quantity(facts.parameters_without_batch_norm)} without batch norm"
    activations = f"activations {byte_size(facts.peak_activation_bytes)}"
    flow = f"{shape(facts.input_shape)} → {shape(facts.output_shape)}"
    return [
        spread(row((facts.label, "strong")), row((source, "muted")), width),
        _pair("parameters", f"{facts.parameters:,}", width, without),
        _pair("size", f"{byte_size(facts.weight_bytes)} FP32", width, activations),
        _pair("MACs", quantity(facts.macs), width, flow),
    ]


def _pair(name: str, value: str, width: int, note: str = "") -> Row:
    left = row((f"{name:<12}", "muted"), value)
    return spread(left, row((note, "muted")), width) if note else left
