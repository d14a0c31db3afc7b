"""Panel 6: what every entry of the run came to, and how they compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engines.wording import cosine
from profiles.spelling import NOT_KNOWN, percent
from tui.actions import bindings
from tui.formats import byte_size, factor, milliseconds, rate
from tui.palette import engine_glyph
from tui.widgets.panel import Piece, Row, RowsView, ascii_only, row, wrapped
from tui.widgets.table import Column, lay_out
from tui.widgets.tones import ENTRY

if TYPE_CHECKING:
    from engines.results import Condition, EngineResult, LatencyRecord
    from tui.live import LiveEntry, LiveRun

COLUMNS = (
    Column("label", "entry", align="left", stretch=True, minimum=23),
    Column("p50", "p50 ms", least=6),
    Column("interval", "± 95 %", keep=6, least=7),
    Column("p90", "p90 ms", keep=4, least=6),
    Column("p99", "p99 ms", keep=2, least=9),
    Column("device", "GPU ms", keep=9, least=6),
    Column("rate", "images/s", keep=3, least=8),
    Column("speedup", "speed-up", keep=1, least=8),
    Column("verdict", "verdict", align="left", least=9),
    Column("cosine", "cosine", keep=5, least=7),
    Column("top1", "top-1", keep=7, least=5),
    Column("memory", "memory", keep=8, least=7),
    Column("state", "state", align="left", least=13),
)

STATES: dict[str, Piece] = {
    "waiting": ("· waiting", "muted"),
    "preparing": ("▶ starting", "accent"),
    "building": ("▶ building", "accent"),
    "loading": ("▶ loading", "accent"),
    "compiling": ("▶ compiling", "accent"),
    "checking": ("▶ checking", "accent"),
    "warm-up": ("▶ warm-up", "accent"),
    "re-warm": ("▶ re-warm", "accent"),
    "measuring": ("▶ measuring", "accent"),
    "timing": ("▶ timing GPU", "accent"),
    "energy": ("▶ energy", "accent"),
    "loaded": ("· loaded", "muted"),
    "measured": ("· measured", "muted"),
    "throughput": ("▶ throughput", "accent"),
    "done": ("✓ valid", "good"),
    "invalid": ("✗ INVALID", "bad"),
    "stopped": ("■ stopped", "warn"),
    "failed": ("✗ failed", "bad"),
    "unavailable": ("✗ unavailable", "muted"),
}

# In place of "valid": what a reader must know first, the gravest verdict before the others.
BADGES: dict[Condition, Piece] = {
    "THROTTLED": ("! throttled", "bad"),
    "SUSPENDED": ("! suspended", "bad"),
    "SHARED GPU": ("! shared GPU", "warn"),
    "SHARED CPU": ("! shared CPU", "warn"),
    "POWER-CAPPED": ("! power cap", "warn"),
}
MEDIAN_UNKNOWN: Piece = ("? p50 unknown", "warn")
VERDICTS: dict[str, Piece] = {
    "FASTER": ("▲ FASTER", "good"),
    "SLOWER": ("▼ SLOWER", "bad"),
    "SAME": ("= SAME", "muted"),
    "UNCLEAR": ("? UNCLEAR", "warn"),
}
BASELINE: Piece = ("baseline", "muted")


class ResultsPanel(RowsView):
    """One row an entry; speed-ups are against the first entry that has a median."""

    HELP = (
        "Latency of one request in ms, host time; ± is half of the median's 95 %"
        " interval. Speed-up compares the time for one image"
        " with that of the entry marked 1.00x. A percentile with too few samples says how"
        " many it needs. GPU ms is the computation alone, between two events on the GPU's stream."
        " A verdict says whether an image's median moved against the baseline that took turns with"
        " it; the entry's details tell its interval and reasons."
    )
    BINDINGS = bindings("results")

    def __init__(self) -> None:
        super().__init__(id="results")
        self._run: LiveRun | None = None
        self._hidden: set[int] = set()

    @property
    def plotted(self) -> list[int]:
        """The entries that the plots show."""
        count = len(self._run.entries) if self._run else 0
        return [index for index in range(count) if index not in self._hidden]

    @property
    def current(self) -> LiveEntry | None:
        """The entry under the cursor."""
        entries = self._run.entries if self._run else []
        return entries[self.cursor] if self.cursor < len(entries) else None

    def show(self, run: LiveRun | None) -> None:
        if run is not self._run:
            self._hidden.clear()
            self.cursor = 0
        self._run = run
        self.rebuild()

    def toggle_plotted(self) -> None:
        """Show the entry under the cursor in the plots, or leave it out."""
        if self.current is not None:
            self._hidden ^= {self.cursor}
            self.rebuild()

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        self.has_cursor = self._run is not None and bool(self._run.entries)
        if self._run is None or not self._run.entries:
            self.show_subtitle("")
            self.show_rows(self._nothing_yet())
            return
        entries = self._run.entries
        baseline = baseline_of(entries)
        marks = 2
        timed = any(one.result is not None and one.result.device is not None for one in entries)
        compared = compared_with(self._run)
        shown = {"device": timed, "verdict": bool(compared) or self._run.by_turns}
        columns = [one for one in COLUMNS if shown.get(one.name, True)]
        lines = [_line(one, baseline) | {"verdict": verdict_of(one, compared)} for one in entries]
        header, rows = lay_out(columns, lines, self.inner_width - marks)
        rows = [(*self._mark(index), *line) for index, line in enumerate(rows)]
        self.show_rows(
            rows, header=[((" " * (marks + 2), ""), *header)], footer=self._explanation(len(rows))
        )
        words = f"speed-up for one image against {baseline.label}" if baseline else ""
        if self._run.running and self._run.round:
            words = f"round {self._run.round} of {self._run.rounds}, verdicts at the end"
        self.show_subtitle(words)

    def _nothing_yet(self) -> list[Row]:
        if self._run is not None and self._run.running:
            return [row(("preparing the run …", "muted"))]
        width = self.scrollable_content_region.width
        text = "Nothing measured yet. Latency percentiles, throughput, accuracy and memory of"
        text += " every selected engine are compared here."
        return [*wrapped(text, width, "muted"), row(
            ("r", "key:bench.run"), (" runs the selected engines   ", "muted"),
            ("o", "key:bench.open"), (" opens a saved profile", "muted"),
        )]  # fmt: skip

    def _mark(self, index: int) -> Row:
        """The entry's sign in its colour, and whether the plots show it."""
        glyph = engine_glyph(index, ascii_only=ascii_only(self.app))
        if index in self._hidden:
            return (("- ", "muted"),)
        return ((f"{glyph} ", f"{ENTRY}{index}"),)

    def _explanation(self, rows: int) -> list[Row]:
        """A few lines on the entry under the cursor, where there is room for them."""
        entry = self.current
        room = min(3, self.size.height - rows - 1)
        if entry is None or room < 1:
            return []
        text, tone = explanation(entry)
        return wrapped(text, self.scrollable_content_region.width, tone)[:room]


def baseline_of(entries: Sequence[LiveEntry]) -> LiveEntry | None:
    """The entry that speed-ups are against: the first that has a median."""
    return next((one for one in entries if one.p50_ms is not None), None)


def compared_with(run: LiveRun) -> str:
    """The label of the entry that the others took turns with; empty where none is known."""
    records = (one.result.versus for one in run.entries if one.result)
    return next((one.baseline for one in records if one), "")


def verdict_of(entry: LiveEntry, baseline: str) -> Piece:
    """The verdict on an entry, given the label of what took turns with it."""
    versus = entry.result.versus if entry.result else None
    if versus is not None:
        return VERDICTS[versus.verdict]
    return BASELINE if entry.label == baseline else ("-", "muted")


def _line(entry: LiveEntry, baseline: LiveEntry | None) -> dict[str, Piece | str]:
    result = entry.result
    latency = result.latency if result else None
    accuracy = result.accuracy if result else None
    device = result.device if result else None
    return {
        "label": entry.label,
        "p50": (_percentile(entry, 50), "strong"),
        "interval": (_interval(latency), "muted"),
        "p90": _percentile(entry, 90),
        "p99": _percentile(entry, 99),
        "device": milliseconds(device.compute_ms if device else None),
        "rate": rate(_images_per_second(entry)),
        "speedup": factor(speed_up(entry, baseline)),
        "cosine": cosine(accuracy.cosine) if accuracy else "-",
        "top1": percent(accuracy.top1_agreement) if accuracy else "-",
        "memory": byte_size(result.peak_host_bytes if result else None),
        "state": state_of(entry),
    }


def state_of(entry: LiveEntry) -> Piece:
    """How an entry is or ended, or what disturbed it."""
    result = entry.result
    if entry.state == "done" and result and result.latency and result.latency.median_unknown:
        return MEDIAN_UNKNOWN
    found = result.conditions if result else None
    if entry.state == "done" and found is not None:
        for verdict, badge in BADGES.items():
            if verdict in found.verdicts:
                return badge
    return STATES[entry.state]


def _percentile(entry: LiveEntry, percentile: float) -> str:
    # NumPy comes with it: not before there is something to count.
    from engines.statistics import sample_floor

    value = entry.percentile(percentile)
    if value is not None:
        return milliseconds(value)
    return f"needs {sample_floor(percentile):,}" if entry.n else "-"


def _interval(latency: LatencyRecord | None) -> str:
    if latency is not None and latency.median_unknown:
        return NOT_KNOWN
    half = latency.half_width if latency else None
    if half is None:
        return "-"
    return f"±{percent(half, 1 if half < 0.0995 else 0)}"


def _images_per_second(entry: LiveEntry) -> float | None:
    if entry.result is not None and entry.result.throughput is not None:
        return entry.result.throughput
    if not entry.n or entry.measuring_since is None:
        return None
    return entry.n * entry.spec.batch / max(1e-9, entry.elapsed_s - entry.measuring_since)


def speed_up(entry: LiveEntry, baseline: LiveEntry | None) -> float | None:
    """How many times less an image takes than in `baseline`; batches share a request's time."""
    if baseline is None or not baseline.p50_ms or not entry.p50_ms:
        return None
    return (baseline.p50_ms / baseline.spec.batch) / (entry.p50_ms / entry.spec.batch)


def how_it_goes(entry: LiveEntry) -> str:
    """What is done with an entry that has no result yet, and how far that is."""
    state = "re-warm before its turn" if entry.state == "re-warm" else entry.state
    done = f"{entry.n:,} measured" if entry.n else ""
    return ", ".join(filter(None, (state, done, entry.detail)))


def explanation(entry: LiveEntry) -> Piece:
    """Why an entry is as it is, in one line."""
    result = entry.result
    if result is None:
        return f"{entry.label}: {how_it_goes(entry)}", "muted"
    if result.status in ("failed", "unavailable", "invalid"):
        reason = f"{entry.label}: {result.reason}"
        return f"{reason}; {result.hint}" if result.hint else reason, "warn"
    disturbed = list(result.conditions.sentences) if result.conditions is not None else []
    if result.latency is not None and result.latency.median_unknown:
        disturbed.insert(0, result.latency.median_unknown)
    if disturbed:
        return f"{entry.label}: {'; '.join(disturbed)}", "warn"
    if result.versus is not None and result.versus.verdict == "UNCLEAR":
        why = result.versus.reasons[0].partition(": ")[2] if result.versus.reasons else ""
        return f"{entry.label}: no verdict: {why}", "warn"
    return f"{entry.label}: {_how_measured(result)}", "muted"


def _how_measured(result: EngineResult) -> str:
    parts = []
    if result.latency is not None:
        parts.append(f"{result.latency.n:,} samples")
    if result.stop is not None:
        parts.append(f"ended: {result.stop.reason}")
    if result.warm_up is not None:
        settled = "settled" if result.warm_up.settled else "did not settle"
        parts.append(f"warm-up {settled} after {result.warm_up.n:,}")
    return ", ".join(parts) or result.reason or result.status
