"""The processor packages' own counters of energy (Intel's and AMD's RAPL), where Linux lets us."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/sys/class/powercap")
MICRO = 1e6


class Rapl:
    """The energy of all processor packages together, which every process on them shares."""

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._ranges = [int((one / "max_energy_range_uj").read_text()) for one in packages]
        self._last = [self._read(one) for one in packages]
        self._total = 0

    def joules(self) -> float | None:
        """What they have used since this object was made; their registers wrap around."""
        try:
            now = [self._read(one) for one in self._packages]
        except (OSError, ValueError):
            return None
        for last, new, most in zip(self._last, now, self._ranges, strict=True):
            self._total += new - last if new >= last else new - last + most
        self._last = now
        return self._total / MICRO

    @staticmethod
    def _read(package: Path) -> int:
        return int((package / "energy_uj").read_text())


def find(folder: Path | None = None) -> Rapl | str:
    """The counters of this machine, or why there are none to read."""
    zones = sorted((folder or FOLDER).glob("intel-rapl:*"))
    packages = [zone for zone in zones if zone.name.count(":") == 1 and _is_package(zone)]
    if not packages:
        return "not measurable: this machine shows no counter of its processors' energy (RAPL)"
    try:
        return Rapl(packages)
    except PermissionError:
        return f"not measurable: only root may read {packages[0]}/energy_uj"
    except (OSError, ValueError) as error:
        return f"not measurable: the processors' energy can't be read: {error}"


def _is_package(zone: Path) -> bool:
    try:
        return (zone / "name").read_text().startswith("package")
    except OSError:
        return False
