"""The rules that turn readings into verdicts, on recorded readings."""

from __future__ import annotations

import numpy as np
import pytest

from engines.conditions import (
    CAPPED,
    CROWDED,
    MOST_DISTURBANCES,
    SHARED,
    THROTTLED,
    Block,
    Edge,
    GpuLog,
    Look,
    judge,
    outlier_causes,
)
from engines.gpu import GpuSample

S = 1_000_000_000
LIMIT = 1980.0


def reading(at_s: float, **changes) -> GpuSample:
    known = {
        "utilisation_percent": 95.0, "memory_used_bytes": 1 << 30, "memory_total_bytes": 1 << 36,
        "power_w": 140.0, "sm_clock_mhz": LIMIT, "temperature_c": 45.0, "throttle_reasons": 0,
        "memory_clock_mhz": 3201.0,
    } | changes  # fmt: skip
    return GpuSample(index=0, name="GPU", time_ns=round(at_s * S), **known)


def ten_seconds(**changes) -> list[Block]:
    """A hundred blocks of a tenth of a second."""
    return [Block(at * S // 10, (at + 1) * S // 10, 50, **changes) for at in range(100)]


def log_of(readings=(), *, power=None, thermal=None, looks=()) -> GpuLog:
    """An edge each second; `power` and `thermal` give the counters at each in ns."""
    edges = [
        Edge(at * S, power[at] if power else None, thermal[at] if thermal else None)
        for at in range(11)
    ]
    return GpuLog(list(readings), edges, list(looks), LIMIT)


def five_a_second(change=lambda at_s: {}) -> list[GpuSample]:
    return [reading(at / 5 + 0.05, **change(at / 5)) for at in range(50)]


def test_a_quiet_gpu_is_clean_and_its_figures_are_kept():
    found, tags = judge(ten_seconds(), log_of(five_a_second()))
    assert found.verdicts == ()
    assert set(tags) == {""}
    assert found.readings == 50
    assert found.sm_clock_min_mhz == found.sm_clock_max_mhz == LIMIT
    assert (found.power_median_w, found.temperature_max_c) == (140.0, 45.0)
    assert not found.invalid


@pytest.mark.parametrize("bit", [0x08, 0x20, 0x40, 0x80])
def test_heat_and_the_hardwares_own_protection_throttle(bit):
    readings = five_a_second(lambda at: {"throttle_reasons": bit if at < 2 else 0})
    found, tags = judge(ten_seconds(), log_of(readings))
    assert found.throttled_share == pytest.approx(0.2)
    assert found.verdicts == ("THROTTLED",)
    assert found.invalid
    assert tags[:20] == [THROTTLED] * 20
    assert tags[20:] == [""] * 80


@pytest.mark.parametrize("bit", [0x01, 0x02, 0x10, 0x100, 0x200, 0x8000])
def test_what_is_information_is_recorded_and_judged_by_nobody(bit):
    found, tags = judge(ten_seconds(), log_of(five_a_second(lambda _: {"throttle_reasons": bit})))
    assert found.verdicts == ()
    assert set(tags) == {""}
    assert list(found.reasons.values()) == [1.0]


def test_an_unknown_reason_is_kept_as_hexadecimal():
    masks = iter([0x8004] * 25 + [0x4] * 25)
    readings = five_a_second(lambda _: {"throttle_reasons": next(masks)})
    found, _ = judge(ten_seconds(), log_of(readings))
    assert found.reasons == {"SwPowerCap": 1.0, "0x8000": 0.5}


def test_a_tenth_of_the_time_is_a_fact_and_more_is_a_verdict():
    hot = lambda until: log_of(  # noqa: E731
        five_a_second(lambda at: {"throttle_reasons": 0x40 if at < until else 0})
    )
    found, _ = judge(ten_seconds(), hot(1))
    assert found.throttled_share == pytest.approx(0.1)
    assert found.verdicts == ()
    assert found.disturbances[0].condition == "THROTTLED"
    found, _ = judge(ten_seconds(), hot(1.1))
    assert found.verdicts == ("THROTTLED",)


def test_the_thermal_counter_sees_what_no_reading_did():
    thermal = [0, 0, 0, 0, 5, 5, 9, 9, 9, 9, 9]
    found, tags = judge(ten_seconds(), log_of(five_a_second(), thermal=thermal))
    assert [at for at, tag in enumerate(tags) if tag] == [*range(30, 40), *range(50, 60)]
    assert found.throttled_share == pytest.approx(0.2)


def test_a_power_cap_at_full_clock_is_everyday_regulation():
    for clock, capped in ((0.99 * LIMIT, False), (0.98 * LIMIT, True)):
        readings = five_a_second(
            lambda _, clock=clock: {"throttle_reasons": 0x4, "sm_clock_mhz": clock}
        )
        found, tags = judge(ten_seconds(), log_of(readings))
        assert (found.verdicts == ("POWER-CAPPED",)) is capped
        assert (set(tags) == {CAPPED}) is capped
        assert not found.invalid, "a fact, not an error"


def test_a_power_cap_without_a_known_limit_or_clock_proves_nothing():
    readings = five_a_second(lambda _: {"throttle_reasons": 0x4, "sm_clock_mhz": None})
    assert judge(ten_seconds(), log_of(readings))[0].verdicts == ()
    readings = five_a_second(lambda _: {"throttle_reasons": 0x4, "sm_clock_mhz": 500.0})
    log = log_of(readings)
    log = GpuLog(log.readings, log.edges, log.looks, None)
    assert judge(ten_seconds(), log)[0].verdicts == ()


def test_the_power_counter_counts_from_a_hundredth_of_a_stretch_on():
    power = [at * S // 100 for at in range(11)]  # just 1 %
    assert judge(ten_seconds(), log_of(power=power))[0].verdicts == ()
    power = [at * S // 90 for at in range(11)]
    found, _ = judge(ten_seconds(), log_of(power=power))
    assert found.verdicts == ("POWER-CAPPED",)
    assert found.power_capped_share == pytest.approx(1.0)


def test_a_counter_that_went_back_says_nothing():
    down = list(range(11))[::-1]
    found, _ = judge(ten_seconds(), log_of(five_a_second(), power=down, thermal=down))
    assert found.verdicts == ()


def test_a_gpu_that_answers_nothing_has_figures_of_none():
    blank = dict.fromkeys(
        ("utilisation_percent", "memory_used_bytes", "power_w", "sm_clock_mhz", "temperature_c",
         "throttle_reasons", "memory_clock_mhz")
    )  # fmt: skip
    found, _ = judge(ten_seconds(), log_of(five_a_second(lambda _: blank)))
    assert found.readings == 50
    assert found.verdicts == ()
    assert found.reasons == {}
    assert found.sm_clock_median_mhz is found.power_max_w is found.temperature_max_c is None


def test_no_readings_and_no_blocks_are_no_error():
    assert judge([], log_of())[0].readings == 0
    assert judge(ten_seconds(), GpuLog())[0].verdicts == ()
    assert judge([], GpuLog())[1] == []


def test_only_the_entrys_own_turns_are_judged():
    """In an interleaved run the stretches of the others' turns are not this entry's."""
    mine = [one for one in ten_seconds() if one.start_ns // S % 2 == 0]
    hot_in_others = five_a_second(
        lambda at: {"throttle_reasons": 0x40, "sm_clock_mhz": 900.0} if int(at) % 2 else {}
    )
    found, tags = judge(mine, log_of(hot_in_others))
    assert found.verdicts == ()
    assert found.sm_clock_min_mhz == LIMIT
    assert found.readings == 25
    assert set(tags) == {""}
    hot_in_mine = five_a_second(lambda at: {} if int(at) % 2 else {"throttle_reasons": 0x40})
    found, tags = judge(mine, log_of(hot_in_mine))
    assert found.throttled_share == pytest.approx(1.0)
    assert set(tags) == {THROTTLED}


def test_a_block_longer_than_a_stretch_is_disturbed_by_any_of_its_stretches():
    readings = five_a_second(lambda at: {"throttle_reasons": 0x40 if 4 <= at < 5 else 0})
    found, tags = judge([Block(0, 10 * S, 3)], log_of(readings))
    assert tags == [THROTTLED]
    assert found.throttled_share == 1.0


def test_a_block_over_an_edge_belongs_to_the_stretch_that_holds_most_of_it():
    hot = log_of(five_a_second(lambda at: {"throttle_reasons": 0x40 if 1 <= at < 2 else 0}))
    mostly_before, mostly_in = (
        Block(7 * S // 10, 11 * S // 10, 9),
        Block(9 * S // 10, 13 * S // 10, 9),
    )
    assert judge([mostly_before, mostly_in], hot)[1] == ["", THROTTLED]


def test_a_measurement_of_a_moment_is_judged_by_the_stretch_around_it():
    log = GpuLog(
        [reading(0.0, throttle_reasons=0x40), reading(0.06, throttle_reasons=0x40)],
        [Edge(0), Edge(65_000_000)],
        (),
        LIMIT,
    )
    found, _ = judge([Block(2_000_000, 62_000_000, 100)], log)
    assert found.verdicts == ("THROTTLED",)


def test_another_process_shares_the_gpu_only_while_it_computes():
    looks = [
        Look(0, ("notebook (process 7)",)),
        Look(4 * S, ("notebook (process 7)",)),
        Look(6 * S, ("python (process 9)", "notebook (process 7)"), ("python (process 9)",)),
        Look(10 * S, ("notebook (process 7)",)),
    ]
    found, tags = judge(ten_seconds(), log_of(five_a_second(), looks=looks))
    assert found.verdicts == ("SHARED GPU",)
    assert found.shared_share == pytest.approx(0.2)
    assert found.others == ("notebook (process 7)", "python (process 9)")
    assert [at for at, tag in enumerate(tags) if tag == SHARED] == list(range(40, 60))
    idle = log_of(five_a_second(), looks=looks[:2])
    found, _ = judge(ten_seconds(), idle)
    assert found.verdicts == ()
    assert found.others == ("notebook (process 7)",)


def test_a_neighbour_of_a_moment_is_a_neighbour():
    looks = [Look(0), Look(S // 2, ("x",), ("x",)), Look(10 * S)]
    found, _ = judge(ten_seconds(), log_of(five_a_second(), looks=looks))
    assert found.shared_share == pytest.approx(0.05)
    assert found.verdicts == ("SHARED GPU",)


def test_verdicts_do_not_hide_each_other():
    readings = five_a_second(lambda _: {"throttle_reasons": 0x44, "sm_clock_mhz": 900.0})
    looks = [Look(0), Look(10 * S, ("x",), ("x",))]
    found, tags = judge(ten_seconds(), log_of(readings, looks=looks), asleep_s=3.0)
    assert found.verdicts == ("THROTTLED", "SHARED GPU", "POWER-CAPPED", "SUSPENDED")
    assert set(tags) == {THROTTLED}, "an outlier is put down to the gravest"
    assert [one.split(":")[0] for one in found.sentences] == list(found.verdicts)


def test_disturbances_are_told_in_the_entrys_own_seconds():
    readings = five_a_second(lambda at: {"throttle_reasons": 0x40 if at < 1 or 3 <= at < 5 else 0})
    found, _ = judge(ten_seconds(), log_of(readings), origin_ns=-2 * S)
    spans = [(one.condition, one.start_s, one.end_s) for one in found.disturbances]
    assert spans == [("THROTTLED", 2.0, 3.0), ("THROTTLED", 5.0, 7.0)]


def test_a_profile_is_not_flooded_with_disturbances():
    blocks = [Block(4 * at * S, (4 * at + 1) * S, 1) for at in range(500)]
    edges = [Edge(one) for block in blocks for one in (block.start_ns, block.end_ns)]
    readings = [reading(block.start_ns / S + 0.5, throttle_reasons=0x40) for block in blocks]
    found, _ = judge(blocks, GpuLog(readings, edges, (), LIMIT))
    assert len(found.disturbances) == MOST_DISTURBANCES
    assert found.throttled_share == 1.0


def test_what_no_lid_was_closed_for_is_no_sleep():
    found, _ = judge(ten_seconds(), log_of(five_a_second()), asleep_s=2e-6)
    assert found.asleep_s == 0.0
    assert found.verdicts == ()


def test_sleep_is_a_verdict_with_and_without_a_gpu():
    assert not judge(ten_seconds(), GpuLog(), asleep_s=0.4)[0].says_anything
    found, _ = judge(ten_seconds(), GpuLog(), asleep_s=12.0)
    assert found.verdicts == ("SUSPENDED",)
    assert found.invalid
    assert "12 s" in found.sentences[0]


@pytest.mark.parametrize(
    ("waits", "verdicts", "share"),
    [
        ([0.001] * 100, (), 0.0),
        ([0.4] * 10 + [0.0] * 90, (), 0.1),
        ([0.4] * 11 + [0.0] * 89, ("SHARED CPU",), 0.11),
        ([0.049] * 100, (), 0.0),
        ([0.051] * 100, ("SHARED CPU",), 1.0),
    ],
)
def test_processors_are_shared_where_a_thread_waits_for_one_in_too_many_blocks(
    waits, verdicts, share
):
    blocks = [
        Block(at * S // 10, (at + 1) * S // 10, 50, waited_ns=round(waited * S / 10))
        for at, waited in enumerate(waits)
    ]
    found, tags = judge(blocks, GpuLog())
    assert found.verdicts == verdicts
    assert found.crowded_share == pytest.approx(share)
    assert found.processor_wait_share == pytest.approx(sum(waits) / 100)
    assert tags.count(CROWDED) == round(100 * share)
    assert not found.invalid
    if verdicts:
        assert f"{100 * share:.0f} % of the time" in found.sentences[0]
        assert {one.condition for one in found.disturbances} == {"SHARED CPU"}


def test_a_kernel_that_does_not_count_waits_says_nothing_of_processors():
    found, tags = judge(ten_seconds(), GpuLog())
    assert not found.says_anything
    assert found.processor_wait_share is None
    assert set(tags) == {""}


def test_outliers_are_put_down_to_what_is_known_and_no_more():
    latencies = np.ones(200)
    blocks = [
        Block(0, S, 50),  # throttled: all its outliers
        Block(S, 2 * S, 50, preempted=2),  # five outliers, two switches
        Block(2 * S, 3 * S, 50, preempted=1, page_faults=9),
        Block(3 * S, 4 * S, 50, preempted=7),  # no outlier at all
    ]
    latencies[[3, 4, 60, 61, 62, 63, 64, 110, 111, 112]] = 9.0
    causes = outlier_causes(latencies, blocks, [THROTTLED, "", "", ""], 2.0)
    assert causes == {"throttled": 2, "preempted": 3, "page-fault": 2}
    causes = outlier_causes(latencies, blocks, ["", CROWDED, "", ""], 2.0)
    assert causes == {"preempted": 3, "page-fault": 2}, "a crowd delays as often as it preempts"
    assert outlier_causes(latencies, [], [], 2.0) == {}
    assert outlier_causes(np.ones(200), blocks, [THROTTLED] * 4, 2.0) == {}
