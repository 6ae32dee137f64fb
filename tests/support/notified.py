"""The end of systemd at which services say how they do: a socket for their datagrams."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType


class Notified:
    """Takes what is sent to `address` until the end of the block; a path in the file system, or "@name"."""

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        self._socket.setblocking(False)

    def __enter__(self) -> Notified:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def take(self) -> list[dict[str, str]]:
        """Whatever has come since the last call, name → value, oldest first."""
        come = []
        while True:
            try:
                text = self._socket.recv(1 << 16).decode()
            except BlockingIOError:
                return come
            come.append(dict(line.split("=", 1) for line in text.splitlines()))

    def hears(self, text: str) -> bool:
        """Whether one of the messages since the last call has this text."""
        return any(text in f"{name}={value}" for message in self.take() for name, value in message.items())
