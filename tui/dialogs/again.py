"""Run again what a profile ran, as far as it can run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from textual.widget import Widget

from tui.actions import bindings
from tui.dialogs.base import Dialog
from tui.dialogs.message import TextRows
from tui.widgets.panel import Row

Wish = Literal["run", "select"]


class AgainDialog(Dialog[Wish]):
    """Says what would run and what can't; dismissed with whether to run it or to select it only."""

    BINDINGS = bindings("again")

    def __init__(self, name: str, lines: Sequence[Row | str], *, can_run: bool) -> None:
        super().__init__()
        self.title_text = f"Run {name} again?"
        self._lines_shown, self._can_run = lines, can_run

    def body(self) -> Iterable[Widget]:
        yield TextRows(self._lines_shown)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._can_run if action == "accept" else super().check_action(action, parameters)

    def action_accept(self) -> None:
        self.dismiss("run")

    def action_select(self) -> None:
        self.dismiss("select")
