"""One camera of the RTSP test server: a live time line over clips, shared by its clients, with faults on request."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from support.rtsp_clip import PAYLOAD_LIMIT, AccessUnit, Clip
from support.rtsp_sound import DESCRIPTION as SOUND_DESCRIPTION
from support.rtsp_sound import INTERVAL_S as SOUND_INTERVAL_S
from support.rtsp_sound import Silence

RTP_CLOCK = 90_000  # Hz
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_REPORT_INTERVAL_S = 2.0
_LATE_LIMIT_S = 2.0
_POLL_S = 0.02

NEVER_ANSWER = -1


class Receiver(Protocol):
    """A client that is playing."""

    def rtp(self, packet: bytes, *, starts_key: bool) -> None: ...

    def rtcp(self, packet: bytes) -> None: ...

    def sound(self, packet: bytes) -> None: ...


class Mount:
    """Plays its files in a loop in real time. The public attributes are the faults; set them while it runs.

    `loss` and `corrupt` are shares of RTP packets lost or with one bit turned over; `delay` (seconds) holds every
    picture back; `speed` is a clock factor; `status` is the answer to DESCRIBE (0: normal, -1: none at all).
    `hang` names a request that is never answered ("*": any). `offers` are the tracks of the session description and
    `sends` those that flow, of "video" and "audio". Without `keys`, key frames and parameter sets are left out.
    `flood` is how many packets of random bytes come with each picture. `trickle`, if not 0, is how many bytes a
    second go to each client over TCP.

    `log` gets a line for each picture that was sent: camera, number of the picture in its file from 0, monotonic ns.
    """

    def __init__(self, name: str, files: Sequence[str | Path], seed: int = 1, log: TextIO | None = None) -> None:
        self.name = name
        self.log = log
        self.loss = self.corrupt = self.delay = 0.0
        self.speed = 1.0
        self.status = 0
        self.hang = ""
        self.offers: frozenset[str] = frozenset({"video"})
        self.sends: frozenset[str] = frozenset({"video", "audio"})
        self.keys = True
        self.flood = 0
        self.trickle = 0.0
        self.clients: set[Receiver] = set()
        self.frames = self.packets = self.bytes = self.dropped = 0
        self._clips = [Clip(file) for file in files]
        self._next_clip: Clip | None = None
        self._stalled_until = 0.0
        self._rng = random.Random(seed)
        self._sequence = self._rng.randrange(1 << 16)
        self.ssrc = self._rng.getrandbits(32)
        self._time_offset = self._rng.getrandbits(31)
        self._reported = 0.0

    def description(self) -> bytes:
        """The session description of what plays to a client that comes now."""
        clip = self._next_clip if self._next_clip is not None else self._clips[0]
        session, mark, video = clip.description().partition(b"m=video")
        tracks = (mark + video if "video" in self.offers else b"") + (
            SOUND_DESCRIPTION if "audio" in self.offers else b""
        )
        return session + tracks

    def stall(self, seconds: float) -> None:
        """Sends nothing for so long; connections stay open. 0 ends a stall."""
        self._stalled_until = time.monotonic() + seconds

    def switch(self, file: str | Path) -> None:
        """Plays another file from its next key frame on; if its codec is another, clients have to come anew."""
        self._next_clip = Clip(file)

    def jump(self, seconds: float) -> None:
        """Makes the RTP time stamps jump."""
        self._time_offset = int(self._time_offset + seconds * RTP_CLOCK) & 0xFFFFFFFF

    def statistics(self) -> dict[str, Any]:
        """Counters since the start."""
        names = ("frames", "packets", "bytes", "dropped", "loss", "corrupt")
        return {"clients": len(self.clients), **{name: getattr(self, name) for name in names}}

    async def run(self) -> None:
        """Plays until cancelled."""
        await asyncio.gather(self._play(), self._play_sound())

    async def _play_sound(self) -> None:
        track = Silence(self.ssrc + 1)
        while True:
            await asyncio.sleep(SOUND_INTERVAL_S)
            if {"audio"} <= self.offers & self.sends and self._stalled_until <= time.monotonic():
                packet = track.packet()
                for client in tuple(self.clients):
                    client.sound(packet)

    async def _play(self) -> None:
        played, index = 0.0, 0  # seconds of media, clip
        origin = time.monotonic()
        while True:
            if self._next_clip is not None:
                self._clips, self._next_clip, index = [self._next_clip], None, 0
            clip = self._clips[index % len(self._clips)]
            index += 1
            for number, unit in enumerate(clip.units):
                if unit.is_key and self._next_clip is not None:
                    played += unit.dts
                    break
                origin = await self._wait(origin, (played + unit.dts) / self.speed)
                self._send(unit, played)
                if self.log is not None:
                    self.log.write(f"{self.name} {number} {time.monotonic_ns()}\n")
            else:
                played += clip.duration

    async def _wait(self, origin: float, due: float) -> float:
        """Waits until `due` seconds after `origin`; returns the origin, later if time was lost."""
        due += self.delay
        await asyncio.sleep(max(0.0, origin + due - time.monotonic()))
        while self._stalled_until > time.monotonic():
            await asyncio.sleep(_POLL_S)
        late = time.monotonic() - origin - due
        return origin + late if late > _LATE_LIMIT_S else origin  # never races to catch up

    def _send(self, unit: AccessUnit, played: float) -> None:
        if "video" not in self.sends or (unit.is_key and not self.keys):
            return
        self.frames += 1
        stamp = int(self._time_offset + (played + unit.pts) * RTP_CLOCK) & 0xFFFFFFFF
        for number, payload in enumerate(unit.payloads):
            self._sequence = (self._sequence + 1) & 0xFFFF
            if self.loss and self._rng.random() < self.loss:
                self.dropped += 1
                continue
            marker = 0x80 if number == len(unit.payloads) - 1 else 0
            header = struct.pack("!BBHII", 0x80, 96 | marker, self._sequence, stamp, self.ssrc)
            packet = header + self._damaged(payload)
            for client in tuple(self.clients):
                client.rtp(packet, starts_key=unit.is_key and number == 0)
            self.packets += 1
            self.bytes += len(packet)
        for _ in range(self.flood):
            self._sequence = (self._sequence + 1) & 0xFFFF
            header = struct.pack("!BBHII", 0x80, 96, self._sequence, stamp, self.ssrc)
            junk = header + self._rng.randbytes(self._rng.randrange(1, PAYLOAD_LIMIT))
            for client in tuple(self.clients):
                client.rtp(junk, starts_key=False)
        self._report(stamp)

    def _damaged(self, payload: bytes) -> bytes:
        if not self.corrupt or self._rng.random() >= self.corrupt:
            return payload
        data = bytearray(payload)
        data[self._rng.randrange(2, len(data))] ^= 1 << self._rng.randrange(8)
        return bytes(data)

    def _report(self, stamp: int) -> None:
        """A sender report (RFC 3550 §6.4.1) now and then."""
        if time.monotonic() - self._reported < _REPORT_INTERVAL_S:
            return
        self._reported = time.monotonic()
        now = time.time() + _NTP_EPOCH
        counts = (self.packets & 0xFFFFFFFF, self.bytes & 0xFFFFFFFF)
        report = struct.pack("!BBHIIIIII", 0x80, 200, 6, self.ssrc, int(now), int(now % 1 * 2**32), stamp, *counts)
        for client in tuple(self.clients):
            client.rtcp(report)
