"""Set several options at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual import events
from textual.message import Message
from textual.widget import Widget

from engines.errors import UsageError
from engines.plan import OptionValue
from engines.registry import Option
from profiles.spelling import spelled
from tui.actions import bindings
from tui.dialogs.base import Answer, Dialog, Note
from tui.formats import shortened
from tui.widgets.panel import Piece, Row, RowsView, row, wrapped

Values = dict[str, OptionValue]

# More digits than any option can mean; more letters than any text needs.
LARGEST = 10**9
LONGEST_TEXT = 200


class FormRows(RowsView):
    """One row an option: left and right change its value; numbers and texts are typed."""

    BINDINGS = bindings("form")
    has_cursor = True

    class Changed(Message):
        """The user has given the option called `name` another value."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, options: Sequence[Option], values: Mapping[str, OptionValue]) -> None:
        super().__init__(classes="choices")
        self._options = options
        self.values: Values = {one.name: values.get(one.name, one.default) for one in options}

    @property
    def current(self) -> Option:
        return self._options[self.cursor]

    def show_value(self, name: str, value: OptionValue) -> None:
        """Set a value that the user did not give."""
        self.values[name] = value
        self.rebuild()

    def on_mount(self) -> None:
        self.rebuild()

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        longest = max(len(one.name) for one in self._options)
        width = self.scrollable_content_region.width
        default = self.current.zero if self.current.default == 0 else ""
        default = default or _words(self.current.default)
        help_rows = wrapped(f"{self.current.help}; by default {default}", width, "muted")
        self.show_rows(
            [self._row(one, longest) for one in self._options],
            footer=[(), *[*help_rows, ()][:2]],
        )

    def _row(self, option: Option, longest: int) -> Row:
        value = self.values[option.name]
        tone = "" if value == option.default else "strong"
        name: Piece = (spelled(option.name).ljust(longest + 2), "muted")
        if option.kind != "text":
            meaning = [(f"  {option.zero}", "muted")] if option.zero and not value else []
            return row(name, (f"◂ {_words(value)} ▸", tone), *meaning)
        room = max(8, self.inner_width - longest - 3)
        if option is self.current:
            # The end is what is typed at.
            return row(name, (shortened(f"{value}▏", room, keep_end=True), tone))
        return row(name, (shortened(_words(value), room), tone if value else "muted"))

    def action_change(self, step: int) -> None:
        option = self.current
        value = self.values[option.name]
        if option.kind == "choice":
            place = option.choices.index(str(value)) + step
            self._take(option.choices[place % len(option.choices)])
        elif option.kind == "bool":
            self._take(not value)
        elif option.kind == "int":
            highest = LARGEST if option.maximum is None else option.maximum
            self._take(min(max(option.minimum, int(value) + step), highest))

    def action_erase(self) -> None:
        value = self.values[self.current.name]
        if self.current.kind == "int":
            self._take(int(value) // 10)
        elif self.current.kind == "text":
            self._take(str(value)[:-1])

    def on_key(self, event: events.Key) -> None:
        """What is typed at a number or a text goes into it; other keys do what they always do."""
        value, character = self.values[self.current.name], event.character
        if not character:
            return
        typed = event.is_printable and (_takes_letters(self.current) or not character.isalpha())
        if self.current.kind == "text" and typed:
            self._take(f"{value}{character}"[:LONGEST_TEXT])
            event.stop()
        elif self.current.kind == "int" and character.isdecimal():
            self._take(min(int(f"{value}{character}"), LARGEST))
            event.stop()

    def _take(self, value: OptionValue) -> None:
        self.values[self.current.name] = value
        self.rebuild()
        self.post_message(self.Changed(self.current.name))


def _takes_letters(option: Option) -> bool:
    """Whether a letter may be part of its text; otherwise letters stay keys, such as j and k."""
    return not option.pattern or any(map(str.isalpha, option.pattern.replace(r"\d", "")))


def _words(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"


class FormDialog(Dialog[Answer]):
    """The values of some options; `values_given` has all of them."""

    def __init__(
        self, title: str, options: Sequence[Option], values: Mapping[str, OptionValue], note: str
    ) -> None:
        super().__init__()
        self.title_text = title
        self._options, self._values, self._note = options, values, note

    def body(self) -> Iterable[Widget]:
        yield Note(self._note)
        yield FormRows(self._options, self._values)

    def values_given(self) -> Values:
        """What is set, each value one that its option can take. Raises UsageError."""
        values = self.query_one(FormRows).values
        for option in self._options:
            option.check(values[option.name])
        return dict(values)


class OptionsDialog(FormDialog[Values]):
    """Dismissed with the values of all options."""

    def action_accept(self) -> None:
        try:
            self.dismiss(self.values_given())
        except UsageError as error:
            self.show_problem(str(error))
