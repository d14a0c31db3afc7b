"""Profiles to test with: built from the real records, with seeded samples."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engines.benchmark import latency_record
from engines.gpus import GpuFacts
from engines.machine import Machine
from engines.plan import EngineSpec, Measurement, RunPlan, unique_labels
from engines.results import AccuracyRecord, EngineResult, StopRecord, WarmUpRecord
from profiles.samples import Series
from profiles.schema import ModelIdentity, Profile, RunRecord
from profiles.store import Store
from profiles.writing import render

STARTED = datetime(2026, 11, 22, 17, 5, 31, tzinfo=UTC)
SPECS = (
    EngineSpec(engine="eager", device="cpu"),
    EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 2}),
)


def latencies(median_ms: float, n: int = 2000, seed: int = 0, spread: float = 0.02) -> Any:
    """Independent log-normal latencies, as a quiet machine's are."""
    return median_ms * np.random.default_rng(seed).lognormal(0.0, spread, n)


def one_result(spec: EngineSpec, label: str, samples: Any, **changes: Any) -> EngineResult:
    latency = latency_record(samples)
    whole = EngineResult(
        label=label,
        spec=spec,
        status="ok",
        latency=latency,
        throughput=1000.0 * spec.batch / latency.mean_ms,
        load_ms=120.5,
        compile_ms=None,
        first_inference_ms=33.25,
        warm_up=WarmUpRecord(n=20, seconds=0.5, settled=True, reason="settled"),
        stop=StopRecord(reason="the median is known to 1 %", seconds=3.2),
        accuracy=AccuracyRecord(
            images=64,
            max_error=1.5e-6,
            mean_error=2.5e-7,
            cosine=0.9999999,
            top1_agreement=1.0,
            nan_count=0,
            tolerance_cosine=0.999,
            within_tolerance=True,
        ),
        peak_host_bytes=512 * 2**20,
        facts={"threads": 2, "provider": "CPUExecutionProvider"},
        versions={spec.engine: "1.0.0"},
        artifacts={"weights": "ab" * 32},
    )
    return msgspec.structs.replace(whole, **changes)


class Build:
    """Makes profiles whose entries have the given medians in milliseconds."""

    latencies = staticmethod(latencies)
    result = staticmethod(one_result)

    def samples(self, *medians_ms: float, n: int = 2000, seed: int = 0) -> dict[Any, Series]:
        made: dict[Any, Series] = {}
        for entry, median in enumerate(medians_ms):
            values = latencies(median, n, seed + entry)
            halves = np.array([0, n // 2])
            made[entry, "measuring"] = Series(values, halves, np.array([0.5, 2.0]))
            made[entry, "warm-up"] = Series(latencies(2 * median, 20, seed + 50 + entry))
        return made

    def profile(
        self,
        *medians_ms: float,
        specs: tuple[EngineSpec, ...] = SPECS,
        n: int = 2000,
        seed: int = 0,
        **changes: Any,
    ) -> Profile:
        medians = medians_ms or (2.7, 1.2)
        specs = specs[: len(medians)]
        samples = self.samples(*medians, n=n, seed=seed)
        results = tuple(
            one_result(spec, label, samples[entry, "measuring"].latencies_ms)
            for entry, (spec, label) in enumerate(zip(specs, unique_labels(specs), strict=True))
        )
        whole = Profile(
            run=RunRecord(
                id="20261122T170531-abc123",
                name="a test",
                started=STARTED,
                seconds=12.25,
                ending="complete",
                tool_version="0.1.0",
                command="infer-tui run --preset article",
            ),
            machine=Machine(
                hostname="box",
                os="Debian GNU/Linux 12",
                kernel="6.1.0",
                architecture="x86_64",
                python="3.11.7",
                cpu="Intel Xeon Platinum 8480+",
                physical_cores=16,
                logical_cores=32,
                memory_bytes=128 * 2**30,
                governor="performance",
                driver="580.159",
                gpus=(GpuFacts(index=0, name="NVIDIA H200", uuid="GPU-1", memory_bytes=2**37),),
            ),
            model=ModelIdentity(
                name="mobilenetv2",
                label="mobilenetv2 1 @ 224",
                source="built-in, seed 0",
                digest="cd" * 32,
                parameters=3504872,
                macs=300774272,
                input_shape=(1, 3, 224, 224),
            ),
            plan=RunPlan(name="article", measurement=Measurement(iterations=n), engines=specs),
            results=results,
        )
        return msgspec.structs.replace(whole, **changes)


@pytest.fixture
def build() -> Build:
    return Build()


@pytest.fixture
def profile(build: Build) -> Profile:
    return build.profile()


@pytest.fixture
def good_text(profile: Profile) -> str:
    """A profile's file as it is written, to be spoilt by tests."""
    return render(profile, "good.toml")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes a file for a reader to choke on."""

    def writer(content: str | bytes, name: str = "bad.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return writer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "profiles")


def later(profile: Profile, seconds: int) -> Profile:
    started = profile.run.started + timedelta(seconds=seconds)
    return msgspec.structs.replace(
        profile, run=msgspec.structs.replace(profile.run, started=started)
    )


def names(store: Store) -> list[str]:
    return [entry.name for entry in store.list()]
