"""The command palette: every action of the registry that works where the user is."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui import actions
from tui.keys import shown_key


class ActionsProvider(Provider):
    """Actions by their help sentence; the key stands beside it, to be learnt."""

    def _commands(self) -> list[tuple[str, str, str]]:
        """Title, help and Textual action of what works now on the calling screen."""
        # What a page and the bench both have, they call by one name: once is enough.
        commands: dict[str, tuple[str, str, str]] = {}
        for action in actions.ACTIONS:
            if action.in_palette and action.help not in commands and self._works(action):
                keys = actions.keys_of(action, getattr(self.app, "keymap_in_use", {}))
                key = f"key {shown_key(keys[0])}" if keys else "no key"
                commands[action.help] = action.help, key, action.call
        return list(commands.values())

    def _works(self, action: actions.Action) -> bool:
        """Whether the app or the screen under the palette can do this now."""
        target, _, call = action.call.partition(".")
        if target not in ("app", "screen"):
            return False
        node = self.app if target == "app" else self.screen
        name = call.partition("(")[0]
        return hasattr(node, f"action_{name}") and node.check_action(name, ()) is True

    async def discover(self) -> Hits:
        for title, help_text, call in self._commands():
            yield DiscoveryHit(title, self._runner(call), help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, help_text, call in self._commands():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._runner(call), help=help_text)

    def _runner(self, call: str) -> partial[Coroutine[Any, Any, bool]]:
        return partial(self.app.run_action, call, self.screen)
