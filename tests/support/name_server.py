"""A name server of our own on a loopback address, for commands in a private mount namespace that are told to ask it.

It answers in the format of RFC 1035. Only root may listen on its port; elsewhere the test is skipped.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType

import pytest

_ADDRESS = "127.53.53.53"
_PORT = 53
_HEADER = 12  # bytes
_TYPE_A = 1
_RESPONSE, _NAME_ERROR = 0x8180, 3
_POINTER_TO_NAME = 0xC00C
_IN, _TTL_S = 1, 1


class NameServer:
    """Knows every name as 127.0.0.1, or says that there is `none`, or is `silent`: set `mode`."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NameServer:
        try:
            self._socket.bind((_ADDRESS, _PORT))
        except OSError as error:
            self._socket.close()
            pytest.skip(f"a name server is not allowed here: {error}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # of one that is not connected this fails, and wakes the thread
        self._thread.join()
        self._socket.close()

    def configuration(self, folder: Path, patience_s: int) -> Path:
        """A resolv.conf that names it. Who asks waits so long for an answer, once."""
        path = folder / "resolv.conf"
        path.write_text(f"nameserver {_ADDRESS}\noptions timeout:{patience_s} attempts:1\n")
        return path

    def _serve(self) -> None:
        while True:
            try:
                query, client = self._socket.recvfrom(512)
            except OSError:
                return
            if not query:
                return
            self.asked += 1
            if self.mode != "silent":
                self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", _HEADER) + 5  # of the question: name, type, class
        kind = struct.unpack_from(">H", query, end - 4)[0]
        record = b""
        if self.mode == "known" and kind == _TYPE_A:
            record = struct.pack(">HHHIH", _POINTER_TO_NAME, _TYPE_A, _IN, _TTL_S, 4) + socket.inet_aton("127.0.0.1")
        flags = _RESPONSE | (_NAME_ERROR if self.mode == "none" else 0)
        return query[:2] + struct.pack(">HHHHH", flags, 1, bool(record), 0, 0) + query[_HEADER:end] + record
