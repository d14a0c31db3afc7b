"""Full collections of garbage come in pauses of the keys, and not between a key and its frame."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import pytest
from textual import events

from tests.tui.app_support import opened
from tui.app import InferTuiApp
from tui.collecting import AT_THE_LATEST_AFTER, FULL_COLLECTION_AFTER, PAUSE_S
from tui.line import LineDriver


@pytest.fixture
def full() -> Iterator[list[int]]:
    """Has an entry for each full collection."""
    found: list[int] = []

    def note(phase: str, about: dict[str, int]) -> None:
        if phase == "stop" and about["generation"] == 2:
            found.append(about["collected"])

    gc.callbacks.append(note)
    yield found
    gc.callbacks.remove(note)


def make_due() -> None:
    while gc.get_count()[2] < FULL_COLLECTION_AFTER:
        gc.collect(1)


async def test_a_full_collection_waits_until_no_key_has_come_for_a_while(
    replayed: None, full: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = gc.get_threshold()
    async with opened() as (app, _):
        driver = LineDriver(app)
        monkeypatch.setattr(InferTuiApp, "line_driver", property(lambda _: driver))
        # Nothing is awaited from here on: the app's own timer does not look meanwhile.
        assert gc.get_threshold()[2] == AT_THE_LATEST_AFTER
        driver.pressed_at -= PAUSE_S
        gc.collect()
        full.clear()
        app.collect_in_a_pause()
        assert not full, "none is due"
        make_due()
        driver.process_message(events.Key("j", "j"))
        app.collect_in_a_pause()
        assert not full, "a key has just come"
        driver.pressed_at -= PAUSE_S
        app.collect_in_a_pause()
        assert len(full) == 1
        app.collect_in_a_pause()
        assert len(full) == 1, "the next one is not due"
    assert gc.get_threshold() == usual


async def test_screens_opened_and_closed_without_a_pause_are_collected_soon(
    replayed: None, full: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as (app, pilot):
        driver = LineDriver(app)
        driver.pressed_at = math.inf
        monkeypatch.setattr(InferTuiApp, "line_driver", property(lambda _: driver))
        gc.collect()
        full.clear()
        # A help screen is some thousand objects that refer to each other.
        for _ in range(60):
            await pilot.press("question_mark", "escape")
            if full:
                break
        assert full
        assert gc.get_count()[2] < AT_THE_LATEST_AFTER
