"""Every key, by panel."""

from __future__ import annotations

from textual.widget import Widget

from tui import actions
from tui.keys import shown_key
from tui.screens.base import Page
from tui.widgets.panel import Row, RowsView, row, wrapped

INTRODUCTION = (
    "Choose engines ({engines.select}), run them ({bench.run}), save what was measured"
    " ({bench.save}), compare it later ({bench.compare}). A run goes on whatever the screen shows;"
    " {bench.stop} stops it and keeps what was measured."
)
KEYS_WIDTH = 18


class HelpRows(RowsView):
    """The registry of actions as a page to read."""

    def __init__(self) -> None:
        super().__init__(classes="page")
        self.searched = ""

    def rebuild(self) -> None:
        width = self.scrollable_content_region.width
        rows: list[Row] = [] if self.searched else [(), *wrapped(self._introduction, width)]
        for scope in actions.SCOPES:
            found = [one for one in actions.of(scope.name) if self._is_searched(one)]
            if found:
                rows += [(), row((scope.title, "heading"))]
            for action in found:
                rows += self._lines(action, width)
        self.show_rows(rows or [(), row(("No key does that.", "muted"))])

    @property
    def _introduction(self) -> str:
        return actions.told(INTRODUCTION, getattr(self.app, "keymap_in_use", {}))

    def _is_searched(self, action: actions.Action) -> bool:
        words = f"{action.word} {action.help} {self.app_keys(action)}".lower()
        return all(word in words for word in self.searched.lower().split())

    def _lines(self, action: actions.Action, width: int) -> list[Row]:
        keys = self.app_keys(action)
        tone = "key" if keys else "muted"
        keys = keys or ("by palette" if action.in_palette else "no key")
        lines = wrapped(action.help, width - KEYS_WIDTH - 2)
        indent = " " * (KEYS_WIDTH + 2)
        if len(keys) >= KEYS_WIDTH:
            return [row((f"  {keys}", tone)), *(row(indent, *one) for one in lines)]
        heading = row((f"  {keys:<{KEYS_WIDTH}}", tone), *lines[0])
        return [heading, *(row(indent, *one) for one in lines[1:])]

    def app_keys(self, action: actions.Action) -> str:
        """The keys of an action as they are now, with the user's keymap."""
        keymap = getattr(self.app, "keymap_in_use", {})
        return ", ".join(shown_key(one) for one in actions.keys_of(action, keymap))


class HelpScreen(Page):
    """The help; `/` finds a key by what it does."""

    title_text = "Every key, by panel"

    def make_rows(self) -> Widget:
        return HelpRows()

    def search_changed(self, text: str) -> None:
        rows = self.query_one(HelpRows)
        rows.searched = text
        rows.rebuild()
        rows.scroll_to(y=0, animate=False)
