"""`InferencePipeline`: video in, predictions to a function of yours. Decoders and models work in processes beside."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mpipeline.clock import SystemClock
from mpipeline.errors import InvalidArgument, StreamOperationNotAllowedError
from mpipeline.inference_pipeline.arguments import check_callables, feed_of, handlers_of, is_count, options_of
from mpipeline.inference_pipeline.assembly import Feed
from mpipeline.inference_pipeline.choices import (
    BufferConsumptionStrategy,
    BufferFillingStrategy,
    SinkMode,
    VideoProcessingMode,
    as_enum,
)
from mpipeline.inference_pipeline.entities import SinkHandler, StatusUpdateHandler, VideoFrame
from mpipeline.inference_pipeline.models import logic_of, model_entry, resolve_model, tracker_entry
from mpipeline.inference_pipeline.session import Session
from mpipeline.inference_pipeline.sources import VERBS
from mpipeline.inference_pipeline.watchdog import NullPipelineWatchdog, PipelineWatchDog
from mpipeline.inference_pipeline.work import Work
from mpipeline.messages import PlayMode

Properties = Mapping[str, Any] | Sequence[Mapping[str, Any] | None]


class InferencePipeline:
    """Made by `init` or `init_with_custom_logic`; `start` runs it, again and again if one likes.

    `video_reference` is a path, an address, a function that gives a `VideoFrameProducer`, or a list of these.
    `on_prediction(predictions, video_frames)` is called in this process: with one prediction and its frame, or with
    lists that have a place for each source (`sink_mode`). Frames of files are neither lost nor out of order; of live
    sources you get the freshest. Wrong arguments raise here, before anything is started.
    """

    def __init__(self, work: Work, exec_session_id: str | None) -> None:
        self.exec_session_id = exec_session_id or f"{SystemClock().wall_ns()}_{uuid.uuid4().hex[:4]}"
        self._work = work
        self._lock = threading.Lock()
        self._session: Session | None = None

    @classmethod
    def init(
        cls,
        video_reference: Any,
        model_id: Any,
        on_prediction: SinkHandler | None = None,
        api_key: str | None = None,
        max_fps: float | None = None,
        watchdog: PipelineWatchDog | None = None,
        status_update_handlers: list[StatusUpdateHandler] | None = None,
        source_buffer_filling_strategy: BufferFillingStrategy | str | None = None,
        source_buffer_consumption_strategy: BufferConsumptionStrategy | str | None = None,
        class_agnostic_nms: bool | None = None,
        confidence: float | None = None,
        iou_threshold: float | None = None,
        max_candidates: int | None = None,
        max_detections: int | None = None,
        mask_decode_mode: str = "accurate",
        tradeoff_factor: float = 0.0,
        active_learning_enabled: bool | None = None,
        video_source_properties: Properties | None = None,
        active_learning_target_dataset: str | None = None,
        batch_collection_timeout: float | None = None,
        video_processing_mode: VideoProcessingMode | str | None = None,
        max_staleness: float | None = None,
        sink_mode: SinkMode | str = SinkMode.ADAPTIVE,
        predictions_queue_size: int = 512,
        decoding_buffer_size: int = 64,
        exec_session_id: str | None = None,
        tracker: str | Mapping[str, Any] | None = None,
    ) -> InferencePipeline:
        """A pipeline with a model: a path, an id of the model hub, or an object with `infer(images, **options)`.

        With a `tracker`, such as "bytetrack", each detection has a `tracker_id`, None as long as it is not clear.
        """
        _refuse_active_learning(active_learning_enabled, active_learning_target_dataset)
        feed = feed_of(
            video_reference,
            max_fps,
            (source_buffer_filling_strategy, source_buffer_consumption_strategy),
            video_source_properties,
            batch_collection_timeout,
            (video_processing_mode, max_staleness),
            decoding_buffer_size,
        )
        options = options_of(
            (class_agnostic_nms, confidence, iou_threshold, max_candidates, max_detections),
            (mask_decode_mode, tradeoff_factor),
        )
        model = resolve_model(model_id, api_key)
        is_file = isinstance(model, Path)
        return cls._made(
            feed,
            (watchdog, status_update_handlers, sink_mode, predictions_queue_size, exec_session_id),
            model=model_entry(model, options) if is_file else None,
            on_video_frame=None if is_file else logic_of(model, options),
            tracker=tracker_entry(tracker, is_file=is_file),
            on_prediction=on_prediction,
        )

    @classmethod
    def init_with_custom_logic(
        cls,
        video_reference: Any,
        on_video_frame: Callable[[list[VideoFrame]], Any],
        on_prediction: SinkHandler | None = None,
        on_pipeline_start: Callable[[], Any] | None = None,
        on_pipeline_end: Callable[[], Any] | None = None,
        max_fps: float | None = None,
        watchdog: PipelineWatchDog | None = None,
        status_update_handlers: list[StatusUpdateHandler] | None = None,
        source_buffer_filling_strategy: BufferFillingStrategy | str | None = None,
        source_buffer_consumption_strategy: BufferConsumptionStrategy | str | None = None,
        video_source_properties: Properties | None = None,
        batch_collection_timeout: float | None = None,
        video_processing_mode: VideoProcessingMode | str | None = None,
        max_staleness: float | None = None,
        sink_mode: SinkMode | str = SinkMode.ADAPTIVE,
        predictions_queue_size: int = 512,
        decoding_buffer_size: int = 64,
        exec_session_id: str | None = None,
        allow_tensor_frames: bool = False,
    ) -> InferencePipeline:
        """A pipeline whose model is a function of yours: it gets the frames of a batch, and returns a list of results,
        one for each. It runs in this process, in a thread of the pipeline; what it raises ends the pipeline."""
        if allow_tensor_frames:
            raise InvalidArgument("allow_tensor_frames: frames are arrays in main memory; leave it out")
        if not callable(on_video_frame):
            raise InvalidArgument(f"on_video_frame={on_video_frame!r}: expected a function that takes a list of frames")
        feed = feed_of(
            video_reference,
            max_fps,
            (source_buffer_filling_strategy, source_buffer_consumption_strategy),
            video_source_properties,
            batch_collection_timeout,
            (video_processing_mode, max_staleness),
            decoding_buffer_size,
        )
        return cls._made(
            feed,
            (watchdog, status_update_handlers, sink_mode, predictions_queue_size, exec_session_id),
            on_video_frame=on_video_frame,
            on_prediction=on_prediction,
            on_pipeline_start=on_pipeline_start,
            on_pipeline_end=on_pipeline_end,
        )

    @classmethod
    def init_with_workflow(cls, *arguments: Any, **options: Any) -> InferencePipeline:
        """Not available: a workflow's steps are written as `on_video_frame` of `init_with_custom_logic`."""
        raise NotImplementedError(f"InferencePipeline.init_with_workflow is not available here; {_AVAILABLE}")

    @classmethod
    def init_with_yolo_world(cls, *arguments: Any, **options: Any) -> InferencePipeline:
        """Not available: an exported model is used by `init`."""
        raise NotImplementedError(f"InferencePipeline.init_with_yolo_world is not available here; {_AVAILABLE}")

    def start(self, use_main_thread: bool = True) -> None:
        """Runs the pipeline. With `use_main_thread`, which is the calling one, sinks are called in it until all sources
        have ended, and errors are raised here; else it returns at once, and `join` waits and raises.

        A pipeline that has ended can be started again. Raises StreamOperationNotAllowedError while it runs.
        """
        session: Session | None = None
        try:
            with self._lock:
                if self._session is not None and not self._session.is_finished.is_set():
                    raise StreamOperationNotAllowedError("the pipeline runs already: wait for its end with join()")
                session = self._session = Session(self._work)
            session.run(in_this_thread=use_main_thread)
        except BaseException:
            if session is not None:
                session.abandon()  # Ctrl-C may come before it runs
            raise
        if use_main_thread:
            _raise(session)

    def join(self) -> None:
        """Waits until everything has ended, and raises what has ended it, if anything has. At once before the start.

        Raises RuntimeError inside a callback of the pipeline, which would wait for itself.
        """
        session = self._session
        if session is None:
            return
        if session.is_own_thread():
            raise RuntimeError("join() inside a callback of the pipeline would wait for itself: call terminate() there")
        try:
            session.is_finished.wait()
        except BaseException:  # Ctrl-C
            session.leave()
            raise
        _raise(session)

    def terminate(self) -> None:
        """Ends the run now, in every state and from every thread, callbacks included; harmless when repeated.

        Processes and memory are gone when it returns, unless they wait for the caller: a producer, or a status update
        handler. Frames on their way are given up; a callback that is being called ends as it likes, `join` waits for
        it. A fork of the program ends nothing: the run is the parent's.
        """
        session = self._session
        if session is not None:
            session.stop()

    def pause_stream(self, source_id: int | None = None) -> None:
        """Stops reading a source, or all: a live one may be lost by that, and reconnects when it is resumed."""
        self._play(source_id, PlayMode.PAUSE)

    def mute_stream(self, source_id: int | None = None) -> None:
        """Goes on reading a source, or all, and drops every frame."""
        self._play(source_id, PlayMode.MUTE)

    def resume_stream(self, source_id: int | None = None) -> None:
        """Takes frames of a paused or muted source again, or of all."""
        self._play(source_id, PlayMode.PLAY)

    def __enter__(self) -> InferencePipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()
        session = self._session
        if session is not None and not session.is_own_thread():
            session.is_finished.wait()
            if error is None:
                _raise(session)

    def _play(self, source_id: int | None, mode: PlayMode) -> None:
        session = self._session
        if session is None:
            raise StreamOperationNotAllowedError(f"Could not {VERBS[mode]} stream in state: StreamState.NOT_STARTED")
        session.play(source_id, mode)

    @classmethod
    def _made(
        cls,
        feed: Feed,
        common: tuple[PipelineWatchDog | None, list[StatusUpdateHandler] | None, SinkMode | str, int, str | None],
        **logic: Any,
    ) -> InferencePipeline:
        watchdog, handlers, sink_mode, queue_size, session_id = common
        if not is_count(queue_size):
            raise InvalidArgument(f"predictions_queue_size={queue_size!r}: expected 1 batch or more")
        check_callables(**{name: logic.get(name) for name in ("on_prediction", "on_pipeline_start", "on_pipeline_end")})
        work = Work(
            feed,
            watchdog if watchdog is not None else NullPipelineWatchdog(),
            sink_mode=as_enum(SinkMode, sink_mode, "sink_mode"),
            handlers=handlers_of(watchdog, handlers),
            **logic,
        )
        unreadable = Session(work).unreadable
        if unreadable:
            raise unreadable[0]
        return cls(work, session_id)


_AVAILABLE = (
    "use InferencePipeline.init with the path of an .onnx model, or InferencePipeline.init_with_custom_logic with a "
    "function of your own"
)


def _refuse_active_learning(enabled: bool | None, dataset: str | None) -> None:
    if enabled or dataset is not None:
        raise InvalidArgument("active_learning: frames are not uploaded by this package; leave it out")


def _raise(session: Session) -> None:
    if session.error is not None:
        raise session.error
