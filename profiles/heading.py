"""What stands above every report of a run: which, when, where."""

from __future__ import annotations

from profiles.schema import Profile

GIB = 2**30


def title_lines(profile: Profile) -> list[str]:
    """What `profile` is and where it was made, in two lines."""
    run, machine = profile.run, profile.machine
    cores = f"{machine.physical_cores} core{'s' * (machine.physical_cores != 1)}"
    hardware = [machine.cpu, cores, *(gpu.name for gpu in machine.gpus)]
    memory = f"{machine.memory_bytes / GIB:.0f} GiB"
    return [
        f"{profile.heading}, {run.started:%Y-%m-%d %H:%M:%S} UTC,"
        f" {run.ending} after {run.seconds:.1f} s",
        f"{machine.hostname}: {', '.join([*hardware, memory])}",
    ]
