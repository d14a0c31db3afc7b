"""When warm-up has settled and when a measurement ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engines.statistics import Settled, Stop, StopRule, WarmUpRule
from engines.statistics.rules import _percent, halves_differ


def noisy(n: int, ms: float, noise: float, seed: int = 0) -> np.ndarray:
    return ms * np.exp(noise * np.random.default_rng(seed).standard_normal(n))


def warm_up(samples: np.ndarray, rule: WarmUpRule, every_s: float = 0.25) -> tuple[Settled, float]:
    """Ask `rule` every quarter of a second of wall time, as a run does, until it is over."""
    ends = np.cumsum(samples) / 1000
    now = 0.0
    while True:
        now += every_s
        done = int(np.searchsorted(ends, now, side="right"))
        assert done < len(samples), "the rule never ended"
        found = rule.decide(samples[:done], now)
        if found.over:
            return found, now


def decaying(time_constant_s: float, amplitude: float, noise: float = 0.01) -> np.ndarray:
    """Latencies of 1 ms that begin 1 + `amplitude` times as long and decay in wall time."""
    rng = np.random.default_rng(1)
    now_s, samples = 0.0, []
    while now_s < 12:
        slow = 1 + amplitude * math.exp(-now_s / time_constant_s)
        samples.append(slow * math.exp(noise * rng.standard_normal()))
        now_s += samples[-1] / 1000
    return np.array(samples)


class TestWarmUp:
    @pytest.mark.parametrize("ms", [0.2, 5.0, 50.0, 200.0])
    @pytest.mark.parametrize("noise", [0.0, 0.003, 0.05, 0.15])
    def test_steady_latencies_settle_soon(self, ms: float, noise: float) -> None:
        rule = WarmUpRule()
        soonest = max(0.5, 20 * ms / 1000)
        times = []
        for seed in range(10):
            found, now = warm_up(noisy(int(12_000 / ms), ms, noise, seed), rule)
            assert found.settled, found.reason
            times.append(now)
        assert min(times) >= soonest
        assert float(np.median(times)) <= 2 * soonest + 0.5

    @pytest.mark.parametrize("time_constant_s", [0.05, 0.1, 0.3, 0.5, 1.0])
    @pytest.mark.parametrize("amplitude", [0.3, 1.0, 5.0])
    def test_a_decay_has_passed_when_it_settles(
        self, time_constant_s: float, amplitude: float
    ) -> None:
        found, now = warm_up(decaying(time_constant_s, amplitude), WarmUpRule())
        if found.settled:
            assert amplitude * math.exp(-now / time_constant_s) < 0.01
        else:
            # Only the slowest and largest do not settle within the cap.
            assert time_constant_s * math.log(100 * amplitude) > 5

    def test_it_can_still_be_falling_at_the_cap(self) -> None:
        found, now = warm_up(decaying(3.0, 5.0), WarmUpRule())
        assert (found.settled, found.over, now) == (False, True, 10.0)
        assert found.reason.startswith("warm-up did not settle in 10 s: the ")

    def test_a_compilation_at_the_start_is_seen_out(self) -> None:
        samples = np.concatenate([[400.0, 80.0, 40.0], noisy(3000, 1.0, 0.02)])
        found, now = warm_up(samples, WarmUpRule())
        assert found.settled
        assert now >= 0.75

    def test_both_minima_must_be_met(self) -> None:
        rule = WarmUpRule()
        assert rule.decide(noisy(19, 1.0, 0.01), 5.0) == Settled(
            False, False, "19 of 20 iterations"
        )
        assert rule.decide(noisy(500, 0.5, 0.01), 0.4) == Settled(False, False, "0.4 of 0.5 s")
        settled = rule.decide(noisy(1000, 0.5, 0.01), 0.5)
        assert settled == Settled(True, True, "settled after 0.5 s and 1000 iterations")

    def test_a_slow_engine_is_given_up_at_the_cap(self) -> None:
        rule = WarmUpRule()
        assert not rule.decide(noisy(9, 1000.0, 0.01), 9.0).over
        assert rule.decide(noisy(10, 1000.0, 0.01), 10.0) == Settled(
            False, True, "warm-up did not settle in 10 s: 10 of 20 iterations"
        )

    def test_a_slower_one_gets_one_iteration(self) -> None:
        rule = WarmUpRule()
        assert rule.decide([], 14.9) == Settled(False, False, "no iteration yet")
        found = rule.decide([15_000.0], 15.0)
        assert (found.settled, found.over) == (False, True)
        assert found.reason == "warm-up did not settle in 10 s: 1 of 20 iterations"

    def test_settling_exactly_at_the_cap_counts(self) -> None:
        assert WarmUpRule().decide(noisy(100, 100.0, 0.01), 10.0).settled

    def test_the_parameters_are_obeyed(self) -> None:
        rule = WarmUpRule(min_seconds=0, min_iterations=1, max_seconds=2)
        assert rule.decide([1.0] * 3, 0.0).reason == "3 of 4 iterations"
        assert rule.decide([1.0] * 4, 0.0).settled
        assert (
            rule.decide([1.0] * 3, 2.0).reason == "warm-up did not settle in 2 s: 3 of 4 iterations"
        )

    @pytest.mark.parametrize(
        "wrong", [{"min_iterations": 0}, {"min_seconds": -1.0}, {"max_seconds": 0.0}]
    )
    def test_refuses_parameters_that_mean_nothing(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="expected"):
            WarmUpRule(**wrong)  # type: ignore[arg-type]

    @pytest.mark.parametrize("sample", [math.nan, math.inf, -1.0])
    def test_refuses_hostile_samples(self, sample: float) -> None:
        with pytest.raises(ValueError, match="1 of 31 latencies"):
            WarmUpRule().decide([1.0] * 30 + [sample], 1.0)


class TestHalves:
    """Each criterion by a window that breaks it alone."""

    flat = np.tile(np.linspace(1.0, 1.3, 40), 10)

    def test_equal_halves_agree(self) -> None:
        assert halves_differ(np.concatenate([self.flat, self.flat])) is None
        assert halves_differ(np.zeros(4)) is None
        assert halves_differ(np.full(40, 0.5)) is None

    def test_an_outlier_in_front(self) -> None:
        window = np.concatenate([self.flat, self.flat])
        window[0] = 1.6
        assert halves_differ(window) == "the latest half begins with an outlier of 1.6 ms"
        window[0], window[5] = 1.0, 1.6
        assert halves_differ(window) is None
        window[0] = 0.1
        assert halves_differ(window) is None

    def test_the_mean_may_rise_to_twice_but_not_fall_by_a_tenth(self) -> None:
        slow_start = self.flat.copy()
        slow_start[1:21] = 5.0
        assert halves_differ(np.concatenate([slow_start, self.flat])) == (
            "the mean still changes by -17 %"
        )
        # The same in the second half is no matter of warm-up.
        assert halves_differ(np.concatenate([self.flat, slow_start])) is None
        slow_start[1:21] = 60.0
        assert halves_differ(np.concatenate([self.flat, slow_start])) is not None

    def test_the_median_may_fall_by_one_percent(self) -> None:
        steady = np.tile([0.999, 1.0, 1.001, 1.0], 200)
        assert halves_differ(np.concatenate([steady * 1.009, steady])) is None
        assert halves_differ(np.concatenate([steady * 1.015, steady])) == (
            "the median still changes by -1.5 %"
        )
        # It may rise, up to what the quartiles allow.
        assert halves_differ(np.concatenate([steady, steady * 1.04])) is None
        assert halves_differ(np.concatenate([steady, steady * 1.06])) == (
            "the lower quartile still changes by +5.7 %"
        )

    def test_the_upper_quartile(self) -> None:
        narrow = np.tile([1.0, 1.0, 1.0, 1.02], 400)
        wide = np.tile([1.0, 1.0, 1.06, 1.07], 400)
        found = halves_differ(np.concatenate([narrow, wide]))
        assert found is not None
        assert "upper quartile" in found

    def test_the_spread_counts_from_one_percent_of_the_median(self) -> None:
        def window(first: float, second: float) -> np.ndarray:
            pattern = np.tile([-1.0, -1.0, 0.0, 1.0, 1.0], 400)
            return np.concatenate([1 + first * pattern, 1 + second * pattern])

        assert halves_differ(window(0.045, 0.03)) == "the spread still changes by -50 %"
        assert halves_differ(window(0.009, 0.001)) is None

    def test_short_windows_are_judged_within_their_own_noise(self) -> None:
        agreed = [halves_differ(noisy(40, 1.0, 0.05, seed)) is None for seed in range(200)]
        assert sum(agreed) >= 160


class TestStop:
    rule = StopRule()

    def test_the_median_is_known(self) -> None:
        assert self.rule.judge(662, 3.0, 0.01, []) == Stop("known", ())

    @pytest.mark.parametrize(
        ("n", "elapsed_s", "width"), [(661, 3.0, 0.001), (662, 2.99, 0.001), (662, 3.0, 0.0101)]
    )
    def test_all_three_must_hold(self, n: int, elapsed_s: float, width: float) -> None:
        assert self.rule.judge(n, elapsed_s, width, []) is None

    def test_time_is_up_and_everything_unmet_is_said(self) -> None:
        assert self.rule.judge(60, 60.0, 0.0234, []) == Stop(
            "time limit",
            ("60 of 662 samples", "the median is known to ± 2.3 %, wanted ± 1 %"),
        )
        assert self.rule.judge(5, 60.0, None, []) == Stop(
            "time limit", ("5 of 662 samples", "the median's interval is not known, wanted ± 1 %")
        )

    def test_a_time_limit_below_the_minimum_wins(self) -> None:
        found = StopRule(max_seconds=1).judge(1000, 1.0, 0.001, [])
        assert found == Stop("time limit", ("1 of 3 s",))

    def test_known_at_the_limit_is_known(self) -> None:
        assert self.rule.judge(662, 60.0, 0.005, []) == Stop("known", ())

    def test_two_windows_without_gain_end_it(self) -> None:
        stuck = [0.05, 0.048, 0.047]
        assert self.rule.judge(1000, 10.0, 0.047, stuck) == Stop(
            "no longer improving", ("the median is known to ± 4.7 %, wanted ± 1 %",)
        )
        assert self.rule.judge(1000, 10.0, 0.047, stuck[:2]) is None
        assert self.rule.judge(600, 10.0, 0.047, stuck) is None
        assert self.rule.judge(1000, 2.0, 0.047, stuck) is None

    @pytest.mark.parametrize(
        "history",
        [[0.05, 0.047, 0.044], [0.05, None, 0.03], [None, 0.05, 0.05], [0.05, 0.05, None]],
    )
    def test_gain_or_doubt_goes_on(self, history: list[float | None]) -> None:
        assert self.rule.judge(1000, 10.0, 0.044, history) is None

    @pytest.mark.parametrize(
        "wrong",
        [{"min_seconds": -1}, {"max_seconds": 0}, {"min_samples": 0}, {"half_width": 0.0}],
    )
    def test_refuses_parameters_that_mean_nothing(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="expected"):
            StopRule(**wrong)  # type: ignore[arg-type]


def measure(samples: np.ndarray, per_second: float, every_s: float = 0.5) -> tuple[Stop, float]:
    """Ask a fresh rule every half second, as a run does, until it stops."""
    rule, now = StopRule(), 0.0
    while True:
        now += every_s
        stop = rule.decide(samples[: int(now * per_second)], now)
        if stop is not None:
            return stop, now


class TestStopOverTime:
    def test_a_quiet_engine_stops_at_the_minimum(self) -> None:
        assert measure(noisy(70_000, 1.0, 0.02), 1000) == (Stop("known", ()), 3.0)

    def test_a_noisy_one_goes_on_until_it_is_known(self) -> None:
        # 1.25 * 1.96 * 20 % / sqrt(n) is 1 % at n = 2400: 12 s at 200 a second.
        for seed in range(5):
            stop, now = measure(noisy(13_000, 1.0, 0.2, seed), 200)
            assert stop == Stop("known", ())
            assert 6 <= now <= 25

    def test_independent_noise_is_seldom_given_up_early(self) -> None:
        """At 100 a second 30 % needs some 50 s; more than 1 of 20 runs ended early is wrong."""
        reasons = [measure(noisy(6100, 1.0, 0.3, seed), 100)[0].reason for seed in range(20)]
        assert reasons.count("no longer improving") <= 1

    def test_an_engine_of_one_a_second_ends_at_the_limit(self) -> None:
        stop, now = measure(noisy(61, 1000.0, 0.01), 1)
        assert now == 60.0
        assert stop == Stop("time limit", ("60 of 662 samples",))

    def test_one_that_swings_ever_more_widely_is_given_up(self) -> None:
        """Ever longer stretches in either of two states: more samples tell nothing new."""
        stretch = 400
        parts = []
        while sum(len(part) for part in parts) < 61_000:
            state = 1.0 if len(parts) % 2 else 1.2
            parts.append(noisy(stretch, state, 0.05, len(parts)))
            stretch = int(stretch * 1.4)
        stop, _ = measure(np.concatenate(parts), 1000)
        assert stop.reason in ("no longer improving", "time limit")
        assert stop.unmet

    def test_one_that_drifts_is_given_the_time_to_come_to_rest(self) -> None:
        """Of a decay over 12 s any 10 s say only that they drift; 60 hold its end."""
        seconds = np.arange(61_000) / 1000
        decay = 1 + 0.3 * np.exp(-seconds / 3)
        stop, now = measure(decay * noisy(61_000, 1.0, 0.002), 1000)
        assert stop.reason in ("known", "time limit")
        assert now > 20

    def test_nothing_measured_by_the_limit(self) -> None:
        rule = StopRule()
        assert rule.decide([], 10.0) is None
        stop = rule.decide([], 60.0)
        assert stop is not None
        assert stop.unmet[0] == "0 of 662 samples"

    def test_refuses_hostile_samples(self) -> None:
        with pytest.raises(ValueError, match="not finite"):
            StopRule().decide([math.nan], 5.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [(-1.6, "-160 %"), (0.997, "+100 %"), (-0.0345, "-3.5 %"), (0.00012, "+0.012 %")],
)
def test_a_change_is_told_without_powers_of_ten(change: float, words: str) -> None:
    assert _percent(change, 1.0) == words
