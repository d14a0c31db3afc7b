"""Saved profiles to show: of two machines, with samples, and files that can't be read."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import msgspec
from textual.pilot import Pilot

from engines.plan import EngineSpec, Measurement, RunPlan
from profiles.schema import Profile
from profiles.store import Store
from profiles.writing import write_profile
from tests.profiles.conftest import STARTED, Build
from tests.tui.app_support import TINY, text_of, until
from tui.app import InferTuiApp
from tui.screens.compare import CompareScreen
from tui.screens.history import HistoryScreen
from tui.widgets.profiles import ProfileRows

SPECS = (
    EngineSpec(engine="eager", device="cpu"),
    EngineSpec(engine="onnxruntime", device="cpu", options={"intra_op_threads": 2}),
)
# Name, host, medians in ms of its entries, minutes after the first.
SAVED = (
    ("monday", "alpha", (2.7, 1.2), 0),
    ("tuesday", "beta", (2.7, 1.5), 1500),
    ("wednesday", "alpha", (2.2, 1.2), 2900),
    ("thursday", "alpha", (2.71,), 4400),
)


def profile_of(host: str, medians: tuple[float, ...], minutes: int, seed: int = 0) -> Profile:
    profile = Build().profile(*medians, specs=SPECS, seed=seed)
    plan = RunPlan(
        name="nightly", model=TINY, measurement=Measurement(iterations=2000),
        engines=SPECS[: len(medians)],
    )  # fmt: skip
    return msgspec.structs.replace(
        profile,
        run=msgspec.structs.replace(
            profile.run, name=f"run on {host}", started=STARTED + timedelta(minutes=minutes)
        ),
        machine=msgspec.structs.replace(profile.machine, hostname=host),
        plan=plan,
    )


def save_all(*, broken: bool = False) -> dict[str, Path]:
    """Save the profiles of `SAVED` in the user's own folder, as files of their names."""
    folder = Store().folder
    folder.mkdir(parents=True)
    for seed, (name, host, medians, minutes) in enumerate(SAVED):
        samples = Build().samples(*medians, seed=10 * seed)
        profile = profile_of(host, medians, minutes, 10 * seed)
        write_profile(profile, samples, folder / f"{name}.toml")
    if broken:
        path = folder / "broken.toml"
        path.write_text("schema = 99\n")
        at = (STARTED - timedelta(days=3)).timestamp()
        os.utime(path, (at, at))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shown(app: InferTuiApp) -> list[str]:
    """The names of the rows, from the top."""
    return [item.name for item in app.screen.query_one(ProfileRows).shown]


async def listed(app: InferTuiApp, pilot: Pilot[None], key: str = "o") -> ProfileRows:
    """Press `key` and wait for the list of profiles."""
    await pilot.press(key)
    await until(
        pilot,
        lambda: (
            isinstance(app.screen, HistoryScreen)
            and app.screen.query(ProfileRows)
            and app.screen.query_one(ProfileRows).items is not None
        ),
        "the list of profiles",
    )
    await pilot.pause()
    return app.screen.query_one(ProfileRows)


async def go_to(pilot: Pilot[None], rows: ProfileRows, name: str) -> None:
    """Put the cursor on the row called `name`, by keys."""
    await pilot.press("home", *["down"] * [item.name for item in rows.shown].index(name))
    await pilot.pause()
    assert rows.current is not None
    assert rows.current.name == name


async def mark(pilot: Pilot[None], rows: ProfileRows, *names: str) -> None:
    for name in names:
        await go_to(pilot, rows, name)
        await pilot.press("space")
    await pilot.pause()


async def comparison(app: InferTuiApp, pilot: Pilot[None]) -> CompareScreen:
    await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
    await pilot.pause()
    assert isinstance(app.screen, CompareScreen)
    return app.screen


def words_of(app: InferTuiApp) -> str:
    """What a dialog says, however its lines are broken."""
    return " ".join(text_of(app).replace("│", " ").split())
