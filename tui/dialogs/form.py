"""Set several options at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

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
UsedWhere = Mapping[str, tuple[str, OptionValue]]

# More digits than any option can mean; more letters than any text needs.
LARGEST = 10**9
LONGEST_TEXT = 200


class FormRows(RowsView):
    """One row an option: left and right change its value; numbers and texts are typed.

    `used_where` names for an option the other one that decides whether it is used, and the value
    of that where it is: elsewhere it is faint, and nothing changes it.
    """

    BINDINGS = bindings("form")
    has_cursor = True

    class Changed(Message):
        """The user has given the option called `name` another value."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class Refused(Message):
        """What was typed can be no part of the value under the cursor; `reason` says why."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(
        self,
        options: Sequence[Option],
        values: Mapping[str, OptionValue],
        used_where: UsedWhere | None = None,
    ) -> None:
        super().__init__(classes="choices")
        self._options = options
        self._used_where = used_where or {}
        self.values: Values = {one.name: values.get(one.name, one.default) for one in options}

    @property
    def current(self) -> Option:
        return self._options[self.cursor]

    def why_unused(self, option: Option) -> str:
        """Where `option` would be used, in words; empty where it is used."""
        if option.name not in self._used_where:
            return ""
        other, value = self._used_where[option.name]
        return "" if self.values[other] == value else f"used where '{other}' is '{value}'"

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
        about = self.why_unused(self.current) or f"by default {default}"
        help_rows = wrapped(f"{self.current.help}; {about}", width, "muted")
        self.show_rows(
            [self._row(one, longest) for one in self._options],
            footer=[(), *[*help_rows, ()][:2]],
        )

    def _row(self, option: Option, longest: int) -> Row:
        value = self.values[option.name]
        tone = "" if value == option.default else "strong"
        name: Piece = (spelled(option.name).ljust(longest + 2), "muted")
        if self.why_unused(option):
            return row(name, (f"{_words(value)}  not used", "muted"))
        if option.kind != "text":
            meaning = [(f"  {option.zero}", "muted")] if option.zero and not value else []
            return row(name, (f"◂ {_words(value)} ▸", tone), *meaning)
        room = max(8, self.inner_width - longest - 3)
        if option is self.current:
            # The end is what is typed at.
            return row(name, (shortened(f"{value}▏", room, keep_end=True), tone))
        return row(name, (shortened(_words(value), room), tone if value else "muted"))

    @property
    def _typed(self) -> bool:
        """Whether the value under the cursor is typed."""
        return self.current.kind in ("int", "text")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Its key erases what is typed, as in every line of text.
        if action in ("clear", "half_page_up"):
            return self._typed == (action == "clear")
        return super().check_action(action, parameters)

    def action_clear(self) -> None:
        self._take(0 if self.current.kind == "int" else "")

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
        """What is typed at a number or a text goes into it; other keys do what they always do.

        A sign that is neither part of it nor a key is refused in words.
        """
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
        elif self._typed and event.is_printable and event.key not in self.screen.active_bindings:
            expected = self.current.shape or "a whole number"
            self._refuse(f"'{character}' is no part of it; expected {expected}")
            event.stop()

    def _refuse(self, reason: str) -> None:
        self.post_message(self.Refused(f"{spelled(self.current.name)}: {reason}"))

    def _take(self, value: OptionValue) -> None:
        if why := self.why_unused(self.current):
            self._refuse(f"it is {why}")
            return
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

    used_where: UsedWhere = MappingProxyType({})

    def __init__(
        self, title: str, options: Sequence[Option], values: Mapping[str, OptionValue], note: str
    ) -> None:
        super().__init__()
        self.title_text = title
        self._options, self._values, self._note = options, values, note

    def body(self) -> Iterable[Widget]:
        yield Note(self._note)
        yield FormRows(self._options, self._values, self.used_where)

    def on_form_rows_refused(self, message: FormRows.Refused) -> None:
        self.show_problem(message.reason)

    def on_form_rows_changed(self, message: FormRows.Changed) -> None:
        self.show_problem("")

    def values_given(self) -> Values:
        """What is set, each value one that its option can take. Raises UsageError.

        What is not used is as it was at first: a mistake in it could not be corrected.
        """
        form = self.query_one(FormRows)
        values = dict(form.values)
        for option in self._options:
            if form.why_unused(option):
                values[option.name] = self._values.get(option.name, option.default)
            else:
                option.check(values[option.name])
        return values


class OptionsDialog(FormDialog[Values]):
    """Dismissed with the values of all options."""

    def action_accept(self) -> None:
        try:
            self.dismiss(self.values_given())
        except UsageError as error:
            self.show_problem(str(error))
