"""Two runs side by side, or one whose engines took turns, with a verdict on every entry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.widget import Widget

from tui.formats import milliseconds
from tui.screens.base import Page
from tui.widgets.panel import Row, RowsView, row, wrapped
from tui.widgets.results import VERDICTS
from tui.widgets.table import Column, Line, lay_out

if TYPE_CHECKING:
    from profiles.comparison import EntryComparison, ProfileComparison
    from profiles.schema import Profile
    from profiles.within import RunVerdicts

COLUMNS = (
    Column("label", "entry", align="left", stretch=True, minimum=14),
    Column("a", "A p50 ms", keep=1),
    Column("b", "B p50 ms", keep=1),
    Column("change", "change", least=8),
    Column("interval", "95 % interval", keep=2),
    Column("basis", "judged by", keep=3, align="left"),
    Column("verdict", "verdict", align="left", least=9),
)
# Within a run every entry has the same A: it stands above.
WITHIN = {"b": "p50 ms"}


class ComparisonRows(RowsView):
    """The table, why each verdict is what it is, and what else differs."""

    def __init__(self, comparison: ProfileComparison | RunVerdicts) -> None:
        super().__init__(classes="page")
        self._comparison = comparison

    def rebuild(self) -> None:
        found, width = self._comparison, self.inner_width
        header, lines = lay_out(_columns(found), [_line(one) for one in found.entries], width)
        rows: list[Row] = [(), *_sides(found), (), header]
        for entry, line in zip(found.entries, lines, strict=True):
            rows.append(line)
            for reason in entry_reasons(entry):
                rows += [row("  ", *one) for one in wrapped(reason, width - 2, "muted")]
        for text in _warnings(found):
            rows += [(), *wrapped(text, width, "warn")]
        for title, texts in _sections(found):
            if texts:
                rows += [(), row((title, "heading"))]
                rows += [row("  ", *one) for text in texts for one in wrapped(text, width - 2)]
        self.show_rows(rows)


class CompareScreen(Page):
    """The comparison of two profiles, or of the entries of one."""

    title_text = "Comparison"
    can_search = False

    def __init__(self, comparison: ProfileComparison | RunVerdicts) -> None:
        super().__init__()
        self.comparison = comparison

    def make_rows(self) -> Widget:
        return ComparisonRows(self.comparison)

    def whole(self) -> tuple[str, str]:
        from profiles.report import to_markdown

        return to_markdown(self.comparison).rstrip("\n"), ".md"

    def opened(self) -> None:
        share = f"a median that moves by less than {self.comparison.threshold:.1%} is the same"
        self.show_title(row((share, "muted")))


def _columns(found: ProfileComparison | RunVerdicts) -> tuple[Column, ...]:
    if _pair(found) is not None:
        return COLUMNS
    return tuple(
        replace(one, title=WITHIN.get(one.name, one.title)) for one in COLUMNS if one.name != "a"
    )


def _pair(found: ProfileComparison | RunVerdicts) -> ProfileComparison | None:
    """`found` where it compares two profiles."""
    from profiles.comparison import ProfileComparison

    return found if isinstance(found, ProfileComparison) else None


def _sides(found: ProfileComparison | RunVerdicts) -> list[Row]:
    """Which runs are compared, or within which run."""
    from profiles.within import RunVerdicts

    if isinstance(found, RunVerdicts):
        run = _side("", found.profile, "run")
        latency = found.baseline.latency
        median = f"  p50 {milliseconds(latency.p50_ms)} ms" if latency else ""
        name = (found.baseline.label, "strong")
        return [run, row(("baseline   ", "muted"), name, (median, "muted"))]
    return [_side("A", found.a, "baseline"), _side("B", found.b, "candidate")]


def _warnings(found: ProfileComparison | RunVerdicts) -> list[str]:
    pair = _pair(found)
    if pair is None or not pair.other_machine:
        return []
    return ["These runs are of two machines: the verdicts compare those as well."]


def _sections(found: ProfileComparison | RunVerdicts) -> list[tuple[str, tuple[str, ...]]]:
    pair = _pair(found)
    sections = [("Not measured", found.not_measured), ("Notes", found.notes)]
    if pair is not None:
        sections = [
            ("Only in A", pair.only_in_a),
            ("Only in B", pair.only_in_b),
            ("Measured in neither", pair.not_measured),
            ("What else differs", pair.differences),
            ("Notes", pair.notes),
        ]
    return sections


def entry_reasons(entry: EntryComparison) -> tuple[str, ...]:
    """Why the verdict on `entry` is what it is."""
    return tuple(entry.reasons)


def _side(letter: str, profile: Profile, role: str) -> Row:
    started = f"{profile.run.started.astimezone():%Y-%m-%d %H:%M:%S}"
    return row(
        (f"{letter}  " if letter else "", "strong"), (f"{role:<11}", "muted"), profile.title,
        (f"  {started}  {profile.machine.hostname}  {profile.run.ending}", "muted"),
    )  # fmt: skip


def _line(entry: EntryComparison) -> Line:
    name = entry.verdict.name
    return {
        "label": (entry.label, "strong"),
        "a": milliseconds(entry.a.latency.p50_ms if entry.a.latency else None),
        "b": milliseconds(entry.b.latency.p50_ms if entry.b.latency else None),
        "change": _percent(entry.ratio),
        "interval": (_interval(entry.interval), "muted"),
        "basis": (entry.basis, "muted"),
        "verdict": VERDICTS.get(name, (name, "")),
    }


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio - 1:+.1%}"


def _interval(interval: tuple[float, float] | None) -> str:
    return f"{_percent(interval[0])} to {_percent(interval[1])}" if interval else "-"
