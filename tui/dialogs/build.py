"""Build the engine files of one row, with every option of its builder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.message import Message
from textual.widget import Widget

from engines import registry
from engines.errors import InferTuiError, UsageError
from engines.plan import EngineSpec, ModelSpec
from engines.registry import Option
from tui import background
from tui.dialogs.form import FormDialog, FormRows, Values
from tui.formats import byte_size, duration, shortened
from tui.remembered import build_options
from tui.widgets.engines import why_to_build
from tui.widgets.panel import Piece, Row, RowsView, row, wrapped

if TYPE_CHECKING:
    from engines.building import BuildState
    from tui.choice import Choice

REBUILD = Option("rebuild", "build what is kept once more, in its place when it is whole", False)
SHOWN_ENTRIES = 4
# The share of the screen's height that a dialog may take, as its style says, and of that the rows
# around the form and the entries: borders, padding, gaps and the keys.
LARGEST_SHARE = 0.96
ROWS_AROUND = 6
LEAST_FORM_ROWS = 5


@dataclass(frozen=True, slots=True)
class BuildWish:
    """What the user accepted: the builder's options, and whether kept files are built again."""

    values: Values
    anew: bool


class EntryRows(RowsView, can_focus=False):
    """The entries that are built, and what is kept of each; the first few where they are many."""

    def __init__(self) -> None:
        super().__init__(id="entries")
        self._specs: Sequence[EngineSpec] = ()
        self._states: Sequence[BuildState] = ()

    def show(self, specs: Sequence[EngineSpec], states: Sequence[BuildState]) -> None:
        """`states` may still be missing: they come from a thread."""
        self._specs, self._states = specs, states if len(states) == len(specs) else ()
        self.rebuild()

    def rebuild(self) -> None:
        shown = len(self._specs)
        if shown > SHOWN_ENTRIES:
            shown = SHOWN_ENTRIES - 1
        names = [f"{spec.precision}, batch {spec.batch}" for spec in self._specs]
        longest = max(map(len, names[:shown]), default=0)
        rows = [self._row(at, names[at].ljust(longest + 2)) for at in range(shown)]
        if shown < len(names):
            built = sum(one.kind == "built" for one in self._states)
            rows.append(row((f"and {len(names) - shown} more; built: {built} of all", "muted")))
        self.show_rows(rows)

    def _row(self, at: int, name: str) -> Row:
        text, tone = _kept(self._states[at]) if self._states else ("… looking", "muted")
        return row(name, (shortened(text, max(8, self.inner_width - len(name))), tone))


def _kept(state: BuildState) -> Piece:
    """What is kept of one entry, in words."""
    if state.kind == "built" and state.meta is not None:
        took = duration(state.meta.seconds)
        return f"✓ built, {byte_size(state.meta.size_bytes)}, took {took}", "good"
    return f"▲ {why_to_build(state)}", "warn"


class BuildDialog(FormDialog[BuildWish]):
    """The builder's options, under what is kept; it follows the options as they are changed."""

    class Seen(Message):
        """The answer to the look called `number` at the engine files of the entries."""

        def __init__(self, number: int, states: tuple[BuildState, ...]) -> None:
            super().__init__()
            self.number, self.states = number, states

    def __init__(self, choice: Choice, model: ModelSpec, input_seed: int) -> None:
        self._choice, self._model, self._input_seed = choice, model, input_seed
        self._look = 0
        self._rebuild_touched = False
        self._problem = ""
        self._entries = EntryRows()
        options = (REBUILD, *build_options(choice.engine))
        values = choice.options | {REBUILD.name: _all_built(choice.files or ())}
        environment = choice.availability.environment
        where = f" [{environment}]" if environment else ""
        super().__init__(f"Build {choice.engine.title}{where}", options, values, "")

    def body(self) -> Iterable[Widget]:
        yield self._entries
        yield FormRows(self._options, self._values)

    def on_mount(self) -> None:
        self._entries.show(self._choice.specs(), self._choice.files or ())
        self._look_at_files(self._choice.specs())

    def on_resize(self, event: events.Resize) -> None:
        self._fit_form()

    def show_problem(self, text: str) -> None:
        super().show_problem(text)
        self._problem = text
        self._fit_form()

    def _fit_form(self) -> None:
        """The form gives way, so that the keys and a problem stay on a small screen."""
        form = self.query_one(FormRows)
        taken = ROWS_AROUND + min(len(self._choice.specs()), SHOWN_ENTRIES)
        if self._problem:
            # A gap above and below.
            taken += 2 + len(wrapped(self._problem, form.size.width))
        rows = int(LARGEST_SHARE * self.app.size.height) - taken
        form.styles.max_height = max(LEAST_FORM_ROWS, rows)

    # What is kept

    def on_form_rows_changed(self, message: FormRows.Changed) -> None:
        if message.name == REBUILD.name:
            self._rebuild_touched = True
            return
        try:
            specs = self._checked()[1]
        except UsageError:
            # Half-typed; what is wrong with it is said when it is accepted.
            return
        self._look_at_files(specs)

    def _look_at_files(self, specs: tuple[EngineSpec, ...]) -> None:
        """See, in a thread, what is kept of the entries with the options as they are now."""
        self._look += 1
        number, answer = self._look, self._choice.availability
        question = background.FilesQuestion(self._choice.key, specs, answer)

        def look() -> None:
            states = background.states_of(self._model, question, self._input_seed)
            self.post_message(self.Seen(number, states))

        self.run_worker(look, thread=True, exit_on_error=False)

    def on_build_dialog_seen(self, message: Seen) -> None:
        if message.number != self._look:
            return
        self._entries.show(self._choice.specs(), message.states)
        if not self._rebuild_touched:
            self.query_one(FormRows).show_value(REBUILD.name, _all_built(message.states))

    # The answer

    def action_accept(self) -> None:
        from engines.building import check_can_build

        try:
            wish, specs = self._checked()
            for spec in specs:
                check_can_build(self._choice.engine, spec, self._choice.availability)
        except InferTuiError as error:
            self.show_problem(str(error))
        else:
            self.dismiss(wish)

    def _checked(self) -> tuple[BuildWish, tuple[EngineSpec, ...]]:
        """What is set and the entries that it makes. Raises UsageError where it can't be meant."""
        values = self.values_given()
        anew = bool(values.pop(REBUILD.name))
        specs = self._choice.specs_with(values)
        for spec in specs:
            registry.check(spec)
        return BuildWish(values, anew), specs


def _all_built(states: Sequence[BuildState]) -> bool:
    return bool(states) and all(one.kind == "built" for one in states)
