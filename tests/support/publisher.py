"""Sends a clip again and again at its own pace, as a camera or an encoder does: UDP, RTMP, or the files of HLS.

A process of its own, `python -m support.publisher FILE URL FORMAT [NAME=VALUE …]`: it can be killed and stopped.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from fractions import Fraction

import av
from av.packet import Packet
from support import media
from support.programs import Killable, of_support

CLIP = media.VideoSpec(width=160, height=96, frames=75, rate=15, gop=5)
QUICK_HLS = {"hls_time": "0.5", "hls_list_size": "5", "hls_flags": "delete_segments"}  # segments of a good half second


class Publisher(Killable):
    """A context manager around the process. `options` are those of FFmpeg's muxer."""

    def __init__(self, url: str, format: str, **options: str) -> None:
        self._arguments = [str(media.video(CLIP)), url, format, *(f"{name}={value}" for name, value in options.items())]

    def start(self) -> None:
        """Starts it; it needs a moment until something is sent."""
        self._process = of_support("publisher", *self._arguments)

    def pause(self) -> None:
        """It hangs: nothing is sent, nothing is closed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)


def publish(file: str, url: str, format: str, options: dict[str, str]) -> None:
    """Sends until it is killed, or the peer is gone."""
    with av.open(file) as source, av.open(url, "w", format=format, options=options) as target:
        origin = source.streams.video[0]
        stream = target.add_stream_from_template(origin)
        tick = origin.time_base
        assert tick is not None
        begun = time.monotonic()
        for packet in _endless(file, tick):
            time.sleep(max(0.0, begun + float((packet.dts or 0) * tick) - time.monotonic()))
            packet.stream = stream
            target.mux(packet)


def _endless(file: str, tick: Fraction) -> Iterator[Packet]:
    offset = 0
    while True:
        with av.open(file) as source:
            for packet in source.demux(video=0):
                if packet.dts is not None and packet.pts is not None:
                    packet.dts += offset
                    packet.pts += offset
                    yield packet
        offset += round(CLIP.frames / CLIP.rate / tick)


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[4:])
    publish(sys.argv[1], sys.argv[2], sys.argv[3], given)
