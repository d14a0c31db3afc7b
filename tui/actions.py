"""Every action of the app, once: its key, its words, where it works.

Bindings, the key bar, the command palette and the help screen are made from this registry, and
the user's keymap is checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from engines.errors import UsageError, nearest
from tui.keys import named_keys, shown_key


@dataclass(frozen=True, slots=True)
class Scope:
    """A place where keys work: the whole app, a screen, a panel or a dialog.

    `within` names the scopes whose keys work there as well.
    """

    name: str
    title: str
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the user can do.

    `call` is the Textual action that does it, `word` its name on the key bar, `help` one sentence
    for palette and help, `key_text` what the key bar shows where the first key does not say enough.
    `rank` orders the key bar: the highest are dropped first where the line
    is short; None keeps the action off it.
    """

    id: str
    keys: str
    call: str
    word: str
    help: str
    rank: int | None = None
    priority: bool = False
    in_palette: bool = True
    key_text: str = ""

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]

    @property
    def binding(self) -> Binding:
        return Binding(
            self.keys or no_key(self.id),
            self.call,
            self.word,
            show=self.rank is not None,
            priority=self.priority,
            tooltip=self.help,
            id=self.id,
        )


SCOPES: tuple[Scope, ...] = (
    Scope("app", "Everywhere"),
    Scope("bench", "Bench", ("app",)),
    Scope("engines", "2 Engines", ("app", "bench", "list")),
    Scope("latency", "4 Latency", ("app", "bench")),
    Scope("histogram", "5 Histogram", ("app", "bench")),
    Scope("results", "6 Results", ("app", "bench", "list")),
    Scope("list", "Lists and tables", ("app",)),
    Scope("page", "Model, log, compare and help screens", ("app", "list")),
    Scope("model", "Model", ("app", "list", "page")),
    Scope("graph", "Graph of the model", ("app", "list", "page")),
    Scope("layers", "Times by layer", ("app", "list", "page")),
    Scope("profiles", "Saved profiles", ("app", "list", "page")),
    Scope("chooser", "Saved profiles, to compare", ("app", "list", "page")),
    Scope("compare", "Comparison", ("app", "list", "page")),
    Scope("frontier", "Frontier", ("app", "list", "page")),
    Scope("dialog", "Dialogs"),
    Scope("checklist", "Dialogs with a list to tick", ("dialog", "list")),
    Scope("form", "Dialogs with options", ("dialog", "list")),
    Scope("message", "Messages", ("list",)),
    Scope("confirm", "Questions", ("dialog",)),
    Scope("leave", "Leave?", ("dialog",)),
    Scope("again", "Run again?", ("dialog",)),
)

_TOLD = re.compile(r"\{([a-z0-9_.]+)\}")

ACTIONS: tuple[Action, ...] = (
    # Everywhere
    Action("app.help", "question_mark,f1", "app.help", "help", "Show every key, by panel", 3),
    Action("app.palette", "ctrl+p", "app.command_palette", "palette",
           "Search every action by name", 60, in_palette=False),
    Action("app.quit", "q,ctrl+q", "app.ask_quit", "quit",
           "Leave; asks while a run or a build goes or results are unsaved", 4),
    Action("app.interrupt", "ctrl+c", "app.interrupt", "stop / quit",
           "Stop the run or the builds; without any, leave", priority=True, in_palette=False),
    Action("app.repaint", "ctrl+l", "app.repaint", "redraw",
           "Draw the screen anew, where something else has written on it"),
    Action("app.theme", "", "app.change_theme", "theme", "Choose the colour theme"),
    Action("app.picture", "", "app.picture", "picture", "Save a picture of this screen as SVG"),
    # Bench
    Action("bench.run", "r", "screen.run", "run", "Run the selected engines", 1),
    Action("bench.stop", "x", "screen.stop", "stop",
           "Stop the run or the build that goes; in panel 3, take out a build that waits", 1),
    Action("bench.precision", "p", "screen.precision", "precision",
           "Choose the precisions of the engine under the cursor", 11),
    Action("bench.batch", "n", "screen.batch", "batch",
           "Choose the batch sizes of the engine under the cursor", 12),
    Action("bench.measure", "i", "screen.measure", "measure",
           "Choose how to measure: how long, by turns, energy, requests in flight", 30),
    Action("bench.article", "", "screen.article", "article",
           "Measure as the article does: 100 iterations, batch 1"),
    Action("bench.save", "s", "screen.save", "save", "Save this run as a profile", 2),
    Action("bench.open", "o", "screen.open", "open", "Open a saved profile", 13),
    Action("bench.compare", "c", "screen.compare", "compare",
           "Compare this run or a saved profile with another", 14),
    Action("bench.frontier", "f", "screen.frontier", "frontier",
           "Plot throughput over latency, and find the best within a limit", 18),
    Action("bench.model", "m", "screen.model", "model",
           "Show the model layer by layer", 15),
    Action("bench.graph", "g", "screen.graph", "graph",
           "Draw the model's graph to a file, and show it where the terminal can", 40),
    Action("bench.build", "b", "screen.build", "build",
           "Build or rebuild the TensorRT engine under the cursor; asks for its options first", 17),
    Action("bench.layers", "t", "screen.layers", "layers",
           "Time the engine or entry under the cursor layer by layer, in a run of its own", 18),
    Action("bench.log", "l", "screen.log", "log",
           "Read the worker's log of the job under the cursor or the last run", 16),
    Action("bench.all", "a", "screen.select_all", "all",
           "Select every engine that can run, or none"),
    Action("bench.zoom", "z", "screen.zoom", "zoom",
           "Give one panel the whole screen, or back", 50),
    Action("bench.next", "tab", "screen.next_panel", "panel", "Go to the next panel", 20,
           in_palette=False),
    Action("bench.previous", "shift+tab", "screen.previous_panel", "previous panel",
           "Go to the panel before", in_palette=False),
    Action("bench.panel1", "1", "screen.panel(1)", "Model", "Go to the panel Model"),
    Action("bench.panel2", "2", "screen.panel(2)", "Engines", "Go to the panel Engines"),
    Action("bench.panel3", "3", "screen.panel(3)", "Conversion", "Go to the panel Conversion"),
    Action("bench.panel4", "4", "screen.panel(4)", "Latency", "Go to the panel Latency"),
    Action("bench.panel5", "5", "screen.panel(5)", "Histogram", "Go to the panel Histogram"),
    Action("bench.panel6", "6", "screen.panel(6)", "Results", "Go to the panel Results"),
    Action("bench.panel7", "7", "screen.panel(7)", "Telemetry", "Go to the panel Telemetry"),
    # Panels
    Action("engines.select", "space", "screen.select_engine", "select",
           "Select the engine under the cursor, or leave it out", 0),
    Action("engines.options", "enter", "screen.options", "options",
           "Set the options of the engine under the cursor", 10),
    Action("latency.closer", "plus,equals_sign,right", "screen.time_span(1)", "time span",
           "Show only the last seconds in the plot: 60, 10, 2", 0, key_text="- +"),
    Action("latency.wider", "minus,left", "screen.time_span(-1)", "wider",
           "Show more of the last seconds in the plot, up to all"),
    Action("latency.axis", "L", "screen.change_axis(4)", "log axis",
           "Change the latency axis of panel 4 between linear and logarithmic", 5),
    Action("histogram.view", "v,right", "screen.change_view(1)", "view",
           "Show the next of histogram, percentile curve, boxes and speed-ups", 0),
    Action("histogram.previous", "V,left", "screen.change_view(-1)", "view before",
           "Show the one before of histogram, percentile curve, boxes and speed-ups"),
    Action("histogram.axis", "L", "screen.change_axis(5)", "log axis",
           "Change the axis of panel 5 between linear and logarithmic", 5),
    Action("results.plot", "space", "screen.plot_entry", "plot",
           "Show the entry under the cursor in the plots, or leave it out", 0),
    Action("results.details", "enter", "screen.details", "details",
           "Show everything that was measured of the entry under the cursor", 10),
    Action("results.copy", "y", "screen.copy_row", "copy",
           "Copy the result under the cursor to the clipboard and to a file"),
    Action("results.copy_all", "Y", "screen.copy_all", "copy all",
           "Copy all results as a Markdown table to the clipboard and to a file"),
    # Lists
    Action("list.up", "up,k", "cursor_up", "up", "Move up", in_palette=False),
    Action("list.down", "down,j", "cursor_down", "down", "Move down", in_palette=False),
    Action("list.page_up", "pageup", "page_up", "page up", "Move up a page", in_palette=False),
    Action("list.page_down", "pagedown", "page_down", "page down", "Move down a page",
           in_palette=False),
    Action("list.half_up", "ctrl+u", "half_page_up", "half up", "Move up half a page",
           in_palette=False),
    Action("list.half_down", "ctrl+d", "half_page_down", "half down", "Move down half a page",
           in_palette=False),
    Action("list.first", "home,less_than_sign", "cursor_first", "first", "Go to the first row",
           in_palette=False),
    Action("list.last", "end,G,greater_than_sign", "cursor_last", "last", "Go to the last row",
           in_palette=False),
    # Other screens
    Action("page.back", "escape", "screen.back", "back", "Go back", 0, in_palette=False),
    # Over a slow line several keys come at once: this one acts before the next finds its way.
    Action("page.search", "slash", "screen.search", "search", "Search or filter these rows", 5,
           priority=True),
    Action("page.next_match", "n", "screen.next_match", "next match", "Go to the next match", 6),
    # Where g is another's, as in the model and in times by layer, home and < are left.
    Action("page.first", "g", "screen.first_row", "first", "Go to the first row",
           in_palette=False),
    Action("page.copy", "y", "screen.copy_row", "copy",
           "Copy the row under the cursor, or what is shown, to the clipboard and to a file"),
    Action("page.copy_all", "Y", "screen.copy_all", "copy all",
           "Copy the whole of this screen to the clipboard and to a file"),
    Action("model.fold", "space", "screen.fold", "fold",
           "Fold the block under the cursor, or unfold it", 1),
    Action("model.unfold", "right,l", "screen.set_folded(False)", "unfold", "Unfold this block",
           in_palette=False),
    Action("model.close", "left,h", "screen.set_folded(True)", "close",
           "Fold the block that this row is of", in_palette=False),
    Action("model.all", "a", "screen.fold_all", "all", "Unfold every block, or fold them", 2),
    Action("model.graph", "g", "screen.graph", "graph",
           "Draw the model's graph to a file, and show it where the terminal can", 3),
    Action("graph.agree", "enter", "screen.agree", "send", "Send the picture all the same", 1),
    Action("graph.zoom", "z", "screen.zoom", "size",
           "Show the whole width of the graph, or its labels in full size", 1),
    Action("graph.right", "right,l", "screen.pan(1)", "sideways", "Go to the right", 2,
           in_palette=False, key_text="← →"),
    Action("graph.left", "left,h", "screen.pan(-1)", "left", "Go to the left",
           in_palette=False),
    Action("layers.next_order", "right", "screen.sort(1)", "sort",
           "Sort by the next column: time, place, name, kind", 1, in_palette=False,
           key_text="← →"),
    Action("layers.previous_order", "left", "screen.sort(-1)", "sort back",
           "Sort by the column before", in_palette=False),
    Action("layers.reverse", "space", "screen.reverse", "reverse", "Turn the order round", 8),
    Action("layers.kinds", "g", "screen.kinds", "by kind",
           "Add up the layers of each kind, or show each layer again", 3),
    Action("layers.about", "enter", "screen.about", "about",
           "Say what a row is, what profiling costs, and what ran", 2),
    Action("layers.again", "r", "screen.again", "again", "Time these layers again", 4),
    Action("layers.stop", "x", "screen.stop", "stop",
           "Stop the timing of layers, or take it out while it waits", 1),
    Action("layers.save", "s", "screen.save", "save", "Save these times to a JSON file", 2),
    Action("layers.log", "l", "screen.log", "log", "Read the log of the worker", 7),
    Action("profiles.open", "enter", "screen.open_row", "open",
           "Show this profile's results in the panels", 1),
    Action("profiles.mark", "space", "screen.mark", "mark",
           "Mark this profile for a comparison; the first that is marked is the baseline", 2),
    Action("profiles.compare", "c", "screen.compare_marked", "compare",
           "Compare the marked profiles with the first that was marked", 2),
    Action("profiles.baseline", "b", "screen.baseline", "baseline",
           "Make this profile the baseline of the comparison"),
    Action("profiles.again", "a", "screen.again", "again",
           "Run what this profile ran, or select it in the bench", 3),
    Action("profiles.rename", "r", "screen.rename", "rename",
           "Rename this profile and its raw samples", 6),
    Action("profiles.delete", "d,delete", "screen.delete", "delete",
           "Delete this profile and its raw samples; they go to the trash", 4),
    Action("profiles.undo", "u", "screen.undo", "undo",
           "Bring back the profile that was deleted last", 7),
    Action("profiles.empty", "E", "screen.empty_trash", "empty the trash",
           "Remove for good what was deleted"),
    Action("profiles.next_order", "right", "screen.sort(1)", "sort",
           "Sort by the next column", 8, in_palette=False, key_text="← →"),
    Action("profiles.previous_order", "left", "screen.sort(-1)", "sort back",
           "Sort by the column before", in_palette=False),
    Action("profiles.reverse", "v", "screen.reverse", "reverse", "Turn the order round", 9),
    Action("chooser.take", "enter", "screen.open_row", "compare",
           "Compare this profile with the run of the bench; a run with itself: its engines that"
           " took turns", 1),
    Action("compare.details", "enter,d", "screen.details", "details",
           "Show every reason, and what differs between the machines and plans; or the table", 1),
    Action("frontier.limit", "l", "screen.limit", "limit",
           "Type the most latency that a request may have", 1),
    Action("frontier.lower", "left,minus,h", "screen.step(-1)", "step",
           "Lower the limit to the next point", 2, key_text="← →"),
    Action("frontier.higher", "right,plus", "screen.step(1)", "higher",
           "Raise the limit to the next point"),
    Action("frontier.clear", "backspace", "screen.no_limit", "no limit",
           "Take the limit away", 3),
    # Dialogs
    Action("dialog.accept", "enter", "screen.accept", "accept", "Accept", 2, in_palette=False),
    Action("dialog.cancel", "escape", "screen.cancel", "cancel", "Cancel", 3, in_palette=False),
    Action("checklist.tick", "space", "tick", "tick", "Tick this row or leave it out", 0,
           in_palette=False),
    Action("form.next", "right,space", "change(1)", "change", "Take the next value", 0,
           in_palette=False, key_text="← →"),
    Action("form.previous", "left,h", "change(-1)", "previous", "Take the value before",
           in_palette=False),
    Action("form.erase", "backspace", "erase", "erase", "Erase the last digit or letter",
           in_palette=False),
    Action("form.clear", "ctrl+u,delete", "clear", "clear", "Erase the whole number or text",
           in_palette=False),
    Action("confirm.yes", "y", "screen.accept", "yes", "Yes", in_palette=False),
    Action("confirm.no", "n", "screen.cancel", "no", "No", in_palette=False),
    Action("message.close", "escape,enter,q", "screen.cancel", "close", "Close", 0,
           in_palette=False, key_text="esc"),
    Action("leave.leave", "q,ctrl+q,y,enter", "screen.accept", "leave", "Leave", 0,
           in_palette=False),
    Action("leave.save", "s", "screen.save", "save first", "Save under a name, then leave", 1,
           in_palette=False),
    Action("again.run", "enter,r,y", "screen.accept", "run", "Select what can run here, and run it",
           0, in_palette=False),
    Action("again.select", "s", "screen.select", "only select",
           "Select what can run here, and leave the run to you", 1, in_palette=False),
)  # fmt: skip


def find(action_id: str) -> Action:
    """The action called `action_id`; UsageError with the nearest name if there is none."""
    for action in ACTIONS:
        if action.id == action_id:
            return action
    raise UsageError(
        f"unknown action '{action_id}'", hint=nearest(action_id, [one.id for one in ACTIONS])
    )


def of(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in the order they are shown."""
    return tuple(action for action in ACTIONS if action.scope == scope)


def no_key(action_id: str) -> str:
    """What stands for a key in the binding of an action without one: nobody can press it.

    Textual keeps an action's own keys where a keymap has none for it, and lets a keymap give keys
    only to what is bound.
    """
    return f"none:{action_id}"


def keys_of(action: Action, keymap: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of `action` in force with a `keymap` that `check_keymap` has passed."""
    keys = keymap.get(action.id, action.keys)
    return tuple(one for one in keys.split(",") if one)


def to_textual(keymap: Mapping[str, str]) -> dict[str, str]:
    """A checked keymap as Textual takes it."""
    return {action_id: keys or no_key(action_id) for action_id, keys in keymap.items()}


def first_key(action: Action, keymap: Mapping[str, str]) -> str:
    """The key of `action` to tell a reader: the first in force; empty where it has none."""
    return next(map(shown_key, keys_of(action, keymap)), "")


def told(text: str, keymap: Mapping[str, str]) -> str:
    """`text` with the key in force in place of each "{id}" of an action, such as "{bench.run}".

    The palette is the way to an action that has no key.
    """
    return _TOLD.sub(lambda found: _key_to_tell(found[1], keymap), text)


def _key_to_tell(action_id: str, keymap: Mapping[str, str]) -> str:
    return first_key(find(action_id), keymap) or first_key(find("app.palette"), keymap)


def bindings(*scopes: str) -> list[BindingType]:
    """The key bindings of these scopes, for a `BINDINGS` of a widget, a screen or the app."""
    return [action.binding for scope in scopes for action in of(scope)]


def check_keymap(keymap: Mapping[str, str]) -> dict[str, str]:
    """The user's keymap, its keys by their names, if Textual would do what it says.

    An action's value is its keys with commas between them, such as "r,f5"; "" takes its keys away.
    Raises UsageError for an unknown action or key, and for two actions on one key where both work:
    Textual ignores the first and lets one of the two win, silently.
    """
    found = {find(name).id: named_keys(name, keys) for name, keys in keymap.items()}
    for scope in SCOPES:
        taken: dict[str, str] = {}
        for action in _working_in(scope):
            for key in keys_of(action, found):
                other = taken.setdefault(key, action.id)
                if other != action.id and {other, action.id} & found.keys():
                    raise UsageError(
                        f"key '{shown_key(key)}' is given to both {other} and {action.id}",
                        hint="give one of them another key",
                    )
    _check_a_way_out(found)
    return found


def _check_a_way_out(keymap: Mapping[str, str]) -> None:
    """Without these keys nobody gets out of the app, or of a page or dialog."""
    for action_id in ("app.quit", "page.back", "dialog.cancel", "message.close"):
        if not keys_of(find(action_id), keymap):
            raise UsageError(f"action '{action_id}' has no key", hint="it needs one to get out by")


def _working_in(scope: Scope) -> Iterator[Action]:
    """What works in `scope`: its own actions first, then those of the scopes around it."""
    for name in (scope.name, *scope.within):
        yield from of(name)
