"""Comparisons in the app: of two runs and of more, with histograms, reasons and differences."""

from __future__ import annotations

import msgspec
import pytest

from engines.errors import UsageError
from profiles.several import Refusal, Side, compare_several
from profiles.store import Store
from profiles.writing import write_profile
from tests.profiles.conftest import Build
from tests.tui.app_support import Small, Wide, opened, text_of, until
from tests.tui.history_support import (
    comparison,
    go_to,
    listed,
    mark,
    profile_of,
    save_all,
)
from tui.dialogs.message import MessageDialog
from tui.widgets.comparison import ComparisonPlot, ComparisonRows, ReasonRows, ReportRows
from tui.widgets.profiles import MOST_COMPARED


def side(host: str, *medians: float, seed: int = 0) -> Side:
    return Side(profile_of(host, medians, 0, seed), Build().samples(*medians, seed=seed))


def test_each_run_is_compared_with_the_first() -> None:
    found = compare_several(
        side("alpha", 2.7, 1.2), [side("alpha", 2.7, 1.5, seed=5), side("beta", 2.2, 1.2, seed=9)]
    )
    verdicts = [[entry.verdict.name for entry in one.entries] for one in found.outcomes]
    assert verdicts == [["SAME", "SLOWER"], ["FASTER", "SAME"]]
    assert [one.other_machine for one in found.outcomes] == [False, True]
    assert [one.machine.hostname for one in found.profiles] == ["alpha", "alpha", "beta"]
    assert "machine hostname: A alpha, C beta" in found.outcomes[1].differences


def test_one_that_can_not_be_compared_leaves_the_others() -> None:
    other = side("gamma", 1.0)
    model = msgspec.structs.replace(other.profile.model, name="resnet50")
    other = Side(msgspec.structs.replace(other.profile, model=model), other.samples)
    found = compare_several(side("alpha", 2.7), [other, side("beta", 2.7, seed=3)])
    refused, compared = found.outcomes
    assert isinstance(refused, Refusal)
    assert "resnet50" in refused.reason
    assert compared.entries[0].verdict.name == "SAME"
    with pytest.raises(UsageError, match="resnet50"):
        compare_several(side("alpha", 2.7), [other])
    with pytest.raises(UsageError, match="two runs or more"):
        compare_several(side("alpha", 2.7), [])


@pytest.mark.parametrize("size", [Wide, Small])
async def test_the_first_that_is_marked_is_the_baseline(
    replayed: None, size: tuple[int, int]
) -> None:
    save_all()
    async with opened(size=size) as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, "monday", "tuesday", "wednesday")
        assert "baseline A monday" in text_of(app)
        assert "[B]" in text_of(app)
        await pilot.press("c")
        screen = await comparison(app, pilot)
        table = screen.query_one(ComparisonRows)
        eager, ort = ("".join(text for text, _ in line) for line in table.rows)
        assert eager.index("= SAME") < eager.index("▲ FASTER")
        assert ort.index("▼ SLOWER") < ort.index("= SAME")
        # The reasons and the histograms are those of the entry under the cursor.
        reasons = screen.query_one(ReasonRows)
        assert "B  = SAME" in reasons.text()
        assert "C  ▲ FASTER" in reasons.text()
        plot = "\n".join("".join(text for text, _ in line)
                         for line in screen.query_one(ComparisonPlot)._rows)  # fmt: skip
        assert "latency of eager cpu fp32 b1" in plot
        await pilot.press("down")
        await pilot.pause()
        assert "B  ▼ SLOWER" in reasons.text()
        assert "+25" in reasons.text()
        assert "latency of onnxruntime" in text_of(app)


async def test_the_report_has_every_reason_and_difference(replayed: None) -> None:
    save_all()
    async with opened(size=Small) as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, "monday", "tuesday", "thursday")
        await pilot.press("c")
        screen = await comparison(app, pilot)
        assert "Of another machine than A: B" in text_of(app)
        await pilot.press("enter")
        await pilot.pause()
        report = screen.query_one(ReportRows)
        text = report.text()
        assert "What differs between A and B besides" in text
        assert "machine hostname: A alpha, B beta" in text
        assert "In A and not in C" in text
        assert "has no such entry" in text
        await pilot.press("G", "escape")
        assert screen.query_one(ComparisonRows).has_focus
        await pilot.press("escape", "escape")
        assert app.screen is app.bench


async def test_b_makes_another_one_the_baseline(replayed: None) -> None:
    save_all()
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, "monday", "tuesday")
        folder = Store().folder
        assert rows.compared == [folder / "monday.toml", folder / "tuesday.toml"]
        await go_to(pilot, rows, "tuesday")
        await pilot.press("b")
        assert rows.compared == [folder / "tuesday.toml", folder / "monday.toml"]
        await pilot.press("c")
        screen = await comparison(app, pilot)
        assert screen.found.baseline.machine.hostname == "beta"


async def test_no_more_than_can_be_told_apart_are_marked(replayed: None) -> None:
    folder = Store().folder
    folder.mkdir(parents=True)
    for number in range(MOST_COMPARED + 1):
        write_profile(
            profile_of("alpha", (2.0,), number, number),
            Build().samples(2.0, seed=number),
            folder / f"run-{number}.toml",
        )
    async with opened(size=Small) as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, *(f"run-{number}" for number in range(MOST_COMPARED + 1)))
        assert len(rows.marked) == MOST_COMPARED
        assert f"At most {MOST_COMPARED}" in text_of(app)
        await pilot.press("c")
        screen = await comparison(app, pilot)
        (line,) = screen.query_one(ComparisonRows).rows
        text = "".join(part for part, _ in line)
        assert sum(text.count(sign) for sign in "=▲▼?") == MOST_COMPARED - 1


async def test_without_samples_the_saved_intervals_are_compared(replayed: None) -> None:
    paths = save_all()
    for sidecar in Store().folder.glob("*.npz"):
        sidecar.unlink()
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, "monday", "wednesday")
        await pilot.press("c")
        screen = await comparison(app, pilot)
        assert "saved intervals" in screen.query_one(ComparisonRows).text()
        assert "The raw samples of this entry are not there" in text_of(app)
    assert paths


async def test_runs_of_different_things_are_refused_in_words(replayed: None) -> None:
    paths = save_all()
    other = profile_of("alpha", (1.0,), 9)
    model = msgspec.structs.replace(other.model, name="resnet50")
    write_profile(msgspec.structs.replace(other, model=model), {}, paths["monday"])
    async with opened() as (app, pilot):
        rows = await listed(app, pilot)
        await mark(pilot, rows, "tuesday", "monday")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, MessageDialog))
        assert "runs of different things" in text_of(app)
        await pilot.press("escape")
        await mark(pilot, rows, "wednesday")
        await pilot.press("c")
        await comparison(app, pilot)
        assert "can't be compared" in text_of(app)
