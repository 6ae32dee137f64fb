"""The sound track of a test camera: silence as PCMU (RFC 3551), 8000 Hz, a packet every 20 ms."""

from __future__ import annotations

import struct

INTERVAL_S = 0.02
TRACK = "track1"
_SAMPLES = 160
_SILENCE = b"\xff" * _SAMPLES  # zero in G.711 µ-law

DESCRIPTION = f"m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:{TRACK}\r\n".encode()


class Silence:
    """Makes the RTP packets of one sound track."""

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc & 0xFFFFFFFF
        self._count = 0

    def packet(self) -> bytes:
        """The next 20 ms."""
        self._count += 1
        stamp = self._count * _SAMPLES & 0xFFFFFFFF
        return struct.pack("!BBHII", 0x80, 0, self._count & 0xFFFF, stamp, self._ssrc) + _SILENCE
