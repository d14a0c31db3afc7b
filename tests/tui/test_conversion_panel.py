"""Panel 3 with more rows than it has room for, and with what two pieces of work came to."""

from __future__ import annotations

from engines.events import Event, JobDone, JobKind, JobStarted, Progress, RunStarted
from tests.tui.app_support import EAGER, opened, plan_of
from tui.app import InferTuiApp
from tui.jobs import LiveJobs
from tui.live import LiveRun
from tui.widgets.conversion import ConversionPanel


def seen(panel: ConversionPanel) -> list[str]:
    """What can be read in the panel, line by line."""
    return [panel.render_line(y).text.rstrip() for y in range(panel.size.height)]


def built(app: InferTuiApp, *events: Event) -> None:
    """Let the builds of the session have said `events`."""
    app.builds._work = app.builds._work or LiveJobs()
    for event in events:
        app.builds._work.apply(event)
    app.bench.draw()


def made(kind: JobKind, title: str, path: str, *, cached: bool = False) -> list[Event]:
    job = f"{kind}: {title}"
    return [
        JobStarted(job, kind, title),
        JobDone(job, kind, 0.5, cached=cached, size_bytes=1 << 20, path=path),
    ]


async def test_the_row_of_what_is_built_can_be_seen(replayed: None) -> None:
    async with opened() as (app, pilot):
        panel = app.bench.frame.conversion
        for number in range(panel.size.height):
            built(app, *made("export", f"conversion {number}", f"/{number}"))
            await pilot.pause()
        built(app, JobStarted("b", "build", "engine of it"))
        await pilot.pause()
        assert [line for line in seen(panel) if line.startswith("▸ engine of it")]
        built(app, Progress("b", "building", "tactics"))
        built(app, JobDone("b", "build", 3.0, size_bytes=1, path="/b", facts={"layers": {"a": 3}}))
        await pilot.pause()
        assert "▸ engine of it" in seen(panel)[-2]
        assert seen(panel)[-1] == "3 layers: 3 a"
        # The mouse takes the row out of sight; the keys bring it back.
        for keys in (["3"], ["G"]):
            panel.scroll_to(y=0, animate=False)
            await pilot.pause()
            assert not [line for line in seen(panel) if line.startswith("▸")]
            await pilot.press(*keys)
            await pilot.pause()
            assert [line for line in seen(panel) if line.startswith("▸ engine of it")], keys
        await pilot.press("home")
        await pilot.pause()
        assert seen(panel)[0].startswith("▸ conversion 0")


async def test_what_a_build_made_and_a_run_found_is_one_row(replayed: None) -> None:
    weights, onnx = ("weights", "weights of it", "/w"), ("export", "it → ONNX", "/o")
    async with opened() as (app, pilot):
        panel = app.bench.frame.conversion
        built(app, *made(*weights, cached=True), *made(*onnx))
        live = LiveRun()
        live.apply(RunStarted(plan_of(EAGER), ("eager",), "id"))
        # A reference at another batch size is a file of its own, for all that its name is the same.
        references = [one for path in "12" for one in made("reference", "FP32 reference", path)]
        found = [*made(*weights, cached=True), *made(*onnx, cached=True)]
        for event in [*found, *references]:
            live.apply(event)
        app.controller.live = live
        app.bench.draw()
        await pilot.pause()
        rows = [" ".join("".join(text for text, _ in row).split()) for row in panel.rows]
        assert rows == [
            "weights of it ✓ kept 1.0 MiB",
            "it → ONNX ✓ 0.5 s 1.0 MiB",
            "FP32 reference ✓ 0.5 s 1.0 MiB",
            "FP32 reference ✓ 0.5 s 1.0 MiB",
        ]
