"""What a reader meets: words spelled as he knows them, figures near their names, none cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.segment import Segment
from rich.style import Style

from engines.catalogue import CATALOGUE
from engines.events import JobStarted, Progress, RunStarted
from engines.plan import EngineSpec, Measurement, RunPlan
from profiles.spelling import spelled
from tests.tui.app_support import opened, text_of, until
from tests.tui.plot_support import counted, noisy, text
from tui.comparing import change
from tui.dialogs.form import OptionsDialog
from tui.dialogs.path import PathDialog
from tui.live import LiveRun
from tui.plotting import histogram_plot
from tui.screens.bench import _progress_words, measurement_words
from tui.screens.details import pairs
from tui.widgets.panel import _in_reverse, row_width
from tui.widgets.table import MOST_SLACK, Column, lay_out


def test_names_of_the_code_are_spelled_as_readers_know_them() -> None:
    assert spelled("workspace_mib") == "workspace MiB"
    assert spelled("prefer_nhwc") == "prefer NHWC"
    assert spelled("opt_batch") == "opt batch"
    shown = ["".join(piece for piece, _ in one) for one in pairs("What ran", {"onednn": True})[2:]]
    assert [one.split() for one in shown] == [["oneDNN", "yes"]]


@pytest.mark.parametrize("width", [60, 120, 300])
def test_on_a_wide_screen_the_figures_stay_near_what_they_are_of(width: int) -> None:
    columns = (
        Column("name", "name", align="left", stretch=True),
        Column("p50", "p50 ms"),
    )
    longest = "onnxruntime cpu fp32 b1"
    _, rows = lay_out(columns, [{"name": longest, "p50": "2.125"}], width)
    assert row_width(rows[0]) == min(width, len(longest) + MOST_SLACK + 2 + len("p50 ms"))


def test_a_legend_stands_between_the_marks_where_there_is_no_room_beside_them() -> None:
    values = np.concatenate([noisy(10.0, 5000), np.full(60, 30.0)])
    rows = text(histogram_plot([counted(values)], 60, 8))
    assert rows[0].index("▾") < rows[0].index("●") < rows[0].rindex("▿")
    assert "●  ▾ " in rows[0] or "● eager  ▾ " in rows[0]
    assert rows[0].count("▾") == rows[0].count("▿") == 2, "each over its column and in the legend"


def test_the_entry_that_warms_up_before_the_rounds_has_its_own_number() -> None:
    specs = tuple(EngineSpec(engine=name, device="cpu") for name in ("eager", "onnxruntime"))
    live = LiveRun()
    live.apply(RunStarted(RunPlan(engines=specs), ("eager", "onnxruntime"), "id"))
    live.apply(JobStarted("0", "benchmark", "eager", 0))
    live.apply(JobStarted("1", "benchmark", "onnxruntime", 1))
    live.apply(Progress("0", "waiting for its turn"))
    live.apply(Progress("1", "warm-up"))
    words = "".join(piece for piece, _ in _progress_words(live, 3.0, stopping=False))
    assert words == "▶ 2/2 onnxruntime, warm-up  00:03"


def test_blocks_are_as_long_as_they_are() -> None:
    measurement = Measurement(interleave=True, blocks=8, block_seconds=0.25)
    assert measurement_words(measurement) == "by turns, 8 × 0.25 s"
    assert measurement_words(Measurement()) == "until the median is known to 1 %"


def test_a_bar_in_a_row_in_reverse_is_as_long_as_in_any_other() -> None:
    reverse, blue = Style(reverse=True), Style(color="blue")
    parts = list(_in_reverse("4.1% ███  ", reverse, blue))
    assert [part.text for part in parts] == ["4.1% ", "███", "  "]
    assert [(part.style.reverse, part.style.color.name) for part in parts] == [
        (True, "default"), (False, "blue"), (True, "default"),
    ]  # fmt: skip
    (name,) = _in_reverse("Conv2d", reverse, blue)
    assert name == Segment("Conv2d", reverse + Style(color="default")), "no ground of its own"
    (match,) = _in_reverse("Conv2d", reverse, Style(reverse=True))
    assert match == Segment("Conv2d", Style(reverse=False, color="default")), "it is told apart"


def test_no_change_has_no_sign_of_one_that_is_worse_or_better() -> None:
    assert change(0.9998) == change(1.0) == "+0.0 %"
    assert change(0.815) == "-18.5 %"


async def test_an_option_says_what_its_zero_means(replayed: None) -> None:
    options = next(one for one in CATALOGUE if one.name == "tensorrt").options
    async with opened() as (app, pilot):
        await app.push_screen(OptionsDialog("Options", options, {"workspace_mib": 512}, ""))
        await pilot.pause()
        shown = " ".join(text_of(app).split())
        assert "min batch ◂ 0 ▸ the entry's own" in shown
        assert "workspace MiB ◂ 512 ▸" in shown
        assert "512 ▸ no limit" not in shown


async def test_a_path_that_is_too_long_for_its_field_shows_its_end(replayed: None) -> None:
    path = Path("/a/folder/with/a/long/name") / ("x" * 60) / "2026-11-27-mobilenetv2.toml"
    async with opened() as (app, pilot):
        await app.push_screen(PathDialog("Save", "", path, str))
        await until(pilot, lambda: "2026-11-27-mobilenetv2.toml" in text_of(app))
        assert "/a/folder" not in text_of(app)


async def test_telemetry_says_that_it_rests_from_the_start(replayed: None) -> None:
    async with opened() as (app, _pilot):
        await app.bench.telemetry.begin()
        assert "resting while idle" in str(app.bench.telemetry.border_subtitle)
