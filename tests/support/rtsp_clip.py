"""A video file cut into RTP payloads: H.264 as RFC 6184 has it, H.265 as RFC 7798. Nothing is encoded."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

PAYLOAD_LIMIT = 1400  # bytes: below an Ethernet frame with all headers
_START_CODE = re.compile(b"\x00\x00\x00\x01|\x00\x00\x01")


@dataclass(frozen=True)
class AccessUnit:
    """One coded picture: decoding and presentation time in seconds from the clip's start, and its RTP payloads."""

    dts: float
    pts: float
    is_key: bool
    payloads: tuple[bytes, ...]


@dataclass(frozen=True)
class _Codec:
    """How one codec names its NAL units."""

    filter_name: str
    header_bytes: int
    parameter_sets: tuple[int, ...]
    ignored: tuple[int, ...]  # delimiters and supplemental information

    def unit_type(self, unit: bytes) -> int:
        return (unit[0] >> 1) & 63 if self.header_bytes == 2 else unit[0] & 31

    def fragment_header(self, unit: bytes, *, first: bool, last: bool) -> bytes:
        flags = (0x80 if first else 0) | (0x40 if last else 0) | self.unit_type(unit)
        if self.header_bytes == 2:
            return bytes([(unit[0] & 0x81) | (49 << 1), unit[1], flags])
        return bytes([(unit[0] & 0x60) | 28, flags])


_CODECS = {
    "h264": _Codec("h264_mp4toannexb", 1, (7, 8), (6, 9)),
    "hevc": _Codec("hevc_mp4toannexb", 2, (32, 33, 34), (35, 39, 40)),
}


class Clip:
    """A file's access units, with the parameter sets in front of every key frame, and its session description.

    A client may therefore join at any key frame, and clips of different sizes may follow each other.
    """

    def __init__(self, path: str | Path) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            self.codec_name = stream.codec_context.name
            if self.codec_name not in _CODECS:
                raise ValueError(f"{path}: RTSP clips are H.264 or H.265, this is {self.codec_name}")
            self.size = (stream.width, stream.height)
            self.rate = float(stream.average_rate or 25)
            self._codec = _CODECS[self.codec_name]
            self._parameter_sets: dict[int, bytes] = {}
            units = list(self._read(container, stream))
        head = tuple(part for kind in sorted(self._parameter_sets) for part in self._split(self._parameter_sets[kind]))
        self.units = tuple(
            AccessUnit(unit.dts, unit.pts, unit.is_key, head + unit.payloads) if unit.is_key else unit for unit in units
        )
        self.duration = self.units[-1].dts + 1 / self.rate

    def description(self) -> bytes:
        """The answer to DESCRIBE (SDP, RFC 4566)."""
        sets = {kind: base64.b64encode(data).decode() for kind, data in self._parameter_sets.items()}
        if self.codec_name == "hevc":
            name, parameters = "H265", f"sprop-vps={sets[32]};sprop-sps={sets[33]};sprop-pps={sets[34]}"
        else:
            profile = self._parameter_sets[7][1:4].hex()
            name = "H264"
            parameters = f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets[7]},{sets[8]}"
        lines = [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            "s=test camera",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            "a=range:npt=now-",
            "a=control:*",
            "m=video 0 RTP/AVP 96",
            f"a=rtpmap:96 {name}/90000",
            f"a=fmtp:96 {parameters}",
            f"a=framerate:{self.rate:g}",
            "a=control:track0",
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _read(self, container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[AccessUnit]:
        is_boxed = {"mov", "matroska", "flv"} & set(container.format.name.split(","))
        annex_b = av.BitStreamFilterContext(self._codec.filter_name, stream) if is_boxed else None
        start: int | None = None
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            start = packet.dts if start is None else start
            dts, is_key = packet.dts, packet.is_keyframe
            pts = packet.pts if packet.pts is not None else dts
            time_base = stream.time_base
            data = b"".join(bytes(part) for part in annex_b.filter(packet)) if annex_b else bytes(packet)
            payloads = tuple(part for unit in self._pictures(data) for part in self._split(unit))
            if payloads:
                yield AccessUnit(float((dts - start) * time_base), float((pts - start) * time_base), is_key, payloads)

    def _pictures(self, data: bytes) -> Iterator[bytes]:
        """The NAL units of pictures; parameter sets are put aside on the way."""
        for part in _START_CODE.split(data):
            unit = part.rstrip(b"\0")
            if not unit:
                continue
            kind = self._codec.unit_type(unit)
            if kind in self._codec.parameter_sets:
                self._parameter_sets[kind] = unit
            elif kind not in self._codec.ignored:
                yield unit

    def _split(self, unit: bytes) -> Iterator[bytes]:
        """One NAL unit as payloads: whole if it is short, in fragmentation units otherwise."""
        if len(unit) <= PAYLOAD_LIMIT:
            yield unit
            return
        body, step = unit[self._codec.header_bytes :], PAYLOAD_LIMIT - 3
        for start in range(0, len(body), step):
            last = start + step >= len(body)
            yield self._codec.fragment_header(unit, first=start == 0, last=last) + body[start : start + step]
