"""One pass over a video address, from opening it to its end; a looping source makes several."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from mpipeline.clock import Clock
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.video_decode import GATE_PATIENCE, DecodedFrame, FrameDecoder
from mpipeline.sources.video_errors import ffmpeg_error, source_error
from mpipeline.sources.video_hardware import Device
from mpipeline.sources.video_log import FFmpegLog
from mpipeline.sources.video_open import Deadline, VideoOptions, is_live, open_container, pick_stream
from mpipeline.sources.video_packets import PacketReader
from mpipeline.sources.video_resume import PacketScan
from mpipeline.sources.video_savings import Sieve, halvings
from mpipeline.sources.video_watch import FrameWatch

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_INTRA = 1  # AVPictureType
_HIGHEST_RATE = 1000.0  # Hz; what some containers state beyond it is their clock, not a frame rate
_FIRST_STEP_BACK_S = 2.0  # seconds; each further step is four times as long
_FALLBACK_RATE = 25.0  # Hz; only to space the rounds of a loop over a file that states no duration


def time_of(frame: av.VideoFrame) -> float | None:
    """The frame's pts in seconds, None where the container gives none (PyAV's stub leaves None out)."""
    return cast("float | None", frame.time)


class Round:
    """An open container with the decoder of its video stream.

    `live` as in `StreamInfo`, `cores` as of the decoder; `frames` counts those that were shown; `halvings`: how often
    the decoder halves their sides; `device` decodes what it can. Raises SourceError from the constructor, and has given
    everything back then.
    """

    def __init__(
        self, name: str, options: VideoOptions, clock: Clock, cores: int = 0, device: Device | None = None
    ) -> None:
        self.frames = 0
        self.log = FFmpegLog()
        self._name = name
        self._options = options
        self._clock = clock
        self._cores = cores
        self._container: InputContainer | None = None
        self._decoder: FrameDecoder | None = None
        self._first_s = 0.0  # pts in seconds of the file's beginning
        self._start_s: float | None = None  # pts in seconds of the first frame wanted
        self._back_s = 0.0  # how far before it the last seek went
        self._has_landed = False
        self._begin_s: float | None = None
        self._end_s = 0.0
        self._watch: FrameWatch | None = None
        self._sieve: Sieve | None = None  # None: every frame is shown
        self._replay: deque[Packet[Stream] | None] = deque()  # read already, to be decoded before what is read next
        container = open_container(name, options, clock, device)
        try:
            self.stream = pick_stream(name, options, container)
            self.live = is_live(options, container)
            codec = self.stream.codec_context.codec
            self.halvings = halvings(options.decode.scale, codec.canonical_name)
            if not options.decode.is_all:
                self._sieve = Sieve(options.decode, intra_only=codec.intra_only, from_start=not options.start)
            self._decoder = self._make_decoder(clock)
            self.packets = PacketReader(name, options, container, self.stream, clock, log=self.log, live=self.live)
            if not options.is_local:
                every_wait_may_be_long = not self.live or options.decode.keyframes_only
                self._watch = FrameWatch(
                    clock, options.read_timeout, options.key_frame_timeout, live=not every_wait_may_be_long
                )
            if options.start:
                self._go_to_start(container)
        except BaseException:
            container.close()
            raise
        self._container = container

    def next(self) -> DecodedFrame | None:
        """The next frame, None when packets and decoder are exhausted.

        Raises SourceError, of a network stream after a bounded time: what `FrameWatch` allows, and twice `read_timeout`
        for the packet on the way.
        """
        if self._decoder is None:
            raise RuntimeError("this round is closed")
        if self._watch is not None:
            self._watch.begin()
        while True:
            decoded = self._decoder.pop()
            if decoded is not None:
                if self._watch is not None:
                    self._watch.came()
                if self._is_wanted(decoded.frame):
                    if self._sieve is None or self._sieve.shows():
                        return decoded
                    if self._watch is not None:
                        self._watch.begin()
            elif self.packets.ended and not self._replay:
                if not self._steps_back():
                    return None
            else:
                self._feed(self._decoder)

    def _feed(self, decoder: FrameDecoder) -> None:
        watch = self._watch
        if watch is not None and (verdict := watch.verdict(held_back=decoder.is_holding_back)) is not None:
            raise self.error(*verdict)
        errors = self.errors()
        packet = self._replay.popleft() if self._replay else self.packets.read()
        if self._sieve is not None and packet is not None and not self._sieve.takes(packet):
            if watch is not None:
                self._left_out(watch, packet)
            return
        decoder.feed(packet, is_damaged=self.packets.is_damaged)
        if watch is not None and packet is not None:
            failed = self.errors() > errors
            watch.fed(is_key=packet.is_keyframe, failed=failed, damaged=self.packets.is_damaged)

    def _left_out(self, watch: FrameWatch, packet: Packet[Stream]) -> None:
        """After a key frame that is not wanted the wait begins anew; other packets only tell that none has come."""
        if packet.is_keyframe:
            watch.begin()
        else:
            watch.fed(is_key=False, failed=False)

    def _make_decoder(self, clock: Clock) -> FrameDecoder:
        options, patience = self._options, GATE_PATIENCE
        if self.live and not options.is_local:  # there a time says how long to wait for a key frame
            patience = None if options.key_frame_timeout else 0
        return FrameDecoder(
            self.stream,
            clock,
            self.log,
            live=self.live,
            threads=options.threads or int(self.is_in_hardware),
            cores=self._cores,
            patience=patience,
            halvings=self.halvings,
            at_once=options.decode.keyframes_only and self.live,
        )

    @property
    def is_in_hardware(self) -> bool:
        """Whether a device decodes, as far as can be told before it does."""
        return self.stream.codec_context.is_hwaccel

    def skip_behind(self, frame_id: int, pts: float, *, least: int, seconds: float) -> bool:
        """In a new round: makes `next` give the frame after `frame_id`, whose pts is given in seconds.

        False if that cannot be relied on, is not done within about so many `seconds`, or would spare the decoding of
        fewer than `least` packets; the round is of no use then. Raises SourceError.
        """
        if not self.stream.time_base or self._decoder is None:
            return False
        target = round(pts / self.stream.time_base)
        deadline = Deadline(self._clock, seconds)
        landing = PacketScan(self.packets, target).run(frame_id, deadline.passed)
        if landing is None or landing.skipped < least:
            return False
        self._replay.extend(landing.packets)
        if self.packets.ended:
            self._replay.append(None)
        return self._comes_out_as(landing.expected)

    def _comes_out_as(self, expected: list[int]) -> bool:
        """Decodes until the last of the frames with these pts has come out; False unless each came out whole."""
        awaited = iter(expected)
        begun = False
        while (decoded := self.next()) is not None and not self.errors():
            frame = decoded.frame
            if not begun and frame.pts != expected[0]:
                continue
            if frame.pts != next(awaited) or decoded.is_corrupt:
                return False
            # A picture that is marked as a key frame and is none in itself only begins a gradual refresh.
            if not begun and not (frame.key_frame and frame.pict_type == _INTRA):
                return False
            begun = True
            if frame.pts == expected[-1]:
                return True
        return False

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

    def extent(self) -> tuple[float, float] | None:
        """Seconds from the first frame to the end of the last, of what was read so far; None if it has no times."""
        found, tick = self.packets.extent, self.stream.time_base
        if found is None or not tick:
            return None
        begin, last, duration = found
        length = float(duration * tick) or 1.0 / (self.rate() or _FALLBACK_RATE)
        return float(begin * tick), float(last * tick) + length

    def error(self, reason: Reason, detail: str, *, retryable: bool | None = None) -> SourceError:
        """A SourceError about this source."""
        local, uri = self._options.is_local, self._options.uri
        return source_error(self._name, uri, reason, doing="read", local=local, detail=detail, retryable=retryable)

    def close(self) -> None:
        """Gives decoder and container back; harmless when repeated."""
        if self._decoder is not None:
            self._decoder.rest()
            self._decoder = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _go_to_start(self, container: InputContainer) -> None:
        if self.live or container.duration is None or not self.stream.time_base:
            raise self.error(Reason.FAILED, "it has no time stamps, so `start` cannot be used", retryable=False)
        self._first_s = float((self.stream.start_time or 0) * self.stream.time_base)
        self._start_s = self._first_s + self._options.start
        self._seek(container, self._start_s)

    def _seek(self, container: InputContainer, time_s: float) -> None:
        import av

        assert self.stream.time_base
        try:
            container.seek(int(time_s / float(self.stream.time_base)), stream=self.stream)
        except av.FFmpegError as error:
            local = self._options.is_local
            raise ffmpeg_error(self._name, self._options.uri, error, doing="seek in", local=local) from error

    def _is_wanted(self, frame: av.VideoFrame) -> bool:
        """Whether the frame is not before `start`.

        A container without an index (MPEG-TS) lands on any picture near the place, and decoding begins only at the
        next key frame. If that is too late, the seek is repeated from further back, at last from the beginning.
        """
        time = time_of(frame)
        if self._start_s is None or time is None:
            return True
        half_tick = float(frame.time_base or 0) / 2
        if time < self._start_s - half_tick:
            self._has_landed = True
            return False
        if time > self._start_s + half_tick and self._steps_back():
            return False
        self._has_landed = True
        return True

    def _steps_back(self) -> bool:
        """Seeks again from further before `start`, if the last seek came out too late and there is more before it."""
        if self._start_s is None or self._has_landed or self._back_s >= self._options.start:
            return False
        assert self._container is not None
        assert self._decoder is not None
        self._back_s = 4 * self._back_s or _FIRST_STEP_BACK_S
        self._decoder.rest()
        self._seek(self._container, max(self._first_s, self._start_s - self._back_s))
        self.packets.restart()
        return True
