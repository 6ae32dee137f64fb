"""Opens the container behind an address, with FFmpeg options that open fast and deadlines that hold."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import Reason
from mpipeline.registry import suggestion
from mpipeline.sources.video_errors import ffmpeg_error, source_error
from mpipeline.sources.video_hardware import Device, Hardware
from mpipeline.sources.video_savings import DecodeOptions

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_SCHEME = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):(?=//|[0-9@])")
_LIVE_SCHEMES = {"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt", "tcp"}
_FINITE_SCHEMES = {"file", "http", "https", "hls", "hls+http", "hls+https", "ftp", "mmsh", "mmst"}
_US_PER_S = 1_000_000
_CLOSE_GRACE_S = 1.0  # the socket's own time-out stands behind the interrupt that ends a read


class DecodingOptions(BaseModel):
    """How a video is decoded, be it alone or one of a playlist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(
        0,
        ge=0,
        description="decoder threads; 0: the source's share of the cores, at most 4, of a stream 2",
    )
    decode: DecodeOptions = Field(DecodeOptions(), description="what is left out to save work")
    hardware: Hardware = Field("none", description="what decodes in place of the processor, where it is there")


class VideoOptions(DecodingOptions):
    """Options of a `video` source. Times are seconds."""

    uri: str = Field(min_length=1, description="a file, or an http, https, rtsp, rtsps, rtmp, udp or HLS address")
    transport: Literal["tcp", "udp"] = Field("tcp", description="what carries RTSP; tcp loses no packets")
    connect_timeout: float = Field(
        5.0, gt=0, le=25, description="limit for connecting and reading the stream's description"
    )
    read_timeout: float = Field(5.0, gt=0, le=25, description="a stream that is silent for so long has stalled")
    key_frame_timeout: float = Field(
        30.0, ge=0, le=30, description="how long to wait for a stream's first key frame; 0 shows what comes before it"
    )
    start: float = Field(0.0, ge=0, description="begin so many seconds into a file")
    loop: bool = Field(False, description="begin again at the end of a file")
    options: dict[str, str] = Field(default_factory=dict, description="further FFmpeg options, by FFmpeg's names")

    @field_validator("uri")
    @classmethod
    def _known_scheme(cls, uri: str) -> str:
        match = _SCHEME.match(uri)
        if match is not None and match["scheme"].lower() not in _LIVE_SCHEMES | _FINITE_SCHEMES:
            valid = sorted(_LIVE_SCHEMES | _FINITE_SCHEMES)
            raise ValueError(f"unknown scheme {match['scheme']!r}{suggestion(match['scheme'].lower(), valid)}")
        return uri

    @field_validator("uri")
    @classmethod
    def _without_home(cls, uri: str) -> str:
        return os.path.expanduser(uri) if uri.startswith("~") else uri

    @model_validator(mode="after")
    def _only_files_can_seek(self) -> VideoOptions:
        if self.is_live_scheme and (self.loop or self.start):
            raise ValueError("start and loop work on files only, not on a live stream")
        return self

    @property
    def scheme(self) -> str:
        """The address's scheme in lower case; empty for a path."""
        match = _SCHEME.match(self.uri)
        return match["scheme"].lower() if match else ""

    @property
    def is_live_scheme(self) -> bool:
        """Whether the scheme alone says that frames come at their own pace."""
        return self.scheme in _LIVE_SCHEMES

    @property
    def is_local(self) -> bool:
        """Whether this is a file of this machine."""
        return self.scheme in ("", "file")

    @property
    def longest_wait(self) -> float:
        """Seconds that a stream which has flowed may keep its decoder waiting before that reconnects; 0 for a file."""
        if self.is_local:
            return 0.0
        for_key = self.key_frame_timeout if self.decode.keyframes_only else 0.0
        return max(self.read_timeout, for_key) + 2 * self.read_timeout

    @property
    def path(self) -> str:
        """The path of a local file."""
        return re.sub(r"^file:(//)?", "", self.uri, flags=re.IGNORECASE) if self.scheme else self.uri


class Deadline:
    """A number of seconds that shrinks while time passes.

    PyAV reads the open time-out anew before each of opening's two steps (connecting, probing). Handing it the time
    that is left instead of a constant bounds both together.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end_ns = clock.monotonic_ns() + int(seconds * NS_PER_S)

    def __float__(self) -> float:
        return max(0.001, (self._end_ns - self._clock.monotonic_ns()) / NS_PER_S)

    def passed(self) -> bool:
        """Whether no time is left, give or take FFmpeg's polling interval."""
        return self._clock.monotonic_ns() >= self._end_ns - NS_PER_S // 50


def open_container(name: str, options: VideoOptions, clock: Clock, device: Device | None = None) -> InputContainer:
    """Opens the container for reading; `device` decodes what it can.

    Raises SourceError within `connect_timeout` in all; only the resolution of a host name, which the system does,
    is beyond its reach.
    """
    import av

    if options.is_local:
        _check_file(name, options)
    deadline = Deadline(clock, options.connect_timeout)
    timeout = None if options.is_local else (cast(Any, deadline), options.read_timeout)
    address = f"file:{options.path}" if options.is_local else options.uri
    try:
        return av.open(
            address,
            mode="r",
            options=_ffmpeg_options(options),
            metadata_errors="replace",
            timeout=timeout,
            hwaccel=device.accel if device is not None else None,
        )
    except av.FFmpegError as error:
        raise ffmpeg_error(
            name, options.uri, error, doing="open", local=options.is_local, timed_out=deadline.passed()
        ) from error


def pick_stream(name: str, options: VideoOptions, container: InputContainer) -> VideoStream:
    """The container's main video stream, passing over cover pictures of audio files.

    Raises SourceError NO_VIDEO or CODEC_UNSUPPORTED.
    """
    from av.stream import Disposition

    best = container.streams.best("video")
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not videos:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        detail = f"it holds {kinds}"
        raise source_error(name, options.uri, Reason.NO_VIDEO, doing="read", local=options.is_local, detail=detail)
    chosen = best if best in videos else videos[0]
    if chosen.codec_context is None:
        raise source_error(name, options.uri, Reason.CODEC_UNSUPPORTED, doing="read", local=options.is_local)
    return chosen


def is_live(options: VideoOptions, container: InputContainer) -> bool:
    """Whether frames come at their own pace and cannot be read again.

    A file is not live unless it is a pipe. Over HTTP, what states a duration or a size is a file; a playlist without
    a duration and an answer without an end are live.
    """
    if options.is_local:
        return not stat.S_ISREG(os.stat(options.path).st_mode)
    if options.is_live_scheme:
        return True
    if container.duration:
        return False
    return "hls" in container.format.name or container.size <= 0


def _check_file(name: str, options: VideoOptions) -> None:
    path = options.path
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        reason = Reason.PERMISSION_DENIED if isinstance(error, PermissionError) else Reason.NOT_FOUND
        raise source_error(name, options.uri, reason, doing="open", local=True) from error
    if stat.S_ISDIR(mode):
        raise source_error(name, options.uri, Reason.NOT_A_VIDEO, doing="open", local=True, detail="it is a folder")
    if stat.S_ISREG(mode) and os.path.getsize(path) == 0:
        raise source_error(name, options.uri, Reason.NOT_A_VIDEO, doing="open", local=True, detail="the file is empty")


def _ffmpeg_options(options: VideoOptions) -> dict[str, str]:
    """FFmpeg's options for the address; those of the user win.

    Without a limit FFmpeg probes a network stream for seconds to guess its frame rate (`fpsprobesize`); nothing here
    trusts that rate.
    """
    socket_timeout = str(int((max(options.read_timeout, options.connect_timeout) + _CLOSE_GRACE_S) * _US_PER_S))
    chosen: dict[str, str] = {}
    if options.is_live_scheme:
        chosen.update(fpsprobesize="0", analyzeduration=str(_US_PER_S))
    if options.scheme in ("rtsp", "rtsps"):
        chosen.update(
            rtsp_transport=options.transport, allowed_media_types="video", probesize="32768", timeout=socket_timeout
        )
    elif not options.is_local:
        chosen.update(rw_timeout=socket_timeout)
    chosen.update(options.options)
    return chosen
