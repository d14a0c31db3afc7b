"""Set several options at once: an engine's own, or how long to measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual import events
from textual.widget import Widget

from engines.plan import ARTICLE_ITERATIONS, Measurement, OptionValue
from engines.registry import Option
from tui.actions import bindings
from tui.dialogs.base import Dialog, Note
from tui.widgets.panel import Piece, Row, RowsView, row, wrapped

Values = dict[str, OptionValue]


class FormRows(RowsView):
    """One row an option: left and right change its value, digits type a number."""

    BINDINGS = bindings("form")
    has_cursor = True

    def __init__(self, options: Sequence[Option], values: Mapping[str, OptionValue]) -> None:
        super().__init__(classes="choices")
        self._options = options
        self.values: Values = {one.name: values.get(one.name, one.default) for one in options}

    @property
    def current(self) -> Option:
        return self._options[self.cursor]

    def on_mount(self) -> None:
        self.rebuild()

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        longest = max(len(one.name) for one in self._options)
        width = self.scrollable_content_region.width
        help_rows = wrapped(f"{self.current.help}; by default {_words(self.current.default)}",
                            width, "muted")  # fmt: skip
        self.show_rows(
            [self._row(one, longest) for one in self._options],
            footer=[(), *[*help_rows, ()][:2]],
        )

    def _row(self, option: Option, longest: int) -> Row:
        value = self.values[option.name]
        tone = "" if value == option.default else "strong"
        shown: Piece = (f"◂ {_words(value)} ▸", tone)
        return row((option.name.replace("_", " ").ljust(longest + 2), "muted"), shown)

    def action_change(self, step: int) -> None:
        option = self.current
        value = self.values[option.name]
        if option.kind == "choice":
            place = option.choices.index(str(value)) + step
            self.values[option.name] = option.choices[place % len(option.choices)]
        elif option.kind == "bool":
            self.values[option.name] = not value
        else:
            self.values[option.name] = max(option.minimum, int(value) + step)
        self.rebuild()

    def action_erase(self) -> None:
        if self.current.kind == "int":
            self.values[self.current.name] = int(self.values[self.current.name]) // 10
            self.rebuild()

    def on_key(self, event: events.Key) -> None:
        if self.current.kind == "int" and event.character and event.character.isdecimal():
            typed = int(f"{self.values[self.current.name]}{event.character}")
            self.values[self.current.name] = min(typed, 10**9)
            self.rebuild()
            event.stop()


def _words(value: OptionValue) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


class FormDialog(Dialog[Values]):
    """The values of some options; dismissed with all of them."""

    def __init__(
        self, title: str, options: Sequence[Option], values: Mapping[str, OptionValue], note: str
    ) -> None:
        super().__init__()
        self.title_text = title
        self._options, self._values, self._note = options, values, note

    def body(self) -> Iterable[Widget]:
        yield Note(self._note)
        yield FormRows(self._options, self._values)

    def action_accept(self) -> None:
        form = self.query_one(FormRows)
        for option in self._options:
            value = form.values[option.name]
            if option.kind == "int" and int(value) < option.minimum:
                self.show_problem(f"{option.name} is {value}, expected {option.expected}")
                return
        self.dismiss(dict(form.values))


UNTIL_KNOWN = "median known to 1 %"
ITERATIONS = "iterations"
SECONDS = "seconds"


class MeasurementDialog(FormDialog):
    """When each measurement ends."""

    def __init__(self, measurement: Measurement) -> None:
        ends = ITERATIONS if measurement.iterations else SECONDS if measurement.seconds else None
        super().__init__(
            "How long to measure",
            (
                Option("ends after", "what ends the measurement of an engine", UNTIL_KNOWN,
                       choices=(UNTIL_KNOWN, ITERATIONS, SECONDS)),
                Option("iterations", "inferences to measure, where these end it",
                       ARTICLE_ITERATIONS, minimum=1),
                Option("seconds", "time to measure for, where that ends it", 10, minimum=1),
            ),
            {
                "ends after": ends or UNTIL_KNOWN,
                "iterations": measurement.iterations or ARTICLE_ITERATIONS,
                "seconds": round(measurement.seconds or 10),
            },
            "The article measures 100 iterations. Percentiles need more: p99 needs 662.",
        )  # fmt: skip


def measurement_of(values: Values) -> Measurement:
    """What the values of a `MeasurementDialog` mean."""
    if values["ends after"] == ITERATIONS:
        return Measurement(iterations=int(values["iterations"]))
    if values["ends after"] == SECONDS:
        return Measurement(seconds=float(values["seconds"]))
    return Measurement()
