"""The socket between a supervisor and its fork server: small JSON messages, and descriptors beside them.

What is asked for is answered before the next is asked. The other end is this program's own child, over a pair of
sockets that nobody else has.

* `{"arguments", "environment", "folder"}` with lifeline and standard error: fork a worker. Answer `{"pid"}` with its
  pidfd, or `{"errno"}`.
* `{"reap": pid}` once that worker has ended, or must: answer `{"code"}`, None if it cannot be known.
* The server says `{}` by itself when it is ready.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

_MOST_BYTES = 1 << 20
_MOST_DESCRIPTORS = 4


class ForkChannel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        """For `select` and its like."""
        return self._socket.fileno()

    def send(self, body: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        """Raises OSError if the other end is gone, or takes too long."""
        data = json.dumps(body).encode()
        socket.send_fds(self._socket, [data], list(descriptors), socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """The next message with its descriptors, which are the caller's from now on; None if the other end is gone.

        Programs that the caller starts do not get them. Raises OSError if no message came in time.
        """
        data, descriptors, _, _ = socket.recv_fds(self._socket, _MOST_BYTES, _MOST_DESCRIPTORS)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # `recv_fds` takes no account of its flags
        return (json.loads(data), descriptors) if data else None

    def set_timeout(self, seconds: float) -> None:
        """How long `send` and `receive` may wait."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Harmless when repeated."""
        self._socket.close()


def pair() -> tuple[ForkChannel, socket.socket]:
    """This program's end, and the other one for the server. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return ForkChannel(ours), theirs


def from_descriptor(descriptor: int) -> ForkChannel:
    """The end that this process was started with."""
    return ForkChannel(socket.socket(fileno=descriptor))
