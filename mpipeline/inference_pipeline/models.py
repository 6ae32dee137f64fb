"""From `model_id` to a model: on this machine, fetched, or an object of the caller's own; and what tracks its boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mpipeline import registry
from mpipeline.config.schema import ModelSpec
from mpipeline.config.tracker import TrackerSpec
from mpipeline.errors import InvalidArgument
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.store.resolve import resolve

_OF_FILES = ("class_agnostic_nms", "confidence", "iou_threshold", "max_detections")
_CANDIDATES = 3000  # the usual number, which no detector here is limited to


def resolve_model(model_id: Any, api_key: str | None) -> Path | Any:
    """The path of a model on this machine, or an object with `infer(images, **options)` as it was given.

    A model of an id that is not in the cache is fetched with `api_key`, by default that of the environment. Raises
    InvalidArgument, ModelError, ModelUnavailable or DownloadError.
    """
    if callable(getattr(model_id, "infer", None)):
        return model_id
    if not isinstance(model_id, (str, Path)) or not str(model_id):
        expected = "a path, an id such as 'yolov8n-640', or an object that has infer(images, **options)"
        raise InvalidArgument(f"model_id={model_id!r}: expected {expected}")
    if api_key is not None and not isinstance(api_key, str):
        raise InvalidArgument(f"api_key: expected a string, or None; got {type(api_key).__name__}")
    return resolve(model_id, api_key=api_key).path


def model_entry(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The model's part of the config, after it was loaded once: what is wrong with it is told here and now.

    Raises ModelError, BackendError or ConfigError, or InvalidArgument for an option that cannot be honoured.
    """
    from mpipeline.workers.loading import open_predictor

    if options.get("max_candidates", _CANDIDATES) != _CANDIDATES:
        raise InvalidArgument("max_candidates: every candidate above `confidence` is looked at; leave it out")
    if options.get("mask_decode_mode") != "accurate" or options.get("tradeoff_factor"):
        raise InvalidArgument(
            "mask_decode_mode and tradeoff_factor: masks are always decoded accurately; leave them out"
        )
    entry = {"path": str(path), **{name: options[name] for name in _OF_FILES if name in options}}
    predictor, _ = open_predictor(ModelSpec.from_mapping(entry), 1)
    predictor.close()
    return entry


def tracker_entry(tracker: Any, *, is_file: bool) -> dict[str, Any] | None:
    """The tracker's part of the config, after one was made once; None if none is asked for.

    Raises ConfigError, or InvalidArgument where the model is an object of the caller's own.
    """
    if tracker is None:
        return None
    if not isinstance(tracker, (str, Mapping)):
        raise InvalidArgument(f"tracker={tracker!r}: expected a kind such as 'bytetrack', or a mapping with 'kind'")
    if not is_file:
        raise InvalidArgument("tracker: only for models that are files; a model of your own may track by itself")
    spec = TrackerSpec.from_mapping({"kind": tracker} if isinstance(tracker, str) else tracker)
    registry.load("trackers", spec.kind)(spec.options, 30.0)
    return spec.to_mapping()


def logic_of(model: Any, options: Mapping[str, Any]) -> Callable[[list[VideoFrame]], Sequence[Any]]:
    """`on_video_frame` for an object of the caller's: one call for each batch.

    Results that have `dict`, as those of pydantic models, are turned into dictionaries without what is None.
    """

    def infer(frames: list[VideoFrame]) -> Sequence[Any]:
        results = model.infer([frame.image for frame in frames], **options)
        return [
            one.dict(by_alias=True, exclude_none=True) if callable(getattr(one, "dict", None)) else one
            for one in (results if isinstance(results, (list, tuple)) else [results])
        ]

    return infer
