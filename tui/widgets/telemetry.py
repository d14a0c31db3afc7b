"""Panel 7: how busy the machine is while it is measured."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.timer import Timer

from engines import clock_reasons
from tui.formats import byte_size, shortened
from tui.widgets.panel import Piece, Row, RowsView, ascii_only, row, row_width

if TYPE_CHECKING:
    from engines.gpus import GpuSample
    from engines.machine import Telemetry, TelemetrySample

TREND_CELLS = 16
# From this height on, each figure has a line of its own.
LEAST_TALL_HEIGHT = 8
BUSY_PERCENT = 90

_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-=+*%#"


class TelemetryPanel(RowsView):
    """Processor and memory, and each GPU that answers.

    It samples while a run or a build goes or while it has the focus, and rests otherwise: an idle
    app sends nothing over the line.
    """

    HELP = "Sampled once a second while a run or a build goes, or while this panel has the focus."

    def __init__(self, *, every_s: float) -> None:
        super().__init__(id="telemetry")
        self._every_s = every_s
        self._source: Telemetry | None = None
        self._timer: Timer | None = None
        self._run_goes = False
        self._samples: deque[TelemetrySample] = deque(maxlen=TREND_CELLS)

    def on_mount(self) -> None:
        self._timer = self.set_interval(self._every_s, self._tick, pause=True)

    async def begin(self) -> None:
        """Take the first reading; called after the first frame, because psutil takes its time."""
        from engines.machine import Telemetry

        self._source = await asyncio.to_thread(Telemetry)
        self._show_subtitle()
        # The first percentage counts from here; without a pause it would be that of a moment.
        self.set_timer(0.5, self._tick)

    def set_run_goes(self, goes: bool) -> None:
        self._run_goes = goes
        self._rest_or_go()

    def show_sample(self, sample: TelemetrySample) -> None:
        self._samples.append(sample)
        self.rebuild()

    def watch_has_focus(self, focus: bool) -> None:
        super().watch_has_focus(focus)
        self._rest_or_go()

    def on_unmount(self, event: events.Unmount) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _rest_or_go(self) -> None:
        if self._timer is None:
            return
        if self._run_goes or self.has_focus:
            self._timer.resume()
        else:
            self._timer.pause()
        self._show_subtitle()

    async def _tick(self) -> None:
        # NVML may take long to answer while a driver is busy: never in the UI's own thread.
        if self._source is not None:
            self.show_sample(await asyncio.to_thread(self._source.sample))

    def _show_subtitle(self) -> None:
        self.show_subtitle("" if self._run_goes or self.has_focus else "resting while idle")

    def rebuild(self) -> None:
        if not self._samples:
            self.show_rows([row(("first reading in a moment", "muted"))])
            return
        sample, width = self._samples[-1], self.inner_width
        groups = [self._cpu(sample)]
        groups += [self._gpu(place, gpu) for place, gpu in enumerate(sample.gpus)]
        if self.size.height >= LEAST_TALL_HEIGHT:
            rows = [figure for group in groups for figure in (*group, ())]
        else:
            rows = [_fitting(group, width) for group in groups]
        if not sample.gpus:
            rows.append(row((shortened(sample.problem or "no GPU", width), "muted")))
        self.show_rows(rows)

    def _cpu(self, sample: TelemetrySample) -> list[Row]:
        used, total = sample.memory_used_bytes, sample.memory_total_bytes
        share = 100 * used / total
        return [
            self._with_trend("CPU", sample.cpu_percent, [one.cpu_percent for one in self._samples]),
            _figure("memory", f"{byte_size(used)} of {byte_size(total)}", busy=share),
            _figure("load", f"{sample.load_1m:.2f}"),
            _figure("clock", _with_unit(sample.cpu_mhz, "MHz", "not told")),
            _figure("temperature", _with_unit(sample.temperature_c, "°C", "no sensor")),
        ]

    def _gpu(self, place: int, gpu: GpuSample) -> list[Row]:
        past = [one.gpus[place] for one in self._samples if place < len(one.gpus)]
        used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
        share = 100 * used / total if used and total else 0.0
        return [
            self._with_trend(f"GPU{gpu.index}", gpu.utilisation_percent,
                             [one.utilisation_percent or 0.0 for one in past]),
            _figure("memory", f"{byte_size(used)} of {byte_size(total)}", busy=share),
            _figure("power", _with_unit(gpu.power_w, "W", "-")),
            _figure("SM", _with_unit(gpu.sm_clock_mhz, "MHz", "-")),
            _figure("temperature", _with_unit(gpu.temperature_c, "°C", "-")),
            row(*_throttled(gpu.throttle_reasons)),
            row((gpu.name, "muted")),
        ]  # fmt: skip

    def _with_trend(self, name: str, percent: float | None, past: Sequence[float]) -> Row:
        """A share of a processor now, and its last readings as bars."""
        levels = _ASCII_LEVELS if ascii_only(self.app) else _LEVELS
        top = len(levels) - 1
        cells = [levels[min(top, max(0, round(one / 100 * top)))] for one in past]
        figure = _figure(name, _with_unit(percent, "%", "-").rjust(5), busy=percent or 0.0)
        return (*figure, ("  " + "".join(cells).rjust(TREND_CELLS), "accent"))


def _figure(name: str, value: str, *, busy: float = 0.0) -> Row:
    return row((f"{name} ", "muted"), (value, "warn" if busy >= BUSY_PERCENT else ""))


def _with_unit(value: float | None, unit: str, unknown: str) -> str:
    return unknown if value is None else f"{value:,.0f} {unit}"


def _throttled(reasons: int | None) -> tuple[Piece, Piece]:
    label: Piece = ("throttled ", "muted")
    if reasons is None:
        return label, ("not told", "muted")
    named = clock_reasons.limits(reasons)
    return label, ((", ".join(named), "bad") if named else ("no", ""))


def _fitting(figures: Sequence[Row], width: int) -> Row:
    """As many figures of one line as `width` holds, in their order of importance."""
    line: Row = ()
    for figure in figures:
        gap = 3 if line else 0
        if row_width(line) + gap + row_width(figure) > width:
            break
        line = (*line, (" " * gap, ""), *figure) if line else figure
    return line
