"""Sockets that carry messages. One socket is used by one thread; none ever blocks for long.

Control: the supervisor's ROUTER, everybody else a DEALER. Frames: decoders PUSH, inference PULLs. Predictions:
inference is the ROUTER, sinks are DEALERs. No limit of a socket is ever relied on to drop or to wait: frames wait in
rings, predictions behind credits; the high-water marks are only a last bound on memory.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import zmq

from mpipeline.clock import SystemClock
from mpipeline.errors import MpipelineError, ProtocolError
from mpipeline.log import Summariser
from mpipeline.messages import Message
from mpipeline.transport import codec

logger = logging.getLogger("mpipeline.transport")
Received = TypeVar("Received")

_HIGH_WATER = 4096
_MOST_GARBAGE = 64  # messages that one call passes over
_MOST_AT_ONCE = 256  # messages, garbage included, that are taken in one turn of a loop; a poller tells of the rest


class Channel:
    """A connected or bound socket; `fileno`-like use goes through `Poller`."""

    def __init__(self, context: zmq.Context[Any], kind: int, identity: str = "") -> None:
        self.socket = context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 500)
        self.socket.setsockopt(zmq.MAXMSGSIZE, codec.MAX_MESSAGE_BYTES)
        self.socket.setsockopt(zmq.SNDHWM, _HIGH_WATER)
        self.socket.setsockopt(zmq.RCVHWM, _HIGH_WATER)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        if identity:
            self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        if kind == zmq.ROUTER:
            self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
            self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.rejected = 0
        self._endpoint = ""  # where it is bound
        self._summary = Summariser(logger, SystemClock())

    def bind(self, endpoint: str) -> None:
        """Lets others connect. MpipelineError if the socket cannot be made there."""
        _bind(self.socket, endpoint)
        self._endpoint = endpoint

    def keep_bound(self) -> bool:
        """Binds again if somebody has removed the socket's file; says whether. Who is connected does not notice.

        While its folder is away as well, it waits for somebody to make that again.
        The former listener stays, with its one descriptor, as long as the socket: with `unbind` ZeroMQ also ends every
        connection that came through it, and what is just then on its way is lost, which nobody on it reckons with.
        """
        path = _path(self._endpoint)
        if not path or os.path.lexists(path) or not os.path.isdir(os.path.dirname(path)):
            return False
        try:
            _bind(self.socket, self._endpoint)
        except MpipelineError as error:
            self._summary.add("sockets without a file", str(error))
            return False
        return True

    def reject(self, error: Exception) -> None:
        """Counts a message that is none of ours, and says so, once a second at most."""
        self.rejected += 1
        self._summary.add("foreign messages", f"a message that is not understood was passed over: {error}")

    def _take(self, receive: Callable[[], Received | None]) -> Iterator[Received]:
        taken, rejected = 0, self.rejected
        while taken + self.rejected - rejected < _MOST_AT_ONCE and (message := receive()) is not None:
            taken += 1
            yield message

    def close(self, linger_ms: int | None = None) -> None:
        """Closes the socket; what was sent is still delivered for half a second at most."""
        self._summary.flush(everything=True)
        self.socket.close(linger=linger_ms)


class Peer(Channel):
    """An end that talks to one other end: DEALER, PUSH or PULL."""

    def send(self, message: Message) -> bool:
        """Hands the message over without waiting; False if there is no room (the other side is away for long)."""
        return self.send_encoded(codec.encode(message))

    def send_encoded(self, data: bytes) -> bool:
        """As `send`, for a message that was encoded before."""
        try:
            self.socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message, None if there is none now. Garbage is counted in `rejected` and passed over.

        None also after much garbage in a row: whoever sends it must not keep the receiver from its work.
        """
        for _ in range(_MOST_GARBAGE):
            try:
                return codec.decode(self.socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                return None
            except ProtocolError as error:
                self.reject(error)
        return None

    def arrived(self) -> Iterator[Message]:
        """The messages that are there, a bounded number of them: a flood must not keep a loop from its work."""
        return self._take(self.receive)


class Router(Channel):
    """An end that talks to many, each with a name."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        super().__init__(context, zmq.ROUTER)
        self.bind(endpoint)

    def send(self, identity: str, message: Message) -> bool:
        """Hands the message over without waiting; False if nobody of that name is connected or there is no room."""
        return self.send_encoded(identity, codec.encode(message))

    def send_encoded(self, identity: str, data: bytes) -> bool:
        """As `send`, for a message that was encoded before."""
        try:
            self.socket.send_multipart([identity.encode(), data], zmq.NOBLOCK)
        except (zmq.Again, zmq.ZMQError):
            return False
        return True

    def receive(self) -> tuple[str, Message] | None:
        """The sender's name and the next message, None if there is none now or after much garbage in a row."""
        for _ in range(_MOST_GARBAGE):
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                if len(parts) != 2:
                    raise ProtocolError(f"{len(parts)} parts, expected 2")
                return parts[0].decode(), codec.decode(parts[1])
            except (ProtocolError, UnicodeDecodeError) as error:
                self.reject(error)
        return None

    def arrived(self) -> Iterator[tuple[str, Message]]:
        """The messages that are there with their senders' names, a bounded number of them; as `Peer.arrived`."""
        return self._take(self.receive)


class Poller:
    """Waits for channels and file descriptors at once."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def add(self, item: Channel | int) -> None:
        """Watches a channel or a readable file descriptor."""
        self._poller.register(item.socket if isinstance(item, Channel) else item, zmq.POLLIN)

    def remove(self, item: Channel | int) -> None:
        """Stops watching."""
        self._poller.unregister(item.socket if isinstance(item, Channel) else item)

    def wait(self, timeout_s: float) -> set[Any]:
        """The file descriptors and sockets that can be read; empty after `timeout_s` seconds."""
        return {item for item, _ in self._poller.poll(max(0, int(timeout_s * 1000 + 0.999)))}


def context() -> zmq.Context[Any]:
    """A context of its own for one worker, one supervisor or one attached program."""
    return zmq.Context()


def connect_control(ctx: zmq.Context[Any], endpoint: str, identity: str) -> Peer:
    """A worker's end of the control channel."""
    peer = Peer(ctx, zmq.DEALER, identity)
    peer.socket.connect(endpoint)
    return peer


def connect_predictions(ctx: zmq.Context[Any], endpoint: str, identity: str) -> Peer:
    """A sink's end of the data channel."""
    return connect_control(ctx, endpoint, identity)


def connect_frames(ctx: zmq.Context[Any], endpoint: str) -> Peer:
    """A decoder's end: hints go out, and are dropped while the inference worker is away (it will walk the ring)."""
    peer = Peer(ctx, zmq.PUSH)
    peer.socket.setsockopt(zmq.IMMEDIATE, 1)
    peer.socket.setsockopt(zmq.LINGER, 0)
    peer.socket.connect(endpoint)
    return peer


def bind_frames(ctx: zmq.Context[Any], endpoint: str) -> Peer:
    """The inference worker's end for hints."""
    peer = Peer(ctx, zmq.PULL)
    peer.bind(endpoint)
    return peer


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    path = _path(endpoint)
    try:
        socket.bind(endpoint)
        os.chmod(path, 0o600)
    except (zmq.ZMQError, OSError) as error:
        text = f"cannot make the socket {path}: {error.strerror}; make room there, or set MPIPELINE_RUN_ROOT to another"
        raise MpipelineError(f"{text} folder") from error


def _path(endpoint: str) -> str:
    return endpoint.removeprefix("ipc://")
