"""What the app remembers from one start to the next, in one file of the state folder.

Nobody misses it where it is gone: a file that is broken, of another version or unreadable is as if
it had never been written, and each part that is not understood is left out alone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engines import files, paths, pinning, registry
from engines.errors import InferTuiError, UsageError
from engines.plan import Device, Measurement, OptionValue, Positive, Precision, Record

FILE = "last-time.json"
# Some kilobytes are written; a file that is larger is not ours.
LARGEST_BYTES = 1 << 20
# A row a device and environment: no configuration has more.
MOST_ROWS = 500
PANELS = 7

RowKey = tuple[str, Device, str]


class RowMemory(Record, frozen=True, kw_only=True):
    """One row of the engines panel as the user left it."""

    engine: str
    device: Device
    environment: str = ""
    selected: bool = False
    precisions: tuple[Precision, ...] = ("fp32",)
    batches: tuple[Positive, ...] = (1,)
    options: dict[str, OptionValue] = {}

    @property
    def key(self) -> RowKey:
        return (self.engine, self.device, self.environment)


class PlotMemory(Record, frozen=True, kw_only=True):
    """How panels 4 and 5 are drawn: `last_s` is how many of the last seconds panel 4 shows, None
    for all; whether a latency axis is logarithmic, None where the data decides."""

    last_s: float | None = None
    latency_log: bool | None = None
    distribution_log: bool | None = None


class Remembered(Record, frozen=True, kw_only=True):
    """What is restored at a start without a plan. `zoomed` is the panel that has the whole screen,
    0 where none has, `view` the title of what panel 5 shows; None and "" mean that the user has
    not chosen."""

    rows: tuple[RowMemory, ...] = ()
    measurement: Measurement | None = None
    theme: str = ""
    zoomed: int = 0
    view: str = ""
    plots: PlotMemory = PlotMemory()


class Memory:
    """Reads what was remembered and writes what is chosen, whole, each time something changed.

    `remembered` is what is known by now. `note` belongs to the UI's thread; `write` may be called
    in any, and the latest that was noted wins.
    """

    def __init__(self, remembered: Remembered | None = None) -> None:
        self.remembered = remembered or Remembered()
        self._written = self.remembered
        self._lock = threading.Lock()

    @classmethod
    def read(cls) -> Memory:
        """What the last session left."""
        return cls(_read())

    def note(self, remembered: Remembered) -> bool:
        """Take in what is chosen now; returns whether there is something to write."""
        self.remembered = remembered
        return remembered != self._written

    def write(self) -> None:
        """Write what was noted last; where that fails, it is not remembered, and no harm done."""
        with self._lock, contextlib.suppress(OSError, InferTuiError):
            latest = self.remembered
            if latest != self._written:
                folder = paths.ready(paths.state_folder())
                data = msgspec.json.format(msgspec.json.encode(latest), indent=1)
                files.replace(folder / FILE, data, durable=False)
                self._written = latest


def _read() -> Remembered:
    try:
        with (paths.state_folder() / FILE).open("rb") as stream:
            document = msgspec.json.decode(stream.read(LARGEST_BYTES))
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError, InferTuiError):
        return Remembered()
    if not isinstance(document, dict):
        return Remembered()
    zoomed = document.get("zoomed")
    if not isinstance(zoomed, int) or isinstance(zoomed, bool) or not 0 <= zoomed <= PANELS:
        zoomed = 0
    return Remembered(
        rows=tuple(_rows(document.get("rows"))),
        measurement=_measurement(document.get("measurement")),
        theme=_name(document.get("theme")),
        zoomed=zoomed,
        view=_name(document.get("view")),
        plots=_plots(document.get("plots")),
    )


def _name(found: object) -> str:
    return found if isinstance(found, str) and found.isprintable() else ""


def _plots(found: object) -> PlotMemory:
    try:
        return msgspec.convert(found, PlotMemory)
    except msgspec.ValidationError:
        return PlotMemory()


def _rows(found: object) -> Iterable[RowMemory]:
    seen: set[RowKey] = set()
    for one in found[:MOST_ROWS] if isinstance(found, list) else ():
        with contextlib.suppress(msgspec.ValidationError, UsageError):
            row = msgspec.convert(one, RowMemory)
            engine = registry.find(row.engine)
            possible = engine.precisions.get(row.device, ())
            precisions = tuple(dict.fromkeys(p for p in row.precisions if p in possible))
            if precisions and row.batches and row.key not in seen:
                seen.add(row.key)
                yield msgspec.structs.replace(
                    row,
                    precisions=precisions,
                    batches=tuple(sorted(set(row.batches))),
                    options=_options(engine, row.options),
                )


def _options(engine: registry.Engine, found: Mapping[str, Any]) -> dict[str, OptionValue]:
    """The options that this version of the engine takes."""
    kept: dict[str, OptionValue] = {}
    for name, value in found.items():
        with contextlib.suppress(UsageError, TypeError):
            kept[name] = engine.option(name).check(value)
    return kept


def _measurement(found: object) -> Measurement | None:
    if not isinstance(found, dict):
        return None
    try:
        measurement = msgspec.convert(found, Measurement)
    except msgspec.ValidationError:
        return None
    try:
        pinning.check(measurement.cpus)
    except InferTuiError:
        # The processors of another machine that shares this home folder.
        measurement = msgspec.structs.replace(measurement, cpus="")
    return measurement
