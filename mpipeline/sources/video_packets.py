"""Reads a stream's packets in order: steps over damage, ends on silence, follows what the container promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import Reason
from mpipeline.sources.video_end import EndCheck
from mpipeline.sources.video_errors import ffmpeg_error, source_error
from mpipeline.sources.video_log import FFmpegLog
from mpipeline.sources.video_open import VideoOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_ERROR_LIMIT = 100  # in a row: damage is stepped over, but a file of nothing else comes to an end


class PacketReader:
    """The packets of one video stream of an open container.

    `errors` counts losses and errors of the demuxer that were survived; `is_damaged` says whether the last packet is
    incomplete, or the first after a loss. `missing` tells, after the end, what a file's container
    promised and did not hold; empty for a good end and for live streams.
    """

    def __init__(
        self,
        name: str,
        options: VideoOptions,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        *,
        log: FFmpegLog,
        live: bool,
    ) -> None:
        self.errors = 0
        self.ended = False
        self.is_damaged = False
        self._log = log
        self._name = name
        self._options = options
        self._container = container
        self._stream_index = stream.index
        self._clock = clock
        self._packets: Iterator[Packet[Stream]] = container.demux()
        self._end_check = None if live else EndCheck(container, stream, from_start=not options.start)
        self._since_ns = clock.monotonic_ns()  # when the wait for a packet began
        self._begin: int | None = None  # ticks
        self._last: tuple[int, int] | None = None  # pts and duration of the last frame, in ticks

    @property
    def extent(self) -> tuple[int, int, int] | None:
        """Of a file: ticks of the first and of the last frame read so far, and how long that lasts, 0 if unknown."""
        return (self._begin, *self._last) if self._begin is not None and self._last is not None else None

    def restart(self) -> None:
        """After a seek: reads from the new place."""
        self.ended = False
        self._packets = self._container.demux()

    @property
    def missing(self) -> str:
        """What the file lacks, as a sentence; empty if nothing."""
        return self._end_check.missing() if self._end_check is not None else ""

    def read(self) -> Packet[Stream] | None:
        """The next packet with video data; None at the end.

        Raises SourceError: TIMEOUT if no packet of any stream came for `read_timeout`, or if packets of other
        streams came but none of video; other reasons as the connection broke.
        """
        import av

        losses = self._log.losses
        self._since_ns = self._clock.monotonic_ns()
        for _ in range(_ERROR_LIMIT):
            try:
                packet = self._next()
            except (av.InvalidDataError, av.BlockingIOError) as error:
                self._check_silence(error)
                self.errors += 1
                self._packets = self._container.demux()
                continue
            except av.FFmpegError as error:
                raise ffmpeg_error(
                    self._name,
                    self._options.uri,
                    error,
                    doing="read",
                    local=self._options.is_local,
                    timed_out=self._silent_for() >= self._options.read_timeout,
                ) from error
            self.ended = packet is None
            self.is_damaged = self._log.losses > losses or (packet is not None and packet.is_corrupt)
            self.errors += self.is_damaged
            return packet
        raise self._error(Reason.CORRUPT_DATA, f"{_ERROR_LIMIT} errors in a row")

    def _next(self) -> Packet[Stream] | None:
        for packet in self._packets:
            if packet.size == 0:  # stands for a frame that the writer dropped; at the end, for PyAV's flush
                self._check_silence(None)
                continue
            if self._end_check is not None:
                self._end_check.saw(packet)
            if packet.stream_index == self._stream_index:
                if self._end_check is not None and packet.pts is not None and not packet.is_discard:
                    self._begin = packet.pts if self._begin is None else min(self._begin, packet.pts)
                    self._last = max(self._last or (packet.pts, 0), (packet.pts, packet.duration or 0))
                return packet
            self._check_silence(None)
        return None

    def _check_silence(self, cause: BaseException | None) -> None:
        if not self._options.is_local and self._silent_for() > self._options.read_timeout:
            raise self._error(Reason.TIMEOUT, f"no video for {self._options.read_timeout:g} s") from cause

    def _silent_for(self) -> float:
        return (self._clock.monotonic_ns() - self._since_ns) / NS_PER_S

    def _error(self, reason: Reason, detail: str) -> Exception:
        local = self._options.is_local
        return source_error(self._name, self._options.uri, reason, doing="read", local=local, detail=detail)
