"""What NVML answers, and what it refuses: None, never zero."""

from __future__ import annotations

import dataclasses

import pynvml
import pytest

from engines import clock_reasons
from engines.gpu import Gpu
from engines.gpus import Gpus
from tests.engines.nvml_stand_in import MIB, UUID, StandIn


@pytest.fixture
def gpu(monkeypatch) -> StandIn:
    return StandIn().put_in_place(monkeypatch)


def the_gpu() -> Gpu:
    with Gpus() as gpus:
        found = gpus.find(UUID)
        assert found is not None
        return found


def test_a_reading_holds_what_the_driver_says(gpu):
    gpu.reasons = 0x24
    sample = the_gpu().sample()
    assert sample.sm_clock_mhz == 1980
    assert sample.memory_clock_mhz == 3201
    assert sample.power_w == 140.0
    assert sample.temperature_c == 45
    assert sample.utilisation_percent == 95.0
    assert sample.memory_used_bytes == 1000 * MIB
    assert sample.throttle_reasons == 0x24
    assert sample.time_ns > 0


def test_what_is_refused_is_none_and_the_rest_is_read(gpu):
    gpu.refuses = {
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetMemoryInfo",
    }
    sample = the_gpu().sample()
    assert sample.utilisation_percent is None
    assert sample.power_w is None
    assert sample.memory_used_bytes is None
    assert sample.sm_clock_mhz == 1980


def test_a_gpu_that_refuses_everything_is_still_listed(gpu):
    gpu.refuses = {name for name in vars(pynvml) if name.startswith("nvmlDeviceGet")} - {
        "nvmlDeviceGetCount",
        "nvmlDeviceGetHandleByIndex",
    }
    with Gpus() as gpus:
        (facts,) = gpus.facts()
        (sample,) = gpus.samples()
    assert facts.name == "unknown"
    assert facts.ecc is facts.mig is facts.power_limit_w is facts.clock_limit_mhz is None
    values = dataclasses.asdict(sample)
    told = {name for name, value in values.items() if value is not None}
    assert told == {"index", "name", "time_ns"}


def test_the_older_name_of_the_reasons_is_asked_where_the_newer_is_not_there(gpu):
    gpu.refuses, gpu.reasons = {"nvmlDeviceGetCurrentClocksEventReasons"}, 0x40
    assert the_gpu().sample().throttle_reasons == 0x40
    gpu.refuses.add("nvmlDeviceGetCurrentClocksThrottleReasons")
    assert the_gpu().sample().throttle_reasons is None


def test_a_binding_without_a_function_is_a_driver_without_it(gpu, monkeypatch):
    monkeypatch.delattr(pynvml, "nvmlDeviceGetCurrentClocksEventReasons")
    gpu.reasons = 0x8
    assert the_gpu().sample().throttle_reasons == 0x8
    monkeypatch.delattr(pynvml, "nvmlDeviceGetProcessUtilization")
    assert the_gpu().utilisation_since(0) is None


def test_counters_come_by_the_bindings_names_or_by_the_older_call(gpu, monkeypatch):
    gpu.power_ns, gpu.thermal_ns = 5_000_000_000, 7
    held = the_gpu().violations()
    assert (held.power_ns, held.thermal_ns) == (5_000_000_000, 7)
    assert "nvmlDeviceGetViolationStatus" not in gpu.calls
    gpu.refuses = {f"field {pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL}"}
    assert the_gpu().violations() == held, "the field that is refused is asked for the other way"
    assert gpu.calls["nvmlDeviceGetViolationStatus"] == 1
    monkeypatch.delattr(pynvml, "NVML_FI_DEV_PERF_POLICY_POWER")
    gpu.refuses = {"nvmlDeviceGetViolationStatus"}
    held = the_gpu().violations()
    assert (held.power_ns, held.thermal_ns) == (None, None)


def test_the_clock_that_can_be_reached_is_the_one_that_was_set(gpu):
    assert the_gpu().clock_limit_mhz() == 1980
    gpu.application_mhz = 1410
    assert the_gpu().clock_limit_mhz() == 1410
    gpu.refuses = {"nvmlDeviceGetApplicationsClock"}
    assert the_gpu().clock_limit_mhz() == 1980


def test_facts_hold_the_limits_and_modes(gpu):
    gpu.mig = True
    facts = the_gpu().facts()
    assert facts.max_sm_clock_mhz == 1980
    assert facts.max_memory_clock_mhz == 3201
    assert facts.power_limit_w == 700.0
    assert (facts.ecc, facts.persistence_mode, facts.mig) == (True, True, True)
    with Gpus() as gpus:
        assert (gpus.driver, gpus.cuda) == ("580.159", "13.1")


def test_shares_of_processes(gpu):
    gpu.shares = {12: 40, 13: 0}
    assert the_gpu().utilisation_since(0) == {12: 40, 13: 0}
    gpu.shares = {}
    assert the_gpu().utilisation_since(0) == {}, "no sample yet is an answer"
    gpu.shares = None
    assert the_gpu().utilisation_since(0) is None


def test_a_hidden_memory_figure_is_none(gpu):
    gpu.processes = [(2**31 - 1, None)]
    (process,) = the_gpu().processes()
    assert process.memory_bytes is None
    assert process.title == f"a process (process {2**31 - 1})"


def test_a_gpu_is_found_by_its_uuid_alone(gpu):
    with Gpus() as gpus:
        assert gpus.find(UUID.upper()) is not None
        assert gpus.find("GPU-another") is None


def test_every_bit_of_the_binding_has_the_name_that_nvml_gives_it():
    """The table's bits are NVML's own; what is new in the binding must come into the table."""
    aside = {"None", "All", "UserDefinedClocks"}  # no bit, all of them, and an older second name
    for prefix in ("nvmlClocksEventReason", "nvmlClocksThrottleReason"):
        for name, bit in vars(pynvml).items():
            reason = name.removeprefix(prefix)
            if name.startswith(prefix) and reason not in aside:
                assert clock_reasons.names(bit) == (reason,)


def test_unknown_bits_are_shown_and_known_ones_sorted_by_meaning():
    assert clock_reasons.names(0x8004) == ("SwPowerCap", "0x8000")
    assert clock_reasons.names(0) == ()
    assert clock_reasons.limits(0x1 | 0x2 | 0x20) == ("heat",)
    assert clock_reasons.limits(1 << 40) == ("0x10000000000",)
    assert clock_reasons.THROTTLING == 0xE8
