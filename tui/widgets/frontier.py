"""The frontier page's two halves: the plot of a sweep's points, and their list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engines.wording import cosine
from tui.formats import milliseconds, rate
from tui.palette import engine_color, engine_glyph, faint_color
from tui.rows import Row as PlotRow
from tui.rows import fitted
from tui.widgets.panel import Piece, Row, RowsView, ascii_only, row, wrapped
from tui.widgets.plot_view import PlotView
from tui.widgets.table import Column, Line, lay_out
from tui.widgets.tones import ENTRY

if TYPE_CHECKING:
    from profiles.frontier import Point

# Below this height the plot needs every row for itself.
_LEAST_CAPTION_HEIGHT = 8
COLUMNS = (
    Column("label", "entry", align="left", stretch=True, minimum=18),
    Column("precision", "precision", keep=5, align="left"),
    Column("batch", "batch", keep=4),
    Column("in_flight", "in flight", keep=2),
    Column("latency", "latency ms"),
    Column("percentile", "of", keep=3, align="left"),
    Column("rate", "images/s"),
    Column("cosine", "cosine", keep=6),
    Column("state", "frontier", align="left", least=9),
)


class FrontierPlot(PlotView):
    """Every point in its engine's colour and sign; what can't count is faint."""

    def __init__(self) -> None:
        super().__init__(id="frontier-plot")
        self._points: Sequence[Point] = ()
        self._best: Point | None = None
        self._current: Point | None = None
        self._limit_ms: float | None = None

    def show(
        self,
        points: Sequence[Point],
        best: Point | None,
        current: Point | None,
        limit_ms: float | None,
    ) -> None:
        wanted = (points, best, current, limit_ms)
        if wanted != (self._points, self._best, self._current, self._limit_ms):
            self._points, self._best, self._current, self._limit_ms = wanted
            self.redraw()

    def draw(self, width: int, height: int) -> list[PlotRow]:
        from tui.scatter import Mark, scatter_plot

        captioned = height >= _LEAST_CAPTION_HEIGHT
        marks = [
            Mark(
                latency_ms=one.latency_ms,
                per_second=one.per_second,
                glyph=point_sign(one, ascii_only=self.plain_ascii),
                color=(engine_color if one.valid else faint_color)(one.entry, self.scheme),
                on_frontier=one.on_frontier,
                is_best=one == self._best,
                is_current=one == self._current,
            )
            for one in self._points
        ]
        plot = scatter_plot(
            marks,
            width,
            height - captioned,
            limit_ms=self._limit_ms,
            frame=self.faint,
            ascii_only=self.plain_ascii,
        )
        if not captioned:
            return plot.rows
        caption = "images a second, over the latency of one request"
        if plot.scale is not None and plot.scale.log:
            caption += " (log scale)"
        return [fitted([(caption, self.faint)], width), *plot.rows]


class FrontierRows(RowsView):
    """The points by ascending latency, below what is best within the limit."""

    def __init__(self) -> None:
        super().__init__(classes="page", id="frontier-rows")
        self._points: Sequence[Point] = ()
        self._best: Point | None = None
        self._limit_ms: float | None = None

    @property
    def current(self) -> Point | None:
        """The point under the cursor."""
        return self._points[self.cursor] if self.cursor < len(self._points) else None

    def show(self, points: Sequence[Point], best: Point | None, limit_ms: float | None) -> None:
        """Show `points`, and what is `best` within the limit; the cursor stays on its point."""
        before = self.current
        self._points, self._best, self._limit_ms = points, best, limit_ms
        same = [index for index, one in enumerate(points) if _same(one, before)]
        self.rebuild()
        if same:
            self.cursor = same[0]

    def rebuild(self) -> None:
        width = self.scrollable_content_region.width
        if not width:
            return  # not laid out yet; this comes again with the size
        self.has_cursor = bool(self._points)
        if not self._points:
            text = "Nothing measured yet that has a p50 and a throughput."
            self.show_rows([row((text, "muted"))])
            return
        lines = [_line(one, best=one == self._best) for one in self._points]
        header, rows = lay_out(COLUMNS, lines, self.inner_width - 2)
        words = limit_words(self._best, self._limit_ms, width)
        self.show_rows(
            [(self._sign(one), *cells) for one, cells in zip(self._points, rows, strict=True)],
            header=[*words, (("    ", ""), *header)],
        )

    def _sign(self, point: Point) -> Piece:
        sign = point_sign(point, ascii_only=ascii_only(self.app))
        return f"{sign} ", f"{ENTRY}{point.entry}" if point.valid else "muted"


def point_sign(point: Point, *, ascii_only: bool) -> str:
    """The sign of the point's entry, or a cross for what can't be on the frontier."""
    if point.valid:
        return engine_glyph(point.entry, ascii_only=ascii_only)
    return "x" if ascii_only else "×"


def _same(point: Point, other: Point | None) -> bool:
    """Whether both are of one entry and as many requests in flight, whatever they came to."""
    return other is not None and (point.entry, point.in_flight) == (other.entry, other.in_flight)


def _line(point: Point, *, best: bool) -> Line:
    return {
        "label": point.label,
        "precision": point.precision,
        "batch": str(point.batch),
        "in_flight": str(point.in_flight or 1),
        "latency": (milliseconds(point.latency_ms), "strong" if best else ""),
        "percentile": (f"p{point.percentile:g}", "muted"),
        "rate": (rate(point.per_second), "strong" if best else ""),
        "cosine": cosine(point.cosine) or "-",
        "state": _state(point, best=best),
    }


def _state(point: Point, *, best: bool) -> Piece:
    if point.excluded:
        return f"✗ {point.excluded}", "bad"
    if best:
        return "▶ best", "good"
    return ("✓ on it", "good") if point.on_frontier else ("· behind", "muted")


def limit_words(best: Point | None, limit_ms: float | None, width: int) -> list[Row]:
    """What the limit comes to, or how one is set."""
    from profiles.frontier import MIDDLE, limit_text
    from profiles.frontier_table import point_words

    if limit_ms is None:
        return [
            row(
                ("no limit: ", "muted"),
                ("l", "key:frontier.limit"),
                (" sets one, ", "muted"),
                ("← →", "key:frontier.lower"),
                (" step through the points", "muted"),
            )
        ]
    limit = f"within {limit_text(limit_ms)}"
    if best is None:
        return wrapped(f"{limit}: nothing that is valid", width, "warn")
    doubt = "; too few samples for a p99" if best.percentile == MIDDLE else ""
    return wrapped(f"{limit}: {point_words(best)}{doubt}", width, "warn" if doubt else "good")
