"""What the app's own screens have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import bindings, told
from tui.dialogs.base import Field
from tui.widgets.bars import KeyBar, TitleBar
from tui.widgets.panel import Row, RowsView, row
from tui.widgets.tones import ROW_CLASSES

if TYPE_CHECKING:
    from tui.app import InferTuiApp


class InferScreen(Screen[None]):
    """A screen of this app."""

    COMPONENT_CLASSES = ROW_CLASSES

    @property
    def infer(self) -> InferTuiApp:
        """The app, typed."""
        from tui.app import InferTuiApp

        assert isinstance(self.app, InferTuiApp)
        return self.app

    def on_the_bar(self, action_id: str) -> bool:
        """Whether the key bar names an action that works: not one that would say what it lacks."""
        return True


class Page(InferScreen):
    """A screen of rows that is opened over the bench and left by `escape`.

    `/` opens a line of search; what is typed there filters or finds at every key.
    """

    BINDINGS = bindings("page")
    title_text = ""
    can_search = True

    def compose(self) -> ComposeResult:
        yield TitleBar()
        yield self.make_rows()
        words = told("search; {dialog.accept} keeps it, {page.back} ends it",
                     self.infer.keymap_in_use)  # fmt: skip
        field = SearchField(placeholder=words, id="search")
        field.display = False
        yield field
        yield KeyBar()

    def make_rows(self) -> Widget:
        """Make the rows that fill the page."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.show_title()
        self.set_focus(self.rows)
        self.opened()

    @property
    def rows(self) -> RowsView:
        """The rows that fill the page."""
        return self.query_one(".page", RowsView)

    def opened(self) -> None:
        """The page is there: pages with more to do than to show their rows override this."""

    def show_title(self, right: Row = ()) -> None:
        self.query_one(TitleBar).show(row((self.title_text, "strong")), right)

    @property
    def searched(self) -> str:
        """What is typed in the line of search."""
        return self.query_one("#search", Field).value.strip()

    @property
    def searching(self) -> bool:
        """Whether the line of search has the keys."""
        return self.query_one("#search", Field).has_focus

    def search_changed(self, text: str) -> None:
        """Filter or find `text`; pages override this."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "search":
            return self.can_search and not self.searching
        if action == "next_match":
            return False
        return super().check_action(action, parameters)

    def action_search(self) -> None:
        field = self.query_one("#search", Field)
        field.display = True
        # At once, so that what is typed next is text.
        self.set_focus(field)
        self.refresh_bindings()

    def action_accept(self) -> None:
        """Enter in the line of search: go on with what it found."""
        self.set_focus(self.rows)
        self.refresh_bindings()

    def action_back(self) -> None:
        """End the search if there is one, otherwise leave the page."""
        field = self.query_one("#search", Field)
        if field.display:
            field.value = ""
            field.display = False
            self.set_focus(self.rows)
            self.refresh_bindings()
        else:
            self.dismiss()

    def action_next_match(self) -> None:
        """Go to the next row that has what was searched; pages override this."""

    def action_first_row(self) -> None:
        self.rows.action_cursor_first()

    def action_copy_row(self) -> None:
        rows = self.rows
        what = "this row" if rows.has_cursor else "what is shown"
        self.infer.copy(rows.row_text() + "\n", what)

    def action_copy_all(self) -> None:
        text, ending = self.whole()
        self.infer.copy(text + "\n", "all of it", ending=ending)

    def whole(self) -> tuple[str, str]:
        """All that the page shows, as text, and the ending of a file of that kind."""
        return self.rows.text(), ".txt"


class SearchField(Field):
    """The line of search of a page.

    It tells the page at once and not by a message: the letter and what it finds are one frame.
    """

    def watch_value(self, value: str) -> None:
        if isinstance(self.screen, Page):
            self.screen.search_changed(value.strip())
