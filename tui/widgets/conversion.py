"""Panel 3: what has to be made before an engine can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.formats import byte_size, duration, shortened
from tui.widgets.panel import Piece, Row, RowsView, row, spread, wrapped

if TYPE_CHECKING:
    from tui.live import LiveEntry, LiveJob, LiveRun


class ConversionPanel(RowsView):
    """Exports, compilations and builds: state, time against the last time, size."""

    HELP = "What engines are made from. What was made is kept, and made again only if it changed."

    def __init__(self) -> None:
        super().__init__(id="conversion")
        self._run: LiveRun | None = None
        self._jobs: list[LiveJob] = []

    @property
    def current(self) -> LiveJob | None:
        """The job under the cursor."""
        return self._jobs[self.cursor] if self.cursor < len(self._jobs) else None

    def show(self, run: LiveRun | None) -> None:
        """Show the jobs of `run`; the cursor follows the latest."""
        jobs = [job for job in run.jobs if _is_conversion(job, run)] if run else []
        news = len(jobs) != len(self._jobs)
        self._run, self._jobs = run, jobs
        self.rebuild()
        if news and jobs:
            self.cursor = len(jobs) - 1

    def watch_cursor(self, old: int, new: int) -> None:
        self.rebuild()
        super().watch_cursor(old, new)

    def rebuild(self) -> None:
        width = self.scrollable_content_region.width
        self.has_cursor = bool(self._jobs)
        if not self._jobs:
            text = "Exports, compilations and builds of a run are shown here."
            next_key = row(("r", "key"), (" runs the selected engines", "muted"))
            self.show_rows([*wrapped(text, width, "muted"), next_key])
            self.show_subtitle("")
            return
        rows = [self._row(job) for job in self._jobs]
        self.show_rows(rows, footer=self._explanation(width))
        made = sum(job.over and not job.cached and not job.failed for job in self._jobs)
        self.show_subtitle(f"{made} made, {sum(job.cached for job in self._jobs)} kept")

    def _row(self, job: LiveJob) -> Row:
        width = self.inner_width
        state = _state(job, self._entry_of(job))
        size = f" {byte_size(job.size_bytes):>9}" if job.size_bytes is not None else ""
        title = _title(job)
        room = max(6, width - len(state[0]) - len(size) - 1)
        return spread(row(shortened(title, room)), row(state, (size, "muted")), width)

    def _entry_of(self, job: LiveJob) -> LiveEntry | None:
        if self._run is None or job.entry is None or job.entry >= len(self._run.entries):
            return None
        return self._run.entries[job.entry]

    def _explanation(self, width: int) -> list[Row]:
        """One line on the job under the cursor: why it failed or was made, or where it is kept."""
        job = self.current
        if job is None or self.size.height < len(self._jobs) + 1:
            return []
        if job.failed:
            return [row((shortened(f"{job.failed}; {job.hint}".rstrip("; "), width), "bad"))]
        if job.why:
            return [row((shortened(f"why: {job.why}", width), "muted"))]
        return [row((shortened(job.path, width, keep_end=True), "muted"))]


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
        return f"▶ {duration(job.elapsed_s)}", "accent"
    return "✓ compiled", "good"


def _against_last_time(job: LiveJob) -> str:
    elapsed = duration(job.elapsed_s)
    return elapsed if job.expected_s is None else f"{elapsed} of about {duration(job.expected_s)}"
