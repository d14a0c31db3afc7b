"""One run's results as a report: what `infer-tui run` prints at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engines.results import EngineResult
from engines.soundness import HARMLESS_BY_TURNS, code_of, unsettled
from engines.statistics import limits
from profiles import figures
from profiles.document import Document, Note
from profiles.entry_columns import entry_columns
from profiles.frontier import points_of
from profiles.frontier_table import limit_notes
from profiles.heading import title_lines
from profiles.run_tables import more_notes, more_tables
from profiles.schema import Profile
from profiles.spelling import percent
from profiles.table import Cell, Column
from profiles.verdict_words import BASELINE, COLOURS, ratio_interval

GPU_MEMORY = "GPU MiB: what the whole GPU had less of than before the engine was loaded"
RATIO = (
    "ratio: the median of the rounds' ratios of p50 of an image, with its 95 % interval; it need"
    " not be the ratio of the two p50 shown"
)
ENERGY = "mJ/image: energy of one image, of the whole GPU or all processors, idle power included"
TOLD_BY_CONDITIONS = tuple(map(code_of, HARMLESS_BY_TURNS))


def run_document(profile: Profile) -> Document:
    """The table of `profile`'s results, with what went wrong and what the figures mean."""
    results, by_turns = profile.results, profile.plan.measurement.interleave
    names = entry_columns(results)
    return Document(
        title=[*title_lines(profile), *filter(None, [names.common])],
        columns=[*names.columns, *_columns(results)],
        notes=[
            *map(Note, names.legend),
            *limit_notes(points_of(results), profile.plan.max_latency_ms),
            *(
                note
                for one in results
                for note in (*_notes(one, by_turns), *more_notes(one, results))
            ),
        ],
        tables=more_tables(results, names.columns),
        entries=[one.label for one in results],
    )


def _columns(results: Sequence[EngineResult]) -> list[Column]:
    accuracy = [one.accuracy for one in results]
    counts = [one.latency.n if one.latency else None for one in results]
    top1 = [percent(one.top1_agreement) if one else "" for one in accuracy]
    return [
        Column("n", [Cell(figures.number(n, 0)) for n in counts], 8),
        Column(
            "p50 ms",
            figures.with_interval(results),
            notes=[
                "latency of one request in ms, host time; ± is half the 95 % interval of p50",
                *figures.floor_notes(results, 50),
            ],
        ),
        _percentile("p90", results, 90, 7),
        _percentile("p99", results, 99, 1),
        Column("GPU ms", figures.computing(results), 5, notes=_computing_notes(results)),
        Column("images/s", figures.throughputs(results), 3),
        _speed_ups(results),
        *_verdicts(results),
        Column("load s", figures.seconds(one.load_ms for one in results), 11),
        Column("compile s", figures.seconds(one.compile_ms for one in results), 10),
        Column("export s", figures.seconds(one.export_ms for one in results), 13),
        Column("build s", figures.seconds(one.build_ms for one in results), 14),
        Column("cosine", figures.cosines(results), 4),
        Column("top-1", [Cell(text) for text in top1], 12),
        Column("MiB", figures.mebibytes(one.peak_host_bytes for one in results), 9),
        Column("GPU MiB", figures.device_memory(results), 15, notes=[GPU_MEMORY]),
        Column("mJ/image", figures.millijoules(results), 8, notes=[ENERGY]),
        Column("status", figures.statuses(results), numeric=False),
    ]


def _computing_notes(results: Sequence[EngineResult]) -> list[str]:
    if not any(one.device for one in results):
        return []
    return ["GPU ms: the computation alone, between device events, without the copies"]


def _percentile(
    heading: str, results: Sequence[EngineResult], percentile: float, priority: int
) -> Column:
    cells = figures.milliseconds(results, percentile)
    return Column(heading, cells, priority, notes=figures.floor_notes(results, percentile))


def _speed_ups(results: Sequence[EngineResult]) -> Column:
    baseline = next((one for one in results if one.latency and one.latency.p50_ms), None)
    cells = [Cell(_speed_up(one, baseline)) for one in results]
    label = baseline.label if baseline else ""
    note = f"speed-up: ratio of the p50 of an image, against {label}, the first that was measured"
    return Column("speed-up", cells, 2, notes=[note])


def _verdicts(results: Sequence[EngineResult]) -> list[Column]:
    """The verdict on each entry of an interleaved run, and the ratio that it rests on."""
    records = [one.versus for one in results]
    baseline = next((one.baseline for one in records if one), None)
    if baseline is None:
        return []
    threshold = next(one.threshold for one in records if one)
    cells = [
        Cell(one.versus.verdict, COLOURS[one.versus.verdict])
        if one.versus
        else Cell(BASELINE if one.label == baseline else "", "faint")
        for one in results
    ]
    ratios = [Cell(f"{one.ratio:.3f}" if one and one.ratio else "") for one in records]
    intervals = [
        Cell(ratio_interval(one.ratio, one.low, one.high) if one else "") for one in records
    ]
    note = (
        f"verdict: p50 of an image against {baseline}, by turns in random order;"
        f" SAME is a change of less than {limits(threshold)}"
    )
    return [
        Column("ratio", ratios, 6, notes=[RATIO]),
        Column("95 % interval", intervals, 6),
        Column("verdict", cells, numeric=False, notes=[note]),
    ]


def _speed_up(result: EngineResult, baseline: EngineResult | None) -> str:
    """How many times less an image takes than with `baseline`, by p50."""
    this, first = _p50_per_inference(result), _p50_per_inference(baseline)
    return f"{first / this:.2f}x" if this and first else ""


def _p50_per_inference(result: EngineResult | None) -> float | None:
    p50_ms = result.latency.p50_ms if result and result.latency else None
    return p50_ms / result.spec.batch if result and p50_ms else None


def _notes(result: EngineResult, by_turns: bool) -> list[Note]:
    """What a reader must know of this entry: why it did not end well, what to distrust."""
    notes = []
    if result.status != "ok":
        colour = figures.STATUS_COLOURS[result.status]
        why = f"{result.label}: {result.status}"
        notes.append(Note(f"{why}: {result.reason}" if result.reason else why, result.hint, colour))
    verdict_says = (
        any("unsettled" in one for one in result.versus.reasons) if result.versus else False
    )
    if result.warm_up and not result.warm_up.settled and not verdict_says:
        why = f"{result.label}: {unsettled(result.warm_up)}"
        notes.append(Note(why, "", "doubt"))
    if result.latency and (unknown := result.latency.median_unknown):
        notes.append(Note(f"{result.label}: {unknown}", "", "doubt"))
    if result.latency and result.latency.drift is not None:
        drifts = figures.drifting(result.latency.drift, by_turns=by_turns)
        notes.append(Note(f"{result.label}: {drifts}", "", "doubt"))
    if result.stop and result.stop.unmet:
        unmet = "; ".join(result.stop.unmet)
        notes.append(Note(f"{result.label}: {result.stop.reason}, without: {unmet}", "", "doubt"))
    if result.versus:
        # A clear verdict's own reason is in the table.
        reasons = result.versus.reasons[result.versus.verdict != "UNCLEAR" :]
        # What did not void it stands among the notes of the entry that it befell.
        texts = [
            text
            for code, _, text in (one.partition(": ") for one in reasons)
            if code not in TOLD_BY_CONDITIONS
        ]
        colour = COLOURS[result.versus.verdict]
        notes += [Note(f"{result.label}: {text}", "", colour) for text in texts]
    return [*notes, *_disturbances(result, by_turns)]


def _disturbances(result: EngineResult, by_turns: bool) -> Iterator[Note]:
    """What disturbed the measurement, and the energy's power with the idle power beside it."""
    for sentence in result.conditions.sentences if result.conditions else ():
        yield Note(f"{result.label}: {sentence}", _what_to_do(sentence, by_turns), "doubt")
    if result.latency and (causes := figures.outlier_causes(result.latency)):
        yield Note(f"{result.label}: {causes}", "", "faint")
    energy = result.energy
    if energy and energy.reason:
        yield Note(f"{result.label}: energy: {energy.reason}", "", "doubt")
    elif energy and energy.mean_w is not None:
        idle = "" if energy.idle_w is None else f", {energy.idle_w:.0f} W before it was loaded"
        yield Note(f"{result.label}: {energy.mean_w:.0f} W on average{idle}", "", "faint")


def _what_to_do(sentence: str, by_turns: bool) -> str:
    verdict, _, _ = sentence.partition(":")
    return {
        "THROTTLED": "let it cool down, see to its fans and its neighbours, and measure again",
        "SUSPENDED": "keep the machine awake, and measure again",
        "SHARED GPU": "measure again when it is free",
        "SHARED CPU": f"measure again without them{'' if by_turns else ', or by turns'}",
    }.get(verdict, "")
