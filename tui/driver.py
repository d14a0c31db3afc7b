"""Textual's driver for Linux with an ear for what the terminal answers between the keys."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.message import Message

from tui.line import LineDriver
from tui.pictures.asking import Ability, Listener

# A terminal sends an answer whole; a network may cut it. Escape alone is held no longer than
# Textual's own parser holds it.
HELD_S = 0.1


class TerminalAnswered(Message):
    """The terminal has said by which protocol it shows pictures."""

    def __init__(self, ability: Ability) -> None:
        super().__init__()
        self.ability = ability


class ListeningParser(XTermParser):
    """Keys without the answers between them, which Textual would take for keys."""

    def __init__(self, driver: ListeningDriver, debug: bool = False) -> None:
        super().__init__(debug)
        self._driver = driver
        self._held_since = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        listener = self._driver.listener
        if listener is None or not data:
            yield from super().feed(data)
            return
        before, keys = listener.ability, listener.take(data)
        self._held_since = time.monotonic()
        if keys:
            yield from super().feed(keys)
        if listener.ability is not None and listener.ability is not before:
            yield TerminalAnswered(listener.ability)

    def tick(self) -> Iterable[Message]:
        listener = self._driver.listener
        late = time.monotonic() - self._held_since >= HELD_S
        if listener is not None and listener.waits and late and (keys := listener.give_up()):
            yield from super().feed(keys)
        yield from super().tick()


class ListeningDriver(LineDriver):
    """Reads keys; once something is asked, answers too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # None as long as nothing was asked: keys go straight to Textual.
        self.listener: Listener | None = None

    def ask(self, question: str) -> None:
        """Write `question`; its answer comes as a `TerminalAnswered`."""
        self.listener = self.listener or Listener()
        self.write(question)

    def run_input_thread(self) -> None:
        # Textual makes its parser in here, by a name of its module, and has no other way to it.
        names = vars(linux_driver)
        usual = names["XTermParser"]
        names["XTermParser"] = partial(ListeningParser, self)
        try:
            super().run_input_thread()
        finally:
            names["XTermParser"] = usual
