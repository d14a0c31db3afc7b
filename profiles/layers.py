"""Times by layer in words and as a document: for the command line, the app and other programs."""

from __future__ import annotations

from typing import Any

import msgspec

from engines.layers import LayerProfile, by_kind
from engines.machine import Machine
from engines.plan import SCHEMA
from profiles.spelling import percent


def to_dict(profile: LayerProfile, machine: Machine) -> dict[str, Any]:
    """The document of `profile`: its layers with their places and shares, in their order."""
    layers = [
        {"place": place, **msgspec.to_builtins(one), "share": profile.share(one)}
        for place, one in enumerate(profile.layers, 1)
    ]
    return {
        "schema": SCHEMA,
        "machine": msgspec.to_builtins(machine),
        **msgspec.to_builtins(profile),
        "total_ms": profile.total_ms,
        "accounted": profile.accounted,
        "slowdown": profile.slowdown,
        "layers": layers,
    }


def sentences(profile: LayerProfile) -> list[str]:
    """What a reader must know before the table: what a row is, and what the profiler costs."""
    whole = "a computation on the device" if profile.clock == "device" else "an inference"
    found = [
        f"A row is {profile.row}.",
        f"The rows are {percent(profile.accounted)} of {whole} with the profiler on,"
        f" by means over {profile.n:,} of them.",
        cost(profile),
    ]
    if profile.bare_ms is not None:
        found.append(
            f"On the device: {profile.bare_ms:.4f} ms without the profiler,"
            f" {profile.total_ms:.4f} ms in all rows."
        )
    return [*found, *(f"{note[:1].upper()}{note[1:]}." for note in profile.notes)]


def cost(profile: LayerProfile) -> str:
    """How much the profiler slowed a request."""
    times = f"{profile.host_ms:.3f} ms a request without it, {profile.profiled_ms:.3f} ms with it"
    if profile.slowdown <= 0:
        return f"What profiling costs is lost in noise: {times}."
    return f"Profiling slowed it by {percent(profile.slowdown)}: {times}."


def kinds(profile: LayerProfile, most: int = 5) -> str:
    """The kinds that take most, such as "Conv2d × 52: 62 %, ReLU6 × 35: 27 %, 6 more: 11 %"."""
    found = sorted(by_kind(profile.layers), key=lambda one: -one.ms)
    words = [f"{one.name}: {percent(profile.share(one))}" for one in found[:most]]
    if rest := found[most:]:
        words.append(f"{len(rest)} more: {percent(sum(map(profile.share, rest)))}")
    return ", ".join(words)
