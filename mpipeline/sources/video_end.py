"""Tells a file's good end from one that came earlier than its container promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_SLACK_S = 1.0
_SLACK_SHARE = 0.02
_US_PER_S = 1_000_000


class EndCheck:
    """Follows a file's packets and says at the end what is missing.

    A damaged file and a good one both end with end-of-file, and declared frame counts lie: an edit list hides frames
    that are counted, AVI writers count frames that were dropped. What can be relied on differs by container:

    * MP4: every sample stands in the index, with those that an edit list removed taken out. Each must have been read.
    * AVI, Matroska, FLV: the header's count or duration, give or take a second or 2 %.
    * MPEG-TS, raw streams and all others promise nothing; their end is a good end.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, from_start: bool) -> None:
        self._formats = set(container.format.name.split(","))
        self._stream_index = stream.index
        self._from_start = from_start
        self._packets = 0
        self._last_dts: int | None = None
        self._end_s = 0.0
        entries = getattr(stream, "index_entries", None) if "mov" in self._formats else None  # since PyAV 17
        self._samples = len(entries) if entries is not None else stream.frames
        self._last_sample_dts = entries[len(entries) - 1].timestamp if entries is not None and len(entries) else None
        rate = stream.average_rate
        self._promised_s = 0.0
        if self._formats & {"matroska", "webm", "flv"} and container.duration:
            start_us = container.start_time or 0
            self._promised_s = (container.duration + start_us) / _US_PER_S
        elif "avi" in self._formats and stream.frames and rate:
            self._promised_s = float(stream.frames / rate)

    def saw(self, packet: Packet[Stream]) -> None:
        """A packet of any stream of the file was read."""
        if packet.stream_index == self._stream_index:
            self._packets += 1
            self._last_dts = packet.dts if packet.dts is not None else self._last_dts
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and packet.time_base:
            self._end_s = max(self._end_s, float((time + (packet.duration or 0)) * packet.time_base))

    def missing(self) -> str:
        """What the container promised and the file did not hold, as a sentence; empty after a good end."""
        if "mov" in self._formats:
            return self._missing_samples()
        slack = max(_SLACK_S, _SLACK_SHARE * self._promised_s)
        if self._promised_s - self._end_s > slack:
            return f"the file ends after {self._end_s:.1f} s, its header promised {self._promised_s:.1f} s"
        return ""

    def _missing_samples(self) -> str:
        if self._from_start and self._packets < self._samples:
            return f"the file ends after {self._packets} of {self._samples} frames"
        if self._last_sample_dts is not None and (self._last_dts is None or self._last_dts < self._last_sample_dts):
            return "the file ends before its last frame"
        return ""
