"""`get_model`: a model by path or id that runs in the caller's process, picture in, dictionaries out."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mpipeline import registry
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import BackendError, ConfigError
from mpipeline.hosted.pictures import Picture, as_list, frame_of
from mpipeline.prediction import Findings, Prediction
from mpipeline.store.progress import Progress
from mpipeline.store.resolve import ResolvedModel, resolve
from mpipeline.tensor import ModelInfo
from mpipeline.workers.loading import closed_on_error, load_model

_MAX_BATCH = 8  # pictures that are inferred at once where the model takes any number
_NOT_HERE = ("path", "id", "target")


def get_model(
    model_id: str | Path,
    api_key: str | None = None,
    *,
    fetch: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Model:
    """The model at a path (an ONNX file, a model package's folder) or of an id ("yolov8n-640", "coco/3"), loaded.

    A model of an id that is not in the cache is fetched with `api_key`, by default the one in ROBOFLOW_API_KEY, unless
    `fetch` is off. `options` are the keys of a config's model: confidence, iou_threshold, names, size, threads …

    Raises ModelUnavailable (no such model, wrong key), DownloadError, ModelError (a file that cannot be used), and
    ConfigError for a wrong option.
    """
    unknown = [key for key in _NOT_HERE if key in options]
    if unknown:
        raise ConfigError(f"{unknown[0]}: the model is named by the first argument")
    resolved = resolve(model_id, api_key=api_key, fetch=fetch, progress=progress)
    return Model(ModelSpec.from_mapping({**options, "path": str(resolved.path)}), resolved)


class Model:
    """A loaded model; made by `get_model`. It may be used from several threads, which then take turns."""

    def __init__(self, spec: ModelSpec, resolved: ResolvedModel) -> None:
        self.resolved = resolved
        self._loaded = load_model(spec, max_batch=_MAX_BATCH)
        with closed_on_error(self._loaded.backend):
            self._family = self._loaded.family_with()
            self._predictor = self._loaded.predictor(self._family, _MAX_BATCH)
        self._changes: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._name = uuid.uuid4().hex  # so that no two models give two detections the same id
        self._count = 0

    @property
    def class_names(self) -> list[str]:
        """Class id → name."""
        return list(self._family.names)

    @property
    def task_type(self) -> str:
        """What it does, in the words of model packages: "object-detection", "classification" and so on."""
        return self._family.task

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) that pictures are resized to."""
        return self._family.input_shape[2], self._family.input_shape[1]

    @property
    def info(self) -> ModelInfo:
        """What stands in the model file: inputs, outputs, metadata."""
        return self._loaded.info

    @property
    def family_name(self) -> str:
        """By which its family is called in a config; empty for one that is not in the table."""
        kinds = registry.kinds("models")
        return next((kind for kind in kinds if registry.load("models", kind) is self._loaded.family), "")

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how the model is used, and where that was learnt."""
        return (*self._loaded.notes, *self._family.notes)

    def infer(
        self,
        image: Picture | Sequence[Picture],
        *,
        confidence: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        class_agnostic_nms: bool | None = None,
    ) -> list[dict[str, Any]]:
        """What the model sees in a picture, or in each of a list: one dictionary a picture, in order.

        A picture is an array (height, width, 3) of uint8 in BGR order, or the path of a file. The options hold for this
        call alone. The form of a dictionary is that of `response`.
        """
        given = {
            "confidence": confidence,
            "iou_threshold": iou_threshold,
            "max_detections": max_detections,
            "class_agnostic_nms": class_agnostic_nms,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        ModelSpec.from_mapping({**changes, "path": str(self.resolved.path)})  # refuses what is out of bounds
        with self._lock:
            self._adjust(changes)
            return self._infer(as_list(image))

    def close(self) -> None:
        """Gives memory and threads back; harmless when repeated."""
        with self._lock:
            self._predictor.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _adjust(self, changes: dict[str, Any]) -> None:
        """Makes the family anew if the options differ from those of the last call."""
        if changes != self._changes:
            family = self._loaded.family_with(**changes)
            predictor = self._loaded.predictor(family, _MAX_BATCH)
            self._predictor.leave()
            self._family, self._predictor, self._changes = family, predictor, changes

    def _infer(self, pictures: list[Picture]) -> list[dict[str, Any]]:
        frames = []
        for picture in pictures:
            self._count += 1
            frames.append(frame_of(picture, self._name, self._count))
        found: list[Findings] = []
        for start in range(0, len(frames), self._predictor.max_batch):
            found += self._predictor.predict(frames[start : start + self._predictor.max_batch])
        if not all(one.is_finite for one in found):
            raise BackendError(f"{self.resolved.path}: the model gave boxes that are no numbers")
        return [response(Prediction.of(frame.meta, one)) for frame, one in zip(frames, found, strict=True)]


def response(prediction: Prediction) -> dict[str, Any]:
    """A prediction as a dictionary: `image` with width and height in pixels, and `Prediction.fields`."""
    size = {"width": prediction.frame.width, "height": prediction.frame.height}
    return {"image": size, **prediction.fields()}
