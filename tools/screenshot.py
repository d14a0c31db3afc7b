"""Draws the pictures of the README and docs: the real app in a real run, exported as SVG.

Usage: python tools/screenshot.py FOLDER [COLUMNSxROWS]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engines.plan import EngineSpec, Measurement, RunPlan
from tui.app import InferTuiApp

PLAN = RunPlan(
    measurement=Measurement(seconds=8.0),
    engines=(
        EngineSpec(engine="eager", device="cpu"),
        EngineSpec(engine="compile", device="cpu"),
        EngineSpec(engine="onnxruntime", device="cpu"),
    ),
)


async def take(folder: Path, columns: int, rows: int) -> None:
    app = InferTuiApp(plan=PLAN)
    async with app.run_test(size=(columns, rows)) as pilot:
        await until(pilot, lambda: app.controller.facts is not None and not app.selection.checking)
        save(app, folder / f"ready-{columns}x{rows}.svg")
        await pilot.press("r")
        await until(pilot, lambda: third_is_measured(app))
        await asyncio.sleep(5)
        save(app, folder / f"running-{columns}x{rows}.svg")
        await until(pilot, lambda: not app.controller.running)
        await pilot.pause()
        await asyncio.sleep(1)
        save(app, folder / f"done-{columns}x{rows}.svg")


def third_is_measured(app: InferTuiApp) -> bool:
    live = app.controller.live
    return live is not None and len(live.entries) > 2 and live.entries[2].state == "measuring"


async def until(pilot, condition) -> None:
    while not condition():
        await pilot.pause(0.1)


def save(app: InferTuiApp, path: Path) -> None:
    path.write_text(app.export_screenshot(title="infer-tui"))
    sys.stdout.write(f"{path}\n")


def main() -> None:
    folder = Path(sys.argv[1])
    columns, rows = map(int, (sys.argv[2] if len(sys.argv) > 2 else "120x40").split("x"))
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(folder, columns, rows))


if __name__ == "__main__":
    main()
