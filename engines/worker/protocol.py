"""Length-prefixed messages over two byte streams: requests go down, events come up.

A frame is a 12-byte header (magic, length of the JSON, length of the payload; big-endian), a JSON
object and raw bytes. Samples travel as little-endian float64 payloads, so no number is ever
printed and parsed. Nothing but the two streams is needed: a pipe today, `ssh` or a container's
standard streams the same way.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

MAGIC = b"ITW1"
HEADER = struct.Struct(">4sII")
# A layer table is some 50 kB and a block of samples at most 512 kB: anything larger is not ours.
LARGEST = 64 * 1024 * 1024

Message = dict[str, Any]
Frame = tuple[Message, bytes]


class ProtocolError(Exception):
    """The other side sent bytes that are no frame."""


def encode(message: Message, payload: bytes = b"") -> bytes:
    """The frame of `message` and `payload`."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(MAGIC, len(text), len(payload)) + text + payload


class Decoder:
    """Turns chunks of bytes, however they were cut, into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take in `data` and return the frames that it completes; ProtocolError on garbage."""
        self._pending += data
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if len(self._pending) < HEADER.size:
            return None
        magic, text_size, payload_size = HEADER.unpack_from(self._pending)
        if magic != MAGIC or text_size + payload_size > LARGEST:
            raise ProtocolError(f"expected a frame, found {bytes(self._pending[:16])!r}")
        end = HEADER.size + text_size + payload_size
        if len(self._pending) < end:
            return None
        text = bytes(self._pending[HEADER.size : HEADER.size + text_size])
        payload = bytes(self._pending[HEADER.size + text_size : end])
        del self._pending[:end]
        try:
            message = json.loads(text)
        except ValueError as error:
            raise ProtocolError(f"expected JSON, found {text[:40]!r}") from error
        if not isinstance(message, dict):
            raise ProtocolError(f"expected a JSON object, found {text[:40]!r}")
        return message, payload


def read(stream: BinaryIO) -> Frame:
    """The next frame of a blocking stream; EOFError at its end, ProtocolError on garbage."""
    decoder = Decoder()
    header = _exactly(stream, HEADER.size)
    _, text_size, payload_size = HEADER.unpack(header)
    frames = decoder.feed(header)
    if not frames:
        frames = decoder.feed(_exactly(stream, text_size + payload_size))
    return frames[0]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
