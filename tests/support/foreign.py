"""What a confused or hostile program of the same user may send to a run's sockets."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import zmq

from mpipeline.frame import FrameRef
from mpipeline.messages import TAGS, Bye, Drain, FrameReady, Heartbeat, Hello, Message, Role, SinkStatus
from mpipeline.transport import codec

_KINDS = {"control.sock": zmq.DEALER, "frames.sock": zmq.PUSH, "predictions.sock": zmq.DEALER}
_NONSENSE: tuple[object, ...] = (None, -1, "x" * 1000, b"\0" * 1000, [], {}, {"a": {"b": []}}, 1e308, 2**63, [[[[[]]]]])
_STRANGERS: tuple[Message, ...] = (
    Hello(Role.DECODER, "nobody", 1, 1),
    Hello(Role.INFERENCE, "inference", 1, 1),
    Hello(Role.ATTACHED, "ghost", 1, 2**22 + 1),
    Hello(Role.SINK, "sink:jsonl", 1, 1, protocol=99),
    Heartbeat(-1, {"frames_published": float("inf")}, "STREAMING"),
    Bye("FAILED", "crashed", "x" * 100_000, -1),
    Drain(),
    FrameReady(FrameRef("mp-nowhere-0", 0, 1), 1, 1),
    FrameReady(FrameRef("../../etc/passwd", 2**31, 2**32 - 1), -5, -5),
    SinkStatus("nobody", 1, 1, 0, 2**62, {"a": 2**62}),
    SinkStatus("nobody", -1, -1, -1, -1, {"": -1}),
)


def messages() -> Iterator[list[bytes]]:
    """Multi-part messages that are no messages of ours, or come from nobody."""
    yield [b""]
    yield [b"\xc1" * 100]
    yield [os.urandom(3 << 20)]
    yield [b"a", b"b", b"c"]
    yield [b"\xdd\xff\xff\xff\xff"]  # an array of four billion
    yield [b"\x91" * 5000]  # arrays in arrays
    yield [msgpack.packb([255])]
    yield [msgpack.packb({"tag": 1})]
    for tag in TAGS:
        yield [msgpack.packb([tag])]
        yield [msgpack.packb([tag, *_NONSENSE])]
        for nonsense in _NONSENSE[:8]:
            yield [msgpack.packb([tag, *[nonsense] * 5])]
    for message in _STRANGERS:
        yield [codec.encode(message)]


def send_everything(folder: Path) -> int:
    """Sends all of it to each socket in that run directory, and raw bytes as well; returns how many messages."""
    sent = 0
    context = zmq.Context()
    for name, kind in _KINDS.items():
        path = folder / name
        for raw in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(100_000), b"\xff" + b"\0" * 9 + b"\x7f"):
            _send_raw(path, raw)
        with context.socket(kind) as stranger:
            stranger.setsockopt(zmq.LINGER, 2000)
            stranger.connect(f"ipc://{path}")
            for parts in messages():
                stranger.send_multipart(parts)
                sent += 1
        with context.socket(kind) as giant:  # the peer may hang up on it
            giant.setsockopt(zmq.LINGER, 200)
            giant.connect(f"ipc://{path}")
            giant.send(bytes(codec.MAX_MESSAGE_BYTES + 1))
    context.term()
    return sent


def silent_connections(folder: Path, count: int) -> list[socket.socket]:
    """Connections to each socket that say nothing; the caller closes them."""
    connections = []
    for name in _KINDS:
        for _ in range(count):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(folder / name))
            connections.append(connection)
    return connections


def _send_raw(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        deadline = time.monotonic() + 2
        try:
            while data and time.monotonic() < deadline:
                data = data[connection.send(data) :]
        except OSError:
            return  # the other side has had enough
