"""Predictions: all that a model says about one frame, or the reason why it could not say anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Union

import numpy as np
import numpy.typing as npt

from mpipeline import prediction_records
from mpipeline.frame import FrameMeta
from mpipeline.masks import Masks


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The boxes of one frame as columns of equal length N, highest score first.

    `xyxy` (N, 4) float32: left, top, right, bottom in pixels of the source frame. `score` (N,) float32 in 0..1.
    `class_id` (N,) int32. `class_name`: N names.

    Models that find more than boxes add columns. `masks`: N masks of the size of the frame. `keypoints` (N, K, 3)
    float32: x, y in pixels of the source frame, and how sure it is, in 0..1; 0 where a point was not found.
    `keypoint_name`: the K names. `row`: where each stood before others were left out; None if none were.

    A tracker adds `tracker_id` (N,) int64: which object of the source it is, from 1 up, -1 if that is not clear.
    """

    xyxy: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int32]
    class_name: tuple[str, ...]
    masks: Masks | None = None
    keypoints: npt.NDArray[np.float32] | None = None
    keypoint_name: tuple[str, ...] = ()
    row: tuple[int, ...] | None = None
    tracker_id: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.score)

    def select(self, rows: Sequence[int]) -> Detections:
        """Only these, in this order; they keep the ids that they have among all."""
        whole = self.row if self.row is not None else range(len(self))
        indices = np.array(rows, np.intp)
        return replace(
            self,
            xyxy=self.xyxy[indices],
            score=self.score[indices],
            class_id=self.class_id[indices],
            class_name=tuple([self.class_name[i] for i in rows]),
            masks=None if self.masks is None else self.masks.select(rows),
            keypoints=None if self.keypoints is None else self.keypoints[indices],
            tracker_id=None if self.tracker_id is None else self.tracker_id[indices],
            row=tuple([whole[i] for i in rows]),
        )

    @property
    def is_finite(self) -> bool:
        """Whether every coordinate and score is a number, and none infinite."""
        boxes = bool(np.isfinite(self.xyxy).all() and np.isfinite(self.score).all())
        return boxes and (self.keypoints is None or bool(np.isfinite(self.keypoints).all()))

    @staticmethod
    def empty() -> Detections:
        """No boxes: the model has looked and found nothing."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), ())


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What the whole frame shows, as columns of equal length N, highest score first.

    `score` (N,) float32 in 0..1, `class_id` (N,) int32, `class_name`: N names. A frame is of one class, the first,
    and only classes that may be it are told; none if no class is likely enough. With `multi_label` each class is or
    is not there by itself: all are told, and those that score more than `threshold` are there.
    """

    score: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int32]
    class_name: tuple[str, ...]
    multi_label: bool = False
    threshold: float = 0.0

    def __len__(self) -> int:
        return len(self.score)

    def select(self, rows: Sequence[int]) -> Classification:
        """Only these classes, in this order."""
        indices = np.array(rows, np.intp)
        names = tuple([self.class_name[i] for i in rows])
        return replace(self, score=self.score[indices], class_id=self.class_id[indices], class_name=names)

    @property
    def is_finite(self) -> bool:
        """Whether every score is a number, and none infinite."""
        return bool(np.isfinite(self.score).all())


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The whole frame as a point: frames that show alike things lie close to each other.

    `vector` (D,) float32. How close two are, the cosine of the angle between them tells.
    """

    vector: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.vector)

    @property
    def is_finite(self) -> bool:
        """Whether every number is one, and none infinite."""
        return bool(np.isfinite(self.vector).all())


Findings = Union[Detections, Classification, Embedding]  # noqa: UP007 - a value, on 3.10 too: what is said of one frame


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a frame has no findings although it was due: a code for machines and a sentence for people."""

    reason: str
    message: str


def origin(source: str, model: str) -> str:
    """Where a prediction comes from, in one word; see `Prediction.origin`."""
    return f"{source}:{model}" if model else source


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says about one frame. Exactly one of detections, classification, embedding and failure is set.

    An empty `detections` means that nothing was found; a frame that could not be inferred has a `failure`. `model` is
    the name of the model where a run has several, else empty.
    """

    frame: FrameMeta
    detections: Detections | None
    failure: Failure | None = None
    classification: Classification | None = None
    embedding: Embedding | None = None
    model: str = ""

    @property
    def origin(self) -> str:
        """The source, and behind it the model if that has a name: `gate`, `gate:people`. Of each origin predictions
        come in the order of their frames."""
        return origin(self.frame.source, self.model)

    @staticmethod
    def of(frame: FrameMeta, findings: Findings) -> Prediction:
        """The prediction that consists of these findings."""
        if isinstance(findings, Classification):
            return Prediction(frame, None, classification=findings)
        if isinstance(findings, Embedding):
            return Prediction(frame, None, embedding=findings)
        return Prediction(frame, findings)

    def class_names(self) -> tuple[str, ...]:
        """The class of each detection; of a classification the first, or with `multi_label` those that are there."""
        if self.detections is not None:
            return self.detections.class_name
        found = self.classification
        if found is None or not found.multi_label:
            return found.class_name[:1] if found is not None else ()
        return tuple(
            [name for name, score in zip(found.class_name, found.score, strict=True) if score > found.threshold]
        )

    def records(self) -> list[dict[str, Any]]:
        """What was found as a list of dictionaries, with the keys of `to_dict` and numbers rounded for people.

        Of a classification one for each class; an embedding and a frame that failed have none.
        """
        if self.classification is not None:
            return prediction_records.classes(self.classification)
        if self.detections is None:
            return []
        identities = prediction_records.identities(self.frame, self.model, _places(self.detections))
        return prediction_records.rounded(prediction_records.rows(self.detections, identities))

    def fields(self) -> dict[str, Any]:
        """What was found as it stands in a line of the `jsonl` sink: `records` under `predictions`.

        A classification and an embedding have the keys of `to_dict`, less `image`.
        """
        if self.embedding is not None:
            return prediction_records.embedding_fields(self.embedding)
        if self.classification is not None:
            return prediction_records.classification_fields(self.classification)
        return {"predictions": self.records()}

    def to_dict(self, *, whole_pixels: bool = False, masks: Literal["polygon", "rle"] = "polygon") -> dict[str, Any]:
        """The dictionary that `InferencePipeline` gives for one frame; docs/predictions.md has its keys.

        With `whole_pixels` corners of boxes and key points are rounded to whole pixels first, as recent versions of
        it do. `masks`: as the outline of the largest part, or complete, in COCO's run-length form. Raises ValueError
        for a frame that failed: it has no dictionary that would not look like an empty one.
        """
        image = {"width": self.frame.width, "height": self.frame.height}
        if self.embedding is not None:
            return {"image": image, **prediction_records.embedding_fields(self.embedding)}
        if self.classification is not None:
            return {"image": image, **prediction_records.classification_fields(self.classification)}
        if self.detections is None:
            reason = self.failure.message if self.failure is not None else "it has neither findings nor a failure"
            raise ValueError(f"frame {self.frame.frame_id} of {self.frame.source} has no findings: {reason}")
        identities = prediction_records.identities(self.frame, self.model, _places(self.detections))
        found = prediction_records.rows(self.detections, identities, whole_pixels=whole_pixels, masks=masks)
        return {"image": image, "predictions": found}


def _places(found: Detections) -> Sequence[int]:
    """Where each detection stands among all that the model has found."""
    return found.row if found.row is not None else range(len(found))
