"""One run of a pipeline: its engine, the thread that collects batches, and whoever dispatches what was found.

    engine thread      the supervisor; decoders and model are processes
    intake thread      a hosted sink: frames in
    collecting thread  batches; `on_video_frame`
    dispatching        `on_prediction`, in the thread that called `start` or in one of its own

Between the last two waits one batch at most: what a slow sink does not take is waited for (files) or left to be
replaced by something newer (live streams), and never heaped up. All threads are daemons.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import SourceError
from mpipeline.inference_pipeline import events
from mpipeline.inference_pipeline.assembly import Feed, assemble
from mpipeline.inference_pipeline.batches import Batch, Calls, SinkHandler, checked_results
from mpipeline.inference_pipeline.collector import Collector
from mpipeline.inference_pipeline.entities import SinkMode, VideoFrame
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.inference_pipeline.handover import Handover
from mpipeline.inference_pipeline.multiplexer import Item, Multiplexer
from mpipeline.inference_pipeline.reporting import Handler, Reporter
from mpipeline.inference_pipeline.sources import Sources
from mpipeline.inference_pipeline.streams import Stream
from mpipeline.inference_pipeline.verdict import verdict
from mpipeline.inference_pipeline.watchdog import PipelineWatchDog
from mpipeline.messages import PlayMode
from mpipeline.prediction import Prediction
from mpipeline.supervisor.status import RunStatus

logger = logging.getLogger("mpipeline.inference_pipeline")

_LEAVE_S = 2.0
_STOP_S = 10.0  # an engine that is told twice to stop needs a fraction of it

Hook = Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """What a pipeline does with its frames: the model's part of the config, or `on_video_frame` in place of a model."""

    feed: Feed
    watchdog: PipelineWatchDog
    model: Mapping[str, Any] | None = None
    on_video_frame: Callable[[list[VideoFrame]], Any] | None = None
    on_prediction: SinkHandler | None = None
    on_pipeline_start: Hook | None = None
    on_pipeline_end: Hook | None = None
    sink_mode: SinkMode = SinkMode.ADAPTIVE
    handlers: tuple[Handler, ...] = field(default_factory=tuple)


class Session:
    """`begin`, then `dispatch` in one thread; `stop` from any thread, at any time, as often as one likes.

    Making one raises ConfigError, and starts nothing.
    """

    def __init__(self, work: Work) -> None:
        self.is_finished = threading.Event()
        self.error: BaseException | None = None
        feed = work.feed
        rules = [feed.rules] * len(feed.references)
        staleness_ns = None if feed.max_staleness_s is None else int(feed.max_staleness_s * NS_PER_S)
        multiplexer = Multiplexer(rules, feed.make_window(), feed.batches_per_second, staleness_ns)
        self._work = work
        self._collector = Collector(multiplexer, SystemClock())
        self._pipeline = assemble(feed, work.model, self)
        self._reporter = Reporter(work.handlers)
        self._sources = Sources(self._pipeline.plan, feed, self._collector, self._reporter)
        self._calls = self._calls_of(work)
        work.watchdog.register_video_sources(list(self._sources.streams))
        self._handover = Handover()
        self._has_started = threading.Event()
        self._exit_code: int | None = None
        self._status: RunStatus | None = None
        self._engine = threading.Thread(target=self._run_engine, name="mpipeline engine", daemon=True)
        self._collecting = threading.Thread(target=self._collect, name="mpipeline collecting", daemon=True)
        self._dispatching: threading.Thread | None = None

    @property
    def unreadable(self) -> list[SourceError]:
        """What keeps local files from being read."""
        return list(self._pipeline.unreadable.values())

    @property
    def streams(self) -> list[Stream]:
        """The sources as they stand."""
        return self._sources.streams

    def begin(self) -> None:
        """Starts the engine, then the collecting. Raises what keeps the run from starting, or the hook's error."""
        atexit.register(self.leave)
        try:
            self._engine.start()
            self._has_started.wait()
            if self.error is not None:
                raise self.error
            if self._work.on_pipeline_start is not None:
                self._work.on_pipeline_start()
        except BaseException:
            self.stop()
            self._end()
            raise
        self._collecting.start()

    def dispatch(self) -> None:
        """Calls the sink until the run is over; then `on_pipeline_end`."""
        self._dispatching = threading.current_thread()
        try:
            while (batch := self._handover.next()) is not None:
                self._deliver(batch)
        except BaseException:
            self.stop()
            raise
        finally:
            self._finish()
            self._dispatching = None

    def dispatch_quietly(self) -> None:
        """For a thread of its own: what is raised is kept in `error`."""
        try:
            self.dispatch()
        except BaseException as error:  # noqa: BLE001 - it is raised by `join`
            self.error = self.error or error

    def stop(self) -> None:
        """Ends the run now. Returns when all of it but the user's own callbacks has ended."""
        self._handover.close()
        self._end_engine()
        if self._engine.is_alive() and threading.current_thread() is not self._engine:
            self._engine.join(_STOP_S)

    def leave(self) -> None:
        """Ends the run because the program is about to end; its callbacks have a moment to return."""
        self.stop()
        self.is_finished.wait(_LEAVE_S)

    def play(self, source_id: int | None, mode: PlayMode) -> None:
        """Pauses, mutes or resumes. Raises StreamOperationNotAllowedError."""
        for stream in self._sources.set_mode(source_id, mode):
            self._pipeline.play(stream.name, mode)

    def is_own_thread(self) -> bool:
        """Whether the calling thread is one that a `join` would wait for."""
        return threading.current_thread() in (self._engine, self._collecting, self._dispatching)

    # --- the intake's receiver ----------------------------------------------------------------------------------

    def arrived(self, prediction: Prediction, loan: Loan) -> None:
        """A frame has come; of the first one of a source it is looked up what that source is."""
        stream = self._sources.by_name(prediction.frame.source)
        if not stream.is_described:
            self._sources.describe(stream, self._pipeline.status())
        self._collector.offer(stream.source_id, prediction, loan)

    def ended(self, source: str) -> None:
        """This source is over."""
        self._collector.end(self._sources.by_name(source).source_id)

    def lost(self, prediction: Prediction) -> None:
        """The pixels were reused before they could be lent; the frame's own drop is counted there."""
        self._sources.dropped(prediction.frame, "expired")

    # --- engine -------------------------------------------------------------------------------------------------

    def _run_engine(self) -> None:
        try:
            self._exit_code = self._pipeline.run(self._watch)
        except BaseException as error:  # noqa: BLE001 - it is raised where the run was started
            self.error = self.error or error
        finally:
            for stream in self.streams:
                self._collector.end(stream.source_id)
            self._has_started.set()

    def _watch(self, status: RunStatus) -> None:
        self._status = status
        self._has_started.set()
        self._sources.learn(status)

    def _end_engine(self) -> None:
        self._collector.close()
        self._pipeline.stop()
        self._pipeline.stop()  # the second word: now

    # --- collecting ---------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        self._reporter.tell(events.INFERENCE_THREAD_STARTED_EVENT)
        try:
            while (found := self._collector.next()) is not None:
                items, dropped, ended = found
                for item, cause in dropped:
                    self._sources.dropped(item.content[0].frame, cause)
                    item.content[1].settle()
                for source_id in ended:
                    self._sources.end(source_id)
                if items:
                    self._process(items)
        except BaseException as error:  # noqa: BLE001 - it is raised where the run was started
            self.error = error
            logger.error("on_video_frame failed, the pipeline ends: %s: %s", type(error).__name__, error)
            self._reporter.raised(events.INFERENCE_ERROR_EVENT, error, "inference_thread")
            self._end_engine()
        finally:
            self._handover.end()
            self._reporter.tell(events.INFERENCE_THREAD_FINISHED_EVENT)

    def _process(self, items: list[Item]) -> None:
        batch = Batch([], [item.content[1] for item in items], [])
        try:
            self._fill(batch, [item.content for item in items])
        except BaseException:
            batch.settle()
            raise
        if self._calls is None or not batch.frames:
            batch.settle()
        else:
            self._handover.put(batch)

    def _fill(self, batch: Batch, arrivals: list[tuple[Prediction, Loan]]) -> None:
        for prediction, loan in arrivals:
            if prediction.failure is not None:
                self._sources.failed(prediction.frame, prediction.failure)
                continue
            batch.frames.append(self._sources.frame(loan))
            batch.predictions.append(prediction)
        if not batch.frames:
            return
        watchdog = self._work.watchdog
        watchdog.on_model_inference_started(batch.frames)
        if self._work.on_video_frame is not None:
            results = self._work.on_video_frame(list(batch.frames))
            batch.predictions = checked_results(results, len(batch.frames))
        else:
            batch.predictions = [one.to_dict(whole_pixels=True) for one in batch.predictions]
        watchdog.on_model_prediction_ready(batch.frames)
        self._sources.completed(batch.frames)

    # --- dispatching --------------------------------------------------------------------------------------------

    def _deliver(self, batch: Batch) -> None:
        assert self._calls is not None
        try:
            self._calls.make(batch, lambda: self._handover.is_closed)
            self._work.watchdog.on_model_prediction_completed(batch.frames)
        finally:
            batch.settle()

    def _finish(self) -> None:
        """Waits for the rest, then calls the hook, once."""
        try:
            self._collecting.join()
            self._engine.join()
            if self.error is None and not self._handover.is_closed:
                self.error = verdict(self._exit_code, self._status)
            if self._work.on_pipeline_end is not None:
                self._work.on_pipeline_end()
        except BaseException as error:
            self.error = self.error or error
            if not isinstance(error, Exception):
                raise  # another Ctrl-C
        finally:
            self._end()

    def _end(self) -> None:
        atexit.unregister(self.leave)
        self.is_finished.set()

    def _calls_of(self, work: Work) -> Calls | None:
        if work.on_prediction is None:
            return None
        return Calls(work.on_prediction, work.sink_mode, len(work.feed.references), self._sink_raised)

    def _sink_raised(self, error: Exception) -> None:
        logger.error("on_prediction failed: %s: %s", type(error).__name__, error, exc_info=error)
        self._reporter.raised(events.INFERENCE_RESULTS_DISPATCHING_ERROR_EVENT, error, "inference_results_dispatching")
