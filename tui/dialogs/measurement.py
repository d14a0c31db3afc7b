"""How engines are measured: when each ends, by turns or one after another, and what else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engines import pinning
from engines.errors import InferTuiError, UsageError
from engines.plan import ARTICLE_ITERATIONS, Measurement, OptionValue
from engines.registry import Option
from profiles.validation import convert
from tui.dialogs.form import FormDialog

UNTIL_KNOWN = "median known to 1 %"
ITERATIONS = "iterations"
SECONDS = "seconds"
BY_TURNS = "blocks, by turns"
PERCENT = 100.0
NUMBER = r"\d+(\.\d+)?"
NUMBERS = r"(\d+([ ,]+\d+)*)?"

OPTIONS = (
    Option(
        "ends after",
        "what ends a measurement; by turns all engines stay loaded, and each gets a verdict",
        UNTIL_KNOWN,
        choices=(UNTIL_KNOWN, ITERATIONS, SECONDS, BY_TURNS),
    ),
    Option(
        "iterations", "inferences to measure, where these end it", ARTICLE_ITERATIONS, minimum=1
    ),
    Option("seconds", "time to measure for, where that ends it", 10, minimum=1),
    Option(
        "blocks", "blocks of each engine, by turns in random order", 36, minimum=6, maximum=1000
    ),
    Option(
        "block seconds",
        "how long a block is",
        "0.25",
        pattern=NUMBER,
        shape="seconds, such as 0.5",
    ),
    Option(
        "same within %",
        "by turns: medians that differ by less are the same",
        "1",
        pattern=NUMBER,
        shape="a percentage, such as 1",
    ),
    Option("energy", "also measure the GPU's energy for an inference", default=False),
    Option(
        "in flight",
        "also measure throughput with so many requests in flight, such as 1, 2, 4",
        "",
        pattern=NUMBERS,
        shape="numbers, such as 1, 2, 4",
    ),
    Option(
        "pinned to",
        "keep the workers on these processors, such as 0-3,8",
        "",
        pattern=r"[\d,-]*",
        shape="processors, such as 0-3,8",
    ),
)

NOTE = "The article measures 100 iterations. Percentiles need more: p99 needs 662."
# What belongs to one way to end alone.
USED_WHERE = {
    name: ("ends after", way)
    for name, way in (
        ("iterations", ITERATIONS),
        ("seconds", SECONDS),
        ("blocks", BY_TURNS),
        ("block seconds", BY_TURNS),
        ("same within %", BY_TURNS),
    )
}


class MeasurementDialog(FormDialog[Measurement]):
    """Dismissed with the measurement that is set; what it does not show stays as it was."""

    used_where = USED_WHERE

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement
        super().__init__("How to measure", OPTIONS, values_of(measurement), NOTE)

    def action_accept(self) -> None:
        try:
            self.dismiss(measurement_of(self.values_given(), self._measurement))
        except InferTuiError as error:
            self.show_problem(str(error))


def values_of(measurement: Measurement) -> dict[str, OptionValue]:
    """What a `MeasurementDialog` shows of `measurement`."""
    ends = ITERATIONS if measurement.iterations else SECONDS if measurement.seconds else UNTIL_KNOWN
    return {
        "ends after": BY_TURNS if measurement.interleave else ends,
        "iterations": measurement.iterations or ARTICLE_ITERATIONS,
        "seconds": round(measurement.seconds or 10),
        "blocks": measurement.blocks,
        "block seconds": f"{measurement.block_seconds:g}",
        "same within %": f"{PERCENT * measurement.threshold:g}",
        "energy": measurement.energy,
        "in flight": ", ".join(map(str, measurement.in_flight)),
        "pinned to": measurement.cpus,
    }


def measurement_of(values: Mapping[str, OptionValue], base: Measurement) -> Measurement:
    """`base` with what the values of a `MeasurementDialog` say.

    Raises UsageError or FileError where a value is out of bounds.
    """
    ends = values["ends after"]
    in_flight = str(values["in flight"]).replace(",", " ").split()
    threshold = float(values["same within %"]) / PERCENT
    if not 0 < threshold < 1:
        raise UsageError(
            f"same within % is {values['same within %']}", hint="expected above 0 and below 100"
        )
    # A plan's seconds may have decimals, which the dialog does not show.
    as_before = values["seconds"] == round(base.seconds or 0)
    seconds = base.seconds if as_before else values["seconds"]
    changes = {
        "iterations": values["iterations"] if ends == ITERATIONS else None,
        "seconds": seconds if ends == SECONDS else None,
        "interleave": ends == BY_TURNS,
        "blocks": values["blocks"],
        "block_seconds": float(values["block seconds"]),
        "threshold": threshold,
        "energy": values["energy"],
        "in_flight": [int(number) for number in in_flight],
        "cpus": values["pinned to"],
    }
    changed = convert({**msgspec.to_builtins(base), **changes}, Measurement, "what is set")
    pinning.check(changed.cpus)
    return changed
