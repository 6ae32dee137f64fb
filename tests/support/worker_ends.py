"""The sockets around a worker that a test runs in its own thread: the supervisor's, and the worker's end of it."""

from __future__ import annotations

from pathlib import Path

from mpipeline.transport import channel
from mpipeline.transport.run_directory import Endpoints


class Ends:
    """`control` is the worker's, of that name; it is connected, not necessarily heard of yet."""

    def __init__(self, folder: Path, name: str) -> None:
        self.endpoints = Endpoints(folder)
        self.zmq = channel.context()
        self.supervisor = channel.Router(self.zmq, self.endpoints.control)
        self.control = channel.connect_control(self.zmq, self.endpoints.control, name)

    def inference(self) -> channel.Router:
        """The socket of inference, from which sinks get predictions."""
        return channel.Router(self.zmq, self.endpoints.predictions)

    def close(self) -> None:
        """Closes all sockets."""
        self.zmq.destroy(linger=0)
