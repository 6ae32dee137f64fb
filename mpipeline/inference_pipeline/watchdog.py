"""Watchdogs: what sees every step of every frame, and can say how the pipeline is doing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.inference_pipeline.choices import UpdateSeverity
from mpipeline.inference_pipeline.entities import (
    CompletionStatistics,
    DroppedFrames,
    LatencyMonitorReport,
    PipelineStateReport,
    SourceCompletion,
    SourceMetadata,
    StatusUpdate,
    VideoFrame,
)
from mpipeline.inference_pipeline.events import FRAME_DROPPED_EVENT
from mpipeline.inference_pipeline.throughput import FpsMonitor
from mpipeline.inference_pipeline.video_frame import age_s

MAX_UPDATES = 512
LATENCY_SAMPLES = 64
_MAX_IN_FLIGHT = 4096  # frames between the start of inference and their prediction; more were dropped on the way
_MAX_CAUSES = 256
_OTHER_CAUSE = "other causes"


class DescribedSource(Protocol):
    """A source that can be asked what it is."""

    def describe_source(self) -> SourceMetadata:
        """What it is, and what it is doing now."""


class PipelineWatchDog(ABC):
    """What a pipeline tells while it runs, from several threads. Subclasses must be quick: the pipeline waits."""

    @abstractmethod
    def register_video_sources(self, video_sources: list[DescribedSource]) -> None:
        """The sources, before the first frame."""

    @abstractmethod
    def on_status_update(self, status_update: StatusUpdate) -> None:
        """Something has happened; called like every status update handler."""

    @abstractmethod
    def on_model_inference_started(self, frames: list[VideoFrame]) -> None:
        """`on_video_frame` is about to be called with this batch."""

    @abstractmethod
    def on_model_prediction_ready(self, frames: list[VideoFrame]) -> None:
        """`on_video_frame` has returned predictions of these frames."""

    def on_model_prediction_completed(self, frames: list[VideoFrame]) -> None:  # noqa: B027  # need not be there
        """The sink has returned: nothing more will be done with these frames."""

    def get_report(self) -> PipelineStateReport | None:
        """How the pipeline is doing; None from a watchdog that does not keep account."""
        return None


class NullPipelineWatchdog(PipelineWatchDog):
    """Sees nothing, costs nothing: the default."""

    def register_video_sources(self, video_sources: list[DescribedSource]) -> None:
        """Nothing."""

    def on_status_update(self, status_update: StatusUpdate) -> None:
        """Nothing."""

    def on_model_inference_started(self, frames: list[VideoFrame]) -> None:
        """Nothing."""

    def on_model_prediction_ready(self, frames: list[VideoFrame]) -> None:
        """Nothing."""


class _SourceAccount:
    """The last latencies of one source, and how many of its frames are done."""

    def __init__(self) -> None:
        self.waiting: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self.inference: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self.whole: deque[float] = deque(maxlen=LATENCY_SAMPLES)
        self.completed = 0
        self.last_completed_ns: int | None = None
        self.last_frame_id: int | None = None

    def latencies(self, source_id: int | None) -> LatencyMonitorReport:
        return LatencyMonitorReport(source_id, _mean(self.waiting), _mean(self.inference), _mean(self.whole))

    def completion(self, source_id: int | None) -> SourceCompletion:
        when = None if self.last_completed_ns is None else self.last_completed_ns / NS_PER_S
        return SourceCompletion(source_id, self.completed, when, self.last_frame_id)


class BasePipelineWatchDog(PipelineWatchDog):
    """Keeps account of latencies, throughput, drops and updates: a few microseconds a frame, and a bounded memory.

    Latencies are measured by the monotonic clock from the arrival of the frame's data to the return of the sink. A
    frame without that time (`captured_ns`) is measured from its time stamp, unless it comes from a file.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._lock = threading.RLock()  # a signal handler may ask for a report in the midst of a note
        self._sources: list[DescribedSource] = []
        self._updates: deque[StatusUpdate] = deque(maxlen=MAX_UPDATES)
        self._accounts: dict[int | None, _SourceAccount] = {}
        self._started_ns: OrderedDict[tuple[int | None, int], int] = OrderedDict()
        self._dropped: Counter[tuple[int | None, str]] = Counter()
        self._throughput = FpsMonitor(clock=self._clock)

    def register_video_sources(self, video_sources: list[DescribedSource]) -> None:
        """Takes the sources that the report describes."""
        self._sources = list(video_sources)

    def on_status_update(self, status_update: StatusUpdate) -> None:
        """Counts a drop under its cause; keeps what is more than DEBUG."""
        with self._lock:
            if status_update.event_type == FRAME_DROPPED_EVENT:
                source_id = status_update.payload.get("source_id")
                key = (source_id, str(status_update.payload.get("cause", _OTHER_CAUSE)))
                is_room = key in self._dropped or len(self._dropped) < _MAX_CAUSES
                self._dropped[key if is_room else (None, _OTHER_CAUSE)] += 1
            if status_update.severity > UpdateSeverity.DEBUG:
                self._updates.append(status_update)

    def on_model_inference_started(self, frames: list[VideoFrame]) -> None:
        """Measures how old the frames are."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        with self._lock:
            for frame in _present(frames):
                age = age_s(frame, now_ns, wall_ns)
                if age is not None:
                    self._account(frame).waiting.append(age)
                self._started_ns[frame.source_id, frame.frame_id] = now_ns
            while len(self._started_ns) > _MAX_IN_FLIGHT:
                self._started_ns.popitem(last=False)

    def on_model_prediction_ready(self, frames: list[VideoFrame]) -> None:
        """Measures how long inference took, and how many frames a second it does."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            for frame in _present(frames):
                self._throughput.tick()
                started_ns = self._started_ns.pop((frame.source_id, frame.frame_id), None)
                if started_ns is not None:
                    self._account(frame).inference.append((now_ns - started_ns) / NS_PER_S)

    def on_model_prediction_completed(self, frames: list[VideoFrame]) -> None:
        """Measures the whole way of the frames."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        with self._lock:
            for frame in _present(frames):
                account = self._account(frame)
                age = age_s(frame, now_ns, wall_ns)
                if age is not None:
                    account.whole.append(age)
                account.completed += 1
                account.last_completed_ns, account.last_frame_id = now_ns, frame.frame_id

    def get_report(self) -> PipelineStateReport:
        """Everything as it is now."""
        described = [source.describe_source() for source in self._sources]  # may wait for a lock of the source
        with self._lock:
            accounts = sorted(self._accounts.items(), key=lambda item: -1 if item[0] is None else item[0])
            now = self._clock.monotonic_ns() / NS_PER_S
            return PipelineStateReport(
                video_source_status_updates=list(self._updates),
                latency_reports=[account.latencies(source_id) for source_id, account in accounts],
                inference_throughput=self._throughput.fps,
                sources_metadata=described,
                completion_statistics=CompletionStatistics(now, [each.completion(name) for name, each in accounts]),
                dropped_frames=[DroppedFrames(name, cause, count) for (name, cause), count in self._dropped.items()],
            )

    def _account(self, frame: VideoFrame) -> _SourceAccount:
        account = self._accounts.get(frame.source_id)
        if account is None:
            account = self._accounts[frame.source_id] = _SourceAccount()
        return account


def _present(frames: Iterable[VideoFrame | None]) -> Iterable[VideoFrame]:
    return (frame for frame in frames if frame is not None)


def _mean(samples: Sequence[float] | deque[float]) -> float | None:
    return sum(samples) / len(samples) if samples else None
