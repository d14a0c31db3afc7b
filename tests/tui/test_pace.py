"""How much is sent when: within the rate, never far ahead of the terminal, keys first."""

from __future__ import annotations

import pytest

from tui.pace import LOCAL, SLOW, SSH, Line, Pace


def settled(line: Line, *, answers: bool = True) -> Pace:
    """A pace whose first frame is long over."""
    pace = Pace(line)
    if answers:
        pace.answer(0.0)
    assert pace.most(0.0) != 0
    pace.sent(1, 0.0)
    if answers:
        pace.answer(0.0)
    return pace


def test_a_local_terminal_takes_what_there_is() -> None:
    pace = Pace(LOCAL)
    for _ in range(100):
        assert pace.most(0.0) is None
        pace.sent(10_000, 0.0)
    assert not pace.asks


@pytest.mark.parametrize("line", [SSH, SLOW])
@pytest.mark.parametrize("answers", [True, False])
def test_what_moves_by_itself_keeps_to_the_rate(line: Line, answers: bool) -> None:
    pace, sent, now = settled(line, answers=answers), 0, 100.0
    assert line.bytes_per_s is not None
    end = now + 60
    while now < end:
        if (most := pace.most(now)) != 0:
            size = 700 if most is None else min(most, 700)
            pace.sent(size, now)
            sent += size
        now += 0.01
        if answers:
            pace.answer(now)
    assert 0.4 * 60 * line.bytes_per_s < sent <= 60 * line.bytes_per_s + 700


def test_nothing_follows_what_the_terminal_has_not_shown() -> None:
    pace = settled(SSH)
    assert pace.most(10.0)
    pace.sent(2_000, 10.0)
    assert pace.most(15.0) == 0
    pace.answer(15.0)
    assert pace.most(15.1) == 0, (
        "the line rests as long as it was busy, so that a key finds it free"
    )
    assert pace.most(20.1)


def test_a_key_is_answered_at_once_while_little_is_on_its_way() -> None:
    pace = settled(SLOW)
    pace.sent(300, 10.0)
    assert pace.most(10.1) == 0
    pace.key(10.1)
    assert pace.most(10.1)
    pace.sent(500, 10.1)
    pace.sent(500, 10.1)
    assert pace.most(10.2) == 0, "a key's answer does not queue behind seconds of another's"
    pace.answer(10.5)
    pace.answer(10.8)
    assert pace.most(10.8)


def test_pieces_grow_where_answers_come_soon_and_shrink_where_late() -> None:
    fast, slow = settled(SSH), settled(SSH)
    before = slow.most(10.0) or 0
    for second in range(10, 40, 3):
        for pace, took in ((fast, 0.05), (slow, 2.5)):
            pace.key(second)
            most = pace.most(second)
            assert most
            pace.sent(most, second)
            pace.answer(second + took)
    fast.key(50.0)
    slow.key(50.0)
    assert (fast.most(50.0) or 0) > before > (slow.most(50.0) or 0)


def test_a_terminal_that_falls_silent_is_paced_by_the_clock() -> None:
    pace = settled(SSH)
    pace.sent(2_000, 10.0)
    assert pace.most(19.0) == 0
    assert pace.most(21.0)
    assert not pace.asks
    pace.answer(22.0)
    assert pace.asks


def test_a_first_frame_is_not_held_back_where_nothing_is_known_of_the_line() -> None:
    assert Pace(SSH).most(0.0) is None
    assert Pace(SLOW).most(0.0), "in pieces"
