"""A TCP server that takes numbers, a line each, and acknowledges them; it can be lost in three ways, and come back."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType

_ABRUPTLY = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


class LineServer:
    """Listens on `port` of this machine. With the line after `most` it is lost, until `come_back`.

    `manner`: it "resets" its connections, "closes" them, in both cases not listening any more, or "falls silent".
    """

    def __init__(self, most: int, manner: str) -> None:
        self.received: list[int] = []
        self.manner = manner
        self._left: int | None = most
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._back = threading.Event()
        self._is_over = False
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> LineServer:
        self._serve(self._listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._back.set()
        self._stop_listening()
        for thread in self._threads:
            thread.join()

    def come_back(self) -> None:
        """Takes all that comes from now on."""
        self._left = None
        if self.manner != "falls silent":
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve(self._listener)
        self._back.set()

    def _serve(self, listener: socket.socket) -> None:
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        """One client after the other."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it does not listen any more
                return
            with connection, contextlib.suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rw") as lines:
            for line in lines:
                if self._left == 0 or self._is_over:
                    self._be_lost(connection)
                    return
                if self._left is not None:
                    self._left -= 1
                self.received.append(int(line))
                lines.write("taken\n")
                lines.flush()

    def _be_lost(self, connection: socket.socket) -> None:
        if self.manner == "falls silent":
            self._back.wait()
            return
        self._stop_listening()
        if self.manner == "resets":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPTLY)

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
        self._listener.close()
