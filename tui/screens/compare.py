"""Runs side by side, or one whose engines took turns, with a verdict on every entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.containers import Vertical
from textual.widget import Widget

from profiles.spelling import percent
from tui.comparing import compared
from tui.screens.base import Page
from tui.widgets.comparison import ComparisonPlot, ComparisonRows, ReasonRows, ReportRows
from tui.widgets.panel import RowsView, row

if TYPE_CHECKING:
    from tui.background import Latencies
    from tui.comparing import Comparison

# Lines for the reasons, and the most of a screen that the table takes, by the screen's height.
REASON_LINES, REASON_LINES_TALL = 5, 9
TALL = 32
TABLE_SHARE = 0.45
LEAST_TABLE = 4
# The title and the keys.
BARS = 2


class CompareScreen(Page):
    """The table above the reasons and the histograms of the entry under the cursor; or all of it
    in words."""

    can_search = False

    def __init__(self, comparison: Comparison, latencies: Latencies | None = None) -> None:
        super().__init__()
        self.found = compared(comparison)
        count = len(self.found.candidates) + 1
        self.title_text = "Comparison" if count < 3 else f"Comparison of {count} runs"
        self._table = ComparisonRows(self.found)
        self._reasons = ReasonRows(self.found)
        self._plot = ComparisonPlot(self.found, latencies or {})
        self._report = ReportRows(self.found)
        self._overview = Vertical(self._table, self._reasons, self._plot, id="overview")

    def make_rows(self) -> Widget:
        self._report.display = False
        return Vertical(self._overview, self._report, id="comparison")

    @property
    def rows(self) -> RowsView:
        return self._report if self._report.display else self._table

    def whole(self) -> tuple[str, str]:
        from profiles.report import to_markdown

        pairs = [one.comparison for one in self.found.candidates if one.comparison is not None]
        texts = [to_markdown(one) for one in ([self.found.within] if self.found.within else pairs)]
        return "\n".join(texts).rstrip("\n"), ".md"

    def opened(self) -> None:
        share = percent(self.found.threshold, 1)
        words = f"a median that moves by less than {share} is the same"
        # The title needs a third of a narrow line.
        if len(words) > 0.5 * self.size.width:
            words = f"the same within {share}"
        self.show_title(row((words, "muted")))
        self._show_entry()

    def on_resize(self, event: events.Resize) -> None:
        """Share the lines out: the table as many as it needs, within limits; the plot the rest."""
        room = event.size.height - BARS
        most = max(LEAST_TABLE, round(TABLE_SHARE * room))
        self._table.with_sides = self._table.height_with(sides=True) <= most
        needed = self._table.height_with(sides=self._table.with_sides)
        self._table.styles.height = min(needed, most)
        self._reasons.styles.height = REASON_LINES_TALL if room >= TALL else REASON_LINES

    def on_rows_view_cursor_moved(self) -> None:
        self._show_entry()

    def _show_entry(self) -> None:
        self._reasons.show(self._table.current)
        self._plot.show(self._table.current)

    # Keys

    def action_details(self) -> None:
        """Everything in words, or the table again."""
        self._show_report(not self._report.display)

    def action_back(self) -> None:
        if self._report.display:
            self._show_report(False)
        else:
            super().action_back()

    def _show_report(self, shown: bool) -> None:
        self._report.display, self._overview.display = shown, not shown
        self.set_focus(self.rows)
        if shown:
            self._report.rebuild()
        else:
            self.call_after_refresh(self._plot.redraw)
        self.refresh_bindings()
