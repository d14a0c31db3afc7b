"""The bar of a request's parts, and the details that it stands in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.plan import EngineSpec
from engines.results import DeviceRecord, EngineResult, ThroughputRecord
from tests.profiles.conftest import latencies, one_result
from tests.tui.app_support import opened
from tui.dialogs.message import TextRows
from tui.live import LiveRun
from tui.screens.details import detail_lines
from tui.widgets.panel import in_ascii
from tui.widgets.split_bar import BAR_CELLS, bar_cells, split_rows

DEVICE = DeviceRecord(
    n=500, copy_in_ms=0.031, compute_ms=0.2055, copy_out_ms=0.0042, enqueue_ms=0.19,
    host_ms=0.2618, unaccounted_ms=0.0211,
)  # fmt: skip
SPEC = EngineSpec(engine="eager", device="cuda", precision="fp16")


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4), st.integers(4, 80))
def test_a_bar_is_always_as_long_and_shows_every_part(values: list[float], cells: int) -> None:
    found = bar_cells(values, cells)
    if not any(values):
        assert found == [0, 0, 0, 0]
        return
    assert sum(found) == cells
    for value, length in zip(values, found, strict=True):
        assert (length > 0) == (value > 0)
        assert abs(length - value / sum(values) * cells) < 4


def test_a_part_that_is_less_than_nothing_takes_no_cell() -> None:
    assert bar_cells([1.0, 2.0, 1.0, -0.001], 8) == [2, 4, 2, 0]


def lines_of(result: EngineResult) -> list[str]:
    (entry,) = LiveRun.from_results([result.label], [result], {}).entries
    return ["".join(text for text, _ in one) if not isinstance(one, str) else one
            for one in detail_lines(entry)]  # fmt: skip


def test_the_host_s_bar_is_that_of_its_parts() -> None:
    rows = ["".join(text for text, _ in one) for one in split_rows(DEVICE)]
    *parts, host, enqueue = rows
    bars = [one.split("%  ")[1] for one in parts]
    assert host.endswith("100 %  " + "".join(bars))
    assert len("".join(bars)) == BAR_CELLS
    assert bars[1] == "█" * len(bars[1])
    assert "78 %" in parts[1]
    assert "host time to hand compute over" in enqueue
    assert all(len({in_ascii(bar) for bar in bars} - {bar}) == 3 for bar in map(in_ascii, bars))


def test_details_have_the_split_what_it_includes_and_hints() -> None:
    result = one_result(SPEC, "eager", latencies(0.27), device=DEVICE, facts={"cuda_graph": False})
    text = "\n".join(lines_of(result))
    assert "Where the time of a request goes, ms, by 500 extra requests" in text
    assert "unaccounted" in text
    assert "Bound by its enqueue: a CUDA graph would remove up to 73 % of its host time" in text
    assert "from FP32 images to FP32 logits" in text


def test_details_of_an_engine_without_a_stream_say_so() -> None:
    spec = EngineSpec(engine="onnxruntime", device="cpu")
    text = "\n".join(lines_of(one_result(spec, "ort", latencies(1.0))))
    assert "Not split: on the CPU there is no stream" in text
    assert "copy in" not in text


def test_details_of_an_older_profile_have_the_parts_alone() -> None:
    older = DeviceRecord(n=9, copy_in_ms=0.1, compute_ms=0.2, copy_out_ms=0.1, enqueue_ms=0.05)
    rows = ["".join(text for text, _ in one) for one in split_rows(older)]
    assert [one.split()[0] for one in rows] == ["copy", "compute", "copy", "enqueue"]
    assert "%" not in "".join(rows)


PASSES = (
    ThroughputRecord(in_flight=1, n=7600, seconds=2.0, per_second=3800, p50_ms=0.26, p99_ms=0.31),
    ThroughputRecord(in_flight=4, n=600, seconds=2.0, per_second=11400.4, p50_ms=0.35),
    ThroughputRecord(in_flight=8, reason="out of GPU memory: needs 1.00 GiB more"),
)


def test_details_have_every_pass() -> None:
    result = one_result(SPEC, "eager", latencies(0.27), throughputs=PASSES)
    shown = [" ".join(one.split()) for one in lines_of(result)]
    assert "1 in flight 3,800 images/s p50 0.2600, p99 0.3100 ms of 7,600 in 2.0 s" in shown
    assert "4 in flight 11,400 images/s p50 0.3500 ms of 600 in 2.0 s" in shown
    assert "8 in flight - out of GPU memory: needs 1.00 GiB more" in shown


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_dialog_shows_the_bar_in_plain_ascii_too(
    replayed: None, size: tuple[int, int]
) -> None:
    result = one_result(SPEC, "eager", latencies(0.27), device=DEVICE, throughputs=PASSES)
    async with opened(size=size, ascii_only=True) as (app, pilot):
        app.controller.live = LiveRun.from_results(["eager"], [result], {})
        app.bench.draw()
        await pilot.press("6", "enter")
        rows = app.screen.query_one(TextRows)
        while not any("100 %" in line for line in seen(rows)):
            assert rows.scroll_offset.y < rows.max_scroll_y
            await pilot.press("down")
        assert any("<<<<###" in line for line in seen(rows))
        assert all(line.isascii() for line in seen(rows))


def seen(rows: TextRows) -> list[str]:
    """What can be seen of these rows now."""
    return [rows.render_line(y).text for y in range(rows.size.height)]
