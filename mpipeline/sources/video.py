"""A video, decoded by FFmpeg through PyAV: a file or stream of the kind `video`, or one file of a `playlist`."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from mpipeline.clock import Clock, SystemClock
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import Pixels
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.sources.video_decode import DecodedFrame
from mpipeline.sources.video_hardware import Device, find_device
from mpipeline.sources.video_open import Deadline, VideoOptions
from mpipeline.sources.video_planes import PlaneCopier
from mpipeline.sources.video_resume import PacketScan
from mpipeline.sources.video_round import Round, time_of
from mpipeline.sources.video_savings import scaled

if TYPE_CHECKING:
    import av

logger = logging.getLogger("mpipeline.source")

SEEK_FROM = 300  # frames: fewer are decoded again in less time than it takes to open the file anew
_SEEK_S = 10.0  # how long a seek may read; a worker that shows no progress for much longer counts as hung


class VideoSource:
    """Reads one file or stream; see `Source` for the contract.

    Every frame of a file is delivered exactly once and in presentation order, damaged ones with `corrupt` set. `pts`
    is the container's own; raw streams, which carry none, give None. A live stream that its server closes ends like
    a file (`grab` returns None): FFmpeg does not tell an orderly end from a reset connection. A stalled one raises
    TIMEOUT after `read_timeout` (at most twice that while packets of other streams, such as sound, still arrive), and
    NO_KEY_FRAME or CORRUPT_DATA if packets come that give no frame, see `FrameWatch`.
    """

    Options: ClassVar[type[BaseModel]] = VideoOptions
    libraries: ClassVar[tuple[str, ...]] = ("av", "av.video.reformatter")

    def __init__(
        self, name: str, options: VideoOptions, clock: Clock | None = None, *, seek_from: int = SEEK_FROM
    ) -> None:
        self.decode_errors = 0
        self.connects = not options.is_local
        self.cores = 0
        self.decoder = ""
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._seek_from = seek_from
        self._copier = PlaneCopier()
        self._round: Round | None = None
        self._first: DecodedFrame | None = None  # decoded by `open`, not yet grabbed
        self._frame: av.VideoFrame | None = None  # what `retrieve` copies
        self._delivered = 0
        self._pts_offset = 0.0  # seconds that the earlier rounds of a loop took
        self._device: Device | None = None  # what decodes in place of the processor
        self._lacking = ""  # why none does

    def open(self) -> StreamInfo:
        """Connects, and decodes the first frame of a file, or of a stream that does not state its size.

        Raises SourceError.
        """
        self._device, self._lacking = find_device(self._options.hardware)
        current = self._round = self._new_round()
        stream, decode = current.stream, self._options.decode
        width, height = scaled(stream.codec_context.width, stream.codec_context.height, decode.scale)
        if not current.live or not (width and height):
            self._first = self._next()
            current = self._round  # another one, if the device has failed
            stream = current.stream
            if self._first is not None:
                format = self._copier.format_of(self._first.frame)
                width, height = format.width, format.height
        is_open_ended = current.live or self._options.loop or decode.keyframes_only
        return StreamInfo(
            live=current.live,
            width=width,
            height=height,
            rate=0.0 if decode.keyframes_only else current.rate() / decode.every,
            frame_count=0 if is_open_ended else ceil(stream.frames / decode.every),
            codec=stream.codec_context.codec.canonical_name,
        )

    def seek(self, frame_id: int, pts: float) -> bool:
        """Goes on behind frame `frame_id` if that spares the decoding of some hundred frames. Raises SourceError.

        Not for live streams; with `loop`, whose frame ids and times are of more than one round; with `start`, where
        ids begin somewhere in the file; with frames left out; raw streams without times. See `PacketScan` for what else
        cannot be promised. Damage behind the place is not seen: what the decoder puts there depends on what lay in its
        memory, and with several threads on their timing, so that two readings from the start differ there as well.
        """
        opened, options = self._round, self._options
        is_plain = options.decode.is_all and not (options.loop or options.start)
        if opened is None or opened.live or not is_plain or frame_id <= self._seek_from:
            return False
        self.close()
        errors = self.decode_errors
        self._round = self._new_round()
        if self._round.skip_behind(frame_id, pts, least=self._seek_from, seconds=_SEEK_S):
            self._delivered = frame_id
            return True
        self.close()
        self.open()
        self.decode_errors = errors
        return False

    def grab(self) -> GrabbedFrame | None:
        """Decodes the next frame; None at the end. Raises SourceError."""
        decoded, self._first = (self._first, None) if self._first is not None else (self._next(), None)
        if decoded is None:
            return None
        frame = self._frame = decoded.frame
        self._delivered += 1
        if not self.decoder:  # not before: what decodes is seen from what has been decoded
            self._tell_decoder()
        return GrabbedFrame(
            format=self._copier.format_of(frame),
            pts=self._pts(frame),
            captured_ns=decoded.captured_ns,
            wall_ns=decoded.wall_ns,
            key_frame=frame.key_frame,
            corrupt=decoded.is_corrupt,
        )

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the grabbed frame into `planes`, laid out by its format."""
        if self._frame is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        self._copier.copy(self._frame, planes)

    def close(self) -> None:
        """Closes decoder and container; harmless when repeated."""
        self._frame = self._first = None
        if self._round is not None:
            self._round.close()
            self._round = None

    def extent(self) -> tuple[float, float] | None:
        """From when to when what was read so far lasts, in seconds of the container; None if that is not known."""
        return self._round.extent() if self._round is not None else None

    def count_frames(self, patience: Deadline) -> int | None:
        """Of a source that is not open: opens it and reads it to its end without decoding; how many frames it gives.

        None if that cannot be relied on, or is not done in time. Raises SourceError. Only `extent` and `close` may
        follow.
        """
        counted = self._round = self._new_round()
        if counted.live or not self._options.decode.is_all:
            return None
        frames = PacketScan(counted.packets, 0).count(patience.passed)
        return None if counted.packets.missing else frames

    def _new_round(self) -> Round:
        try:
            opened = Round(self._name, self._options, self._clock, self.cores, self._device)
        except SourceError:
            device = self._device
            if device is None or not (reason := device.lacking()):
                raise
            self._device, self._lacking = None, f"{device.kind}: {reason}"
            return self._new_round()
        self._copier.scale = self._options.decode.scale * 2**opened.halvings
        return opened

    def _tell_decoder(self) -> None:
        assert self._round is not None
        codec, device = self._round.stream.codec_context, self._device
        name = codec.codec.canonical_name
        if device is not None and codec.pix_fmt == device.pixel_format:
            self.decoder, told = (
                f"{name} in hardware, by {device.kind}",
                f"decodes {name} in hardware, by {device.kind}",
            )
        else:
            lacking = self._lacking if device is None else f"{device.kind} does not decode this {name}"
            self.decoder = f"{name} on the processor" + (f" ({lacking})" if lacking else "")
            told = f"decodes in software: {lacking}"
        if self._options.hardware != "none":
            fields = {"event": "hardware_decoding", "source": self._name}
            logger.info("%s: %s", self._name, told, extra=fields)

    def _next(self) -> DecodedFrame | None:
        while True:
            if self._round is None:
                raise RuntimeError("grab needs an open source")
            try:
                decoded = self._decoded(self._round)
                if decoded is not None or not self._begins_again(self._round):
                    return decoded
            except SourceError as error:
                if not self._leaves_device(error):
                    raise

    def _decoded(self, current: Round) -> DecodedFrame | None:
        errors = current.errors()
        try:
            return current.next()
        finally:
            self.decode_errors += current.errors() - errors

    def _leaves_device(self, error: SourceError) -> bool:
        """Whether the source is open again without its device, of which no frame has come."""
        if self._device is None or self._delivered or error.reason is not Reason.CORRUPT_DATA:
            return False
        self._lacking, self._device = f"{self._device.kind} fails on this stream", None
        self.close()
        self._round = self._new_round()
        return True

    def _begins_again(self, ended: Round) -> bool:
        """At the end: whether a loop starts over. Raises SourceError if the end came too early."""
        missing = ended.packets.missing
        if self._options.loop and ended.frames and not ended.live:
            self.decode_errors += bool(missing)
            self._pts_offset += ended.length_s()
            ended.close()
            self._round = self._new_round()
            return True
        if missing:
            raise ended.error(Reason.TRUNCATED, missing)
        if not self._delivered and self._options.start:
            raise ended.error(Reason.FAILED, "`start` lies behind its end", retryable=False)
        if not self._delivered and not ended.live:
            raise ended.error(Reason.CORRUPT_DATA, ended.log.last)
        return False

    def _pts(self, frame: av.VideoFrame) -> float | None:
        """The frame's pts, raised by the earlier rounds of a loop so that it never goes back."""
        assert self._round is not None
        self._round.shown(frame)
        time = time_of(frame)
        return None if time is None else time + self._pts_offset
