"""Finished boxes: outputs of models whose graph itself suppresses, or chooses, in whichever way they are laid out.

* Columns: boxes [B, N, 4], scores [B, N], classes [B, N], perhaps with the number of those that are real, [B] or
  [B, 1] (YOLO-NAS "batch format", `EfficientNMS`). Without the batch dimension they are of one frame (torchvision).
* Scored boxes [B, N, 5], the score last, and classes [B, N] (MMDeploy).
* Rows [M, 7] of all frames: number of the frame, x1, y1, x2, y2, score, class (YOLO-NAS "flat format"), or class and
  score the other way round (YOLOv7 `--end2end`): classes are whole numbers.

Boxes are x1, y1, x2, y2 in pixels of the input, or parts of it: if none of a frame reaches beyond 2, they are parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpipeline.errors import ModelError
from mpipeline.models.family import ModelOptions
from mpipeline.models.image_input import ImageInput, batch_sentence, choose_size, describe
from mpipeline.models.labels import choose_names, resolve_classes
from mpipeline.models.metadata import read_metadata
from mpipeline.models.nms import Selection
from mpipeline.models.preprocess import Preprocessor, Recipe
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, Tensor, TensorSpec

_LARGEST_PART = 2.0  # of the input, that a box reaches to; in pixels no box is so small
_ROW = 7  # numbers
_CLASS_WORDS = ("label", "class", "cls")

Columns = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Layout:
    """The outputs by what they hold, None where there is none; `batched` if they have a batch dimension."""

    boxes: TensorSpec | None = None
    scores: TensorSpec | None = None
    classes: TensorSpec | None = None
    count: TensorSpec | None = None
    rows: TensorSpec | None = None
    batched: bool = True

    def __str__(self) -> str:
        found = (self.count, self.boxes, self.scores, self.classes, self.rows)
        return ", ".join(describe(spec) for spec in found if spec is not None)


class FinishedBoxes:
    """Input and outputs of such a model."""

    def __init__(self, image: ImageInput, info: ModelInfo, options: ModelOptions, recipe: Recipe) -> None:
        metadata = read_metadata(info.metadata)
        size, size_note = choose_size(image, options.size, metadata.size, 1)
        self._layout = layout = layout_of(info)
        if not layout.batched and image.batch not in (1, None):
            raise ModelError(f"the model takes {image.batch} frames at once, but its outputs {layout} are those of one")
        self.input_name, self.input_dtype = image.name, image.dtype
        self.batch = image.batch if layout.batched else 1
        self.input_shape = (3, size[1], size[0])
        self.names, self.names_note = choose_names(options.names, metadata.names, len(metadata.names) or None)
        form = f"The outputs {layout} are finished boxes: iou_threshold has no effect."
        self.notes = (size_note, batch_sentence(self.batch), form)
        self._confidence = options.confidence
        self._selection = Selection(options, self.names, resolve_classes(options.classes, self.names))
        self.preprocessor = Preprocessor(recipe.overridden(options.normalisation), size)

    def read(self, outputs: Mapping[str, Tensor], geometries: Sequence[Geometry]) -> list[Detections]:
        """The detections of each row, highest score first; rows beyond `geometries` are padding."""
        split = self._of_columns if self._layout.rows is None else self._of_rows
        return [
            self._detections(*columns, geometry)
            for columns, geometry in zip(split(outputs, len(geometries)), geometries, strict=True)
        ]

    def _detections(self, boxes: Tensor, score: Tensor, classes: Tensor, geometry: Geometry) -> Detections:
        score, classes = score.astype(np.float32, copy=False), np.rint(classes)
        real = (score > self._confidence) & (classes >= 0)
        boxes, class_id = boxes[real].astype(np.float32, copy=False), classes[real].astype(np.int32)
        if boxes.max(initial=0.0) <= _LARGEST_PART:
            _, height, width = self.input_shape
            boxes = boxes * np.array([width, height] * 2, np.float32)
        return self._selection.rank(boxes, score[real], class_id, geometry)

    def _of_columns(self, outputs: Mapping[str, Tensor], frames: int) -> Iterator[Columns]:
        """Boxes, scores and classes of each frame."""
        layout = self._layout
        assert layout.boxes is not None
        assert layout.classes is not None
        boxes, classes = self._value(outputs, layout.boxes), self._value(outputs, layout.classes)
        scores = boxes[..., 4] if layout.scores is None else self._value(outputs, layout.scores)
        if boxes.ndim != 3 or len(boxes) < frames or not (scores.shape == classes.shape == boxes.shape[:2]):
            shapes = f"boxes {boxes.shape}, scores {scores.shape} and classes {classes.shape}"
            raise ModelError(f"the model gave {shapes} for {frames} frames, which do not belong together")
        counts = None if layout.count is None else outputs[layout.count.name].reshape(-1)
        if counts is not None and len(counts) < frames:
            raise ModelError(f"the model gave {len(counts)} counts for {frames} frames")
        for i in range(frames):
            end = boxes.shape[1] if counts is None else max(0, int(counts[i]))
            yield boxes[i, :end, :4], scores[i, :end], classes[i, :end]

    def _of_rows(self, outputs: Mapping[str, Tensor], frames: int) -> Iterator[Columns]:
        """The same of rows that say to which frame they belong."""
        assert self._layout.rows is not None
        name = self._layout.rows.name
        rows = outputs[name]
        if rows.ndim != 2 or rows.shape[1] != _ROW:
            raise ModelError(f"the model gave {name} of shape {rows.shape}; expected (boxes, {_ROW})")
        whole = [bool((rows[:, column] == np.rint(rows[:, column])).all()) for column in (5, 6)]
        if not any(whole):
            raise ModelError(f"the output {name} has no column of classes, which are whole numbers, among its last two")
        score, classes = (5, 6) if whole[1] else (6, 5)
        for i in range(frames):
            mine = rows[rows[:, 0] == i]
            yield mine[:, 1:5], mine[:, score], mine[:, classes]

    def _value(self, outputs: Mapping[str, Tensor], spec: TensorSpec) -> Tensor:
        value = outputs[spec.name]
        return value if self._layout.batched else value[None]


def layout_of(info: ModelInfo) -> Layout:
    """What each output holds. Raises ModelError if that cannot be told."""
    if len(info.outputs) == 1 and len(info.outputs[0].shape) == 2 and info.outputs[0].shape[1] in (_ROW, None):
        return Layout(rows=info.outputs[0])
    for rank in (3, 2):
        boxes = [spec for spec in info.outputs if len(spec.shape) == rank and spec.shape[-1] in (4, 5)]
        rest = [spec for spec in info.outputs if spec not in boxes]
        count = [spec for spec in rest if "num" in spec.name or spec.shape[-1:] in ((1,), ())]
        columns = [spec for spec in rest if spec not in count and len(spec.shape) == rank - 1]
        classes = [spec for spec in columns if _holds_classes(spec)]
        scores = [spec for spec in columns if spec not in classes]
        if (
            len(boxes) == len(classes) == 1
            and len(scores) == 5 - (boxes[0].shape[-1] or 0)
            and len(count) <= 1
            and len(columns) + len(count) == len(rest)
        ):
            return Layout(boxes[0], next(iter(scores), None), classes[0], next(iter(count), None), None, rank == 3)
    found = ", ".join(describe(spec) for spec in info.outputs) or "none"
    raise ModelError(
        "a model that suppresses itself has outputs for boxes [batch, n, 4], scores [batch, n] and classes [batch, n], "
        f"or scored boxes [batch, n, 5] and classes [batch, n], or rows [n, {_ROW}]; this one has {found}"
    )


def _holds_classes(spec: TensorSpec) -> bool:
    name = spec.name.lower()
    return "score" not in name and (spec.dtype.kind in "iu" or any(word in name for word in _CLASS_WORDS))
