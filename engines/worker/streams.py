"""Takes the worker's standard streams for the protocol and keeps everything else off them."""

from __future__ import annotations

import os
from typing import BinaryIO


def claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """The stream of requests and the stream of events; descriptors 0 and 1 become harmless.

    Frameworks and compilers print to descriptor 1 whenever they like: it is pointed at descriptor
    2, the log. The duplicates are not inheritable, so a compiler that a framework starts can't
    keep the pipes open after the worker is gone.
    """
    requests = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, events
