"""What the arguments of a pipeline mean, checked before anything is started. What cannot be honoured is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any

from mpipeline.config.inference_defaults import postprocessing_defaults
from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.assembly import LARGEST_BUFFER, Feed
from mpipeline.inference_pipeline.choices import (
    BufferConsumptionStrategy,
    BufferFillingStrategy,
    VideoProcessingMode,
    as_enum,
)
from mpipeline.inference_pipeline.multiplexer import Filling, Rules
from mpipeline.inference_pipeline.references import references
from mpipeline.inference_pipeline.reporting import Handler
from mpipeline.inference_pipeline.watchdog import NullPipelineWatchdog
from mpipeline.inference_pipeline.windows import FixedTimeout, SelfTuned, Window

_FRESHEST_S = 0.02
_STALENESS_S = 0.5
_FILLINGS: dict[BufferFillingStrategy, Filling] = {
    BufferFillingStrategy.WAIT: "wait",
    BufferFillingStrategy.DROP_OLDEST: "drop_oldest",
    BufferFillingStrategy.ADAPTIVE_DROP_OLDEST: "drop_oldest",
    BufferFillingStrategy.DROP_LATEST: "drop_latest",
    BufferFillingStrategy.ADAPTIVE_DROP_LATEST: "drop_latest",
}


def feed_of(
    video_reference: Any,
    max_fps: float | None,
    strategies: tuple[BufferFillingStrategy | str | None, BufferConsumptionStrategy | str | None],
    properties: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None,
    batch_collection_timeout: float | None,
    processing: tuple[VideoProcessingMode | str | None, float | None],
    decoding_buffer_size: int,
) -> Feed:
    """Where frames come from and how batches are made of them. `processing`: the mode, and `max_staleness`.

    Raises InvalidArgument or TypeError.
    """
    if not is_count(decoding_buffer_size) or decoding_buffer_size > LARGEST_BUFFER:
        raise InvalidArgument(f"decoding_buffer_size={decoding_buffer_size!r}: expected 1 to {LARGEST_BUFFER} frames")
    _positive("max_fps", max_fps)
    mode, filling, eager = VideoProcessingMode.LEGACY, None, None
    if processing[0] is not None:
        mode = as_enum(VideoProcessingMode, processing[0], "video_processing_mode")
    if strategies[0] is not None:
        filling = _FILLINGS[as_enum(BufferFillingStrategy, strategies[0], "source_buffer_filling_strategy")]
    if strategies[1] is not None:
        name = "source_buffer_consumption_strategy"
        eager = as_enum(BufferConsumptionStrategy, strategies[1], name) is BufferConsumptionStrategy.EAGER
    return Feed(
        references=references(video_reference, properties),
        rules=Rules(filling, _eager_in(mode, eager), decoding_buffer_size),
        make_window=_window(mode, batch_collection_timeout),
        max_fps=max_fps,
        max_staleness_s=_staleness(mode, processing[1]),
    )


def options_of(
    postprocessing: tuple[bool | None, float | None, float | None, int | None, int | None], masks: tuple[str, float]
) -> dict[str, Any]:
    """The options of a model: class_agnostic_nms, confidence, iou_threshold, max_candidates and max_detections, each
    from the environment if it is None and stands there, and how masks are decoded."""
    names = ("class_agnostic_nms", "confidence", "iou_threshold", "max_candidates", "max_detections")
    given = {name: value for name, value in zip(names, postprocessing, strict=True) if value is not None}
    return {**postprocessing_defaults(), **given, "mask_decode_mode": masks[0], "tradeoff_factor": masks[1]}


def is_count(value: Any) -> bool:
    """Whether it is a whole number above 0."""
    return isinstance(value, Integral) and int(value) >= 1


def check_callables(**given: Any) -> None:
    """Raises InvalidArgument for one that can neither be called nor is None: it would be told at the first frame."""
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InvalidArgument(f"{name}={value!r}: expected a function, or None")


def handlers_of(watchdog: Any, handlers: Any) -> tuple[Handler, ...]:
    """Who is told what happens, the watchdog last; not one that sees nothing. Raises InvalidArgument."""
    given = [] if handlers is None else handlers
    is_list = isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping))
    given = list(given) if is_list else [None]
    if not all(callable(handler) for handler in given):
        raise InvalidArgument(f"status_update_handlers={handlers!r}: expected a list of functions, or None")
    if watchdog is None or isinstance(watchdog, NullPipelineWatchdog):
        return tuple(given)
    if isinstance(watchdog, type) or not callable(getattr(watchdog, "on_status_update", None)):
        raise InvalidArgument(f"watchdog={watchdog!r}: expected an object of a subclass of PipelineWatchDog, or None")
    return (*given, watchdog.on_status_update)


def _eager_in(mode: VideoProcessingMode, eager: bool | None) -> bool | None:
    """Each mode but the legacy one says which frame is taken next."""
    if mode is VideoProcessingMode.LEGACY:
        return eager
    of_mode = mode is VideoProcessingMode.FRESHEST
    if eager is not None and eager is not of_mode:
        word = "EAGER" if of_mode else "LAZY"
        raise InvalidArgument(
            f"source_buffer_consumption_strategy: video_processing_mode {mode.value!r} means {word}; "
            "leave one of them out"
        )
    return of_mode


def _window(mode: VideoProcessingMode, timeout: float | None) -> Callable[[], Window]:
    if timeout is not None and not (_is_finite(timeout) and timeout >= 0):
        raise InvalidArgument(f"batch_collection_timeout={timeout!r}: expected seconds, 0 or more, or None")
    if mode is VideoProcessingMode.LEGACY:
        return partial(FixedTimeout, timeout)
    if timeout is not None:
        raise InvalidArgument(
            f"batch_collection_timeout: video_processing_mode {mode.value!r} decides itself how long a batch is "
            "collected; leave one of them out"
        )
    return partial(FixedTimeout, _FRESHEST_S) if mode is VideoProcessingMode.FRESHEST else SelfTuned


def _staleness(mode: VideoProcessingMode, given: float | None) -> float | None:
    _positive("max_staleness", given)
    if mode is VideoProcessingMode.AUTO:
        return given if given is not None else _STALENESS_S
    if given is not None:
        raise InvalidArgument("max_staleness: only video_processing_mode='auto' drops frames because of their age")
    return None


def _positive(name: str, value: float | None) -> None:
    if value is not None and not (_is_finite(value) and value > 0):
        raise InvalidArgument(f"{name}={value!r}: expected a number above 0, or None")


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and value is not True and value is not False and math.isfinite(value)
