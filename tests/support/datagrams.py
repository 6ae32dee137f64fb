"""A socket that takes datagrams."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def receiving() -> Iterator[socket.socket]:
    """Bound to a free port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(30)
        yield made


def received(receiver: socket.socket) -> dict[str, Any]:
    """The next one, as JSON."""
    found: dict[str, Any] = json.loads(receiver.recv(70_000))
    return found
