"""The part of the app that knows whether the terminal shows pictures."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.line import LineDriver
from tui.pictures.asking import Ability, question
from tui.telling import TellingApp

if TYPE_CHECKING:
    from textual.driver import Driver

    from engines.plan import ModelSpec
    from tui.driver import TerminalAnswered

# What was asked some seconds ago is answered by now, or never.
ANSWER_WITHIN_S = 2.0
# DEC's VT340. Only the sharpness of a picture of kitty's depends on it.
USUAL_CELL = (10, 20)

NOT_ASKED = "this terminal has no protocol for pictures"
NO_ANSWER = "this terminal did not say that it shows pictures"
HOW_TO_SEE = "Copy the file to a machine with a browser, or use kitty, WezTerm or foot."
NO_CELL = "this terminal has sixel, but does not say how many pixels its cells have"


class PicturingApp(TellingApp):
    """An app that asks the terminal, when it is first needed, by which protocol it shows pictures.

    Nothing is asked at the start. An answer may come late: it never counts as keys.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ability: Ability | None = None
        self._known = asyncio.Event()

    @property
    def model(self) -> ModelSpec:
        raise NotImplementedError

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        if found is LineDriver:
            from tui.driver import ListeningDriver

            return ListeningDriver
        return found

    def ask_for_pictures(self) -> None:
        """Ask the terminal, once; goes on at once."""
        from tui.driver import ListeningDriver

        driver = self._driver
        if self._known.is_set() or (isinstance(driver, ListeningDriver) and driver.listener):
            return
        asked = question(os.environ)
        if asked and isinstance(driver, ListeningDriver):
            driver.ask(asked)
        else:
            self.heard_of_pictures(Ability(why_not=NOT_ASKED))

    def on_terminal_answered(self, message: TerminalAnswered) -> None:
        self.heard_of_pictures(message.ability)

    def heard_of_pictures(self, ability: Ability) -> None:
        """This is what the terminal can do."""
        cell = ability.cell if all(ability.cell) else _cell_of_system()
        if ability.protocol == "sixel" and not all(cell):
            ability = Ability(why_not=NO_CELL)
        self._ability = replace(ability, cell=cell if all(cell) else USUAL_CELL)
        self._known.set()

    async def picture_ability(self) -> Ability:
        """What the terminal has answered; waits a moment for the answer."""
        self.ask_for_pictures()
        try:
            await asyncio.wait_for(self._known.wait(), ANSWER_WITHIN_S)
        except TimeoutError:
            return Ability(why_not=NO_ANSWER)
        assert self._ability is not None
        return self._ability

    # The graph

    def draw_graph(self) -> None:
        """Write the model's graph to a file of the user's choice, and show it where that can be."""
        from engines import paths
        from engines.model import draw_graph
        from tui.dialogs.path import PathDialog

        # The answer comes while the graph is drawn.
        self.ask_for_pictures()
        model = self.model
        pictures: list[Path] = []

        def draw(path: Path) -> str:
            picture = paths.ready(paths.state_folder()) / "graph.png"
            drawn = draw_graph(model, path, picture=picture)
            pictures[:] = [drawn.picture] if drawn.picture else []
            return f"{drawn.path}\n{drawn.note}".strip()

        async def tell(answer: str | None) -> None:
            if answer is None:
                return
            ability = await self.picture_ability()
            if pictures and ability.protocol:
                from tui.screens.graph import GraphScreen

                written = Path(answer.partition("\n")[0])
                self.push_screen(GraphScreen(pictures[0], written, ability, model.label))
                return
            if pictures:
                answer += f"\nNot shown here: {ability.why_not}. {HOW_TO_SEE}"
            self.notify(answer, title="Graph written", markup=False, timeout=10)

        proposed = Path.cwd() / f"{model.name}.svg"
        note = "The ending says what is drawn: .svg, .png or .dot."
        self.push_screen(PathDialog("Draw the model's graph", note, proposed, draw), tell)


def _cell_of_system() -> tuple[int, int]:
    """Width and height of a cell in pixels as the kernel knows them; (0, 0) where it doesn't."""
    try:
        size = fcntl.ioctl(sys.__stdin__, termios.TIOCGWINSZ, bytes(8))  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError):
        return (0, 0)
    rows, columns, width, height = struct.unpack("HHHH", size)
    return (width // columns, height // rows) if rows and columns else (0, 0)
