"""One pass over a video address, from opening it to its end; a looping source makes several."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mpipeline.clock import Clock
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.video_decode import DecodedFrame, FrameDecoder
from mpipeline.sources.video_errors import ErrorLog, ffmpeg_error, source_error
from mpipeline.sources.video_open import VideoOptions, is_live, open_container, pick_stream
from mpipeline.sources.video_packets import PacketReader

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

_HIGHEST_RATE = 1000.0  # Hz; what some containers state beyond it is their clock, not a frame rate
_FALLBACK_RATE = 25.0  # Hz; only to space the rounds of a loop over a file that states no duration


def time_of(frame: av.VideoFrame) -> float | None:
    """The frame's pts in seconds, None where the container gives none (PyAV's stub leaves None out)."""
    return cast("float | None", frame.time)


class Round:
    """An open container with the decoder of its video stream.

    `live` as in `StreamInfo`; `frames` counts those that were shown. Raises SourceError from the constructor, and
    has given everything back then.
    """

    def __init__(self, name: str, options: VideoOptions, clock: Clock) -> None:
        self.frames = 0
        self.log = ErrorLog()
        self._name = name
        self._options = options
        self._container: InputContainer | None = None
        self._decoder: FrameDecoder | None = None
        self._skip_before: float | None = None  # pts in seconds
        self._begin_s: float | None = None
        self._end_s = 0.0
        container = open_container(name, options, clock)
        try:
            self.stream = pick_stream(name, options, container)
            self.live = is_live(options, container)
            if options.start:
                self._seek(container, self.stream)
            self._decoder = FrameDecoder(self.stream, clock, self.log, live=self.live, threads=options.threads)
            self.packets = PacketReader(name, options, container, self.stream, clock, live=self.live)
        except BaseException:
            container.close()
            raise
        self._container = container

    def next(self) -> DecodedFrame | None:
        """The next frame, None when packets and decoder are exhausted."""
        if self._decoder is None:
            raise RuntimeError("this round is closed")
        while True:
            decoded = self._decoder.pop()
            if decoded is not None:
                if not self._is_before_start(decoded.frame):
                    return decoded
            elif self.packets.ended:
                return None
            else:
                self._decoder.feed(self.packets.read())

    def errors(self) -> int:
        """Errors so far of demuxer and decoder."""
        return self.packets.errors + (self._decoder.errors if self._decoder is not None else 0)

    def rate(self) -> float:
        """The declared frame rate in Hz, 0.0 if unknown.

        Of raw streams the demuxer pretends 25 Hz; there the codec's own clock is the better guess.
        """
        stream = self.stream
        rate = float((stream.average_rate if stream.duration or self.live else stream.guessed_rate) or 0)
        return rate if rate <= _HIGHEST_RATE else 0.0

    def shown(self, frame: av.VideoFrame) -> None:
        """Follows how long this round lasts."""
        self.frames += 1
        time = time_of(frame)
        if time is None:
            return
        if self._begin_s is None:
            self._begin_s = time
        duration = float((frame.duration or 0) * (frame.time_base or 0)) or 1.0 / (self.rate() or _FALLBACK_RATE)
        self._end_s = max(self._end_s, time + duration)

    def length_s(self) -> float:
        """Seconds from the first frame shown to the end of the last."""
        return self._end_s - self._begin_s if self._begin_s is not None else 0.0

    def error(self, reason: Reason, detail: str, *, retryable: bool | None = None) -> SourceError:
        """A SourceError about this source."""
        local, uri = self._options.is_local, self._options.uri
        return source_error(self._name, uri, reason, doing="read", local=local, detail=detail, retryable=retryable)

    def close(self) -> None:
        """Gives decoder and container back; harmless when repeated."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _seek(self, container: InputContainer, stream: VideoStream) -> None:
        """Goes to the key frame before `start`; `next` then drops what comes before it."""
        import av

        if self.live or container.duration is None or not stream.time_base:
            raise self.error(Reason.FAILED, "it has no time stamps, so `start` cannot be used", retryable=False)
        first = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
        self._skip_before = first + self._options.start
        try:
            container.seek(int(self._skip_before / float(stream.time_base)), stream=stream)
        except av.FFmpegError as error:
            local = self._options.is_local
            raise ffmpeg_error(self._name, self._options.uri, error, doing="seek in", local=local) from error

    def _is_before_start(self, frame: av.VideoFrame) -> bool:
        time = time_of(frame)
        if self._skip_before is None or time is None:
            return False
        return time < self._skip_before - float(frame.time_base or 0) / 2
