"""The decoder loop: one source into its ring, and what to do when the source has trouble.

Reads a source frame by frame, thins it to `max_fps`, writes what remains into ring slots and announces them. Trouble of
a stream is handled here and nowhere else: reconnecting with back-off, the end of a file, a new resolution. It knows
neither sockets nor processes: rings come from a `RingSupply`, announcements go to a function.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from mpipeline.backoff import Backoff
from mpipeline.clock import Clock
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef
from mpipeline.log import Summariser
from mpipeline.messages import FrameReady, StreamState
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.writer import RingWriter
from mpipeline.sources.source import GrabbedFrame, Source, StreamInfo
from mpipeline.workers.attempts import Attempts
from mpipeline.workers.pace import Pace

logger = logging.getLogger("mpipeline.decoder")

_RESERVE_S = 0.1  # how long one step waits for a free slot
_PAUSE_S = 0.1  # how long one step sleeps of a back-off


@dataclass(frozen=True, slots=True)
class GrantedRing:
    """Where to write, and whether a frame waits for a slot (`every_frame`) or is dropped if there is none."""

    writer: RingWriter
    every_frame: bool


class RingSupply(Protocol):
    """Where a decoder gets its rings: the supervisor makes them, since it alone owns shared memory."""

    def request(self, format: FrameFormat, info: StreamInfo, last_frame_id: int) -> GrantedRing | None:
        """A ring for frames of this format; blocks until it is granted. None: stop."""


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    """What the loop needs to know of the source's config.

    `resume_after`: frame id that was published before a crash.
    """

    name: str
    max_fps: float | None = None
    resume_after: int = 0
    restarted: bool = False


class DecoderLoop:
    """Steps one source. `state`, `reason` and `detail` say where it stands; `progress` counts published frames."""

    def __init__(
        self,
        options: DecoderOptions,
        open_source: Callable[[], Source],
        rings: RingSupply,
        announce: Callable[[FrameReady], object],
        clock: Clock,
        recorder: Recorder,
        backoff: Backoff | None = None,
    ) -> None:
        self.options = options
        self.state = StreamState.CONNECTING
        self.reason = ""
        self.detail = ""
        self.progress = 0
        self.last_frame_id = options.resume_after
        self._open_source = open_source
        self._rings = rings
        self._announce = announce
        self._clock = clock
        self._recorder = recorder
        self._attempts = Attempts(backoff if backoff is not None else Backoff(), clock)
        self._summary = Summariser(logger, clock)
        self._source: Source | None = None
        self._info: StreamInfo | None = None
        self._writer: RingWriter | None = None
        self._waits = True
        self._writers: list[RingWriter] = []  # of earlier resolutions, until they are retired
        self._format: FrameFormat | None = None
        self._grabbed: GrabbedFrame | None = None
        self._frame_id = 0  # of the frame that was grabbed last
        self._pace = Pace(options.max_fps)
        self._counted_errors = 0
        self._counted_expired = 0

    def step(self) -> bool:
        """Does the next bit of work; False when the source has ended or failed for good."""
        if self.state in (StreamState.ENDED, StreamState.FAILED):
            return False
        self._summary.flush()
        if self.state in (StreamState.CONNECTING, StreamState.RECONNECTING):
            self._connect()
            return True
        try:
            if self._grabbed is None and not self._grab():
                self._finish()
            elif self._grabbed is not None:
                self._deliver(self._grabbed)
        except SourceError as error:
            self._trouble(error)
        return True

    def stop(self) -> None:
        """No more frames; what was published stays."""
        if self.state is not StreamState.FAILED:
            self.state = StreamState.ENDED
        self._close_source()

    def retire(self, segment: str) -> None:
        """Detaches from a ring of an earlier resolution."""
        for writer in [w for w in self._writers if w.descriptor.segment == segment]:
            writer.close()
            self._writers.remove(writer)

    def close(self) -> None:
        """Closes source and rings."""
        self._close_source()
        for writer in [*self._writers, *([self._writer] if self._writer else [])]:
            writer.close()
        self._writers, self._writer = [], None

    # --- connecting ---------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if pause := self._attempts.wait_s():
            self._clock.sleep(min(_PAUSE_S, pause))
            return
        self._source = self._open_source()
        self._counted_errors = 0
        try:
            self._info = self._source.open()
        except SourceError as error:
            self._trouble(error)
            return
        self._attempts.connected()
        if self._info.live:
            # A crash lost at least the frame that was being written: its id stays free, so that the gap shows.
            lost = 1 if self.options.restarted and self._frame_id == 0 and self.last_frame_id else 0
            self._frame_id = self.last_frame_id + lost
        else:
            self._frame_id = 0
        self._pace.restart()
        self.state, self.reason, self.detail = StreamState.STREAMING, "", ""
        size, live = f"{self._info.width}x{self._info.height}", " (live)" if self._info.live else ""
        fields = {"event": "stream_opened", "source": self.options.name}
        logger.info("%s: %s %s%s", self.options.name, size, self._info.codec, live, extra=fields)

    # --- frames -------------------------------------------------------------------------------------------------

    def _grab(self) -> bool:
        """Grabs the next frame that is wanted; False at the end of the source."""
        assert self._source is not None
        assert self._info is not None
        grabbed = self._source.grab()
        self._count_errors()
        if grabbed is None:
            return False
        self._frame_id += 1
        if not self._info.live and self._frame_id <= self.options.resume_after:
            self._pace.accepts(grabbed, self._frame_id, self._info)
            return True
        self._count("frames_decoded")
        if not self._pace.accepts(grabbed, self._frame_id, self._info):
            self.last_frame_id = self._frame_id
            self._drop("max_fps")
            return True
        self._grabbed = grabbed
        return True

    def _deliver(self, grabbed: GrabbedFrame) -> None:
        """Writes the grabbed frame into a slot and announces it; keeps it for the next step if it has to wait."""
        assert self._source is not None
        assert self._info is not None
        if grabbed.format != self._format or self._writer is None:
            self._change_ring(grabbed.format, self._info)
        writer = self._writer
        if writer is None:
            self.stop()
            return
        slot = writer.reserve(_RESERVE_S if self._waits else 0.0)
        if slot is None:
            if not self._waits:
                self._grabbed = None
                self.last_frame_id = self._frame_id
                self._drop("ring_full")
            return
        try:
            self._source.retrieve(writer.planes(slot))
        except BaseException:
            writer.cancel(slot)
            raise
        meta = FrameMeta(
            source=self.options.name,
            frame_id=self._frame_id,
            pts=grabbed.pts,
            captured_ns=grabbed.captured_ns,
            wall_ns=grabbed.wall_ns,
            width=grabbed.format.width,
            height=grabbed.format.height,
            rate=self._info.rate,
            key_frame=grabbed.key_frame,
            corrupt=grabbed.corrupt,
        )
        sequence = writer.publish(slot, meta)
        self._announce(
            FrameReady(FrameRef(writer.descriptor.segment, slot, sequence), self._frame_id, grabbed.captured_ns)
        )
        self._grabbed = None
        self.last_frame_id = self._frame_id
        self.progress += 1
        self._count("frames_published")
        self._count_expired(writer)

    def _change_ring(self, format: FrameFormat, info: StreamInfo) -> None:
        if self._writer is not None:
            self._writers.append(self._writer)
            fields = {"event": "resolution_changed", "source": self.options.name}
            logger.info("%s: frames are %dx%d now", self.options.name, format.width, format.height, extra=fields)
        granted = self._rings.request(format, info, self.last_frame_id)
        self._writer, self._waits = (granted.writer, granted.every_frame) if granted is not None else (None, True)
        self._format = format
        self._counted_expired = self._writer.expired if self._writer is not None else 0

    # --- ends and trouble ---------------------------------------------------------------------------------------

    def _finish(self) -> None:
        assert self._info is not None
        if self._info.live and not self._info.ends:
            self._trouble(SourceError("the stream ended", Reason.END_OF_STREAM))
            return
        self.state = StreamState.ENDED
        self._close_source()

    def _trouble(self, error: SourceError) -> None:
        """Decides between another attempt and the end."""
        self._count_errors()
        self._close_source()
        self._grabbed = None
        self.reason, self.detail = error.reason.value, str(error)
        pause = self._next_pause(error.reason is Reason.AUTH_FAILED) if error.retryable else None
        fields = {"source": self.options.name, "reason": self.reason}
        if pause is None:
            self.state = StreamState.FAILED
            logger.error("%s: %s", self.options.name, error, extra={"event": "source_failed", **fields})
            return
        if self.state is not StreamState.CONNECTING:
            self.state = StreamState.RECONNECTING
        if self._info is None:
            self._recorder.add("connect_failures", reason=self.reason, source=self.options.name)
        else:
            self._count("reconnects")
        text = f"{self.options.name}: {error}; next try in {pause:.1f} s"
        self._summary.add("reconnects", text, source=self.options.name, reason=self.reason)

    def _next_pause(self, refused: bool) -> float | None:
        """Seconds until the next attempt, None if there is none. A finite source goes on where it broke off."""
        finite = self._info is not None and not self._info.live
        progress = self.last_frame_id > self.options.resume_after
        if finite:
            self.options = replace(self.options, resume_after=self.last_frame_id)
        return self._attempts.failed(finite=finite, progress=progress, refused=refused)

    def _close_source(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def _count_errors(self) -> None:
        if self._source is not None and (fresh := self._source.decode_errors - self._counted_errors) > 0:
            self._counted_errors += fresh
            self._count("decode_errors", fresh)

    def _count_expired(self, writer: RingWriter) -> None:
        if self._waits:
            return  # only pixels were given up, for a sink that need not have them: inference had the frame
        if (fresh := writer.expired - self._counted_expired) > 0:
            self._counted_expired += fresh
            self._drop("expired", fresh)

    def _drop(self, reason: str, n: int = 1) -> None:
        self._recorder.add("frames_dropped", n, reason=reason, source=self.options.name)

    def _count(self, metric: str, n: int = 1) -> None:
        self._recorder.add(metric, n, source=self.options.name)
