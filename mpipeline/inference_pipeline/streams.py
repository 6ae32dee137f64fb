"""What is known of each source while a run lasts: its state, its rate, and how its frames are described."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta

from mpipeline.clock import NS_PER_S
from mpipeline.frame import FrameMeta
from mpipeline.inference_pipeline.choices import BufferConsumptionStrategy, BufferFillingStrategy, StreamState
from mpipeline.inference_pipeline.entities import SourceMetadata, SourceProperties, VideoFrame
from mpipeline.inference_pipeline.frames import Picture
from mpipeline.inference_pipeline.multiplexer import Rules
from mpipeline.inference_pipeline.references import Reference
from mpipeline.messages import PlayMode
from mpipeline.supervisor.status import SourceStatus

_MEASURED_FRAMES = 100


_STATES = {
    "CONNECTING": StreamState.INITIALISING,
    "STREAMING": StreamState.RUNNING,
    "PAUSED": StreamState.RUNNING,
    "MUTED": StreamState.RUNNING,
    "STALLED": StreamState.RESTARTING,
    "RECONNECTING": StreamState.RESTARTING,
    "ENDED": StreamState.ENDED,
    "FAILED": StreamState.ERROR,
}
_FINAL = (StreamState.ENDED, StreamState.ERROR)
_MODES = {PlayMode.PAUSE: StreamState.PAUSED, PlayMode.MUTE: StreamState.MUTED}


class Stream:
    """One source. `state` is its own and that of its `mode`.

    `told`, `has_run`, `is_over`, `is_described` are what was told of it so far; `drops` counts what was dropped here;
    `is_drained`: its last frame has come.
    """

    def __init__(self, source_id: int, name: str, reference: Reference, rules: Rules) -> None:
        self.source_id = source_id
        self.name = name
        self.reference = reference
        self.rules = rules
        self.mode = PlayMode.PLAY
        self.status: SourceStatus | None = None
        self.told = StreamState.NOT_STARTED
        self.has_run = self.is_over = self.is_described = False
        self.drops: dict[str, int] = {}
        self._base = StreamState.NOT_STARTED
        self.is_drained = False
        self._measured: deque[tuple[int, int]] = deque(maxlen=_MEASURED_FRAMES)  # captured, frame id
        self._begin: datetime | None = None
        self._first_pts: float | None = None

    @property
    def state(self) -> StreamState:
        """Where it stands."""
        return _MODES.get(self.mode, self._base) if self._base is StreamState.RUNNING else self._base

    def learn(self, status: SourceStatus) -> dict[str, int]:
        """What the engine says of it now; returns how many frames were dropped there since the last time, by cause.

        That it has ended counts only when its last frame has come here too.
        """
        before = self.status.dropped if self.status is not None else {}
        self.status = status
        state = _STATES.get(status.state, StreamState.INITIALISING)
        # What the engine has heard of its decoder may be older than the first frame, which has come here.
        is_older = self._base is StreamState.RUNNING and state is StreamState.INITIALISING and not status.frames
        may_end = state is not StreamState.ENDED or self.is_drained
        if self._base not in _FINAL and may_end and not is_older:
            self._base = state
        fresh = {cause: count - before.get(cause, 0) for cause, count in status.dropped.items()}
        return {cause: count for cause, count in fresh.items() if count > 0}

    def run(self) -> None:
        """A frame of it has come."""
        if self._base in (StreamState.NOT_STARTED, StreamState.INITIALISING):
            self._base = StreamState.RUNNING

    def end(self, *, is_last_word: bool) -> None:
        """Its last frame has come. Whether it has ended or failed the engine says, before or after that, unless it has
        said its last word."""
        self.is_drained = True
        has_ended = self.status is not None and self.status.state == "ENDED"
        if self._base is not StreamState.ERROR and (has_ended or is_last_word):
            self._base = StreamState.ENDED

    @property
    def is_away(self) -> bool:
        """Whether no frame can be expected of it at present. What has ended may still have frames on their way: the end
        comes behind them."""
        if self.status is None:
            return False
        failing = self._base is StreamState.INITIALISING and bool(self.status.reason)
        return self.mode is not PlayMode.PLAY or failing or self._base is StreamState.RESTARTING

    def describe_source(self) -> SourceMetadata:
        """What it is and where it stands; its properties are known once it is open."""
        properties, status = None, self.status
        if status is not None and status.width:
            properties = SourceProperties(
                width=status.width,
                height=status.height,
                total_frames=status.frame_count,
                is_file=not status.live,
                fps=status.rate,
                is_reconnectable=status.live,
                timestamp_created=self._begin,
            )
        buffer_size, filling, consumption = self.buffering
        return SourceMetadata(
            source_properties=properties,
            source_reference=self.reference.shown,
            buffer_size=buffer_size,
            state=self.state,
            buffer_filling_strategy=filling,
            buffer_consumption_strategy=consumption,
            source_id=self.source_id,
        )

    @property
    def buffering(self) -> tuple[int, BufferFillingStrategy, BufferConsumptionStrategy]:
        """How many frames may wait, what happens to more, and which one is taken next."""
        live = self.status.live if self.status is not None else False
        filling = self.rules.filling or ("drop_oldest" if live else "wait")
        eager = live if self.rules.eager is None else self.rules.eager
        consumption = BufferConsumptionStrategy.EAGER if eager else BufferConsumptionStrategy.LAZY
        return self.rules.capacity, BufferFillingStrategy[filling.upper()], consumption

    def frame(self, meta: FrameMeta, picture: Picture) -> VideoFrame:
        """The frame for the user."""
        live, total = self._nature
        self._measured.append((meta.captured_ns, meta.frame_id))
        declared = meta.rate or None
        return VideoFrame(
            image=picture,
            frame_id=meta.frame_id,
            frame_timestamp=self.timestamp(meta),
            fps=declared,
            measured_fps=self._measured_fps() if live else declared,
            source_id=self.source_id,
            comes_from_video_file=not live,
            total_frames=total if total and not live else None,
            pts=meta.pts,
            captured_ns=meta.captured_ns,
        )

    @property
    def _nature(self) -> tuple[bool, int]:
        """Whether it is live, and how many frames it has."""
        return (self.status.live, self.status.frame_count) if self.status is not None else (True, 0)

    def timestamp(self, meta: FrameMeta) -> datetime:
        """When a live frame was captured; a file's, as if it had been recorded up to its last change. Local time."""
        live, total = self._nature
        captured = datetime.fromtimestamp(meta.wall_ns / NS_PER_S)
        if live or self.reference.path is None or meta.rate <= 0:
            return captured
        if self._begin is None:
            with suppress(OSError):
                changed = datetime.fromtimestamp(os.stat(self.reference.path).st_mtime)
                self._begin = changed - timedelta(seconds=total / meta.rate)
            self._begin = self._begin or captured
            self._first_pts = meta.pts if meta.frame_id == 1 else None
        if meta.pts is not None and self._first_pts is not None:
            return self._begin + timedelta(seconds=meta.pts - self._first_pts)
        return self._begin + timedelta(seconds=(meta.frame_id - 1) / meta.rate)

    def _measured_fps(self) -> float:
        """Frames captured a second, dropped ones included: the ids count them all."""
        (first_ns, first_id), (last_ns, last_id) = self._measured[0], self._measured[-1]
        return (last_id - first_id) * NS_PER_S / (last_ns - first_ns) if last_ns > first_ns else 0.0
