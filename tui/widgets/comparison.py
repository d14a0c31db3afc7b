"""The compare screen's parts: the table, why a verdict is what it is, the plot, all in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tui.actions import bindings
from tui.comparing import Compared, Judged, change, interval, median
from tui.formats import plural
from tui.palette import engine_color, engine_glyph
from tui.rows import Row as PlotRow
from tui.rows import centred, fitted
from tui.widgets.panel import Piece, Row, RowsView, row, wrapped
from tui.widgets.plot_view import PlotView
from tui.widgets.profiles import LETTERS
from tui.widgets.results import VERDICTS
from tui.widgets.table import Column, Layout, Line, lay_out, natural_widths
from tui.widgets.tones import ENTRY

if TYPE_CHECKING:
    from engines.results import EngineResult
    from profiles.comparison import EntryComparison
    from profiles.schema import Profile
    from tui.background import Latencies
    from tui.plotting import HistogramSeries

    Cell = Callable[[EntryComparison], Piece]

PAIR = (
    Column("label", "entry", align="left", stretch=True, minimum=14),
    Column("a", "A p50 ms", keep=1),
    Column("b", "B p50 ms", keep=1),
    Column("change", "change", least=8),
    Column("interval", "95 % interval", keep=2),
    Column("basis", "judged by", keep=3, align="left"),
    Column("verdict", "verdict", align="left", least=9),
)
# Within a run every entry has the same A: it stands above.
WITHIN = tuple(
    replace(one, title="p50 ms") if one.name == "b" else one for one in PAIR if one.name != "a"
)
# Below this height the plot needs every row for itself.
_LEAST_CAPTION_HEIGHT = 6
# What an entry's name has at least, and what verdicts in full words must leave of it.
NARROWEST_LABEL, WIDEST_LABEL = 14, 26


class ComparisonRows(RowsView):
    """A row an entry, with a verdict for each run that is compared with the baseline."""

    BINDINGS = bindings("compare")

    def __init__(self, found: Compared) -> None:
        super().__init__(classes="page", id="compared")
        self._found = found
        # Whether the runs are listed above the table: that takes a line each.
        self.with_sides = True

    @property
    def current(self) -> Judged | None:
        """The entry under the cursor."""
        entries = self._found.entries
        return entries[self.cursor] if self.cursor < len(entries) else None

    def height_with(self, *, sides: bool) -> int:
        """How many lines it takes to show everything."""
        return len(self._head(sides=sides)) + 1 + len(self._found.entries)

    def rebuild(self) -> None:
        width = self.scrollable_content_region.width
        if not width:
            return  # not laid out yet; this comes again with the size
        self.has_cursor = bool(self._found.entries)
        header, rows = self._table(self.inner_width)
        self.show_rows(rows, header=[*self._head(sides=self.with_sides), (("  ", ""), *header)])

    def _head(self, *, sides: bool) -> list[Row]:
        found, width = self._found, self.scrollable_content_region.width or 80
        rows = [side_row(*one) for one in found.sides] if sides else []
        if found.within is not None:
            baseline = found.within.baseline
            rows.append(row(("baseline   ", "muted"), (baseline.label, "strong"),
                            (f"  p50 {median(baseline)} ms", "muted")))  # fmt: skip
        for text in found.warnings:
            rows += wrapped(text, width, "warn")[:2]
        return rows

    def _table(self, width: int) -> tuple[Row, list[Row]]:
        found = self._found
        if len(found.candidates) < 2:
            figures = WITHIN if found.within is not None else PAIR
            return lay_out(figures, [pair_line(one) for one in found.entries], width)
        letters = [one.letter for one in found.candidates]
        # The longest form of the verdicts that leaves room for the entries: none is ever dropped.
        for cell in (_full_cell, _short_cell, _sign_cell):
            lines = [_several_line(one, letters, cell) for one in found.entries]
            natural = natural_widths(_several_columns(letters), lines)
            label = min(natural["label"], WIDEST_LABEL)
            if label + sum(natural[name] + 2 for name in letters) <= width:
                break
        columns = _several_columns(letters, label)
        layout = Layout(columns, natural, width)
        return layout.header, [layout.row(line) for line in lines]


class ReasonRows(RowsView, can_focus=False):
    """Why the verdicts on one entry are what they are, in the lines there are."""

    def __init__(self, found: Compared) -> None:
        super().__init__(id="reasons")
        self._found = found
        self._entry: Judged | None = None

    def show(self, entry: Judged | None) -> None:
        self._entry = entry
        self.rebuild()

    def rebuild(self) -> None:
        width, height = self.scrollable_content_region.width, self.size.height
        if not width or not height:
            return
        rows = reason_rows(self._found, self._entry, width) if self._entry else []
        differing = sum(len(lines) for _, lines in self._found.sections())
        words = " shows every reason"
        words += f" and {plural(differing, 'difference')}" if differing else ""
        more = row(("enter", "key:compare.details"), (words, "muted"))
        rows = [*rows[: height - 1], *[()] * (height - 1 - len(rows)), more]
        self.show_rows(rows)


class ReportRows(RowsView):
    """The whole comparison in words: runs, verdicts with all reasons, what differs besides."""

    BINDINGS = bindings("compare")

    def __init__(self, found: Compared) -> None:
        super().__init__(id="report")
        self._found = found

    def rebuild(self) -> None:
        found, width = self._found, self.scrollable_content_region.width
        if not width:
            return
        rows: list[Row] = [side_row(*one) for one in found.sides]
        for text in found.warnings:
            rows += wrapped(text, width, "warn")
        for entry in found.entries:
            rows += [(), row((entry.label, "heading")), *reason_rows(found, entry, width)]
        for title, texts in found.sections():
            rows += [(), row((title, "heading"))]
            rows += [row("  ", *one) for text in texts for one in wrapped(text, width - 2)]
        self.show_rows(rows)


class ComparisonPlot(PlotView):
    """The latencies of one entry in every run, above one another on one axis."""

    def __init__(self, found: Compared, latencies: Latencies) -> None:
        super().__init__(id="overlay")
        self._found, self._latencies = found, latencies
        self._entry: Judged | None = None

    def show(self, entry: Judged | None) -> None:
        if entry is not self._entry:
            self._entry = entry
            self.redraw()

    def draw(self, width: int, height: int) -> list[PlotRow]:
        from tui.plotting import histogram_plot, percentile_marks

        series, missing = self._series()
        if not series:
            text = "The raw samples of this entry are not there: no histogram can be drawn."
            return centred(text, width, height, self.faint)
        captioned = height >= _LEAST_CAPTION_HEIGHT
        plot = histogram_plot(
            series, width, height - captioned, frame=self.faint, ascii_only=self.plain_ascii
        )
        if not captioned:
            return plot.rows
        p50, p99 = percentile_marks(ascii_only=self.plain_ascii)
        words = [f"latency of {self._entry.label if self._entry else ''}"]
        words += [f"{p50} p50  {p99} p99"] if plot.marked else []
        words += ["log scale"] if plot.scale is not None and plot.scale.log else []
        words += [f"{plural(plot.above, 'sample')} beyond the axis"] if plot.above else []
        words += [f"no samples of {', '.join(missing)}"] if missing else []
        hidden = len(series) - (height - captioned - 2)
        words += [f"{hidden} more do not fit"] if hidden > 0 else []
        return [fitted([("   ".join(words), self.faint)], width), *plot.rows]

    def _series(self) -> tuple[list[HistogramSeries], list[str]]:
        """What is drawn, and the names of the runs whose samples are not there."""
        from tui.plotting import HistogramSeries

        series: list[HistogramSeries] = []
        missing: list[str] = []
        for run, result in self._runs():
            place = self._found.place_of(run, result)
            name, glyph, index = self._sign(run, place or 0, result)
            found = self._latencies.get((run, place)) if place is not None else None
            if found is None:
                missing.append(name)
                continue
            percentiles = {
                one: result.latency.percentile(one) if result.latency else None for one in (50, 99)
            }
            p50, p99 = (one.value_ms if one else None for one in percentiles.values())
            color = engine_color(index, self.scheme)
            series.append(HistogramSeries(glyph, color, name, found, p50, p99))
        return series, missing

    def _runs(self) -> Sequence[tuple[int, EngineResult]]:
        return self._found.runs_of(self._entry) if self._entry is not None else ()

    def _sign(self, run: int, place: int, result: EngineResult) -> tuple[str, str, int]:
        """The name of a ridge, its sign and the number of its colour.

        Within a run these are the entry's own; of several runs the letters of the table.
        """
        if self._found.within is not None:
            return result.label, engine_glyph(place, ascii_only=self.plain_ascii), place
        letter, _, profile = self._found.sides[run]
        return f"{profile.title} {_started(profile)}", letter, run


def letter_tone(letter: str) -> str:
    """The tone of a run's letter: its colour in the plot."""
    return f"{ENTRY}{LETTERS.index(letter)}" if letter else ""


def side_row(letter: str, role: str, profile: Profile) -> Row:
    """Which run it is."""
    return row(
        (f"{letter}  " if letter else "", letter_tone(letter)), (f"{role:<11}", "muted"),
        profile.title,
        (f"  {_started(profile)}  {profile.machine.hostname}  {profile.run.ending}", "muted"),
    )  # fmt: skip


def reason_rows(found: Compared, entry: Judged, width: int) -> list[Row]:
    """Why the verdicts on `entry` are what they are; of several runs with their figures."""
    rows: list[Row] = []
    several = len(found.candidates) > 1
    letters = [one.letter for one in found.candidates] or [""]
    for letter, one in zip(letters, entry.against, strict=True):
        if one is None:
            rows.append(row((f"{letter}  ", letter_tone(letter)), ("has no such entry", "muted")))
            continue
        if several:
            rows.append(row(
                (f"{letter}  ", letter_tone(letter)), VERDICTS[one.verdict.name],
                f"  {change(one.ratio)}", (f" ({interval(one)})", "muted"),
                (f"  p50 {median(one.a)} → {median(one.b)} ms, by {one.basis}", "muted"),
            ))  # fmt: skip
        indent = "   " if several else ""
        for reason in one.reasons:
            lines = wrapped(reason, width - len(indent), "muted")
            rows += [row(indent, *line) for line in lines]
    return rows


def pair_line(judged: Judged) -> Line:
    """An entry of two runs, or within one, with its only candidate."""
    (one,) = judged.against
    assert one is not None
    return {
        "label": (judged.label, "strong"),
        "a": median(one.a),
        "b": median(one.b),
        "change": change(one.ratio),
        "interval": (interval(one), "muted"),
        "basis": (one.basis, "muted"),
        "verdict": VERDICTS[one.verdict.name],
    }


def _several_columns(letters: Sequence[str], label: int = NARROWEST_LABEL) -> list[Column]:
    """The columns, that of the entries at least `label` cells wide."""
    return [
        Column("label", "entry", align="left", stretch=True, minimum=label),
        Column("a", "A p50 ms", keep=1),
        *(Column(letter, letter, align="left") for letter in letters),
    ]


def _several_line(judged: Judged, letters: Sequence[str], cell: Cell) -> Mapping[str, Piece | str]:
    cells = zip(letters, judged.against, strict=True)
    return {
        "label": (judged.label, "strong"),
        "a": median(judged.baseline),
        **{letter: cell(one) if one else ("-", "muted") for letter, one in cells},
    }


def _full_cell(one: EntryComparison) -> Piece:
    words, tone = VERDICTS[one.verdict.name]
    return f"{words} {change(one.ratio)}", tone


def _short_cell(one: EntryComparison) -> Piece:
    words, tone = VERDICTS[one.verdict.name]
    return f"{words[0]} {change(one.ratio)}", tone


def _sign_cell(one: EntryComparison) -> Piece:
    words, tone = VERDICTS[one.verdict.name]
    return words[0], tone


def _started(profile: Profile) -> str:
    return f"{profile.run.started.astimezone():%Y-%m-%d %H:%M:%S}"
