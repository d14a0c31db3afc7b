"""Panel 3: what has to be made before an engine can run, and what the user has built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.formats import byte_size, duration, plural, shortened
from tui.jobs import one_of_each
from tui.widgets.panel import Piece, Row, RowsView, row, spread, wrapped

if TYPE_CHECKING:
    from tui.builds import BuildOrder, BuildQueue
    from tui.jobs import LiveJob
    from tui.live import LiveEntry, LiveRun

WAITING: Piece = ("· waiting", "muted")
# The explanation has at most so many lines, and none below this height where rows need them all.
MOST_LINES = 2
LEAST_HEIGHT = 3


class ConversionPanel(RowsView):
    """Exports, compilations and builds: state, time against the last time, size."""

    HELP = "What engines are made from. What was made is kept, and made again only if it changed."

    def __init__(self) -> None:
        super().__init__(id="conversion")
        self._run: LiveRun | None = None
        self._jobs: list[LiveJob] = []
        self._orders: list[BuildOrder] = []
        self._why_waiting = ""

    @property
    def current(self) -> LiveJob | None:
        """The job under the cursor."""
        return self._jobs[self.cursor] if self.cursor < len(self._jobs) else None

    @property
    def waiting(self) -> BuildOrder | None:
        """The build under the cursor, where it has not begun."""
        place = self.cursor - len(self._jobs)
        return self._orders[place] if 0 <= place < len(self._orders) else None

    def show(self, run: LiveRun | None, builds: BuildQueue) -> None:
        """Show what the run and the builds have made and do, and the builds that wait.

        The cursor follows the latest, unless the user has put it elsewhere.
        """
        jobs = [job for job in run.jobs if _is_conversion(job, run)] if run else []
        jobs = one_of_each(sorted([*jobs, *builds.jobs], key=lambda job: job.started_at))
        item: LiveJob | BuildOrder | None = self.current or self.waiting
        followed = not self.has_focus or self.cursor == max(0, len(self._jobs) - 1)
        news = jobs != self._jobs or builds.waiting != self._orders
        self._run, self._jobs, self._orders = run, jobs, list(builds.waiting)
        self._why_waiting = _why_waiting(run, builds)
        self.rebuild()
        if news:
            items: list[object] = [*jobs, *self._orders]
            if not followed and item in items:
                self.cursor = items.index(item)
            else:
                self.cursor = max(0, len(jobs) - 1)

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        width = self.scrollable_content_region.width
        self.has_cursor = bool(self._jobs or self._orders)
        if not self.has_cursor:
            text = "Exports, compilations and builds of a run are shown here."
            next_key = row(("r", "key:bench.run"), (" runs the selected engines", "muted"))
            self.show_rows([*wrapped(text, width, "muted"), next_key])
            self.show_subtitle("")
            return
        rows = [self._row(job) for job in self._jobs]
        rows += [self._waiting_row(order) for order in self._orders]
        self.show_rows(rows, footer=self._explanation(len(rows), width))
        made = sum(job.over and not job.cached and not job.failed for job in self._jobs)
        words = [f"{made} made", f"{sum(job.cached for job in self._jobs)} kept"]
        if self._orders:
            words.append(f"{len(self._orders)} waiting")
        self.show_subtitle(", ".join(words))

    def _row(self, job: LiveJob) -> Row:
        width = self.inner_width
        state = _state(job, self._entry_of(job))
        size = f" {byte_size(job.size_bytes):>9}" if job.size_bytes is not None else ""
        title = _title(job)
        room = max(6, width - len(state[0]) - len(size) - 1)
        return spread(row(shortened(title, room)), row(state, (size, "muted")), width)

    def _waiting_row(self, order: BuildOrder) -> Row:
        room = max(6, self.inner_width - len(WAITING[0]) - 1)
        return spread(row((shortened(order.title, room), "muted")), row(WAITING), self.inner_width)

    def _entry_of(self, job: LiveJob) -> LiveEntry | None:
        run = self._run
        if run is None or job.entry is None or job.entry >= len(run.entries):
            return None
        return run.entries[job.entry]

    def _explanation(self, count: int, width: int) -> list[Row]:
        """A line or two on what is under the cursor: how far it is, what it came to, and why."""
        lines = _why(self.current, self._why_waiting if self.waiting else "", width)
        # A build is watched: it has its line though not all rows can be seen at once.
        watched = self.waiting is not None or (self.current and self.current.kind == "build")
        least = 1 if watched and self.size.height >= LEAST_HEIGHT else 0
        return _cut(lines, min(MOST_LINES, max(least, self.size.height - count)))


def _cut(lines: list[Row], count: int) -> list[Row]:
    """The first `count` lines; where a text goes on after them, the last says so."""
    if len(lines) <= count or count < 1:
        return lines[:count]
    *whole, ((text, tone), *_) = lines[:count]
    cut = text if tone == "muted" else text[:-1] + "…"
    return [*whole, row((cut, tone))]


def _why_waiting(run: LiveRun | None, builds: BuildQueue) -> str:
    if builds.going:
        return "waits for the build that goes"
    return "waits for the run" if run is not None and run.running else "waits"


def _why(job: LiveJob | None, why_waiting: str, width: int) -> list[Row]:
    """What is to be said of one job, or of a build that waits; the most important first."""
    if job is None:
        keys = row(
            (f"{why_waiting}  ", "muted"), ("x", "key:bench.stop"), (" takes it out", "muted")
        )
        return [keys] if why_waiting else []
    if job.stopped:
        return [row((shortened("stopped; what was kept before stays", width), "muted"))]
    if job.failed:
        return wrapped(f"{job.failed}; {job.hint}".rstrip("; "), width, "bad")
    why = f"why: {job.why}" if job.why else ""
    now = _now(job) or _came_to(job)
    if now and why and len(now) + len(why) + 2 <= width:
        return [row((f"{now}, {why}", "muted"))]
    said = [words for words in (now, why) if words] or [job.path]
    return [row((shortened(one, width, keep_end=one == job.path), "muted")) for one in said]


def _now(job: LiveJob) -> str:
    """The phase of a build that goes."""
    if job.over or job.kind != "build":
        return ""
    return f"{job.phase}: {job.detail}" if job.detail else job.phase


def _came_to(job: LiveJob) -> str:
    """What an engine file that is made consists of."""
    if not job.over or job.kind != "build":
        return ""
    layers = job.facts.get("layers")
    if not isinstance(layers, dict) or not layers:
        return str(job.facts.get("layers_note", ""))
    counted = ", ".join(f"{count} {name}" for name, count in layers.items())
    return f"{plural(sum(layers.values()), 'layer')}: {counted}"


def _is_conversion(job: LiveJob, run: LiveRun) -> bool:
    """Every shared job, and the benchmark of an engine that compiles when it is loaded."""
    if job.kind != "benchmark":
        return True
    if job.entry is None or job.entry >= len(run.entries):
        return False
    return run.entries[job.entry].spec.engine == "compile"


def _title(job: LiveJob) -> str:
    return f"compile {job.title.removeprefix('compile ')}" if job.kind == "benchmark" else job.title


def _state(job: LiveJob, entry: LiveEntry | None) -> Piece:
    if job.stopped:
        return "■ stopped", "warn"
    if job.failed:
        return "✗ failed", "bad"
    if job.kind == "benchmark":
        return _compile_state(job, entry)
    if not job.over:
        return f"▶ {_against_last_time(job)}", "accent"
    return ("✓ kept", "muted") if job.cached else (f"✓ {duration(job.seconds)}", "good")


def _compile_state(job: LiveJob, entry: LiveEntry | None) -> Piece:
    """Compiling is a phase of the engine's own worker: its end is known from the result."""
    result = entry.result if entry else None
    if result is not None and result.compile_ms is not None:
        return f"✓ {duration(result.compile_ms / 1000)}", "good"
    if job.over and (entry is None or entry.state != "done"):
        return "■ stopped", "warn"
    if not job.over and job.phase in ("starting", "loading", "compiling"):
        return f"▶ {_against_last_time(job)}", "accent"
    return "✓ compiled", "good"


def _against_last_time(job: LiveJob) -> str:
    elapsed = duration(job.elapsed_s)
    return elapsed if job.expected_s is None else f"{elapsed} of about {duration(job.expected_s)}"
