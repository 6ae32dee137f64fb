"""Encodes pictures to H.264, one packet for each picture at once; copies packets from one form of MP4 to another."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from mpipeline.errors import SinkError
from mpipeline.frame import Pixels
from mpipeline.sinks.fragments import fragment, length_prefixed
from mpipeline.sinks.paths import file_error
from mpipeline.sinks.timeline import TICKS_PER_S

_TIME_BASE = Fraction(1, TICKS_PER_S)
_GROWING = "empty_moov+frag_custom"  # a head that announces fragments, which come from elsewhere
_THREADS = 2  # slices of one picture; more would take the cores from the decoders
_KEY_FRAME_EVERY_S = 2.0
_PULSE_EVERY = 1000  # packets, in the copying of a file
_BITS_PER_PIXEL = 0.15  # for the encoder that knows no constant quality


class Encoder:
    """An encoder for pictures of (height, width), both even, that answers each picture with its packet.

    `tune=zerolatency` makes that possible: no B-frames and no look-ahead, for files that are some per cent bigger.
    Every key frame carries its parameter sets, so that packets of two encoders can follow each other in a file.
    Where FFmpeg was built without x264, MPEG-4 part 2 is written. `head` is what stands before the first fragment.
    """

    def __init__(
        self, width: int, height: int, rate: float, crf: int, preset: str, *, codec: str | None = None
    ) -> None:
        import av
        import cv2

        self._av = av
        self._cv2: Any = cv2
        self.codec = codec if codec is not None else _best_codec()
        buffer = io.BytesIO()
        try:
            self._container = _new_mp4(buffer, _GROWING)
            self._stream = self._container.add_stream(self.codec, rate=Fraction(rate).limit_denominator(60_000))
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.time_base = self._stream.codec_context.time_base = _TIME_BASE
            self._stream.codec_context.thread_count = _THREADS
            self._stream.codec_context.gop_size = max(1, round(rate * _KEY_FRAME_EVERY_S))
            self._stream.options = self._options(crf, preset)
            if not self._is_h264:
                self._stream.bit_rate = int(width * height * rate * _BITS_PER_PIXEL)
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise SinkError(f"cannot encode {width}x{height} with {self.codec}, preset {preset!r}: {error}") from error
        self.head = buffer.getvalue()

    @property
    def _is_h264(self) -> bool:
        return self.codec == "libx264"

    def _options(self, crf: int, preset: str) -> dict[str, str]:
        if not self._is_h264:
            return {}
        extra = "repeat-headers=1:colormatrix=smpte170m:range=tv"  # what `encode` converts to
        return {"preset": preset, "tune": "zerolatency", "crf": str(crf), "x264-params": extra}

    def encode(self, image: Pixels, ticks: int) -> tuple[bytes, bool]:
        """The packet of a (height, width, 3) uint8 BGR picture as MP4 holds it, and whether it is a key frame."""
        planes = self._cv2.cvtColor(image, self._cv2.COLOR_BGR2YUV_I420)  # BT.601, a third of swscale's time
        picture = self._av.VideoFrame.from_ndarray(planes, format="yuv420p")
        try:
            picture.pts, picture.time_base = ticks, _TIME_BASE
            packets = self._stream.encode(picture)
        except self._av.FFmpegError as error:
            raise SinkError(f"{self.codec} failed: {error}") from error
        if len(packets) != 1:
            raise SinkError(f"{self.codec} gave {len(packets)} packets for a picture; it must not delay any")
        data = bytes(packets[0])
        return length_prefixed(data) if self._is_h264 else data, packets[0].is_keyframe

    def close(self) -> None:
        """Gives the encoder back; harmless when repeated."""
        with contextlib.suppress(self._av.FFmpegError):
            self._container.close()


def _best_codec() -> str:
    import av

    try:
        av.codec.Codec("libx264", "w")
    except ValueError:  # of which UnknownCodecError is one
        return "mpeg4"
    return "libx264"


def frame_size(path: Path) -> tuple[int, int]:
    """(width, height) of a video file."""
    import av

    try:
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            return context.width, context.height
    except (av.FFmpegError, IndexError) as error:
        raise SinkError(f"cannot go on with {path}: {error}; remove it to start anew") from error


def rewrite(path: Path, finished: Path, pulse: Callable[[], None]) -> None:
    """Copies the packets of a fragmented MP4 into an ordinary one, its index in front: quick to open and to seek in.

    `pulse` is called now and then, since that may take long. SinkError if that is impossible; `path` is left as it is.
    """
    import av

    try:
        with av.open(str(path)) as source, _new_mp4(str(finished), "faststart") as target:
            stream = source.streams.video[0]
            copied = target.add_stream_from_template(stream)
            for number, packet in enumerate(source.demux(stream)):
                if number % _PULSE_EVERY == 0:
                    pulse()
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
    except (av.FFmpegError, OSError) as error:
        raise SinkError(f"cannot rewrite {path} as {finished}: {error}") from error


def fragmented(path: Path, last_ticks: int, pulse: Callable[[], None]) -> Iterator[bytes]:
    """The pictures of an ordinary MP4 as a fragmented one holds them: its head, then a fragment for each.

    Nothing is encoded, and the times stay. `pulse` is called now and then, since that may take long. SinkError if the
    file cannot be read, or not up to the picture that begins at `last_ticks`: the demuxer takes a disk that fails for
    the end of the file.
    """
    import av

    ticks = -1
    try:
        with av.open(str(path)) as source:
            stream = source.streams.video[0]
            yield _head_like(stream)
            packets = (packet for packet in source.demux(stream) if packet.pts is not None)
            for number, packet in enumerate(packets, 1):
                if number % _PULSE_EVERY == 1:
                    pulse()
                ticks, duration = (
                    round(time * stream.time_base / _TIME_BASE) for time in (packet.pts, packet.duration)
                )
                yield fragment(number, bytes(packet), ticks, duration, packet.is_keyframe)
    except (av.FFmpegError, IndexError) as error:
        if isinstance(error, OSError):
            raise file_error("read", path, error) from error
        raise SinkError(f"cannot go on with {path}: {error}; remove it to start anew") from error
    if ticks != last_ticks:
        what = f"its last picture begins at tick {ticks}, not {last_ticks}"
        raise SinkError(f"cannot go on with {path}: {what}; remove it to start anew")


def _head_like(stream: Any) -> bytes:
    """What stands before the first fragment of a file that holds the packets of `stream`."""
    buffer = io.BytesIO()
    with _new_mp4(buffer, _GROWING) as container:
        container.add_stream_from_template(stream).time_base = _TIME_BASE
        container.start_encoding()
        return buffer.getvalue()


def _new_mp4(file: str | io.BytesIO, movflags: str) -> Any:
    import av

    return av.open(file, "w", format="mp4", options={"movflags": movflags})
