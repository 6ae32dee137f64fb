"""The sources of a run all together: what the engine says of them, what is told of that, and what is asked of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from mpipeline.errors import StreamOperationNotAllowedError
from mpipeline.frame import FrameMeta
from mpipeline.inference_pipeline import events
from mpipeline.inference_pipeline.assembly import Feed
from mpipeline.inference_pipeline.choices import StreamState
from mpipeline.inference_pipeline.collector import Collector
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.inference_pipeline.reporting import Reporter
from mpipeline.inference_pipeline.streams import Stream
from mpipeline.messages import PlayMode
from mpipeline.prediction import Failure
from mpipeline.supervisor.plan import Plan
from mpipeline.supervisor.status import RunStatus, SourceStatus

_CAUSES = {  # what the engine calls them
    "muted": events.CAUSE_MUTED,
    "max_fps": events.CAUSE_RATE_LIMIT,
    "stale": events.CAUSE_STALENESS,
    "superseded": events.CAUSE_DROP_OLDEST,
    "expired": events.CAUSE_DROP_OLDEST,
    "ring_full": events.CAUSE_DROP_LATEST,
}
VERBS = {PlayMode.PAUSE: "PAUSE", PlayMode.MUTE: "MUTE", PlayMode.PLAY: "RESUME"}
_FROM = {
    PlayMode.PAUSE: (StreamState.RUNNING, StreamState.PAUSED),
    PlayMode.MUTE: (StreamState.RUNNING, StreamState.MUTED),
    PlayMode.PLAY: (StreamState.PAUSED, StreamState.MUTED),
}


class Sources:
    """Called by the engine's, the intake's and the collecting thread, and by whoever pauses."""

    def __init__(self, plan: Plan, feed: Feed, collector: Collector, reporter: Reporter) -> None:
        names = [spec.name for spec in plan.config.sources]
        named = zip(names, feed.references, strict=True)
        self.streams = [Stream(i, name, one, feed.rules) for i, (name, one) in enumerate(named)]
        self._by_name = {stream.name: stream for stream in self.streams}
        self._collector = collector
        self._reporter = reporter
        self._lock = threading.RLock()
        self._has_last_word = False

    def by_name(self, name: str) -> Stream:
        """The source that the engine calls so."""
        return self._by_name[name]

    def learn(self, status: RunStatus) -> None:
        """What the engine says of all of them."""
        for source in status.sources:
            stream = self._by_name[source.name]
            self._learn(stream, source)
            self._collector.set_away(stream.source_id, stream.is_away)
            self._tell(stream)

    def describe(self, stream: Stream, status: RunStatus) -> None:
        """Before its first frame: the source is open, so all is known of it."""
        source = self.note(stream, status)
        stream.is_described = True
        self._collector.describe(stream.source_id, source.live, source.rate)

    def note(self, stream: Stream, status: RunStatus) -> SourceStatus:
        """What the engine says of one of them at this moment."""
        source = next(one for one in status.sources if one.name == stream.name)
        self._learn(stream, source)
        return source

    def end(self, source_id: int) -> None:
        """The last frame of this source was collected, or will be next."""
        stream = self.streams[source_id]
        with self._lock:
            stream.end(is_last_word=self._has_last_word)
        self._tell(stream)

    def is_told_to_end(self) -> None:
        """The run is ended by the user: whatever has not failed by now will have ended."""
        self._has_last_word = True

    def engine_is_over(self) -> None:
        """Nothing more will be learnt of any source."""
        with self._lock:
            self._has_last_word = True
            drained = [stream.source_id for stream in self.streams if stream.is_drained]
        for source_id in drained:
            self.end(source_id)

    def set_mode(self, source_id: int | None, mode: PlayMode) -> list[Stream]:
        """Notes what is asked of one source, or of all that can; returns those that are meant.

        An unknown id means none. Raises StreamOperationNotAllowedError if the source, or each of them, is in a state in
        which that cannot be asked for.
        """
        with self._lock:
            meant = [one for one in self.streams if source_id is None or one.source_id == source_id]
            able = [one for one in meant if one.state in _FROM[mode]]
            if meant and not able:
                raise StreamOperationNotAllowedError(
                    f"Could not {VERBS[mode]} stream in state: StreamState.{meant[0].state.name}"
                )
            for stream in able:
                stream.mode = mode
                self._collector.set_away(stream.source_id, stream.is_away)
        for stream in able:
            self._tell(stream)
        return able

    # --- frames -------------------------------------------------------------------------------------------------

    def frame(self, loan: Loan) -> VideoFrame:
        """The frame for the user, and what is told of that."""
        stream = self._by_name[loan.meta.source]
        with self._lock:
            stream.run()
        self._tell(stream)
        frame = stream.frame(loan.meta, loan.picture())
        if self._reporter.is_heard:
            payload = {
                "frame_timestamp": frame.frame_timestamp,
                "frame_id": frame.frame_id,
                "source_id": frame.source_id,
            }
            self._reporter.tell(events.FRAME_CAPTURED_EVENT, payload)
            self._reporter.tell(events.FRAME_CONSUMED_EVENT, payload)
        return frame

    def completed(self, frames: Sequence[VideoFrame]) -> None:
        """The model, or the user's code in place of it, is through with these."""
        if self._reporter.is_heard:
            payload = {
                "frames_ids": [frame.frame_id for frame in frames],
                "frames_timestamps": [frame.frame_timestamp for frame in frames],
                "sources_id": [frame.source_id for frame in frames],
            }
            self._reporter.tell(events.INFERENCE_COMPLETED_EVENT, payload)

    def dropped(self, meta: FrameMeta, cause: str) -> None:
        """A frame will not reach the user."""
        stream = self._by_name[meta.source]
        stream.drops[cause] = stream.drops.get(cause, 0) + 1
        if self._reporter.is_heard:
            known = {"frame_id": meta.frame_id, "frame_timestamp": stream.timestamp(meta)}
            self._reporter.tell(events.FRAME_DROPPED_EVENT, {**known, "cause": cause, "source_id": stream.source_id})

    def failed(self, meta: FrameMeta, failure: Failure) -> None:
        """The model has failed at a frame: that is told, and no empty prediction takes its place."""
        stream = self._by_name[meta.source]
        payload = {
            "error_type": failure.reason,
            "error_message": failure.message,
            "error_context": f"frame {meta.frame_id} of source {stream.source_id}",
        }
        self._reporter.tell(events.INFERENCE_ERROR_EVENT, payload)
        self.dropped(meta, failure.reason)

    # --- inside -------------------------------------------------------------------------------------------------

    def _learn(self, stream: Stream, source: SourceStatus) -> None:
        with self._lock:
            lost = stream.learn(source)
        for cause, count in lost.items():
            unknown = {"frame_id": None, "frame_timestamp": None}  # it never came here
            payload = {**unknown, "cause": _CAUSES.get(cause, cause), "source_id": stream.source_id}
            for _ in range(count if self._reporter.is_heard else 0):
                self._reporter.tell(events.FRAME_DROPPED_EVENT, payload)

    def _tell(self, stream: Stream) -> None:
        with self._lock:
            before, stream.told = stream.told, stream.state
            is_first = not stream.has_run and stream.told is StreamState.RUNNING
            is_last = not stream.is_over and stream.told in (StreamState.ENDED, StreamState.ERROR)
            stream.has_run, stream.is_over = stream.has_run or is_first, stream.is_over or is_last
        payload = {"source_id": stream.source_id}
        if before is not stream.told:
            states = {"previous_state": before, "new_state": stream.told}
            self._reporter.tell(events.SOURCE_STATE_UPDATE_EVENT, {**states, **payload})
        if is_first:
            self._reporter.tell(events.VIDEO_CONSUMPTION_STARTED_EVENT, payload)
        if is_last and stream.told is StreamState.ERROR and stream.status is not None:
            error = {"error_type": stream.status.reason, "error_message": stream.status.detail}
            context = {"error_context": "stream_consumer_thread"}
            self._reporter.tell(events.SOURCE_ERROR_EVENT, {**payload, **error, **context})
        if is_last:
            self._reporter.tell(events.VIDEO_CONSUMPTION_FINISHED_EVENT, payload)
