"""Frames survive any cutting of the stream, and garbage is called garbage."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.worker.protocol import HEADER, LARGEST, MAGIC, Decoder, ProtocolError, encode, read

messages = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=4)
frames = st.lists(st.tuples(messages, st.binary(max_size=200)), max_size=6)


@given(frames, st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(sent, cuts):
    stream = b"".join(encode(message, payload) for message, payload in sent)
    decoder, received, at, turn = Decoder(), [], 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        received += decoder.feed(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert received == sent


def test_blocking_read_gives_frames_in_order_then_end_of_file():
    stream = io.BytesIO(encode({"do": "load"}) + encode({"do": "stop"}, b"xy"))
    assert read(stream) == ({"do": "load"}, b"")
    assert read(stream) == ({"do": "stop"}, b"xy")
    with pytest.raises(EOFError):
        read(stream)


@pytest.mark.parametrize(
    "garbage",
    [
        b"Warning: something\n",
        HEADER.pack(MAGIC, LARGEST, 1),
        HEADER.pack(MAGIC, 3, 0) + b"{x}",
        HEADER.pack(MAGIC, 2, 0) + b"[]",
        HEADER.pack(b"ITW9", 2, 0) + b"{}",
    ],
)
def test_garbage_is_refused(garbage):
    with pytest.raises(ProtocolError, match="expected"):
        Decoder().feed(garbage)
