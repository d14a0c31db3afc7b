"""The single lines around the panels: title, panel tabs and keys."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.message import Message
from textual.screen import Screen

from tui import actions
from tui.widgets.panel import Piece, Row, RowsView, row, row_width, spread

PANEL_NAMES = (
    "Model", "Engines", "Conversion", "Latency", "Histogram", "Results", "Telemetry",
)  # fmt: skip
_SHORT_NAMES = ("Model", "Engines", "Conv", "Lat", "Hist", "Results", "Tele")


class TitleBar(RowsView, can_focus=False):
    """What is run on the left, how far it is on the right."""

    def __init__(self) -> None:
        super().__init__(id="title")
        self._left: Row = ()
        self._right: Row = ()

    def show(self, left: Row, right: Row = ()) -> None:
        self._left, self._right = left, right
        self.rebuild()

    def rebuild(self) -> None:
        """The right end, which tells of the run, outlives the left where room is short."""
        width = self.size.width
        left = row((" infer-tui ", "accent"), *self._left)
        while len(left) > 1 and row_width(left) + row_width(self._right) + 2 > width:
            left = left[:-1]
        self.show_rows([spread(left, (*self._right, (" ", "")), width)])


class PanelTabs(RowsView, can_focus=False):
    """The panels by number, where only one of them fits on the screen."""

    class Chosen(Message):
        """The tab of panel `number` was clicked."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._active = 2

    def show(self, active: int) -> None:
        self._active = active
        self.rebuild()

    def rebuild(self) -> None:
        pieces: list[Piece] = []
        for number, text in enumerate(self._texts(), 1):
            pieces += [(text, "tab" if number == self._active else "muted"), (" ", "")]
        self.show_rows([tuple(pieces[:-1])])

    def _texts(self) -> list[str]:
        """The tabs, shorter until they fit: whole names, shorter ones, numbers alone."""
        for names in (PANEL_NAMES, _SHORT_NAMES):
            texts = [f"{number} {name}" for number, name in enumerate(names, 1)]
            for padded in ([f" {text} " for text in texts], texts):
                if sum(map(len, padded)) + len(padded) - 1 <= self.size.width:
                    return padded
        return [f" {number} " for number in range(1, len(PANEL_NAMES) + 1)]

    async def on_click(self, event: events.Click) -> None:
        end = 0
        for number, text in enumerate(self._texts(), 1):
            end += len(text) + 1
            if event.x < end:
                self.post_message(self.Chosen(number))
                return


class KeyBar(RowsView, can_focus=False):
    """The keys that do something now, the most useful first; as many as fit."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._shown: list[tuple[int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self.rebuild()

    def rebuild(self) -> None:
        # "screen." in a binding means the current screen: under a dialog there is no asking.
        if not (self.is_attached and self.app.screen is self.screen):
            return
        found = sorted(self._working(), key=lambda one: one[0].rank or 0)
        ends = [one for one in found if one[0].scope == "app"]
        others = [one for one in found if one[0].scope != "app"]
        while (others or ends) and self._width([*others, *ends]) > self.size.width:
            worst = max([*others, *ends], key=lambda one: one[0].rank or 0)
            (others if worst in others else ends).remove(worst)
        left, right = self._row(others), self._row(ends)
        self._remember(others, ends)
        self.show_rows([spread(row(" ", *left), row(*right, " "), self.size.width)])

    def _working(self) -> Iterable[tuple[actions.Action, str]]:
        """Each action with a key that works now and has a place on the bar, with that key."""
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or not active.enabled or binding.id is None:
                continue
            if binding.id not in seen and self._has_place(binding.id):
                seen.add(binding.id)
                action = actions.find(binding.id)
                if key := self._key_text(action):
                    yield action, key

    def _has_place(self, action_id: str) -> bool:
        """Whether the screen wants it on the bar; dialogs have no say in it."""
        wanted = getattr(self.screen, "on_the_bar", None)
        return wanted is None or bool(wanted(action_id))

    def _key_text(self, action: actions.Action) -> str:
        """The first key of an action, as the user's keymap has it; empty where it has none."""
        keymap = getattr(self.app, "keymap_in_use", {})
        if action.key_text and action.id not in keymap:
            return action.key_text
        return actions.first_key(action, keymap)

    @staticmethod
    def _width(found: list[tuple[actions.Action, str]]) -> int:
        return 2 + sum(len(key) + len(action.word) + 3 for action, key in found)

    @staticmethod
    def _row(found: list[tuple[actions.Action, str]]) -> Row:
        pieces: list[Piece] = []
        for action, key in found:
            pieces += [(key, "key"), (f" {action.word}  ", "")]
        return tuple(pieces)

    def _remember(
        self,
        left: list[tuple[actions.Action, str]],
        right: list[tuple[actions.Action, str]],
    ) -> None:
        """Where each key ends, for the mouse."""
        self._shown = []
        x = 1
        for action, key in left:
            x += len(key) + len(action.word) + 3
            self._shown.append((x, action.call))
        x = self.size.width - 1 - sum(len(key) + len(one.word) + 3 for one, key in right)
        self._shown.append((x, ""))
        for action, key in right:
            x += len(key) + len(action.word) + 3
            self._shown.append((x, action.call))

    async def on_click(self, event: events.Click) -> None:
        for end, call in self._shown:
            if event.x < end:
                if call:
                    await self.run_action(call)
                return
