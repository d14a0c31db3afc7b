"""Where an engine's time goes, layer by layer: taken in a run of its own, sorted by keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.widget import Widget

from profiles.spelling import percent
from tui.actions import bindings
from tui.formats import clock, milliseconds, plural, shortened
from tui.screens.base import Page
from tui.widgets.panel import Piece, Row, RowsView, row, row_width, wrapped
from tui.widgets.table import Column, Line, lay_out

if TYPE_CHECKING:
    from engines.layers import LayerProfile, LayerRecord, Order, Ranked
    from engines.plan import EngineSpec
    from tui.jobs import LiveJob
    from tui.layer_times import LayerDesk

BAR_CELLS = 8
COLUMNS = (
    Column("order", "#", keep=3),
    Column("name", "layer", align="left", stretch=True, minimum=24),
    Column("kind", "kind", keep=4, align="left"),
    Column("precision", "type", keep=6, align="left"),
    Column("provider", "provider", keep=7, align="left"),
    Column("calls", "calls", keep=5),
    Column("enqueue", "enqueue ms", keep=2),
    Column("time", "ms", least=6),
    Column("share", "share", align="left", least=BAR_CELLS + 7),
    Column("sum", "sum", keep=1),
)
# What the keys sort by, from one to the next, and whose column is marked for it.
ORDERS: tuple[Order, ...] = ("time", "order", "name", "kind")
DOWN, UP = "▼", "▲"
TICK_S = 1.0
LOG_LINES = 6


class LayerTimeRows(RowsView):
    """A row a layer, or a row a kind; those that have the searched words."""

    BINDINGS = bindings("layers")

    def __init__(self) -> None:
        super().__init__(classes="page")
        self.profile: LayerProfile | None = None
        self.order: Order = "time"
        self.reverse = False
        self.by_kind = False
        self.searched = ""
        self.instead: list[Row] = []

    @property
    def listed(self) -> list[Ranked]:
        """The layers that are shown, in their order."""
        from engines.layers import by_kind, ranked

        if self.profile is None:
            return []
        layers = by_kind(self.profile.layers) if self.by_kind else self.profile.layers
        found = ranked(self.profile, self.order, reverse=self.reverse, layers=layers)
        words = self.searched.lower().split()
        return [one for one in found if all(word in _text(one.layer) for word in words)]

    def rebuild(self) -> None:
        """Show the table, or where there is none `instead`."""
        if self.profile is None:
            self.has_cursor = False
            self.show_rows(self.instead)
            return
        listed = self.listed
        self.has_cursor = bool(listed)
        if not listed:
            ends = (("esc", "key:page.back"), (" ends the search", "muted"))
            self.show_rows([row((f"No layer has '{self.searched}'. ", "muted"), *ends)])
            return
        largest = max(one.share for one in listed) or 1.0
        lines = [_line(one, largest) for one in listed]
        header, rows = lay_out(self._columns(listed), lines, self.inner_width)
        width = self.scrollable_content_region.width
        self.show_rows(
            rows,
            header=[*_summary(self.profile, width), (("  ", ""), *header)],
            footer=self._whole_name(listed, rows, width),
        )

    def _columns(self, listed: list[Ranked]) -> list[Column]:
        """The columns that say something, that of the order marked."""
        from dataclasses import replace

        layers = [one.layer for one in listed]
        says = {
            "kind": not self.by_kind,
            "precision": any(one.precision for one in layers),
            "provider": any(one.provider for one in layers),
            "calls": any(one.calls != 1.0 for one in layers),
            "enqueue": any(one.enqueue_ms is not None for one in layers),
        }
        # The longest first is what one expects of times, the smallest of all else.
        mark = DOWN if self.reverse != (self.order == "time") else UP
        titles = {one.name: one.title for one in COLUMNS}
        titles["name"] = "kind" if self.by_kind else titles["name"]
        titles[self.order] += f" {mark}"
        return [replace(one, title=titles[one.name]) for one in COLUMNS if says.get(one.name, True)]

    def _whole_name(self, listed: list[Ranked], rows: list[Row], width: int) -> list[Row]:
        """The name under the cursor in up to two lines, where its column was too narrow for it."""
        at = min(self.cursor, len(listed) - 1)
        name = listed[at].layer.name
        if any(name in text for text, _ in rows[at]):
            return [()]
        return wrapped(name, width, "muted")[:2]

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)


class LayersScreen(Page):
    """The layers of one entry: while they are timed what goes on, then the table."""

    def __init__(self, spec: EngineSpec) -> None:
        super().__init__()
        self.spec = spec
        self.title_text = f"Layers of {spec.label}"
        self._timer: Timer | None = None

    def make_rows(self) -> Widget:
        return LayerTimeRows()

    @property
    def table(self) -> LayerTimeRows:
        return self.query_one(LayerTimeRows)

    @property
    def desk(self) -> LayerDesk:
        return self.infer.layer_times

    @property
    def profile(self) -> LayerProfile | None:
        """What is shown; None while nothing is, or while it is taken anew."""
        if self.going or self.waits:
            return None
        return self.desk.kept(self.infer.model, self.spec)

    @property
    def going(self) -> bool:
        drive = self.desk.drive
        return drive is not None and drive.order.is_of(self.infer.model, self.spec)

    @property
    def waits(self) -> bool:
        waiting = self.desk.waiting
        return waiting is not None and waiting.is_of(self.infer.model, self.spec)

    def opened(self) -> None:
        self._timer = self.set_interval(TICK_S, self._tick, pause=True)
        if self.profile is None and not (self.going or self.waits):
            self.infer.time_layers(self.spec)
        self.draw()

    def draw(self) -> None:
        """Draw everything as it is now."""
        table, self.table.profile = self.table, self.profile
        table.instead = self._instead()
        table.rebuild()
        if self._timer is not None:
            if self.going:
                self._timer.resume()
            else:
                self._timer.pause()
        self._show_state()
        self.refresh_bindings()

    def _tick(self) -> None:
        if self.is_current and self.going:
            self.draw()

    def _show_state(self) -> None:
        profile, drive = self.table.profile, self.desk.drive
        if self.going and drive is not None:
            words = "■ stopping" if self.desk.stopping else "▶ timing"
            tone = "warn" if self.desk.stopping else "accent"
            self.show_title(row((words, tone), (f"  {clock(drive.elapsed_s)}", "strong")))
        elif profile is not None:
            listed = self.table.listed
            shown = plural(len(listed), "kind" if self.table.by_kind else "layer")
            invalid = ("  ✗ INVALID", "bad") if profile.invalid else ("", "")
            # Of a search the sum is that of what it found.
            if listed:
                shown += f", {milliseconds(sum(one.layer.ms for one in listed))} ms"
            self.show_title(row((shown, "muted"), invalid))
        else:
            self.show_title(row(("· waiting" if self.waits else "nothing timed", "muted")))

    def _instead(self) -> list[Row]:
        """What stands where the table will be."""
        width = max(20, self.table.scrollable_content_region.width)
        if self.waits:
            return [(), row((f"It waits for {self._what_goes()} to end. ", "muted"),
                            ("x", "key:layers.stop"), (" takes it out", "muted"))]  # fmt: skip
        if self.going:
            note = "A run of its own: a profiler slows what it watches. "
            stops = row((note, "muted"), ("x", "key:layers.stop"), (" stops it", "muted"))
            return [(), *(_job_row(one, width) for one in self.desk.jobs), (), stops]
        last = self.desk.last(self.infer.model, self.spec)
        if last is None or last.control.cancelled:
            return [
                (),
                row(
                    ("Stopped. ", "muted"),
                    ("r", "key:layers.again"),
                    (" times them again", "muted"),
                ),
            ]
        rows: list[Row] = [()]
        if last.error is not None:
            rows += wrapped(last.error.message, width, "bad")
            rows += wrapped(f"What to do: {last.error.hint}", width) if last.error.hint else []
            tail = getattr(last.error, "log_tail", "").splitlines()[-LOG_LINES:]
            rows += [(), *(row((shortened(one, width), "muted")) for one in tail)] if tail else []
        return rows

    def _what_goes(self) -> str:
        """What these layers wait for: either would disturb the other."""
        if self.infer.controller.running:
            return "the run"
        if self.infer.builds.busy:
            return "the build"
        return "the timing of other layers" if self.desk.going else "the engine check"

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return super().check_action(action, parameters)
        match action:
            case "sort" | "reverse" | "kinds" | "about" | "save":
                return self.table.profile is not None
            case "search":
                return self.table.profile is not None and not self.searching
            case "again":
                return not (self.going or self.waits)
            case "stop":
                return self.waits or (self.going and not self.desk.stopping)
            case "log":
                return any(one.log for one in self.desk.jobs)
        return super().check_action(action, parameters)

    def search_changed(self, text: str) -> None:
        self.table.searched = text
        self.table.cursor = 0
        self.draw()

    def action_sort(self, step: int) -> None:
        table = self.table
        table.order = ORDERS[(ORDERS.index(table.order) + step) % len(ORDERS)]
        table.reverse = False
        self._from_the_top()

    def action_reverse(self) -> None:
        self.table.reverse = not self.table.reverse
        self._from_the_top()

    def action_kinds(self) -> None:
        self.table.by_kind = not self.table.by_kind
        self._from_the_top()

    def _from_the_top(self) -> None:
        self.table.cursor = 0
        self.draw()

    def action_again(self) -> None:
        self.infer.time_layers(self.spec)

    def action_stop(self) -> None:
        self.desk.stop()
        self.infer.bench.work_changed()
        self.draw()

    def action_about(self) -> None:
        from profiles.layers import sentences
        from tui.dialogs.message import MessageDialog
        from tui.screens.details import pairs

        profile = self.table.profile
        if profile is None:
            return
        lines: list[Row | str] = []
        if profile.invalid:
            lines += [f"INVALID: {profile.invalid}", ""]
        lines += sentences(profile)
        lines += pairs("What ran", profile.facts) + pairs("Versions", profile.versions)
        self.app.push_screen(MessageDialog(self.title_text, lines))

    def action_save(self) -> None:
        from tui.dialogs.path import PathDialog

        profile = self.table.profile
        if profile is None:
            return
        name = profile.label.replace(" ", "-").replace("[", "").replace("]", "")

        def tell(answer: str | None) -> None:
            if answer is not None:
                self.notify(answer, title="Saved", markup=False)

        note = "As 'infer-tui layers --format json' prints them, with what ran and the machine."
        self.app.push_screen(
            PathDialog(
                "Save these times",
                note,
                Path.cwd() / f"layers-{name}.json",
                lambda path: _write(profile, path),
            ),
            tell,
        )

    def action_log(self) -> None:
        from tui.screens.log import LogScreen

        logged = [one for one in self.desk.jobs if one.log and Path(one.log).exists()]
        if logged:
            self.app.push_screen(LogScreen(Path(logged[-1].log), logged[-1].title))


def _write(profile: LayerProfile, path: Path) -> str:
    """Write the times to `path`; called in a thread."""
    import json

    from engines import files
    from engines.machine import describe_machine
    from profiles.layers import to_dict

    document = to_dict(profile, describe_machine())
    files.replace(path, (json.dumps(document, indent=2) + "\n").encode())
    return str(path)


def _summary(profile: LayerProfile, width: int) -> list[Row]:
    """What must be known before the table is read, in two lines, and a blank one."""
    from profiles.layers import cost, kinds

    rows = [row((shortened(cost(profile), width), "muted"))]
    notes: Row = ()
    if profile.notes:
        # They are of other lengths in each engine: the dialog has room for them.
        notes = row(
            "  ", ("enter", "key:layers.about"), (f" {plural(len(profile.notes), 'note')}", "muted")
        )
    room = width - row_width(notes)
    return [*rows, (*row((shortened(f"{kinds(profile)}.", room), "muted")), *notes), ()]


def _job_row(job: LiveJob, width: int) -> Row:
    """One piece of the work: done, failed, or what it is at."""
    mark: Piece = ("▶ ", "accent")
    now = f"{job.phase}, {clock(job.elapsed_s)}"
    if job.over:
        mark = ("✗ ", "bad") if job.failed else ("✓ ", "good")
        now = "kept" if job.cached else f"{job.elapsed_s:.1f} s"
    detail = f"  {job.detail}" if job.detail and not job.over else ""
    return row(mark, f"{job.title}  ", (shortened(f"{now}{detail}", width), "muted"))


def _text(layer: LayerRecord) -> str:
    return f"{layer.name} {layer.kind} {layer.precision} {layer.provider}".lower()


def _line(one: Ranked, largest: float) -> Line:
    layer = one.layer
    bar = "█" * round(one.share / largest * BAR_CELLS)
    return {
        "order": (str(one.place), "muted"),
        "name": layer.name,
        "kind": (layer.kind, "muted"),
        "precision": (layer.precision, "muted"),
        "provider": (layer.provider, "muted"),
        "calls": f"{layer.calls:g}",
        "enqueue": "" if layer.enqueue_ms is None else milliseconds(layer.enqueue_ms),
        "time": milliseconds(layer.ms),
        "share": (f"{percent(one.share, 1):>7} {bar}", "accent"),
        "sum": (percent(one.cumulative, 1), "muted"),
    }
