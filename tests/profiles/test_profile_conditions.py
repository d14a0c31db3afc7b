"""What disturbed a measurement, in a profile and in what is printed of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.errors import FileError
from engines.events import RunStarted, Samples
from engines.plan import EngineSpec
from engines.results import (
    ConditionsRecord,
    DisturbanceRecord,
    EnergyRecord,
    MemoryRecord,
)
from profiles import differences
from profiles.reading import read_profile
from profiles.recorder import Recorder
from profiles.report import to_dict, to_markdown, to_text
from profiles.samples import Series, decode, encode
from profiles.schema import Profile
from profiles.writing import write_profile

SPEC = EngineSpec(engine="tensorrt", device="cuda", precision="fp16")
THROTTLED = ConditionsRecord(
    readings=15,
    verdicts=("THROTTLED", "SHARED GPU"),
    throttled_share=1 / 3,
    shared_share=0.5,
    sm_clock_min_mhz=1200.0,
    sm_clock_median_mhz=1500.0,
    sm_clock_max_mhz=1980.0,
    reasons={"HwThermalSlowdown": 0.3333, "0x800": 1.0},
    others=("python (process 12)",),
    disturbances=(DisturbanceRecord(condition="THROTTLED", start_s=0.5, end_s=1.5),),
)
ENERGY = EnergyRecord(
    source="the whole of GPU 0, NVML",
    joules_per_inference=0.0345678,
    mean_w=148.25,
    idle_w=72.0,
    n=21_000,
    seconds=5.1,
    steps=51,
)
MEMORY = MemoryRecord(device_delta=640 * 2**20, process=600 * 2**20, activations=2**20)


@pytest.fixture
def disturbed(build: Any) -> Profile:
    whole: Profile = build.profile(0.25, specs=(SPEC,))
    (result,) = whole.results
    latency = msgspec.structs.replace(
        result.latency,
        outliers_mild=9,
        outliers_severe=3,
        outlier_causes={"throttled": 5, "preempted": 2},
    )
    changed = msgspec.structs.replace(
        result, conditions=THROTTLED, energy=ENERGY, memory=MEMORY, latency=latency
    )
    run = msgspec.structs.replace(
        whole.run, tool_commit="ab" * 20, input="standard normal numbers",
        variables={"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    return msgspec.structs.replace(whole, results=(changed,), run=run)


def test_all_of_it_survives_a_file(disturbed: Profile, tmp_path: Path) -> None:
    write_profile(disturbed, None, tmp_path / "a.toml")
    (back,) = read_profile(tmp_path / "a.toml").results
    assert back.energy == ENERGY
    assert back.memory == MEMORY
    assert back.conditions is not None
    assert back.conditions.throttled_share == pytest.approx(1 / 3, rel=1e-5)
    rounded = msgspec.structs.replace(back.conditions, throttled_share=1 / 3)
    assert rounded == THROTTLED
    assert back.conditions.invalid
    assert back.latency is not None
    assert back.latency.outlier_causes == {"throttled": 5, "preempted": 2}
    assert read_profile(tmp_path / "a.toml").run == disturbed.run


def test_a_verdict_that_does_not_exist_is_refused(disturbed: Profile, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    write_profile(disturbed, None, path)
    path.write_text(path.read_text().replace('"SHARED GPU"', '"SHARED BUS"'))
    with pytest.raises(FileError, match="verdicts"):
        read_profile(path)


def test_a_report_says_what_to_distrust(disturbed: Profile) -> None:
    text = to_text(disturbed, 200)
    assert "ok, THROTTLED and SHARED GPU" in text
    assert "THROTTLED: heat or the hardware held the clock down for 33 % of the time" in text
    assert "let it cool down" in text
    assert "another process computed on it in 50 % of the time (seen there: python" in text
    assert "12 outliers, of which 5 throttled, 2 preempted" in text
    assert "148 W on average, 72 W before it was loaded" in text
    heading, row = next(
        pair for pair in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if "mJ/image" in pair[0]
    )  # fmt: skip
    assert row[: heading.index("mJ/image") + 8].split()[-1] == "34.57"
    assert row[: heading.index("GPU MiB") + 7].split()[-1] == "640"
    assert "THROTTLED" in to_markdown(disturbed)
    (result,) = to_dict(disturbed)["results"]
    assert result["conditions"]["verdicts"] == ["THROTTLED", "SHARED GPU"]


def test_energy_that_could_not_be_measured_says_why(disturbed: Profile) -> None:
    reason = "not measurable: this GPU has no counter of its energy"
    result = msgspec.structs.replace(disturbed.results[0], energy=EnergyRecord(reason=reason))
    text = to_text(msgspec.structs.replace(disturbed, results=(result,)), 120)
    assert f"energy: {reason}" in text
    assert "mJ/image" not in text


def test_the_memory_of_an_older_profile_is_still_shown(build: Any) -> None:
    whole = build.profile(0.25, specs=(SPEC,))
    older = msgspec.structs.replace(whole.results[0], device_bytes=123 * 2**20)
    text = to_text(msgspec.structs.replace(whole, results=(older,)), 200)
    heading, row = next(
        pair for pair in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if "GPU MiB" in pair[0]
    )  # fmt: skip
    assert row[: heading.index("GPU MiB") + 7].split()[-1] == "123"


def test_other_surroundings_are_a_difference(disturbed: Profile) -> None:
    variables = {"OMP_NUM_THREADS": "4"}
    run = msgspec.structs.replace(disturbed.run, variables=variables, tool_commit="cd" * 20)
    found = differences.between_runs(disturbed, msgspec.structs.replace(disturbed, run=run))
    lines = [one.told() for one in found]
    assert "variable OMP_NUM_THREADS: A '1', B '4'" in lines
    assert "variable CUDA_VISIBLE_DEVICES: A '', B not set" in lines
    assert any(line.startswith("run tool commit: A abab") for line in lines)


def test_each_block_keeps_what_preempted_it(profile: Profile) -> None:
    recorder = Recorder()
    recorder.apply(RunStarted(profile.plan, ("a", "b"), "id"))
    for start, switches in ((0.5, 3), (0.6, 0)):
        recorder.apply(
            Samples("j", 0, "measuring", start, np.array([1.0, 2.0]), preempted=switches)
        )
    series = recorder.samples()[0, "measuring"]
    assert series.block_preempted.tolist() == [3, 0]
    again = decode(encode(recorder.samples()), "x")[0, "measuring"]
    assert again.block_preempted.tolist() == [3, 0]


def test_an_archive_from_before_they_were_counted_is_read() -> None:
    older = Series(np.ones(4), np.array([0, 2]), np.array([0.1, 0.2]))
    again = decode(encode({(0, "measuring"): older}), "x")[0, "measuring"]
    assert again.block_preempted.tolist() == []
    wrong = Series(np.ones(4), np.array([0, 2]), np.array([0.1, 0.2]), np.array([1, 2, 3]))
    with pytest.raises(FileError, match="is not an archive of samples"):
        decode(encode({(0, "measuring"): wrong}), "x")
