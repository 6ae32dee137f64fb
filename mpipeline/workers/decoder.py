"""The decoder loop: one source into its ring, and what to do when the source has trouble.

Reads a source frame by frame, thins it to `max_fps`, writes what remains into ring slots and announces them. Trouble of
a stream is handled here and nowhere else: reconnecting with back-off, the end of a file, a new resolution. It knows
neither sockets nor processes: rings come from a `RingSupply`, announcements go to a function.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from mpipeline.backoff import Backoff
from mpipeline.clock import Clock
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import FrameFormat, FrameMeta, FrameRef
from mpipeline.log import Summariser
from mpipeline.messages import FrameReady, PlayMode, StreamState
from mpipeline.metrics.recorder import Recorder
from mpipeline.sources.source import GrabbedFrame, Source, StreamInfo
from mpipeline.workers.announcing import Announcements
from mpipeline.workers.attempts import Attempts
from mpipeline.workers.connector import Connector
from mpipeline.workers.numbering import Numbering
from mpipeline.workers.pace import Pace
from mpipeline.workers.permits import Permits
from mpipeline.workers.ring_switch import RingSupply, RingSwitch
from mpipeline.workers.tally import Tally

logger = logging.getLogger("mpipeline.decoder")

# A locked account or a camera that must be set up differently: asking often does harm, or no good.
_SELDOM = (Reason.AUTH_FAILED, Reason.NO_VIDEO, Reason.CODEC_UNSUPPORTED)
_RESERVE_S = 0.1  # how long one step waits for a free slot
_NS_PER_US = 1000
_REST_S = 0.05  # how long one step of a paused source sleeps


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    """What the loop needs to know of the source's config.

    `resume_after`: frame id that was published before a crash; `resume_pts`: the pts of that frame, if known.
    """

    name: str
    max_fps: float | None = None
    resume_after: int = 0
    resume_pts: float | None = None
    restarted: bool = False


class DecoderLoop:
    """Steps one source. `state`, `reason` and `detail` say where it stands; `progress` counts published frames.

    `published`: the last frame that was published here, 0 if none was. `mode` may be set at any time. A paused source
    is not read: a live one may be lost by that, and reconnects later. Of a muted one every frame is dropped.
    """

    def __init__(
        self,
        options: DecoderOptions,
        open_source: Callable[[], Source],
        rings: RingSupply,
        announce: Callable[[FrameReady], object],
        clock: Clock,
        recorder: Recorder,
        backoff: Backoff | None = None,
        permits: Permits | None = None,
    ) -> None:
        self.options = options
        self.state = StreamState.CONNECTING
        self.reason = ""
        self.detail = ""
        self.progress = 0
        self.published = 0
        self.mode = PlayMode.PLAY
        self._clock = clock
        self._rings = RingSwitch(options.name, rings)
        self._announcements = Announcements(announce, clock)
        self._attempts = Attempts(backoff if backoff is not None else Backoff(), clock)
        self._connector = Connector(open_source, self._attempts, clock, permits)
        # Which frames `max_fps` takes depends on those before: then a source is read from its start.
        self._numbering = Numbering(
            options.resume_after, options.resume_pts, restarted=options.restarted, may_seek=not options.max_fps
        )
        self._pace = Pace(options.max_fps)
        self._tally = Tally(recorder, options.name)
        self._summary = Summariser(logger, clock)
        self._source: Source | None = None
        self._info: StreamInfo | None = None
        self._grabbed: GrabbedFrame | None = None
        self._grabbed_ns = 0

    @property
    def last_frame_id(self) -> int:
        """The last frame that was published or dropped, here or by a predecessor."""
        return self._numbering.done

    @property
    def shown_state(self) -> StreamState:
        """`state`, or what `mode` makes of an open source."""
        if self.state is not StreamState.STREAMING or self.mode is PlayMode.PLAY:
            return self.state
        return StreamState.PAUSED if self.mode is PlayMode.PAUSE else StreamState.MUTED

    def step(self) -> bool:
        """Does the next bit of work; False when the source has ended or failed for good."""
        if self.state in (StreamState.ENDED, StreamState.FAILED):
            return False
        self._summary.flush()
        if self._source is None:
            self._connect()
            return True
        if self.mode is not PlayMode.PLAY:
            self._announcements.flush()
        if self.mode is PlayMode.PAUSE and self.state is StreamState.STREAMING:
            self._clock.sleep(_REST_S)
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
        self._rings.retire(segment)

    def close(self) -> None:
        """Closes source and rings."""
        self._summary.flush(everything=True)
        self._close_source()
        self._rings.close()

    # --- connecting ---------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            connected = self._connector.connect(self._numbering.opened)
        except SourceError as error:
            self._source = self._connector.take_back()
            self._trouble(error)
            return
        if connected is None:
            if self._connector.waits_for_turn:
                self.reason = Reason.WAITING_FOR_TURN.value
                self.detail = "as many sources as may connect at the same moment are doing so"
            return
        self._source, self._info = connected
        if self.reason == Reason.WAITING_FOR_TURN.value:
            self.reason = self.detail = ""
        self._pace.restart()
        size, live = f"{self._info.width}x{self._info.height}", " (live)" if self._info.live else ""
        fields = {"event": "stream_opened", "source": self.options.name}
        logger.info("%s: %s %s%s", self.options.name, size, self._info.codec, live, extra=fields)

    # --- frames -------------------------------------------------------------------------------------------------

    def _grab(self) -> bool:
        """Grabs the next frame that is wanted; False at the end of the source."""
        assert self._source is not None
        assert self._info is not None
        grabbed = self._source.grab()
        self._tally.errors_of(self._source)
        if grabbed is None:
            return False
        if self.state is not StreamState.STREAMING:  # a connection over which no frame comes is none
            self.state, self.reason, self.detail = StreamState.STREAMING, "", ""
            self._attempts.connected()
        is_new = self._numbering.next_is_new()
        is_wanted = self._pace.accepts(grabbed, self._numbering.current, self._info)
        if not is_new:
            self._tally.count("frames_skipped")
            return True
        self._tally.count("frames_decoded")
        if is_wanted and self.mode is not PlayMode.MUTE:
            self._grabbed, self._grabbed_ns = grabbed, self._clock.monotonic_ns()
        else:
            self._drop(grabbed, "max_fps" if not is_wanted else "muted")
        return True

    def _deliver(self, grabbed: GrabbedFrame) -> None:
        """Writes the grabbed frame into a slot and announces it; keeps it for the next step if it has to wait."""
        assert self._source is not None
        assert self._info is not None
        if not self._rings.fits(grabbed.format) and not self._change_ring(grabbed.format, self._info):
            self._grabbed = None
            return
        writer = self._rings.writer
        if writer is None:
            self.stop()
            return
        slot = writer.reserve(0.0)
        if slot is None and self._rings.waits:
            self._announcements.flush()
            slot = writer.reserve(_RESERVE_S)
        if slot is None:
            if not self._rings.waits:
                self._drop(grabbed, "ring_full")
            return
        try:
            self._source.retrieve(writer.planes(slot))
        except BaseException:
            writer.cancel(slot)
            raise
        frame_id = self._numbering.current
        sequence = writer.publish(slot, self._meta(grabbed, frame_id, self._info.rate))
        ready = FrameReady(FrameRef(writer.descriptor.segment, slot, sequence), frame_id, grabbed.captured_ns)
        self._announcements.add(ready, at_once=not self._rings.waits)
        self._grabbed = None
        self._numbering.finish(grabbed.pts)
        self.published = frame_id
        self.progress += 1
        self._tally.published(writer)
        if not self._rings.waits:  # else only pixels were given up, for a sink that need not have them
            self._tally.expired_in(writer)

    def _meta(self, grabbed: GrabbedFrame, frame_id: int, rate: float) -> FrameMeta:
        return FrameMeta(
            source=self.options.name,
            frame_id=frame_id,
            pts=grabbed.pts,
            captured_ns=grabbed.captured_ns,
            wall_ns=grabbed.wall_ns,
            width=grabbed.format.width,
            height=grabbed.format.height,
            rate=rate,
            key_frame=grabbed.key_frame,
            corrupt=grabbed.corrupt,
            decode_us=max(0, self._grabbed_ns - grabbed.captured_ns) // _NS_PER_US,
        )

    def _drop(self, grabbed: GrabbedFrame, reason: str) -> None:
        self._grabbed = None
        self._numbering.finish(grabbed.pts)
        self._tally.dropped(reason)

    def _change_ring(self, format: FrameFormat, info: StreamInfo) -> bool:
        """Asks for a ring; False if the supervisor knows that the grabbed frame is done already."""
        self._announcements.flush()
        granted = self._rings.change(format, info, self.last_frame_id)
        if granted is None:
            return True
        self._tally.begin_ring(granted.writer)
        return self._numbering.granted(granted.resume_after)

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
        if self._source is not None:
            self._tally.errors_of(self._source)
        self._close_source()
        self._grabbed = None
        self.reason, self.detail = error.reason.value, str(error)
        pause = self._next_pause(error.reason in _SELDOM) if error.retryable else None
        fields = {"source": self.options.name, "reason": self.reason}
        if pause is None:
            self.state = StreamState.FAILED
            logger.error("%s: %s", self.options.name, error, extra={"event": "source_failed", **fields})
            return
        if self.state is not StreamState.CONNECTING:
            self.state = StreamState.RECONNECTING
        if self._info is None:
            self._tally.connect_failed(self.reason)
        else:
            self._tally.count("reconnects")
        text = f"{self.options.name}: {error}; next try in {pause:.1f} s"
        self._summary.add("reconnects", text, source=self.options.name, reason=self.reason)

    def _next_pause(self, seldom: bool) -> float | None:
        """Seconds until the next attempt, None if there is none. A finite source goes on where it broke off."""
        finite = self._info is not None and not self._info.live
        return self._attempts.failed(finite=finite, progress=self._numbering.has_advanced(), seldom=seldom)

    def _close_source(self) -> None:
        self._announcements.flush()
        source, self._source = self._source or self._connector.take_back(), None
        if source is not None:
            source.close()
