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
import os
import threading

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import SourceError
from mpipeline.inference_pipeline import events
from mpipeline.inference_pipeline.assembly import assemble
from mpipeline.inference_pipeline.batches import Batch, Calls
from mpipeline.inference_pipeline.collector import Collector
from mpipeline.inference_pipeline.frames import Loan
from mpipeline.inference_pipeline.handover import Handover
from mpipeline.inference_pipeline.multiplexer import Multiplexer
from mpipeline.inference_pipeline.processing import Processing
from mpipeline.inference_pipeline.reporting import Failures, Reporter, Watch
from mpipeline.inference_pipeline.sources import Sources
from mpipeline.inference_pipeline.streams import Stream
from mpipeline.inference_pipeline.verdict import verdict
from mpipeline.inference_pipeline.work import Work
from mpipeline.messages import PlayMode
from mpipeline.prediction import Prediction
from mpipeline.supervisor.status import RunStatus

logger = logging.getLogger("mpipeline.inference_pipeline")

_LEAVE_S = 2.0
_STOP_S = 10.0  # an engine that is told twice to stop needs a fraction of it


class Session:
    """`run` it, once; `stop` from any thread, at any time, as often as one likes.

    Making one raises ConfigError, and starts nothing. In a fork of the program it does nothing.
    """

    def __init__(self, work: Work) -> None:
        self.is_finished = threading.Event()
        self.error: BaseException | None = None
        feed = work.feed
        rules = [feed.rules] * len(feed.references)
        staleness_ns = None if feed.max_staleness_s is None else int(feed.max_staleness_s * NS_PER_S)
        multiplexer = Multiplexer(rules, feed.make_window(), feed.batches_per_second, staleness_ns)
        self._work = work
        self._process = os.getpid()
        self._collector = Collector(multiplexer, SystemClock())
        self._pipeline = assemble(
            feed,
            work.model,
            self,
            lambda: self._engine_threads.add(threading.current_thread()),
            tracker=work.tracker,
        )
        self._failures = Failures()
        self._reporter = Reporter(work.handlers, self._failures)
        self._watch = Watch(work.watchdog, self._failures)
        self._sources = Sources(self._pipeline.plan, feed, self._collector, self._reporter)
        self._processing = Processing(work.on_video_frame, self._sources, self._watch)
        self._calls = self._calls_of(work)
        work.watchdog.register_video_sources(list(self._sources.streams))
        self._handover = Handover()
        self._has_started = threading.Event()
        self._exit_code: int | None = None
        self._status: RunStatus | None = None
        self._engine = threading.Thread(target=self._run_engine, name="mpipeline engine", daemon=True)
        self._collecting = threading.Thread(target=self._collect, name="mpipeline collecting", daemon=True)
        self._engine_threads = {self._engine}  # and those of its hosted workers, which its end waits for
        self._calling: threading.Thread | None = None  # the one that calls hooks and sinks
        self._has_begun = False
        self._finishing = threading.Lock()

    @property
    def unreadable(self) -> list[SourceError]:
        """What keeps local files from being read."""
        return list(self._pipeline.unreadable.values())

    @property
    def streams(self) -> list[Stream]:
        """The sources as they stand."""
        return self._sources.streams

    def run(self, in_this_thread: bool) -> None:
        """Begins; then dispatches in the calling thread until all is over, or in a thread of its own.

        Raises what keeps the run from starting, and what code of the user's raises in the calling thread.
        """
        try:
            self._begin()
            if in_this_thread:
                self._dispatch()
            else:
                target = self._dispatch_quietly
                threading.Thread(target=target, name="mpipeline dispatching", daemon=True).start()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Ends the run because its start was interrupted, or code of the user's has raised in it."""
        self.stop()
        self._finish()

    def stop(self) -> None:
        """Ends the run now. Returns when all of it but the user's own callbacks has ended.

        A thread on which that end waits is not held up.
        """
        if os.getpid() != self._process:  # a fork of the program: the run is the parent's
            return
        self._handover.close()
        self._end_engine()
        if self._engine.is_alive() and threading.current_thread() not in self._engine_threads:
            self._engine.join(_STOP_S)

    def leave(self) -> None:
        """Ends the run because the program is about to end; its callbacks have a moment to return."""
        if os.getpid() == self._process:
            self.stop()
            self.is_finished.wait(_LEAVE_S)

    def play(self, source_id: int | None, mode: PlayMode) -> None:
        """Pauses, mutes or resumes. Raises StreamOperationNotAllowedError."""
        for stream in self._sources.set_mode(source_id, mode):
            self._pipeline.play(stream.name, mode)

    def is_own_thread(self) -> bool:
        """Whether the calling thread is one that a `join` would wait for."""
        return threading.current_thread() in {*self._engine_threads, self._collecting, self._calling}

    # --- the intake's receiver ----------------------------------------------------------------------------------

    def arrived(self, prediction: Prediction, loan: Loan) -> None:
        """A frame has come; of the first one of a source it is looked up what that source is."""
        stream = self._sources.by_name(prediction.frame.source)
        if not stream.is_described:
            self._sources.describe(stream, self._pipeline.status())
        self._collector.offer(stream.source_id, prediction, loan)

    def ended(self, source: str) -> None:
        """This source is over; how it has ended is known by now."""
        stream = self._sources.by_name(source)
        self._sources.note(stream, self._pipeline.status())
        self._collector.end(stream.source_id)

    def lost(self, prediction: Prediction) -> None:
        """The pixels were reused before they could be lent; the frame's own drop is counted there."""
        self._sources.dropped(prediction.frame, "expired")

    # --- engine -------------------------------------------------------------------------------------------------

    def _run_engine(self) -> None:
        try:
            self._exit_code = self._pipeline.run(self._learn)
        except BaseException as error:  # noqa: BLE001 - it is raised where the run was started
            self.error = self.error or error
        finally:
            self._sources.engine_is_over()
            for stream in self.streams:
                self._collector.end(stream.source_id)
            self._has_started.set()

    def _learn(self, status: RunStatus) -> None:
        self._status = status
        self._has_started.set()
        self._sources.learn(status)

    def _end_engine(self) -> None:
        self._sources.is_told_to_end()
        self._collector.close()
        self._pipeline.stop()
        self._pipeline.stop()  # the second word: now

    # --- collecting ---------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        try:
            self._reporter.tell(events.INFERENCE_THREAD_STARTED_EVENT)
            while (found := self._collector.next()) is not None:
                items, dropped, ended = found
                for item, cause in dropped:
                    self._sources.dropped(item.content[0].frame, cause)
                    item.content[1].settle()
                for source_id in ended:
                    self._sources.end(source_id)
                if items:
                    self._hand_over(self._processing.batch(items))
        except BaseException as error:  # noqa: BLE001 - it is raised where the run was started
            self.error = error
            logger.error("on_video_frame failed, the pipeline ends: %s: %s", type(error).__name__, error)
            self._reporter.raised(events.INFERENCE_ERROR_EVENT, error, "inference_thread")
            self._end_engine()
        finally:
            self._handover.end()
            for stream in self.streams:
                self._sources.end(stream.source_id)
            self._reporter.tell(events.INFERENCE_THREAD_FINISHED_EVENT)

    def _hand_over(self, batch: Batch) -> None:
        if self._calls is None or not batch.frames:
            batch.settle()
        else:
            self._handover.put(batch)

    # --- beginning, dispatching, end -----------------------------------------------------------------------------

    def _begin(self) -> None:
        """Starts the engine, then the collecting. Raises what keeps the run from starting, or the hook's error."""
        self._calling = threading.current_thread()
        atexit.register(self.leave)
        self._engine.start()
        self._has_started.wait()
        if self.error is not None:
            raise self.error
        if self._work.on_pipeline_start is not None:
            self._work.on_pipeline_start()
        self._has_begun = True
        self._collecting.start()

    def _dispatch(self) -> None:
        """Calls the sink until the run is over; then `on_pipeline_end`."""
        self._calling = threading.current_thread()
        while (batch := self._handover.next()) is not None:
            self._deliver(batch)
        self._finish()

    def _dispatch_quietly(self) -> None:
        """For a thread of its own: what is raised is kept in `error`."""
        try:
            self._dispatch()
        except BaseException as error:  # noqa: BLE001 - it is raised by `join`
            self.error = self.error or error
            self.abandon()

    def _deliver(self, batch: Batch) -> None:
        assert self._calls is not None
        try:
            self._calls.make(batch, lambda: self._handover.is_closed)
            self._watch.completed(batch.frames)
        finally:
            batch.settle()

    def _finish(self) -> None:
        """Waits for the rest, then calls the hook; once."""
        if os.getpid() != self._process or not self._finishing.acquire(blocking=False):
            return
        try:
            for thread in (self._collecting, self._engine):
                if thread.ident is not None:
                    thread.join()
            if self.error is None and not self._handover.is_closed:
                self.error = verdict(self._exit_code, self._status)
            if self._has_begun and self._work.on_pipeline_end is not None:
                self._work.on_pipeline_end()
        except BaseException as error:
            self.error = self.error or error
            if not isinstance(error, Exception):
                raise  # another Ctrl-C
        finally:
            self._calling = None
            self._end()

    def _end(self) -> None:
        self._failures.flush()
        atexit.unregister(self.leave)
        self.is_finished.set()

    def _calls_of(self, work: Work) -> Calls | None:
        if work.on_prediction is None:
            return None
        return Calls(work.on_prediction, work.sink_mode, len(work.feed.references), self._sink_raised)

    def _sink_raised(self, error: Exception) -> None:
        self._failures.note("on_prediction", error, logging.ERROR)
        self._reporter.raised(events.INFERENCE_RESULTS_DISPATCHING_ERROR_EVENT, error, "inference_results_dispatching")
